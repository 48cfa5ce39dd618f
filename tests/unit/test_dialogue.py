"""What a typed line means, and what is shown of a message while it is written."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as some

from swarmctl.attach.dialogue import Written, meaning, wrapped


@pytest.mark.parametrize(
    ("text", "what", "rest"),
    [
        *((text, "yes", "") for text in ("y", "Y", "yes", " Yes ")),
        *((text, "always", "") for text in ("a", "always")),
        *((text, "edit", "") for text in ("e", "edit")),
        *((text, "no", "") for text in ("n", "No", "no.")),
        ("no, use git stash", "no", "use git stash"),
        ("n: not\nnow", "no", "not\nnow"),
        *((text, "send", text) for text in ("yes please", "north", "nothing", "a b", "yes\nno")),
    ],
)
def test_answers(text: str, what: str, rest: str) -> None:
    """While something is asked these are answers; a word that only begins so is a turn, and so is a yes with more."""
    assert meaning(text, is_asked=True) == (what, rest)
    assert meaning(text, is_asked=False) == ("send", text)


@pytest.mark.parametrize("is_asked", [False, True])
def test_what_is_never_a_turn(is_asked: bool) -> None:
    """Nothing is nothing, and /detach leaves; another word with a slash is the agent's."""
    assert meaning(" \n", is_asked=is_asked) == ("nothing", "")
    assert meaning(" /detach ", is_asked=is_asked) == ("detach", "")
    assert meaning("/compact", is_asked=is_asked) == ("send", "/compact")


def shown(written: Written) -> list[str]:
    return written.lines("claude", 80, 20)


def test_what_is_being_written() -> None:
    """Deltas are put together, by role, under their headings; whole messages end them."""
    written = Written()
    written.add("thought", "hm")
    written.add("assistant", "Hel")
    written.add("assistant", "lo\nyou")
    assert shown(written) == ["", "claude, thinking:", "  hm", "", "claude:", "  Hello", "  you"]
    written.whole("assistant", "Hello\nyou")
    assert shown(written) == ["", "claude, thinking:", "  hm"]
    written.clear()
    assert shown(written) == []


@given(some.text(min_size=1), some.data())
def test_nothing_is_shown_twice(text: str, data: some.DataObject) -> None:
    """However a message's deltas fall around its whole, from wherever a viewer came, nothing of it is left over."""
    places = data.draw(some.lists(some.integers(0, len(text)), max_size=5).map(sorted))
    start = data.draw(some.integers(0, len(text)))
    cuts = [start, *(place for place in places if place > start), len(text)]
    deltas = [text[a:b] for a, b in pairwise(cuts) if a < b]
    when = data.draw(some.integers(0, len(deltas)))
    written = Written()
    for delta in deltas[:when]:
        written.add("assistant", delta)
    written.whole("assistant", text)
    for delta in deltas[when:] if when else ():
        written.add("assistant", delta)
    if when and text.find("".join(deltas[:when])) == start:  # else what was seen of it stands in it twice
        assert shown(written) == []


def test_what_comes_after_a_whole_message_is_the_next() -> None:
    """Deltas that do not go on with the message are those of another."""
    written = Written()
    written.add("assistant", "one")
    written.whole("assistant", "one")
    written.add("assistant", "two")
    assert shown(written) == ["", "claude:", "  two"]


def test_long_and_hostile_text() -> None:
    """Lines are wrapped to the width, only the last are shown, and control characters are letters."""
    written = Written()
    written.add("assistant", "x" * 25 + "\x1b[2J\n" + "\n".join("abc"))
    assert all(line.isprintable() and len(line) <= 12 for line in written.lines("c", 12, 20))
    assert written.lines("c", 12, 2) == ["  b", "  c"]


def test_lines_are_broken_between_words() -> None:
    """A long line is broken at blanks, each piece indented as the first; a word that is too long anywhere."""
    assert wrapped("  one two three", 9) == ["  one two", "  three"]
    assert wrapped("  " + "x" * 20 + " y", 12) == ["  " + "x" * 10, "  " + "x" * 10, "  y"]
    assert wrapped("short", 80) == ["short"] and wrapped("", 80) == [""]
    assert wrapped("日本語 日本", 8) == ["日本語", "日本"]


@given(some.text(alphabet="ab 日", max_size=60), some.integers(8, 30))
def test_nothing_is_lost_by_breaking(line: str, width: int) -> None:
    """Every word is there, in order, whatever the width; no piece is wider."""
    pieces = wrapped(line, width)
    assert "".join(pieces).replace(" ", "") == line.replace(" ", "")
