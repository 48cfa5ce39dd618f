"""The piece of an agent's output that is held: chunks as the log has them, and the rows that they make. Pure.

It is bounded: what is shown moves through the log, of which never more than this is in memory. A line belongs to the
chunk in which it ends; one that has not ended yet is shown after all others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from rich.text import Text

from swarm_store.events import Record
from swarm_store.output import STREAM_OF, Once

from .ansi import Painter, wrap

MOST_BYTES = 512 * 1024
MOST_ROWS = 8000
LONGEST_LINE = 64 * 1024  # bytes of a line that are shown


class Row(NamedTuple):
    """A row of the screen: the chunk its line ended in, of which stream and run, and what is in it."""

    offset: int
    stream: str  # stdout, stderr; or "" for a row of our own
    run: int
    text: Text


class Window:
    """Chunks that lie side by side in the log, and their rows at one width."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.chunks: list[Record] = []
        self.rows: list[Row] = []
        self._forget()

    def replace(self, chunks: list[Record]) -> None:
        """Hold these instead."""
        self.chunks = list(chunks)
        self._build()

    def append(self, chunks: list[Record]) -> None:
        """Hold what comes after, too; what is too much then goes at the front."""
        self.chunks += chunks
        if self._is_too_much(2):
            while self._is_too_much(1) and len(self.chunks) > 2:
                self.chunks = self.chunks[len(self.chunks) // 4 or 1 :]
            self._build()
        else:
            self._add(chunks)

    def prepend(self, chunks: list[Record]) -> None:
        """Hold what comes before, too; what is too much then goes at the end."""
        self.chunks = [*chunks, *self.chunks]
        while self._is_too_much(2) and len(self.chunks) > len(chunks) + 1:
            self.chunks = self.chunks[: -(len(self.chunks) - len(chunks)) // 2]
        self._build()

    def resize(self, width: int) -> None:
        """Lay the rows out anew."""
        if width != self.width:
            self.width = width
            self._build()

    def place(self, index: int) -> tuple[int, int]:
        """Where a row is, in words that outlive what is added before or after: its chunk, and how far from its end."""
        last = index = min(index, len(self.rows) - 1)
        row = self.rows[index]
        while last + 1 < len(self.rows) and self.rows[last + 1].offset == row.offset:
            last += 1
        return row.offset, last - index

    def find(self, place: tuple[int, int]) -> int:
        """The row at a place; where it is not there any more, the nearest."""
        offset, from_end = place
        last = len(self.rows) - 1
        while last > 0 and self.rows[last].offset > offset:
            last -= 1
        return max(0, last - from_end)

    def _is_too_much(self, times: int) -> bool:
        size = sum(len(chunk.payload or b"") for chunk in self.chunks)
        return size > times * MOST_BYTES or len(self.chunks) > times * MOST_ROWS or len(self.rows) > 4 * MOST_ROWS

    def _forget(self) -> None:
        self._once = Once()
        self._unfinished: dict[tuple[str, int], tuple[Record, bytes]] = {}
        self._painters: dict[tuple[str, int], Painter] = {}
        self._run = 0
        self._loose = 0  # how many of the last rows are of lines that have not ended yet

    def _build(self) -> None:
        self._forget()
        self.rows = []
        self._add(self.chunks)

    def _add(self, chunks: Iterable[Record]) -> None:
        if self._loose:
            del self.rows[-self._loose :]
        for chunk in chunks:
            fresh = self._once.fresh(chunk)
            if fresh is not None:
                self._split(fresh)
        before, run = len(self.rows), self._run
        for (stream, _), (record, rest) in self._unfinished.items():
            self.rows += self._rows_of(record, stream, rest, Painter())
        self._loose, self._run = len(self.rows) - before, run

    def _split(self, chunk: Record) -> None:
        """Add the rows of the lines that a chunk ends, and keep what it leaves unfinished."""
        stream, run = STREAM_OF[chunk.type], chunk.data["run"]
        _, held = self._unfinished.pop((stream, run), (chunk, b""))
        *lines, rest = (held + (chunk.payload or b"")).split(b"\n")
        painter = self._painters.setdefault((stream, run), Painter())
        for line in lines:
            self.rows += self._rows_of(chunk, stream, line, painter)
        if rest:
            self._unfinished[stream, run] = (chunk, rest[-LONGEST_LINE:])

    def _rows_of(self, record: Record, stream: str, line: bytes, painter: Painter) -> Iterator[Row]:
        run = record.data["run"]
        if run != self._run:
            if self._run or run > 1:
                yield Row(record.offset, "", run, Text(f"── run {run} ──", "dim"))
            self._run = run
        text = painter.paint(line[-LONGEST_LINE:])
        for piece in wrap(text, self.width):
            yield Row(record.offset, stream, run, piece)
