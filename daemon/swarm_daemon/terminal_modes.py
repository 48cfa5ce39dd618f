"""The modes that a program has set in its terminal, as the terminal's host sees them pass. Pure."""

from __future__ import annotations

LONGEST = 31  # bytes that are looked at once more: a sequence that is shorter may be cut
_WORDS = b"0123456789;"
_MOST_MODES = 256


class Modes:
    """The modes that are set, each with the sequence that has set it: a viewer that comes later needs them."""

    __slots__ = ("_keyboards", "_set")

    def __init__(self) -> None:
        self._set: dict[bytes, bytes] = {}  # what it is → what was said of it last
        self._keyboards: list[bytes] = []  # kitty's protocol: a stack

    def feed(self, output: bytes, start: int) -> None:
        """Take note of what ends after `start`: what is before was fed already, and may have been cut."""
        at = output.find(b"\x1b")
        while 0 <= at < len(output) - 1:
            kind = output[at + 1 : at + 2]
            if kind == b"[":
                self._sequence(output, at + 2, start)
            elif at + 2 > start and kind in (b"=", b">"):
                self._note(b"keypad", output[at : at + 2])
            elif at + 2 > start and kind == b"c":  # all of it is reset
                self._set.clear()
                self._keyboards.clear()
            at = output.find(b"\x1b", at + 2)

    def _sequence(self, output: bytes, at: int, start: int) -> None:
        end = at + 1
        while end < len(output) and output[end] in _WORDS:
            end += 1
        if end < start or end - at > LONGEST:  # no program means so long a one
            return
        how, words, final = output[at : at + 1], output[at + 1 : end], output[end : end + 1]
        if how == b"?" and final in (b"h", b"l"):
            for word in words.split(b";"):
                self._note(word, b"\x1b[?" + word + final)
        elif how == b">" and final == b"m":
            self._note(b"keys", b"\x1b[>" + words + final)
        elif how in (b"<", b"=", b">") and final == b"u":
            self._set_keyboard(how, words)

    def _set_keyboard(self, how: bytes, words: bytes) -> None:
        if how == b"<":
            count = int(words) if words.isdigit() else 1
            del self._keyboards[max(0, len(self._keyboards) - count) :]
        elif how == b">" and len(self._keyboards) < _MOST_MODES:
            self._keyboards.append(b"\x1b[>" + words + b"u")
        elif self._keyboards:
            self._keyboards[-1] = b"\x1b[>" + words.split(b";")[0] + b"u"

    def _note(self, what: bytes, said: bytes) -> None:
        self._set.pop(what, None)
        if len(self._set) < _MOST_MODES:
            self._set[what] = said

    def said(self) -> bytes:
        """What sets them all, in the order in which they were."""
        return b"".join([*self._set.values(), *self._keyboards])
