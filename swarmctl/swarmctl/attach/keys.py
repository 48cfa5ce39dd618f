"""The keys that detach: as they are written (`ctrl-p,ctrl-q`, as docker does), and as terminals send them.

A program may have switched the terminal to a keyboard protocol that sends ctrl-\\ as `CSI 92;5u` (kitty's) or
`CSI 27;5;92~` (xterm's modifyOtherKeys): the keys are known in these forms too.
"""

from __future__ import annotations

import re

from swarm_store.errors import WrongUsage

PATIENCE = 1.0  # seconds after which keys that may be the beginning are handed on

_CODED = re.compile(
    rb"\x1b\[(\d+)(?::\d*)*(?:;(\d+)(?::(\d))?)?(?:;[\d:]*)?u|\x1b\[27;(\d+);(\d+)~|[\0-\xff]", re.DOTALL
)
_SHIFT, _CTRL, _LOCKS, _RELEASED = 1, 4, 64 + 128, b"3"


def parse(text: str) -> bytes:
    """The bytes of keys such as `ctrl-p,ctrl-q` or `ctrl-a,d`. Raises WrongUsage."""
    return bytes(_key(word) for word in text.split(","))


def _key(word: str) -> int:
    if len(word) == 1 and " " < word <= "~":
        return ord(word)
    name = word.removeprefix("ctrl-")
    if name != word and len(name) == 1 and "@" <= name.upper() <= "_":
        return ord(name.upper()) - 64
    raise WrongUsage(f"no such detach key: {word!r}", "a letter, or ctrl- and one of a-z @ [ \\ ] ^ _; commas between")


class DetachKeys:
    """Looks for the keys in what is typed. What may begin them is held back, until it does not, or is due."""

    def __init__(self, wanted: bytes) -> None:
        self._wanted = wanted
        self._seen = 0  # so many of the keys have come
        self._held = b""

    def feed(self, typed: bytes) -> tuple[bytes, bool]:
        """What goes to the program, and whether these were the keys: what was typed after them is dropped."""
        handed_on = b""
        for token in _CODED.finditer(typed):
            key = _plain(token)
            if key == _RELEASE:
                if self._seen:
                    self._held += token[0]
                else:
                    handed_on += token[0]
            elif key == self._wanted[self._seen]:
                self._seen, self._held = self._seen + 1, self._held + token[0]
                if self._seen == len(self._wanted):
                    return handed_on, True
            else:
                handed_on += self.give_up()
                if key == self._wanted[0] and len(self._wanted) > 1:
                    self._seen, self._held = 1, token[0]
                else:
                    handed_on += token[0]
        return handed_on, False

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._held)

    def give_up(self) -> bytes:
        """What was held back."""
        held, self._held, self._seen = self._held, b"", 0
        return held


_NONE, _RELEASE = -1, -2


def _plain(token: re.Match[bytes]) -> int:
    """The byte that this key is without a protocol; _NONE where it has none, _RELEASE where a key is let go."""
    code, modifiers, event, other_modifiers, other_code = token.groups()
    if code is None and other_code is None:
        return token[0][0]
    if event == _RELEASED:
        return _RELEASE
    number = int(code or other_code)
    held = (int(modifiers or other_modifiers or 1) - 1) & ~_LOCKS
    if held & ~_SHIFT == _CTRL and 64 <= number < 128:
        return number & 0x1F
    return number if held in (0, _SHIFT) and number < 128 else _NONE
