"""PUT, POST and DELETE of the streams that clients make. PROTOCOL.md, sections 4.2, 5.1 to 5.4, 9.1."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

from swarm_store import client_writes, messages
from swarm_store.client_streams import JSON, Done, Fork, Spec, media_type, moment
from swarm_store.errors import ProducerFenced, ProducerGap, StreamClosed
from swarm_store.transaction import Producer, Transaction

from ..wire import Headers, Receive, Refused, Scope, Send, header, read_body, respond
from . import offsets
from .desk import Desk
from .reading import CLOSED, next_offset

PREFIX = "/v1/stream/"
LARGE = 64 << 10  # bytes: a millisecond's work
MOST_NUMBER = (1 << 53) - 1
_NUMBER = re.compile(r"[0-9]{1,16}")
_STRICT = re.compile(r"0|[1-9][0-9]{0,9}")
_MEDIA_TYPE = re.compile(r"[\w!#$&^.+-]+/[\w!#$&^.+-]+\s*(;.*)?", re.ASCII)


async def put(desk: Desk, name: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Make a stream, or find that it is there just so."""
    spec = _spec(scope)
    body = await read_body(receive, desk.settings.most_body)
    count: int | None = None
    if body and spec.content_type and media_type(spec.content_type) == JSON:
        body, count = await _apart(desk, body, messages.joined)

    def create(t: Transaction) -> Done:
        return client_writes.create(t, name, spec, body, count)

    done = await desk.writer.submit(create)
    headers: Headers = [(b"content-type", done.stream.content_type.encode()), next_offset(done.stream.head)]
    if done.stream.closed:
        headers.append(CLOSED)
    if done.is_new:
        headers.append((b"location", _url(scope).encode()))
    await respond(send, 201 if done.is_new else 200, headers)


async def _apart(desk: Desk, body: bytes, take: Callable[[bytes], tuple[bytes, int]]) -> tuple[bytes, int]:
    """The messages of a JSON body; a large one is taken apart in the pool, so that nobody waits for it."""
    if len(body) < LARGE:
        return take(body)
    return await desk.run(lambda _: take(body))


def _url(scope: Scope) -> str:
    host = header(scope, b"host") or "localhost"
    return f"{scope['scheme']}://{host}{scope['raw_path'].decode('latin-1')}"


def _spec(scope: Scope) -> Spec:
    """The stream that a PUT's headers ask for. Raises Refused (400)."""
    fork = _fork(scope)
    kind = header(scope, b"content-type")
    if kind is None or not _MEDIA_TYPE.fullmatch(kind.strip()):
        kind = None if fork else "application/octet-stream"
    ttl, expires = header(scope, b"stream-ttl"), header(scope, b"stream-expires-at")
    if ttl is not None and expires is not None:
        raise Refused(400, "Stream-TTL and Stream-Expires-At exclude each other", "give one")
    if ttl is not None and not _STRICT.fullmatch(ttl):
        raise Refused(400, f"not a time to live: {ttl[:60]!r}", "Stream-TTL is a whole number of seconds")
    if expires is not None:
        try:
            moment(expires)
        except (ValueError, OverflowError):
            raise Refused(400, f"not a time: {expires[:60]!r}", "Stream-Expires-At is an RFC 3339 time") from None
    return Spec(kind, None if ttl is None else int(ttl), expires, _is_closed(scope), fork)


def _fork(scope: Scope) -> Fork | None:
    source = header(scope, b"stream-forked-from")
    offset = header(scope, b"stream-fork-offset")
    beyond = header(scope, b"stream-fork-sub-offset")
    if source is None:
        if beyond is not None or offset is not None:
            raise Refused(400, "a fork's offset, and no source", "Stream-Forked-From says what is forked")
        return None
    if beyond is not None and not _STRICT.fullmatch(beyond):
        raise Refused(400, f"not a number: {beyond[:60]!r}", "Stream-Fork-Sub-Offset counts bytes, or messages")
    name = unquote(source).removeprefix(PREFIX).lstrip("/")
    place = None if offset is None else offsets.parse(offset)
    return Fork(name, place, int(beyond or 0))


def _is_closed(scope: Scope) -> bool:
    return (header(scope, b"stream-closed") or "").lower() == "true"


async def post(desk: Desk, name: str, scope: Scope, receive: Receive, send: Send) -> None:
    """Append, close, or both."""
    producer = _producer(scope)
    kind, sequence = header(scope, b"content-type"), header(scope, b"stream-seq")
    close = _is_closed(scope)
    body = await read_body(receive, desk.settings.most_body)
    count: int | None = None
    if not body and not close:
        raise Refused(400, "there is nothing to append", "an empty body only closes: Stream-Closed: true")
    if body and not kind:
        raise Refused(400, "no Content-Type", "it is the stream's, as HEAD says")
    if body and kind and media_type(kind) == JSON:
        body, count = await _apart(desk, body, messages.flatten)

    def append(t: Transaction) -> Done:
        return client_writes.append(
            t, name, body, content_type=kind, messages=count, sequence=sequence, producer=producer, close=close
        )

    try:
        done = await desk.writer.submit(append)
    except StreamClosed as error:
        raise Refused(409, error.message, error.hint, [CLOSED, next_offset(error.head)]) from None
    except ProducerFenced as error:
        raise Refused(403, error.message, error.hint, [(b"producer-epoch", str(error.epoch).encode())]) from None
    except ProducerGap as error:
        expected, received = str(error.expected).encode(), str(error.received).encode()
        gap = [(b"producer-expected-seq", expected), (b"producer-received-seq", received)]
        raise Refused(409, error.message, error.hint, gap) from None
    if done.is_new and body:
        desk.metrics.appended(len(body))
    await respond(send, 200 if producer and done.is_new and body else 204, _appended(done, producer))


def _appended(done: Done, producer: Producer | None) -> Headers:
    headers = [next_offset(done.stream.head)]
    if done.stream.closed:
        headers.append(CLOSED)
    if producer is not None:
        headers.append((b"producer-epoch", str(producer.epoch).encode()))
        headers.append((b"producer-seq", str(done.last_sequence).encode()))
    return headers


def _producer(scope: Scope) -> Producer | None:
    """Who appends, and which of its appends it is. Raises Refused (400)."""
    given = [header(scope, name) for name in (b"producer-id", b"producer-epoch", b"producer-seq")]
    if given == [None, None, None]:
        return None
    identity, epoch, sequence = given
    if identity is None or epoch is None or sequence is None or not identity:
        raise Refused(400, "half a producer", "Producer-Id, Producer-Epoch and Producer-Seq go together")
    return Producer(identity, _number(epoch, "Producer-Epoch"), _number(sequence, "Producer-Seq"))


def _number(text: str, what: str) -> int:
    if not _NUMBER.fullmatch(text) or int(text) > MOST_NUMBER:
        raise Refused(400, f"{what} is no number: {text[:60]!r}", f"it is at least 0 and at most {MOST_NUMBER}")
    return int(text)


async def delete(desk: Desk, name: str, send: Send) -> None:
    """Delete a stream; its records go in steps, later."""

    def remove(t: Transaction) -> None:
        client_writes.delete(t, name)

    await desk.writer.submit(remove)
    desk.writer.clear()
    await respond(send, 204, [])
