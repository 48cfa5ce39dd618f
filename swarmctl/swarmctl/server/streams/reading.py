"""HEAD and GET: what a stream holds from an offset on, at once or as soon as there is more.

PROTOCOL.md, sections 5.5 to 5.7, 8 and 10.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from ..wire import Headers, Refused, Scope, Send, header, query, respond
from . import offsets, sse
from .cursor import cursor
from .desk import Desk
from .sources import Facts, Page, Source

MOST_BYTES = 1 << 20  # in one response, unless a single record is larger
NO_STORE = (b"cache-control", b"no-store")
KEPT = (b"cache-control", b"private, max-age=60, stale-while-revalidate=300")
UP_TO_DATE = (b"stream-up-to-date", b"true")
CLOSED = (b"stream-closed", b"true")


class Wanted(NamedTuple):
    """What a GET asks for: from where, and whether it waits: `long-poll` or `sse`."""

    start: int | None  # None: from the end on
    live: str | None
    cursor: str | None


def wanted(scope: Scope) -> Wanted:
    """What the query says. Raises Refused (400)."""
    given = query(scope)
    places = [value for name, value in given if name == "offset"]
    rest = dict(given)
    live = rest.get("live")
    if len(places) > 1:
        raise Refused(400, "several offsets", "give one")
    if live is not None and live not in ("long-poll", "sse"):
        raise Refused(400, f"no such way of reading: {live[:60]!r}", "live is long-poll or sse")
    if live and not places:
        raise Refused(400, "a live read needs an offset", "offset=-1 is the beginning, offset=now the end")
    place = places[0] if places else offsets.BEGINNING
    if place == offsets.NOW:
        return Wanted(None, live, rest.get("cursor"))
    return Wanted(0 if place == offsets.BEGINNING else offsets.parse(place), live, rest.get("cursor"))


def next_offset(offset: int) -> tuple[bytes, bytes]:
    """The header that says where to go on."""
    return (b"stream-next-offset", offsets.token(offset).encode())


async def head(desk: Desk, source: Source, send: Send) -> None:
    """Answer a HEAD."""
    facts = source.facts(desk.log)
    headers: Headers = [(b"content-type", facts.content_type.encode()), next_offset(facts.head), NO_STORE]
    headers.append((b"etag", etag(facts, -1, facts.head)))
    if facts.ttl is not None:
        headers.append((b"stream-ttl", str(facts.ttl).encode()))
    if facts.expires_at is not None:
        headers.append((b"stream-expires-at", facts.expires_at.encode()))
    if facts.closed:
        headers.append(CLOSED)
    # No Content-Length: it would have to be a GET's.
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def etag(facts: Facts, start: int, after: int) -> bytes:
    """What names the bytes between two offsets of this very stream, and whether they are known to be its last."""
    closed = ":c" if facts.closed and after == facts.head else ""
    return f'"{facts.tag}:{start}:{after}{closed}"'.encode()


async def get(desk: Desk, source: Source, scope: Scope, send: Send) -> None:
    """Answer a GET."""
    asked = wanted(scope)
    facts = source.facts(desk.log)
    desk.touch(facts)
    start = facts.head if asked.start is None else asked.start
    if start > facts.head:
        raise _another(source)
    if asked.live == "sse":
        return await sse.follow(desk, source, facts, start, asked.cursor, send)
    if start < facts.head and asked.start is not None:
        page = await desk.read(source, facts, start, MOST_BYTES)
        return await _data(asked, facts, start, page, header(scope, b"if-none-match"), send)
    if asked.live == "long-poll" and not facts.closed:
        return await _wait(desk, source, facts, asked, send)
    return await _end(asked, facts, header(scope, b"if-none-match"), send)


async def _data(asked: Wanted, facts: Facts, start: int, page: Page, known: str | None, send: Send) -> None:
    tag = etag(facts, start, page.next)
    at_end = page.next >= facts.head
    headers: Headers = [
        (b"content-type", facts.content_type.encode()),
        next_offset(page.next),
    ]
    if asked.start is None:  # `now` is another place the next time
        headers.append(NO_STORE)
    else:
        headers += [KEPT if facts.cacheable else NO_STORE, (b"etag", tag)]
    if at_end:
        headers.append(UP_TO_DATE)
    if at_end and facts.closed:
        headers.append(CLOSED)
    if asked.live:
        headers.append((b"stream-cursor", cursor(asked.cursor).encode()))
    if known is not None and _names(known, tag) and facts.cacheable:
        return await respond(send, 304, headers)
    await respond(send, 200, headers, b"[" + page.body + b"]" if facts.is_json else page.body)
    return None


def _names(known: str, tag: bytes) -> bool:
    """Whether an If-None-Match names this entity."""
    found = [one.strip().removeprefix("W/") for one in known.split(",")]
    return tag.decode() in found or found == ["*"]


async def _end(asked: Wanted, facts: Facts, known: str | None, send: Send) -> None:
    """There is nothing beyond: an empty body, or 204 to a reader that would wait for more of a closed stream."""
    headers: Headers = [next_offset(facts.head), UP_TO_DATE]
    if facts.closed:
        headers.append(CLOSED)
    if asked.live:
        return await respond(send, 204, [*headers, NO_STORE, (b"stream-cursor", cursor(asked.cursor).encode())])
    headers.append((b"content-type", facts.content_type.encode()))
    if asked.start is None or not facts.cacheable:
        headers.append(NO_STORE)
    else:
        tag = etag(facts, facts.head, facts.head)
        headers += [(b"etag", tag), NO_STORE]
        if known is not None and _names(known, tag):
            return await respond(send, 304, headers)
    await respond(send, 200, headers, b"[]" if facts.is_json else b"")
    return None


def _another(source: Source) -> Refused:
    """To a reader whose offset this stream has never had: it was of another one, or the log is an older copy."""
    return Refused(410, f"stream {source.key!r} ends before that offset: it is another, or an older copy", "begin anew")


async def _wait(desk: Desk, source: Source, facts: Facts, asked: Wanted, send: Send) -> None:
    """Answer as soon as there is more than there was, or the stream is closed, or the time is up."""
    start, tag, until = facts.head, facts.tag, time.monotonic() + desk.settings.long_poll
    with desk.hub.listen(source.bell) as topic:
        while True:
            seen = topic.rings
            facts = source.facts(desk.log)
            if facts.tag != tag or facts.head < start:
                raise _another(source)
            if facts.head > start:
                page = source.read(desk.log, facts, start, MOST_BYTES)
                if page.body:
                    return await _data(asked, facts, start, page, None, send)
                start = page.next
            left = 0.0 if desk.is_closing else until - time.monotonic()
            if facts.closed or not await topic.wait(seen, left):
                return await _end(asked, facts._replace(head=start), None, send)
