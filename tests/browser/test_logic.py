"""The pure parts of the page, in the engine that runs them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from support.browser import Person
from support.homes import empty_log  # noqa: F401
from support.servers import serving

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser

Run = Callable[..., Any]
SSE = """([parts]) => import("/page/sse.js").then(({ SseParser }) => {
  const parser = new SseParser();
  return parts.flatMap((part) => parser.feed(new Uint8Array(part)));
})"""


@pytest.fixture(scope="module")
def run(browser: Browser, tmp_path_factory: pytest.TempPathFactory, empty_log: Path) -> Iterator[Run]:  # noqa: F811
    """`run(function, *arguments)`: what a function gives in a page of the server."""
    home = tmp_path_factory.mktemp("logic") / "home"
    home.mkdir(mode=0o700)
    (home / "swarm.db").write_bytes(empty_log.read_bytes())
    (home / "swarm.db").chmod(0o600)
    with serving(home) as server, Person(browser) as one:
        one.open(server)
        yield lambda function, *arguments: one.page.evaluate(function, list(arguments))


def pieces(data: bytes, cuts: list[int]) -> list[list[int]]:
    """`data`, cut at places."""
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [list(data[a:b]) for a, b in pairwise(places)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some.lists(
        some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1),
        min_size=1,
        max_size=4,
    ),
    some.sampled_from(["\n", "\r", "\r\n"]),
    some.lists(some.integers(0, 500), max_size=6),
)
def test_events_survive_any_cut(run: Run, lines: list[str], end: str, cuts: list[int]) -> None:
    """Events are the same however lines end and wherever the bytes were cut, in a character or in a CRLF too."""
    text = f": a sign of life{end}event: data{end}" + "".join(f"data:{line}{end}" for line in lines) + end
    expected = "\n".join(line.removeprefix(" ") for line in lines)
    assert run(SSE, pieces(text.encode(), cuts)) == [{"event": "data", "data": expected}]


def test_an_event_without_its_end_is_none(run: Run) -> None:
    """What has no empty line after it is not given out; an event without data neither."""
    assert run(SSE, [list(b"event: data\ndata: {}\n")]) == []
    assert run(SSE, [list(b"event: control\n\n")]) == []


ANSI = """([line, raw]) => import("/page/ansi.js").then(({ runs, PLAIN }) =>
  runs(line, PLAIN, raw).map(({ text, style, control }) => [text, style.fg, style.bg, style.flags, control]))"""


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("plain", [["plain", None, None, "", False]]),
        ("\x1b[31mred\x1b[0m.", [["red", 1, None, "", False], [".", None, None, "", False]]),
        ("\x1b[1;97;104mx", [["x", 15, 12, "b", False]]),
        ("\x1b[38;5;208mx\x1b[48;5;16my", [["x", 208, None, "", False], ["y", 208, 16, "", False]]),
        ("\x1b[38;2;1;2;3mx", [["x", [1, 2, 3], None, "", False]]),
        ("\x1b[38:2::1:2:3mx\x1b[38:5:9my", [["x", [1, 2, 3], None, "", False], ["y", 9, None, "", False]]),
        ("\x1b[4:3;3;9mx\x1b[23;24;29my", [["x", None, None, "uis", False], ["y", None, None, "", False]]),
        ("\x1b[38;5mx", [["x", None, None, "", False]]),
        (
            "a\x1b[2Kb\x1b[?25lc",
            [["a", None, None, "", False], ["b", None, None, "", False], ["c", None, None, "", False]],
        ),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", [["link", None, None, "", False]]),
        ("10%\r20%\r", [["\\r ", None, None, "", True], ["20%", None, None, "", False]]),
        ("crlf\r", [["crlf", None, None, "", False]]),
        ("a\x07b", [["a", None, None, "", False], ["\\x07", None, None, "", True], ["b", None, None, "", False]]),
    ],
)
def test_escape_sequences(run: Run, line: str, expected: list[Any]) -> None:
    """Colours and emphasis are styles, all other sequences nothing, other controls are made visible."""
    assert run(ANSI, line, False) == expected


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(some.text("\x1b[]0123456789;:mKJ\x07\\ab\r\u009b\u202e\t日", max_size=60), some.integers(1, 30))
def test_whatever_is_written_fits_the_rows(run: Run, line: str, cols: int) -> None:
    """No text makes a row wider than the screen, and nothing that steers is left in any."""
    rows = run(
        """([line, cols]) => Promise.all([import("/page/ansi.js"), import("/page/layout.js")]).then(([ansi, layout]) =>
             layout.wrap(ansi.runs(line, ansi.PLAIN), cols).map((row) => row.map((run) => run.text).join("")))""",
        line,
        max(2, cols),
    )
    for row in rows:
        assert sum(2 if char == "日" else 1 for char in row.removesuffix(" ")) <= max(2, cols)
        assert not set(row) & set("\x1b\x07\r\u009b\u202e\t")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    some.lists(some.tuples(some.sampled_from(["stdout", "stderr"]), some.text("ab\né", max_size=12)), max_size=12),
    some.data(),
)
def test_lines_are_the_streams_own(run: Run, writes: list[tuple[str, str]], data: Any) -> None:
    """However two streams interleave and wherever chunks cut lines and characters, each line is whole, and once."""
    whole = {name: "".join(text for stream, text in writes if stream == name).encode() for name in ("stdout", "stderr")}
    left = dict(whole)
    records: list[dict[str, Any]] = []
    while any(left.values()):
        name = data.draw(some.sampled_from([name for name, rest in left.items() if rest]))
        size = data.draw(some.integers(1, len(left[name])))
        chunk, left[name] = left[name][:size], left[name][size:]
        end = len(whole[name]) - len(left[name])
        records.append(record(len(records), name, end - size, chunk))
    got = run(LINES, records)
    for name, text in whole.items():
        assert [line for stream, line in got if stream == name] == [line for line in text.decode().split("\n") if line]


def record(n: int, stream: str, start: int, chunk: bytes) -> dict[str, Any]:
    """A chunk as the stream gives it: as text where it is UTF-8 by itself."""
    data = {"run": 1, "start": start, "end": start + len(chunk), "lines": chunk.count(b"\n")}
    try:
        payload = {"text": chunk.decode()}
    except UnicodeDecodeError:
        payload = {"base64": base64.b64encode(chunk).decode()}
    return {"offset": n, "time": "2026-01-01T00:00:00Z", "type": f"{stream}:written", "data": data, **payload}


LINES = """([records]) => import("/page/window.js").then(({ OutputWindow }) => {
  const window = new OutputWindow(80);
  for (const record of records) window.append([record]);
  const again = new OutputWindow(80); // read backwards, as somebody scrolls
  again.clear(records.length);
  for (const record of [...records].reverse()) again.prepend([record]);
  const lines = (w) => w.settle().flatMap((block) =>
    Array.from({ length: block.count }, (_, i) => [block.stream, block.line(i)])).filter(([, line]) => line);
  if (JSON.stringify(lines(window)) !== JSON.stringify(lines(again))) throw new Error("backwards it is another text");
  return lines(window);
})"""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("make -j4", ["make", "-j4"]),
        ("claude -p 'fix the \"tests\"'", ["claude", "-p", 'fix the "tests"']),
        ("a\"b c\"d '' e\\ f", ["ab cd", "", "e f"]),
        ('"\\$x \\n"', ["$x \\n"]),
    ],
)
def test_words_of_a_command(run: Run, line: str, words: list[str]) -> None:
    """A command line is split as a shell would split it."""
    assert run("""([line]) => import("/page/text.js").then(({ words }) => words(line))""", line) == words


def test_memory_is_bounded(run: Run) -> None:
    """A window that is given ten times what it may hold holds what it may, the newest, and knows where that begins."""
    first, next, size = run(
        """() => import("/page/window.js").then(({ OutputWindow }) => {
             const window = new OutputWindow(80, { mostBytes: 1 << 20 });
             for (let n = 0; n < 1000; n++) {
               const text = "x".repeat(99).concat("\\n").repeat(100);
               window.append([{ offset: n, time: "", type: "stdout:written", text,
                                data: { run: 1, start: n * 10000, end: (n + 1) * 10000, lines: 100 } }]);
               window.trimFront();
             }
             return [window.first, window.next, window.size];
           })"""
    )
    assert next == 1000 and size <= 1 << 20 and 920 < first < 940
