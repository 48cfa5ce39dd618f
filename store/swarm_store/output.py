"""From chunks of bytes to lines. Pure: chunks come as the log has them, a line may span several of them.

stdout and stderr are two byte streams whose chunks interleave; a line belongs to the chunk in which it ends.
"""

from __future__ import annotations

from collections import namedtuple

from .events import OUTPUT_TYPES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .events import Record

STREAM_OF = {type: stream for stream, type in OUTPUT_TYPES.items()}


class Line(namedtuple("Line", ("record", "stream", "bytes", "whole"))):
    """One line without its newline; not `whole` where there was none (yet). `record` is the chunk it ended in."""

    __slots__ = ()
    record: Record
    stream: str
    bytes: bytes
    whole: bool


class Lines:
    """Splits one agent's chunks into lines, holding back what has no newline yet.

    Where reading begins in the middle (`cut`), what comes before a stream's first newline is a line's end, and dropped;
    but not where `begin` has said that the line before was whole.
    """

    def __init__(self, *, cut: bool = False) -> None:
        self._cut = cut
        self._held: dict[tuple[int, str], list[bytes]] = {}
        self._last: dict[tuple[int, str], Record] = {}

    def begin(self, before: Record) -> None:
        """Reading begins after the chunk `before`: if that ended a line, the next one is whole."""
        if (before.payload or b"").endswith(b"\n"):
            self._held[before.data["run"], STREAM_OF[before.type]] = []

    def feed(self, record: Record) -> Iterator[Line]:
        """The lines that `record` (a chunk of output) completes."""
        stream = STREAM_OF[record.type]
        place = (record.data["run"], stream)
        payload = record.payload or b""
        if place not in self._held:
            if self._cut and record.data["start"] > 0:
                newline = payload.find(b"\n")
                if newline < 0:
                    return
                payload = payload[newline + 1 :]
            self._held[place] = []
        held = self._held[place]
        parts = payload.split(b"\n")
        for part in parts[:-1]:
            held.append(part)
            yield Line(record, stream, b"".join(held), True)
            held.clear()
        if parts[-1]:
            held.append(parts[-1])
            self._last[place] = record

    def rest(self) -> list[Line]:
        """The unfinished lines: for when no more output will come."""
        left = [Line(self._last[place], place[1], b"".join(held), False) for place, held in self._held.items() if held]
        for held in self._held.values():
            held.clear()  # the places stay: what comes next goes on from there
        return left


class Once:
    """Leaves out bytes that were there before: where a log was recovered, daemons publish again what it has lost."""

    def __init__(self) -> None:
        self._ends: dict[tuple[str, int, str], int] = {}

    def fresh(self, record: Record) -> Record | None:
        """What is new in a chunk of output; None where nothing is."""
        place = (record.stream, record.data["run"], record.type)
        start, seen = record.data["start"], self._ends.get(place, 0)
        if record.data["end"] <= seen:
            return None
        self._ends[place] = record.data["end"]
        if start >= seen:
            return record
        return record._replace(payload=(record.payload or b"")[seen - start :], data={**record.data, "start": seen})


def last_chunks(newest_first: Iterable[Record], lines: int) -> list[Record]:
    """As many of the last chunks as hold the last `lines` lines whole, oldest first."""
    taken: list[Record] = []
    seen = 0
    # Of each stream, how many lines end after its first newline in what is taken: that one may end a line that is cut.
    after: dict[tuple[int, str], int] = {}
    for record in newest_first:
        taken.append(record)
        place = (record.data["run"], record.type)
        if record.data["lines"]:
            after[place] = seen + record.data["lines"] - 1
            seen += record.data["lines"]
        if record.data["start"] == 0:
            after.pop(place, None)  # it is here from its beginning
        if seen >= lines and all(whole >= lines for whole in after.values()):
            break
    taken.reverse()
    return taken
