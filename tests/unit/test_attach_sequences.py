"""Escape sequences: where one is cut, which ask something, what modes they leave."""

from __future__ import annotations

import pytest

from swarm_daemon import terminal_modes
from swarmctl.attach.sequences import Modes, cut, questions, without_questions

PIECES: tuple[bytes, ...] = (
    b"text\n",
    b"\x1b[31m",
    b"\x1b[?25l",
    b"\x1b]0;title\x07",
    b"\x1b]8;;http://x\x1b\\",
    b"\x1bP+q544e\x1b\\",
)
PIECES += ("漢é✓🙂".encode(), b"\x1b(0", b"\x1b7", b"\x1b[>4;2m", b"\x1b_Gi=1;\x1b\\")


@pytest.mark.parametrize("piece", PIECES)
def test_what_is_cut_is_held(piece: bytes) -> None:
    """Wherever a sequence or character is cut, what is whole and what is not are told apart, and make it up again."""
    if b"\n" in piece:
        return
    for at in range(1, len(piece)):
        whole, rest = cut(b"before " + piece[:at])
        assert whole + rest == b"before " + piece[:at]
        if piece[:1] == b"\x1b":
            assert (whole, rest) == (b"before ", piece[:at])
        assert cut(rest + piece[at:] + b"after") == (rest + piece[at:] + b"after", b"")


def test_what_is_no_sequence_is_not_held() -> None:
    """Bytes that no sequence and no character begins with, or too many of them, are not held back."""
    for data in (b"", b"\xff", b"\x80\x80", b"\x1b[31\x00", b"\x1b]" + b"x" * 100_000, b"plain"):
        assert cut(data) == (data, b"")


ASKING = [
    *(
        b"\x1b[c",
        b"\x1b[0c",
        b"\x1b[>c",
        b"\x1b[=c",
        b"\x1b[5n",
        b"\x1b[6n",
        b"\x1b[?6n",
        b"\x1b[?996n",
        b"\x1bZ",
        b"\x05",
    ),
    *(
        b"\x1b[?2026$p",
        b"\x1b[4$p",
        b"\x1b[>q",
        b"\x1b[>0q",
        b"\x1b[?u",
        b"\x1b[14t",
        b"\x1b[18t",
        b"\x1b[21t",
        b"\x1b[x",
    ),
    *(
        b"\x1b]10;?\x07",
        b"\x1b]11;?\x1b\\",
        b"\x1b]4;5;?\x07",
        b"\x1b]52;c;?\x07",
        b"\x1bP+q544e\x1b\\",
        b"\x1bP$qm\x1b\\",
    ),
    *(b"\x1b_Gi=31,a=q;AAAA\x1b\\", b"\x1b[?4m", b"\x1b[?1;1;0S"),
]
TELLING = [
    *(
        b"\x1b[m",
        b"\x1b[2J",
        b"\x1b[?25h",
        b"\x1b[>4;2m",
        b"\x1b[>1u",
        b"\x1b[<u",
        b"\x1b[22;0t",
        b"\x1b[2 q",
        b"\x1b[3S",
    ),
    *(
        b"\x1b]0;why?\x07",
        b"\x1b]11;#000000\x07",
        b"\x1b]52;c;aGk=\x07",
        b"\x1b[s",
        b"\x1b[u",
        b"\x1b]8;;http://a/?b\x1b\\",
    ),
    *(b"\x1bPq#0\x1b\\", b"\x1b[1;24r", b"\x1b[5;5H", b"\x1b[!p", b"?c", b"[c"),
]


@pytest.mark.parametrize("asked", ASKING)
def test_questions_are_left_out(asked: bytes) -> None:
    """What a terminal answers is known as that, and left out whole."""
    assert without_questions(b"a" + asked + b"b") == b"ab"
    assert questions(b"a" + asked + b"b") == asked


@pytest.mark.parametrize("told", TELLING)
def test_the_rest_stays(told: bytes) -> None:
    """What a terminal does not answer stays."""
    assert without_questions(b"a" + told + b"b") == b"a" + told + b"b"
    assert questions(told) == b""


SETTING = b"\x1b[?1049h\x1b[?1;2004h\x1b=\x1b[?1000h\x1b[?1006h\x1b[>4;2m\x1b[>1u\x1b[>3u\x1b[<u\x1b[=5;1u"
SETTING += b"\x1b[?1000l\x1b[?25l"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_modes_are_followed(size: int) -> None:
    """However output is cut, the host and a viewer know the same modes to be set; what undoes them undoes all."""
    modes, host, before = Modes(), terminal_modes.Modes(), b""
    for at in range(0, len(SETTING), size):
        piece = SETTING[at : at + size]
        modes.feed(piece)
        host.feed(before + piece, len(before))
        before = (before + piece)[-31:]
    told = Modes()
    told.feed(host.said())
    for known in (modes, told):
        assert known.is_alternate and not known.is_cursor_shown()
        assert known.of_keys() == b"\x1b[?1h\x1b[?2004h\x1b[?1006h\x1b=\x1b[>5u\x1b[>4;2m"
        undone = known.undone()
        for part in (b"\x1b[?1l", b"\x1b[?2004l", b"\x1b[?1006l", b"\x1b>", b"\x1b[<1u", b"\x1b[>4m", b"\x1b[?25h"):
            assert part in undone
        assert b"1049" not in undone and b"?1000" not in undone
    for known in (modes, told):
        known.feed(b"\x1bc")
        assert (known.of_keys(), known.undone(), known.is_alternate) == (b"", b"", False)
