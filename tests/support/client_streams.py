"""Client streams by the store's functions, in one line each."""

from __future__ import annotations

from swarm_store import client_streams, client_writes
from swarm_store.client_streams import JSON, Done, Fork, Spec
from swarm_store.log import Log
from swarm_store.messages import flatten
from swarm_store.transaction import Producer

TEXT = "text/plain"


def spec(
    kind: str | None = TEXT,
    *,
    ttl: int | None = None,
    expires_at: str | None = None,
    closed: bool = False,
    fork: Fork | None = None,
) -> Spec:
    return Spec(kind, ttl, expires_at, closed, fork)


def put(log: Log, name: str, wanted: Spec | None = None, body: bytes = b"") -> Done:
    """Make a stream, of text if nothing else is said."""
    with log.transaction() as t:
        return client_writes.create(t, name, wanted or spec(), body, None)


def post(
    log: Log,
    name: str,
    body: bytes = b"",
    *,
    kind: str = TEXT,
    producer: Producer | None = None,
    sequence: str | None = None,
    close: bool = False,
) -> Done:
    """Append to a stream, or close it."""
    count = None
    if kind == JSON and body:
        body, count = flatten(body)
    with log.transaction() as t:
        return client_writes.append(
            t, name, body, content_type=kind, messages=count, sequence=sequence, producer=producer, close=close
        )


def delete(log: Log, name: str) -> None:
    with log.transaction() as t:
        client_writes.delete(t, name)


def content(log: Log, name: str, start: int = 0) -> bytes:
    """All that a stream holds from an offset on, as it is read: in one go, and a record at a time."""
    stream = client_streams.find(log, name)
    mark = b"," if stream.is_json else b""
    after, pieces = client_streams.read(log, stream, start, 1 << 30)
    assert after == stream.head
    found = [piece.body for piece in pieces]
    slowly: list[bytes] = []
    place = start
    while place < stream.head:
        place, some = client_streams.read(log, stream, place, 1)
        slowly += [piece.body for piece in some]
    assert slowly == found
    return mark.join(found)
