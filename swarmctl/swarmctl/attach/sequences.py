"""What is to be known of escape sequences without a screen: modes, questions, and where one is cut.

Of bytes as programs write them to a terminal: xterm's control sequences, with the keyboard protocol of kitty.
"""

from __future__ import annotations

import re

# What may go on in the next bytes: an escape sequence, a string that one begins, a character.
_CUT_SEQUENCE = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*|[ -/]*|[\]PX^_][^\x07\x1b]*\x1b?)")
_CUT_CHARACTER = re.compile(rb"(?:[\xc2-\xdf]|[\xe0-\xef][\x80-\xbf]?|[\xf0-\xf4][\x80-\xbf]{0,2})\Z")
_STRINGS = tuple(b"\x1b" + begun for begun in (b"]", b"P", b"X", b"^", b"_"))
_LONGEST_CUT = 1 << 16  # what is longer is no sequence
# What a terminal answers as if it were typed: who it is, how it is, where its cursor is, its modes, colours, clipboard.
_QUESTIONS = re.compile(
    rb"\x05|\x1bZ"
    rb"|\x1b\[[>=]?0?c|\x1b\[\??[\d;]*n|\x1b\[>?[01]?[qx]|\x1b\[>0?q|\x1b\[\??[\d;]*\$p|\x1b\[\?u|\x1b\[\?\d*m"
    rb"|\x1b\[(?:1[1345689]|2[01])(?:;\d*)*t|\x1b\[\?[\d;]*S|\x1b\[[\d;]*\*y|\x1b\[[\d;]*[\$&]w|\x1b\[\?1;\d*;\d*S"
    rb"|\x1b\](?:\d+;)+(?:[^\x07\x1b]*;)?\?(?:[^\x07\x1b]*)(?:\x07|\x1b\\)"
    rb"|\x1bP(?:\+q|\$q)[^\x1b]*\x1b\\|\x1b_G[^\x1b]*\x1b\\"
)
_MODE = re.compile(
    rb"\x1b(?:\[\?(?P<private>[\d;]+)(?P<on>[hl])|(?P<keypad>[=>])|\[(?P<how>[<>=])(?P<flags>[\d;]*)u"
    rb"|\[>(?P<other>[\d;]*)m|\[(?P<cursor>\d*) q|(?P<reset>c)|(?P<soft>\[!p))"
)
ALTERNATE = (47, 1047, 1049)
_WRAP, _CURSOR, _ORIGIN = 7, 25, 6
_ON_AT_FIRST = (_WRAP, _CURSOR)
# Of the screen, not of the keys: a picture has them itself, or they are of no moment.
_OF_THE_SCREEN = (3, 5, _ORIGIN, _WRAP, 12, _CURSOR, 40, 45, *ALTERNATE, 69, 80, 1048, 2026, 2027)


def cut(data: bytes) -> tuple[bytes, bytes]:
    """What is whole, and the beginning of what goes on in the next bytes."""
    at = data.rfind(b"\x1b")
    if at == len(data) - 1 and (before := data.rfind(b"\x1b", 0, max(at, 0))) >= 0:
        at = before if data.startswith(_STRINGS, before) else at  # this escape may be half of the string's end
    if at < 0 or len(data) - at > _LONGEST_CUT or not _CUT_SEQUENCE.fullmatch(data, at):
        found = _CUT_CHARACTER.search(data, max(0, len(data) - 3))
        at = found.start() if found else len(data)
    return data[:at], data[at:]


def without_questions(data: bytes) -> bytes:
    """What a terminal answers left out; `data` ends with whole sequences: see cut."""
    return _QUESTIONS.sub(b"", data)


def questions(data: bytes) -> bytes:
    """What a terminal answers alone."""
    return b"".join(found[0] for found in _QUESTIONS.finditer(data))


class Modes:
    """The modes that a program has set in its terminal, of keys and of the screen."""

    def __init__(self) -> None:
        self._held = b""
        self._reset()

    def _reset(self) -> None:
        self.private: dict[int, bool] = {}
        self._keypad = False
        self._kitty: list[bytes] = []
        self._other_keys = b""
        self._cursor = b""

    @property
    def is_alternate(self) -> bool:
        """Whether the alternate screen is shown."""
        return any(self.private.get(mode) for mode in ALTERNATE)

    def feed(self, data: bytes) -> None:
        """Take up what was written."""
        data, self._held = cut(self._held + data)
        if b"\x1b" in data:
            for found in _MODE.finditer(data):
                self._heed(found)

    def _heed(self, found: re.Match[bytes]) -> None:
        if found["private"]:
            for word in found["private"].split(b";"):
                self._set(int(word or 0), found["on"] == b"h")
        elif found["keypad"]:
            self._keypad = found["keypad"] == b"="
        elif found["how"]:
            self._heed_kitty(found["how"], found["flags"])
        elif found["other"] is not None:
            self._other_keys = found[0] if found["other"].startswith(b"4;") else b""
        elif found["cursor"] is not None:
            self._cursor = found[0]
        else:
            self._reset()

    def _set(self, mode: int, on: bool) -> None:
        if mode in ALTERNATE:
            self.private.update(dict.fromkeys(ALTERNATE, False))
        self.private.pop(mode, None)  # the last one is the last that is said
        self.private[mode] = on

    def _heed_kitty(self, how: bytes, flags: bytes) -> None:
        if how == b"<":
            del self._kitty[len(self._kitty) - min(len(self._kitty), int(flags or 1)) :]
        elif how == b">":
            self._kitty.append(b"\x1b[>%su" % flags)
        elif self._kitty:
            self._kitty[-1] = b"\x1b[>%su" % flags.partition(b";")[0]

    def of_keys(self) -> bytes:
        """What sets the modes that decide what keys, mouse and pasting send, in a terminal that has none of them on."""
        said = [
            b"\x1b[?%dh" % mode
            for mode, on in self.private.items()
            if on and mode not in _OF_THE_SCREEN and mode not in _ON_AT_FIRST
        ]
        said += [b"\x1b="] if self._keypad else []
        return b"".join([*said, *self._kitty, self._other_keys])

    def of_screen(self) -> bytes:
        """What sets those of the screen that a picture has not: whether it is reversed, wraps; the cursor's look."""
        off = [b"\x1b[?%dl" % mode for mode in (_WRAP,) if not self.private.get(mode, True)]
        on = [b"\x1b[?%dh" % mode for mode in (5, 12, 45) if self.private.get(mode)]
        return b"".join([*off, *on, self._cursor])

    def is_cursor_shown(self) -> bool:
        return self.private.get(_CURSOR, True)

    def undone(self) -> bytes:
        """What sets a terminal back in which all of these were set, apart from the alternate screen."""
        said = [
            b"\x1b[?%d%s" % (mode, b"h" if mode in _ON_AT_FIRST else b"l")
            for mode, on in self.private.items()
            if on != (mode in _ON_AT_FIRST) and mode not in (*ALTERNATE, 1048)
        ]
        said += [b"\x1b>"] if self._keypad else []
        said += [b"\x1b[<%du" % len(self._kitty)] if self._kitty else []
        said += [b"\x1b[>4m"] if self._other_keys else []
        said += [b"\x1b[0 q"] if self._cursor else []
        return b"".join(said)
