"""A picture that is drawn again on another screen is the same, whatever was drawn on it, and goes on the same."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from swarmctl.attach.picture import Picture
from swarmctl.attach.redrawing import drawn, row
from swarmctl.attach.sequences import Modes

ROWS, COLUMNS = 6, 12
NUMBERS = st.integers(0, 14)
SIMPLE = st.sampled_from("@ABCDEFGHIJKLMPSTXZ`abdefgrsu")
SEQUENCES = st.builds(
    lambda final, params: f"\x1b[{';'.join(map(str, params))}{final}".encode(), SIMPLE, st.lists(NUMBERS, max_size=2)
)
STYLES = st.sampled_from(
    [
        b"\x1b[1;31m",
        b"\x1b[44m",
        b"\x1b[38;5;200m",
        b"\x1b[38:2::1:2:3m",
        b"\x1b[4:3;58;5;9m",
        b"\x1b[7m",
        b"\x1b[m",
        b"\x1b[22;39m",
    ]
)
MODES = st.sampled_from(
    [
        *(
            b"\x1b[?1049h",
            b"\x1b[?1049l",
            b"\x1b[?47h",
            b"\x1b[?47l",
            b"\x1b[?7l",
            b"\x1b[?7h",
            b"\x1b[?6h",
            b"\x1b[?6l",
        ),
        *(
            b"\x1b[4h",
            b"\x1b[4l",
            b"\x1b7",
            b"\x1b8",
            b"\x1bM",
            b"\x1bD",
            b"\x1bE",
            b"\x1bc",
            b"\x1b(0",
            b"\x1b(B",
            b"\x1b[!p",
        ),
    ]
)
TEXT = st.sampled_from(
    [b"a", b"hello world", b"\r\n", b"\n", b"\r", b"\b", b"\t", "漢字".encode(), "e\u0301".encode(), b"qqxx"]
)
JUNK = st.binary(max_size=6)
OUTPUT = st.lists(st.one_of(TEXT, TEXT, SEQUENCES, STYLES, MODES, JUNK), max_size=40).map(b"".join)

# What goes on from what a terminal shows and stands at; it does not ask for what was said long ago.
AFTER = (
    st.lists(st.one_of(TEXT, TEXT, STYLES, st.sampled_from([b"\x1b[H", b"\x1b[K", b"\x1b[2B"])), max_size=20)
    .map(b"".join)
    .filter(lambda one: b"b" not in one)
)


def shown(picture: Picture) -> list[str]:
    return [row(picture, y) for y in range(ROWS)]


@settings(max_examples=300, deadline=None)
@given(OUTPUT, AFTER)
def test_drawn_again_it_is_the_same(before: bytes, after: bytes) -> None:
    """What is drawn from a picture shows the same, and whatever comes then does the same to both."""
    first, second, modes = Picture(ROWS, COLUMNS), Picture(ROWS, COLUMNS), Modes()
    first.feed(before)
    modes.feed(before)
    second.feed(drawn(first, modes))
    assert shown(second) == shown(first)
    assert second.is_alternate == first.is_alternate
    assert (second.cursor.x, second.cursor.y) == (first.cursor.x, first.cursor.y)
    first.feed(after)
    second.feed(after)
    assert shown(second) == shown(first)


@settings(max_examples=200, deadline=None)
@given(OUTPUT, st.integers(1, 9))
def test_pieces_make_the_same(output: bytes, size: int) -> None:
    """However output is cut, the picture is the same."""
    whole, pieces = Picture(ROWS, COLUMNS), Picture(ROWS, COLUMNS)
    whole.feed(output)
    for at in range(0, len(output), size):
        pieces.feed(output[at : at + size])
    assert shown(pieces) == shown(whole)
    assert (pieces.cursor.x, pieces.cursor.y) == (whole.cursor.x, whole.cursor.y)
