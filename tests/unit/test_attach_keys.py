"""The keys that detach."""

from __future__ import annotations

import pytest

from swarm_store.errors import WrongUsage
from swarmctl.attach.keys import DetachKeys, parse

KITTY, RELEASED, LOCKED, XTERM = b"\x1b[92;5u", b"\x1b[92;5:3u", b"\x1b[92;133u", b"\x1b[27;5;92~"


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("ctrl-\\,ctrl-\\", b"\x1c\x1c"),
        ("ctrl-p,ctrl-q", b"\x10\x11"),
        ("ctrl-a,d", b"\x01d"),
        ("ctrl-@", b"\0"),
        ("~,.", b"~."),
    ],
)
def test_keys_are_named(text: str, keys: bytes) -> None:
    """Keys are letters, or ctrl- and a letter, as docker has them."""
    assert parse(text) == keys


@pytest.mark.parametrize("text", ["", "ctrl-", "ctrl-ü", "alt-x", "ctrl-a,", "ab", "ctrl-1"])
def test_what_is_no_key_is_refused(text: str) -> None:
    """What no terminal sends as one byte is no key."""
    with pytest.raises(WrongUsage, match="no such detach key"):
        parse(text)


@pytest.mark.parametrize("first", [b"\x1c", KITTY, LOCKED, XTERM, KITTY + RELEASED])
@pytest.mark.parametrize("second", [b"\x1c", KITTY, XTERM])
def test_they_are_known_in_every_protocol(first: bytes, second: bytes) -> None:
    """However the terminal sends them, whole or in two reads, they detach; what comes before is handed on."""
    assert DetachKeys(b"\x1c\x1c").feed(b"ab\x1b[A" + first + second + b"lost") == (b"ab\x1b[A", True)
    keys = DetachKeys(b"\x1c\x1c")
    assert keys.feed(first) == (b"", False) and keys.holds
    assert keys.feed(second) == (b"", True)


@pytest.mark.parametrize(
    "typed",
    [b"\x1cx", b"\x1c\x1b[A", b"x\x1c\r", KITTY + b"x", KITTY + RELEASED + b"y", RELEASED, b"\x1b[92;1u", b"\xff\0"],
)
def test_what_are_not_they_is_handed_on(typed: bytes) -> None:
    """All else is handed on as it was typed, also what began as they do."""
    keys = DetachKeys(b"\x1c\x1c")
    assert keys.feed(typed) == (typed, False) and not keys.holds


def test_a_beginning_is_handed_on_late() -> None:
    """What began as they do is given up when nothing follows; the next ones count anew."""
    keys = DetachKeys(b"\x1c\x1c")
    assert keys.feed(b"\x1c") == (b"", False)
    assert keys.give_up() == b"\x1c" and not keys.holds
    assert keys.feed(b"\x1c") == (b"", False)
    assert keys.feed(b"a\x1c") == (b"\x1ca", False)
    assert keys.feed(b"\x1c") == (b"", True)


def test_letters_after_a_control() -> None:
    """A letter that follows is known plain and in a protocol; its first key again begins anew."""
    assert DetachKeys(b"\x01d").feed(b"\x01\x01d") == (b"\x01", True)
    assert DetachKeys(b"\x01d").feed(b"\x1b[97;5u\x1b[100u") == (b"", True)
