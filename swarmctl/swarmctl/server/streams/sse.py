"""GET with live=sse: what is there, then all that comes, as server-sent events.

A batch is a `data` event and the `control` event after it, in one write. Readers that wait at the same place share what
is read and made of it; one that is still catching up, or was slow, reads for itself beside the event loop, so that it
costs the others nothing.
PROTOCOL.md, section 5.8; `data:` without a space, because a space after it would be taken off the payload's own.
"""

from __future__ import annotations

import base64
import json
import re
import time
from typing import Any

from swarm_store.clock import SECOND
from swarm_store.errors import SwarmError
from swarm_store.log import Log

from ..hub import Topic
from ..wire import Headers, Send
from . import offsets
from .cursor import cursor
from .desk import Desk
from .sources import Facts, Source

MOST_BYTES = 256 << 10  # in one batch
_LINE_END = re.compile(rb"\r\n|\r|\n")
SIGN_OF_LIFE = b":\n\n"


async def follow(desk: Desk, source: Source, facts: Facts, start: int, given: str | None, send: Send) -> None:
    """Send everything from the offset `start` on, until the stream is closed or it is time to come again."""
    headers: Headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache, no-store")]
    headers.append((b"x-accel-buffering", b"no"))
    if not facts.is_text:
        headers.append((b"stream-sse-data-encoding", b"base64"))
    with desk.hub.listen(source.bell) as topic:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await _batches(desk, source, topic, facts.tag, start, given, send)
        except SwarmError:
            pass  # deleted, or the log cannot be read: whoever comes again is told
        finally:
            desk.metrics.lags.pop(id(send), None)
    await send({"type": "http.response.body", "body": b""})


async def _batches(
    desk: Desk, source: Source, topic: Topic, tag: str, start: int, given: str | None, send: Send
) -> None:
    until = time.monotonic() + desk.settings.live_for
    told = False  # a reader that has come to the end is told so, once
    while not desk.is_closing:
        seen = topic.rings
        facts = desk.shared_facts(topic, source)
        if facts.head < start:
            facts = source.facts(desk.log)  # what is shared may be older than what was read beside the loop
        if facts.tag != tag or facts.head < start:
            return  # another stream of that name, or an older copy: what was read is nothing to go on from
        if start < facts.head or not told or facts.closed:
            after, data = await _next(desk, source, topic, facts, start, is_waiting=told)
            at_end = after >= facts.head
            if data or not told or facts.closed:
                await _send(send, data + _control(facts, after, at_end, given))
                desk.metrics.sent(len(data))
            desk.metrics.lags[id(send)] = facts.head - after
            start, told = after, at_end
            if at_end and facts.closed:
                return
            continue
        left = until - time.monotonic()
        if left <= 0:
            return
        if not await topic.wait(seen, min(left, desk.settings.keep_alive)):
            await _send(send, SIGN_OF_LIFE)


async def _next(
    desk: Desk, source: Source, topic: Topic, facts: Facts, start: int, *, is_waiting: bool
) -> tuple[int, bytes]:
    """The offset after a batch, and its data event: made once for all who wait at the same place.

    Only those who wait share: what others read would stay until the next ring, which may never come.
    """
    if start >= facts.head:
        return start, b""
    if not is_waiting:
        after, data, _ = await desk.run(lambda log: _read(log, source, facts, start))
        return after, data
    key = source.key, facts.head, start
    made: tuple[int, bytes] | None = topic.shared.get(key)
    if made is None:
        after, data, written = _read(desk.log, source, facts, start)
        if written is not None:
            desk.metrics.woken((desk.log.clock() - written) / SECOND)
        made = topic.shared[key] = after, data
    return made


def _read(log: Log, source: Source, facts: Facts, start: int) -> tuple[int, bytes, int | None]:
    page = source.read(log, facts, start, MOST_BYTES)
    return page.next, data_event(facts, page.body), page.time


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def data_event(facts: Facts, body: bytes) -> bytes:
    """The data event of what was read; nothing where that is nothing. Pure."""
    if not body:
        return b""
    if facts.is_json:
        body = b"[" + body + b"]"
    elif not facts.is_text:
        body = base64.b64encode(body)
    if b"\n" in body or b"\r" in body:
        body = b"\ndata:".join(_LINE_END.split(body))
    return b"event: data\ndata:" + body + b"\n\n"


def _control(facts: Facts, after: int, at_end: bool, given: str | None) -> bytes:
    said: dict[str, Any] = {"streamNextOffset": offsets.token(after)}
    if at_end and facts.closed:
        said |= {"streamClosed": True, "upToDate": True}
    else:
        said["streamCursor"] = cursor(given)
        if at_end:
            said["upToDate"] = True
    return b"event: control\ndata:" + json.dumps(said, separators=(",", ":")).encode() + b"\n\n"
