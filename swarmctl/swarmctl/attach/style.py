"""Colours and the like: what a program says by `CSI ... m`, gathered, so that it can be said again in one sequence.

Each attribute is kept in the words that it was said with, so that whatever the viewer's terminal knows is shown.
"""

from __future__ import annotations

import re

Style = dict[str, str]

_GROUPS: dict[int, str] = {
    1: "bold",
    2: "faint",
    3: "italic",
    4: "underline",
    5: "blink",
    6: "blink",
    7: "reverse",
    8: "hidden",
    9: "struck",
    21: "underline",
    53: "over",
    **dict.fromkeys((*range(30, 38), *range(90, 98)), "fg"),
    **dict.fromkeys((*range(40, 48), *range(100, 108)), "bg"),
}
_ENDS: dict[int, tuple[str, ...]] = {
    22: ("bold", "faint"),
    23: ("italic",),
    24: ("underline",),
    25: ("blink",),
    27: ("reverse",),
    28: ("hidden",),
    29: ("struck",),
    39: ("fg",),
    49: ("bg",),
    55: ("over",),
    59: ("line",),
}
_COLOURS = {38: "fg", 48: "bg", 58: "line"}
_COLOUR_LENGTH = {"5": 3, "2": 5}  # words of a colour that is written with semicolons
_WORD = re.compile(r"\d*(?::\d*)*")


def restyle(style: Style, words: str) -> Style:
    """The style after `CSI <words> m`."""
    after = dict(style)
    given = words.split(";")
    while given:
        word = given.pop(0)
        number = int(word.partition(":")[0] or 0)
        if number in _COLOURS:
            if ":" not in word:
                more = _COLOUR_LENGTH.get(given[0], 1) - 1 if given else 0
                word, given = ";".join([word, *given[:more]]), given[more:]
            after[_COLOURS[number]] = word
        elif number == 0:
            after.clear()
        elif word == "4:0":
            after.pop("underline", None)
        elif number in _GROUPS:
            after[_GROUPS[number]] = word
        else:
            for group in _ENDS.get(number, ()):
                after.pop(group, None)
    return after


def spoken(style: Style) -> str:
    """The words that give just this style, whatever was before."""
    return ";".join(["0", *style.values()])
