"""Which chunks of output are wanted, and printing what is there of them: what `logs` shares with the server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from swarm_store.events import Record
from swarm_store.follow import PAGE
from swarm_store.log import FOREVER, Log
from swarm_store.output import last_chunks

from .streams import Printer


class Chosen(NamedTuple):
    """Which chunks are wanted: of stdout or stderr, of one run, between two times (microseconds)."""

    types: list[str]
    run: int | None = None
    since: int = 0
    to: int = FOREVER

    def is_of(self, record: Record) -> bool:
        """Whether it is of such a stream and run, whenever it was written."""
        return record.type in self.types and self.run in (None, record.data["run"])

    def is_in_time(self, record: Record) -> bool:
        """Whether it was written between the two times."""
        return self.since <= record.time < self.to

    def read(self, log: Log, stream: str, *, start: int = 0, until: int = FOREVER) -> list[Record]:
        """A page of `stream` from the offset `start` on."""
        return log.read(stream, start=start, until=until, limit=PAGE, **self._asdict())

    def newest_first(self, log: Log, stream: str, until: int) -> Iterator[Record]:
        while page := log.read(stream, until=until, limit=PAGE, backwards=True, **self._asdict()):
            yield from page
            until = page[-1].offset

    def just_before(self, log: Log, stream: str, *, until: int = FOREVER, to: int = FOREVER) -> list[Record]:
        """The last chunk of each type before an offset or a time."""
        wanted: dict[str, Any] = {"until": until, "to": to, "run": self.run, "limit": 1, "backwards": True}
        found = (log.read(stream, types=[type], **wanted) for type in self.types)
        return [chunk for chunks in found for chunk in chunks]


def print_so_far(
    log: Log, printer: Printer, stream: str, chosen: Chosen, last: int | None, head: int
) -> Iterator[None]:
    """Print what `stream` has before the offset `head`, or the `last` lines of that; a page with each step."""
    if last is not None:
        _print_last(log, printer, stream, chosen, last, head)
        yield
        return
    start = 0
    if chosen.since:
        printer.begin(stream, chosen.just_before(log, stream, to=chosen.since))
    while start < head and (page := chosen.read(log, stream, start=start, until=head)):
        printer.chunks(page)
        start = page[-1].offset + 1
        yield


def _print_last(log: Log, printer: Printer, stream: str, chosen: Chosen, last: int, head: int) -> None:
    before, chunks = last_of(log, stream, chosen, last, head)
    printer.begin(stream, before)
    printer.last_lines(stream, chunks, last)


def last_of(log: Log, stream: str, chosen: Chosen, last: int, head: int) -> tuple[list[Record], list[Record]]:
    """The chunks before the offset `head` that hold the `last` lines, and the one of each type before them."""
    chunks = last_chunks(chosen.newest_first(log, stream, head), last) if last else []
    return chosen.just_before(log, stream, until=chunks[0].offset if chunks else head), chunks
