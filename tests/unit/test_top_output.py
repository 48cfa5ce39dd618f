"""What `top` makes of output: text that steers no terminal, rows of a width, and a window that is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from swarm_store.events import OUTPUT_TYPES, Record
from swarmctl.top.ansi import Painter, wrap
from swarmctl.top.window import MOST_BYTES, Window


def chunk(offset: int, payload: bytes, start: int, stream: str = "stdout", run: int = 1) -> Record:
    data = {"run": run, "start": start, "end": start + len(payload), "lines": payload.count(b"\n")}
    return Record(offset + 1, "agents/x", offset, 0, OUTPUT_TYPES[stream], None, data, payload)


def chunks(*payloads: bytes) -> list[Record]:
    """Chunks of one stream, one after the other."""
    made, start = [], 0
    for offset, payload in enumerate(payloads):
        made.append(chunk(offset, payload, start))
        start += len(payload)
    return made


def shown(window: Window) -> list[str]:
    return [row.text.plain for row in window.rows]


@given(st.binary(max_size=300))
def test_nothing_steers_a_terminal(line: bytes) -> None:
    """Whatever the bytes, each character of the text is printable."""
    assert Painter().paint(line.replace(b"\n", b"")).plain.isprintable()


@given(st.text(alphabet="\x1b[]0;m\x07\\P38a\x9b\u202e\t\r", max_size=40))
def test_no_sequence_survives(line: str) -> None:
    """Whatever escape sequences are made of, none is left in the text."""
    assert Painter().paint(line.encode()).plain.isprintable()


def test_colours_stay() -> None:
    """A colour is kept as a style, and goes on in the next line until it is ended."""
    painter = Painter()
    first, second, third = painter.paint(b"a\x1b[31mb"), painter.paint(b"c\x1b[0m"), painter.paint(b"d")
    assert (first.plain, second.plain, third.plain) == ("ab", "c", "d")
    assert [str(span.style) for text in (first, second, third) for span in text.spans] == ["color(1)", "color(1)"]


@given(st.text(alphabet="ab世界é\u0301 ", max_size=100), st.integers(min_value=2, max_value=30))
def test_wrapping_keeps_every_character(line: str, width: int) -> None:
    """The pieces of a wrapped line fit, and together are the line."""
    pieces = wrap(Text(line), width)
    assert "".join(piece.plain for piece in pieces) == line
    assert all(piece.cell_len <= width for piece in pieces)


def test_tabs_and_carriage_returns() -> None:
    """A tab goes to the next eighth column; what a carriage return writes over is gone."""
    painter = Painter()
    assert painter.paint(b"a\tb").plain == "a       b"
    assert painter.paint(b"10%\r20%\r").plain == "20%"


def test_a_line_in_several_chunks_is_one() -> None:
    """A line that spans chunks is one row, whatever the other stream says in between."""
    window = Window(80)
    window.replace([chunk(0, b"one ", 0), chunk(1, b"err\n", 0, "stderr"), chunk(2, b"line\n", 4)])
    assert [(row.stream, row.text.plain) for row in window.rows] == [("stderr", "err"), ("stdout", "one line")]


@given(st.lists(st.binary(min_size=1, max_size=20), min_size=1, max_size=12), st.integers(min_value=0, max_value=12))
def test_it_does_not_matter_how_it_came(payloads: list[bytes], cut: int) -> None:
    """Appended or put before, chunks make the rows that they make at once."""
    made = chunks(*payloads)
    whole, appended, prepended = Window(10), Window(10), Window(10)
    whole.replace(made)
    appended.replace(made[:cut])
    for one in made[cut:]:
        appended.append([one])
    prepended.replace(made[cut:])
    prepended.prepend(made[:cut])
    assert shown(appended) == shown(whole) == shown(prepended)


def test_a_place_outlives_what_comes_before() -> None:
    """The row at the top of the screen is found again after a page was put before it, and after a resize."""
    made = chunks(*(b"line %d\n" % number for number in range(100)))
    window = Window(80)
    window.replace(made[50:])
    place = window.place(10)
    window.prepend(made[:50])
    assert window.rows[window.find(place)].text.plain == "line 60"
    window.resize(4)
    assert window.rows[window.find(place)].offset == 60


def test_the_window_is_bounded() -> None:
    """However much is appended, what is held stays in its bounds, and is the newest."""
    window, start = Window(80), 0
    for offset in range(200):
        payload = (b"x" * 63 + b"\n") * 1024
        window.append([chunk(offset, payload, start)])
        start += len(payload)
    assert sum(len(one.payload or b"") for one in window.chunks) <= 2 * MOST_BYTES
    assert window.chunks[-1].offset == 199


def test_runs_are_told_apart() -> None:
    """Between two runs stands which begins."""
    window = Window(80)
    window.replace([chunk(0, b"a\n", 0), chunk(1, b"b\n", 0, run=2)])
    assert shown(window) == ["a", "── run 2 ──", "b"]
