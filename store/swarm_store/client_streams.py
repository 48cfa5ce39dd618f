"""The streams that clients make, of the Durable Streams protocol: what they are, and what is in them.

Their life is events in the stream `streams`; the table client_streams is folded from those in the same transaction
(client_projection.py), and holds beside them what has no history: deadlines, the last Stream-Seq. What clients append
are records of `client/<name>`, one for each request (client_writes.py). A fork has its source's offsets up to where it
parted, and reads them there: nothing is copied but what it has of a record that it parts within.
Protocol: https://github.com/durable-streams/durable-streams, PROTOCOL.md, sections 4 and 5.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from . import events
from . import statements as sql
from .errors import NoSuchStream, StreamGone
from .log import Log

JSON = "application/json"
PAGE = 500
PIECE_COST = 100  # bytes that a piece takes beside its body, so that a page of tiny ones is no larger than another
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Spec(NamedTuple):
    """How a client wants a stream: `ttl` in seconds, `expires_at` RFC 3339; `content_type` None takes the source's."""

    content_type: str | None
    ttl: int | None
    expires_at: str | None
    closed: bool
    fork: Fork | None


class Fork(NamedTuple):
    """Where a stream parts from its `source`: at an offset, None is its end, and so many bytes or messages `beyond`."""

    source: str
    offset: int | None
    beyond: int


class ClientStream(NamedTuple):
    """A stream as it stands: a row of client_streams, with the stream's name and head."""

    id: int
    log_name: str
    head: int
    tag: str
    content_type: str
    ttl: int | None
    expires_at: str | None
    deadline: int | None
    closed: int
    closed_by: str | None
    sequence: str | None
    source_id: int | None
    fork_offset: int | None
    fork: str | None
    forks: int
    deleted: int

    @property
    def name(self) -> str:
        """What clients call it."""
        return self.log_name.removeprefix(events.CLIENT_STREAMS)

    @property
    def is_json(self) -> bool:
        """Whether it holds JSON messages, and not bytes."""
        return media_type(self.content_type) == JSON

    def has_expired(self, now: int) -> bool:
        """Whether nobody sees it any more at `now` (microseconds)."""
        return self.deadline is not None and self.deadline <= now


class Done(NamedTuple):
    """What a write has led to: the stream as it is now, whether anything was written, and the producer's sequence."""

    stream: ClientStream
    is_new: bool
    last_sequence: int | None


def moment(text: str) -> int:
    """Microseconds since 1970, of an RFC 3339 time of any zone. Raises ValueError."""
    if not _RFC3339.fullmatch(text):
        raise ValueError(text)
    time = datetime.fromisoformat(text.upper())
    return int((time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1))


def media_type(content_type: str) -> str:
    """The type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def find(log: Log, name: str) -> ClientStream:
    """The stream that clients call `name`. Raises NoSuchStream, and StreamGone where it is kept for its forks alone."""
    rows = log.query(sql.CLIENT_STREAM, {"name": events.client_stream(name)})
    return seen(ClientStream(*rows[0]) if rows else None, name, log.clock())


def seen(stream: ClientStream | None, name: str, now: int) -> ClientStream:
    """The stream, if clients may see it at `now` (microseconds). Raises as find."""
    if stream is None or stream.has_expired(now):
        raise NoSuchStream(f"there is no stream {name!r}", "PUT makes one")
    if stream.deleted:
        raise StreamGone(f"stream {name!r} was deleted", "its forks are still there")
    return stream


def names(log: Log, after: str = "", limit: int = 1000) -> list[ClientStream]:
    """The streams there are, in the order of their names, after that one."""
    rows = log.query(sql.CLIENT_STREAMS, {"after": events.client_stream(after), "limit": limit})
    now = log.clock()
    return [one for one in (ClientStream(*row) for row in rows) if not one.has_expired(now)]


def segments(stream: ClientStream, by_id: Callable[[int], ClientStream]) -> list[tuple[int, int, int]]:
    """Where its records lie, from its first offset on: stream ids, each with the offsets from and before which."""
    found: list[tuple[int, int, int]] = []
    until = stream.head
    while True:
        start = stream.fork_offset if stream.source_id is not None and stream.fork_offset is not None else 0
        if start < until:
            found.append((stream.id, start, until))
        if stream.source_id is None:
            return found[::-1]
        until = min(until, start)
        stream = by_id(stream.source_id)


class Piece(NamedTuple):
    """A record of a client's stream: its offset, when it was written (microseconds), and what was appended."""

    offset: int
    time: int
    body: bytes


def read(log: Log, stream: ClientStream, start: int, most: int) -> tuple[int, list[Piece]]:
    """Pieces from the offset `start` on, until there are `most` bytes; before them the offset to go on at.

    Raises NoSuchStream where it has gone meanwhile: its records go in steps, so what is left of them has holes.
    """
    after, found = _read(log, stream, start, most)
    _by_id(log, stream, stream.id)
    return after, found


def _by_id(log: Log, reader: ClientStream, stream_id: int) -> ClientStream:
    """A stream, which is there as long as the one is that reads it."""
    rows = log.query(sql.CLIENT_STREAM_BY_ID, {"id": stream_id})
    found = ClientStream(*rows[0]) if rows else None
    if found is None or (stream_id == reader.id and found.tag != reader.tag):
        raise NoSuchStream(f"stream {reader.name!r} was deleted while it was read", "begin anew")
    return found


def _read(log: Log, stream: ClientStream, start: int, most: int) -> tuple[int, list[Piece]]:
    size, found = 0, list[Piece]()
    for stream_id, first, until in segments(stream, lambda one: _by_id(log, stream, one)):
        begin = max(start, first)
        while begin < until:
            place = {"id": stream_id, "start": begin, "until": until, "limit": PAGE}
            page = log.query(sql.CLIENT_PIECES, place)
            for offset, time, body in page:
                found.append(Piece(offset, time, body))
                size += len(body) + PIECE_COST
                if size >= most:
                    return offset + 1, found
            begin = page[-1][0] + 1 if len(page) == PAGE else until
    return stream.head, found
