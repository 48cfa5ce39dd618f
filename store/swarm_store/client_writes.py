"""What clients do to streams of their own: make them, append, close, delete; and what time does: they expire.

Every call checks what it can before it writes; whoever shares a transaction makes each one an attempt of it.
Protocol: https://github.com/durable-streams/durable-streams, PROTOCOL.md, sections 4.2, 5.1 to 5.4.
"""

from __future__ import annotations

import os
from typing import Any

from . import events
from . import statements as sql
from .client_streams import JSON, ClientStream, Done, Fork, Spec, media_type, seen, segments
from .clock import SECOND
from .codec import decode, encode
from .errors import (
    ContentTypeConflict,
    NoSuchStream,
    ProducerFenced,
    ProducerGap,
    SequenceConflict,
    StreamClosed,
    StreamConflict,
    WrongUsage,
)
from .log import Log
from .messages import joined, split
from .transaction import Producer, Transaction

RENEWALS = 10  # how often at most a deadline is written anew within one time to live
CLEAR_STEP = 1000


def create(t: Transaction, name: str, spec: Spec, body: bytes, messages: int | None) -> Done:
    """Make a stream, perhaps with its first bytes; one that is there just so already is left as it is.

    Raises StreamConflict where there is another, or one is kept for its forks; for a fork, NoSuchStream where its
    source is not there, WrongUsage where it cannot part there, ContentTypeConflict.
    """
    there = _row(t, sql.CLIENT_STREAM, {"name": events.client_stream(name)})
    if there is not None and there.has_expired(t.time):
        delete_stream(t, there, "expired")
        there = _row(t, sql.CLIENT_STREAM, {"name": events.client_stream(name)})
    if there is not None:
        return Done(_same(there, name, spec), False, None)
    source = _source(t, spec) if spec.fork else None
    kind = spec.content_type or (source.content_type if source else "application/octet-stream")
    fork_offset, rest = _parting(t, source, spec.fork) if source and spec.fork else (None, None)
    if body and messages is None and media_type(kind) == JSON:  # of a fork: nobody could know what it inherits
        body, messages = joined(body)
    told = {"ttl": spec.ttl, "expires_at": spec.expires_at}
    if source is not None and spec.ttl is None and spec.expires_at is None:
        told = {"ttl": source.ttl, "expires_at": source.expires_at}
    fork = spec.fork._replace(offset=fork_offset)._asdict() if spec.fork else None
    made = events.stream_created(name, tag=os.urandom(8).hex(), content_type=kind, fork=fork, **told)
    t.append(events.STREAMS, [made])
    if rest is not None:
        _put(t, name, events.data_appended(rest[0], messages=rest[1]))
    if body:
        _put(t, name, events.data_appended(body, messages=messages))
    if spec.closed:
        t.append(events.STREAMS, [events.stream_closed(name, by=None)])
    return Done(_known(t, name), True, None)


def _same(there: ClientStream, name: str, spec: Spec) -> ClientStream:
    """The stream that is there, if it is as `spec` says. Raises StreamConflict."""
    if there.deleted:
        raise StreamConflict(f"stream {name!r} was deleted, and its forks still need it", "choose another name")
    kind = spec.content_type or (there.content_type if spec.fork else "application/octet-stream")
    inherits = spec.fork is not None and spec.ttl is None and spec.expires_at is None
    is_same = (
        _is_same_fork(decode(there.fork) if there.fork else None, spec.fork)
        and kind.strip().lower() == there.content_type.strip().lower()
        and (inherits or (spec.ttl, spec.expires_at) == (there.ttl, there.expires_at))
        and spec.closed == bool(there.closed)
    )
    if not is_same:
        raise StreamConflict(f"stream {name!r} is there already, and not as it was asked for", "HEAD says how it is")
    return there


def _is_same_fork(there: dict[str, Any] | None, wanted: Fork | None) -> bool:
    if there is None or wanted is None:
        return there is None and wanted is None
    same_offset = wanted.offset is None or wanted.offset == there["offset"]  # not said: wherever it was
    return same_offset and (wanted.source, wanted.beyond) == (there["source"], there["beyond"])


def _source(t: Transaction, spec: Spec) -> ClientStream:
    assert spec.fork is not None
    name = spec.fork.source
    source = _row(t, sql.CLIENT_STREAM, {"name": events.client_stream(name)})
    if source is None or source.has_expired(t.time):
        raise NoSuchStream(f"there is no stream {name!r} to fork", "Stream-Forked-From is the path of its URL")
    if source.deleted:
        raise StreamConflict(f"stream {name!r} was deleted: it cannot be forked any more")
    if spec.content_type and media_type(spec.content_type) != media_type(source.content_type):
        raise ContentTypeConflict(f"stream {name!r} is {source.content_type}, and so is every fork of it")
    return source


def _parting(t: Transaction, source: ClientStream, fork: Fork) -> tuple[int, tuple[bytes, int | None] | None]:
    """The offset at which a fork parts, and what it has of the record there. Raises WrongUsage beyond the end."""
    offset = source.head if fork.offset is None else fork.offset
    if offset > source.head:
        raise WrongUsage(f"stream {fork.source!r} ends before that offset", "fork at an offset that the server gave")
    if not fork.beyond:
        return offset, None
    for stream_id, first, until in segments(source, lambda one: _by_id(t, one)):
        if first <= offset < until:
            data, body = t.execute(sql.CLIENT_RECORD, {"id": stream_id, "offset": offset}).fetchone()
            return offset, _first_of(body, decode(data).get("messages"), fork.beyond)
    raise WrongUsage("there is nothing beyond that offset", "Stream-Fork-Sub-Offset counts from it")


def _first_of(body: bytes, messages: int | None, count: int) -> tuple[bytes, int | None]:
    """The first `count` bytes of a record, or messages of it."""
    if count > (len(body) if messages is None else messages):
        raise WrongUsage("that is past the next append", "Stream-Fork-Sub-Offset is at most as long as that")
    if messages is None:
        return body[:count], None
    return b",".join(split(b"[" + body + b"]")[:count]), count


def append(
    t: Transaction,
    name: str,
    body: bytes,
    *,
    content_type: str | None,
    messages: int | None = None,
    sequence: str | None = None,
    producer: Producer | None = None,
    close: bool = False,
) -> Done:
    """Append what one request brought, and `close` the stream with it, or, with no body, only close it.

    A JSON body is its messages with commas between, and how many: see messages.flatten. With a `producer` it happens
    once. Raises NoSuchStream, StreamGone, StreamClosed, ContentTypeConflict, SequenceConflict, ProducerFenced,
    ProducerGap, WrongUsage.
    """
    stream = seen(_row(t, sql.CLIENT_STREAM, {"name": events.client_stream(name)}), name, t.time)
    if stream.closed:
        return _after_the_end(stream, body, producer, close)
    if body and (content_type is None or media_type(content_type) != media_type(stream.content_type)):
        raise ContentTypeConflict(f"stream {name!r} is {stream.content_type}, not {content_type}")
    if producer is not None:
        last = _repeated(t, stream, producer)
        if last is not None:
            return Done(stream, False, last)
    if sequence is not None and stream.sequence is not None and sequence.encode() <= stream.sequence.encode():
        raise SequenceConflict(f"Stream-Seq {sequence!r} is not after {stream.sequence!r}")
    head = stream.head
    if body:
        event = events.data_appended(body, messages=messages, sequence=sequence)
        t.insert(stream.log_name, stream.id, head, event, producer.id if producer else None)
        head += 1
    _remember(t, stream, sequence, producer)
    if close:
        _close(t, stream, producer)
    return Done(stream._replace(head=head, closed=int(close)), True, producer.sequence if producer else None)


def _after_the_end(stream: ClientStream, body: bytes, producer: Producer | None, close: bool) -> Done:
    """What a closed stream answers: yes to the request that closed it, and to one that closes it again."""
    if producer is not None and stream.closed_by == encode([producer.id, producer.epoch, producer.sequence]):
        return Done(stream, False, producer.sequence)
    if close and not body and producer is None:
        return Done(stream, False, None)
    raise StreamClosed(f"stream {stream.name!r} is closed", stream.head)


def _repeated(t: Transaction, stream: ClientStream, producer: Producer) -> int | None:
    """The last sequence of a producer that has said this already; None where it is new. Raises where it cannot be."""
    row = t.execute(sql.PRODUCER, {"stream_id": stream.id, "producer": producer.id}).fetchone()
    epoch, last = row or (producer.epoch, -1)
    if producer.epoch < epoch:
        raise ProducerFenced(f"epoch {epoch} of producer {producer.id!r} has taken over", epoch=epoch)
    if producer.epoch > epoch:
        if producer.sequence:
            raise WrongUsage("a new epoch begins with sequence 0", "Producer-Seq: 0")
        return None
    if producer.sequence > last + 1:
        raise ProducerGap(f"producer {producer.id!r} is expected to say {last + 1} next", last + 1, producer.sequence)
    return int(last) if producer.sequence <= last else None


def _remember(t: Transaction, stream: ClientStream, sequence: str | None, producer: Producer | None) -> None:
    if producer is not None:
        place = {"stream_id": stream.id, "producer": producer.id}
        t.execute(sql.MOVE_PRODUCER, {**place, "epoch": producer.epoch, "sequence": producer.sequence})
    if sequence is not None:
        t.execute(sql.SET_SEQUENCE, {"id": stream.id, "sequence": sequence})
    renew(t, stream)


def _close(t: Transaction, stream: ClientStream, producer: Producer | None) -> None:
    by = [producer.id, producer.epoch, producer.sequence] if producer else None
    t.append(events.STREAMS, [events.stream_closed(stream.name, by=by)])
    t.rung.add(stream.log_name)


def renewed(stream: ClientStream, now: int) -> int | None:
    """The deadline that reading or writing at `now` gives a stream, where it is to be written down."""
    if stream.ttl is None or stream.deadline is None:
        return None
    deadline = now + stream.ttl * SECOND
    return deadline if deadline - stream.deadline > stream.ttl * SECOND // RENEWALS else None


def renew(t: Transaction, stream: ClientStream) -> None:
    """Let a stream with a time to live begin it anew."""
    deadline = renewed(stream, t.time)
    if deadline is not None:
        t.execute(sql.SET_DEADLINE, {"id": stream.id, "deadline": deadline})


def delete(t: Transaction, name: str) -> None:
    """Delete a stream. Raises NoSuchStream, StreamGone. What it held goes in steps: see `clear`."""
    delete_stream(t, seen(_row(t, sql.CLIENT_STREAM, {"name": events.client_stream(name)}), name, t.time), "request")


def delete_stream(t: Transaction, stream: ClientStream, reason: str) -> None:
    """Delete this stream, by request or because it has expired."""
    t.append(events.STREAMS, [events.stream_deleted(stream.name, reason=reason)])
    t.rung.add(stream.log_name)


def expire(t: Transaction, limit: int = 100) -> int:
    """Delete what has expired; how many there were, at most `limit`."""
    rows = t.execute(sql.EXPIRED_STREAMS, {"now": t.time, "limit": limit}).fetchall()
    for row in rows:
        delete_stream(t, ClientStream(*row), "expired")
    return len(rows)


def next_deadline(log: Log) -> int | None:
    """When the next stream expires, in microseconds; None where none ever does."""
    found: int | None = log.query(sql.NEXT_DEADLINE)[0][0]
    return found


def is_left(log: Log) -> bool:
    """Whether streams that are gone have left records."""
    return bool(log.query(sql.LEFT_STREAMS))


def clear(log: Log) -> bool:
    """Delete some of the records of streams that are gone, in a transaction; whether there may be more."""
    left = log.query(sql.LEFT_STREAMS)
    if left:
        with log.transaction() as t:
            t.delete(left[0][0], CLEAR_STEP)
    return bool(left)


def _row(t: Transaction, statement: str, given: dict[str, Any]) -> ClientStream | None:
    row = t.execute(statement, given).fetchone()
    return ClientStream(*row) if row else None


def _by_id(t: Transaction, stream_id: int) -> ClientStream:
    found = _row(t, sql.CLIENT_STREAM_BY_ID, {"id": stream_id})
    assert found is not None
    return found


def _known(t: Transaction, name: str) -> ClientStream:
    found = _row(t, sql.CLIENT_STREAM, {"name": events.client_stream(name)})
    assert found is not None
    return found


def _put(t: Transaction, name: str, event: events.Event) -> None:
    stream = _known(t, name)
    t.insert(stream.log_name, stream.id, stream.head, event)
