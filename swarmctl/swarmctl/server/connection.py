"""One connection: uvicorn's, with an end to what comes, goes or stays too slowly, and to heads without end.

    a head that is not whole in time, a body that trickles      cut off after `stalled_after`
    a reader that takes nothing of what is sent                 cut off after `stalled_after`
    a head that does not end                                    431
    more connections than there may be                          503, and closed unheard beyond SPARE more

So the parts of the server need no clock of their own: their `send` waits while the reader is slow, and returns when it
is cut off. Idle connections are closed by uvicorn.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .settings import Settings

LEAST_RATE = 1024  # bytes a second; who sends a body more slowly than that is not waited for
MOST_UNFINISHED = 256 << 10  # bytes of a head; whether a whole one is too long says the guard
MOST_DISCARDED = 64 << 20  # bytes of a body that come after the answer: a client may read it only when all is sent
SPARE = 64
CONNECTION = "swarmctl.connection"  # in a scope: its Connection

log = logging.getLogger("swarmctl.server.connection")
log.setLevel(logging.ERROR)  # what strangers send is not worth a line each


class Connection(HttpToolsProtocol):
    """See the module; `connections(settings)` makes the class for a server."""

    settings: Settings
    stalled: Callable[[], None]  # is told of each reader that was cut off

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.logger = log
        self._is_coming = self._is_head = False  # a request has begun and is not whole; nor is its head
        self._came = self._discarded = 0
        self.is_gone = False  # whatever is sent now is for nobody
        self._left = 0
        self._has_taken = False
        self._sender_due: asyncio.TimerHandle | None = None
        self._reader_due: asyncio.TimerHandle | None = None

    def cut(self) -> None:
        """End it at once, with all that is on its way; what answers the request sees a client that has gone."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.is_gone = True
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._watch_sender()
        if len(self.connections) > self.settings.most_connections + SPARE:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone = True
        super().connection_lost(exc)
        for due in (self._sender_due, self._reader_due):
            if due is not None:
                due.cancel()
        self._unset_keepalive_if_required()

    # -- what comes

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.transport.is_closing():
            return
        self._came += len(data)
        if self._is_head and self._came > MOST_UNFINISHED:
            self._refuse_head()
        elif self._is_coming or self._is_idle():  # idle: the rest of what is answered, or bytes of no request
            self._discarded += len(data)
            if self._is_idle() and self._discarded > MOST_DISCARDED:
                self.cut()
            self._watch_sender()
        elif self._sender_due is not None:
            self._sender_due.cancel()
            self._sender_due = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        cast(dict[str, Any], self.scope)[CONNECTION] = self
        self._is_coming = self._is_head = True
        self._came = self._discarded = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_head:  # a trailer is none: whatever is in it has not been looked at
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._is_coming = False
        super().on_message_complete()

    def _is_idle(self) -> bool:
        return not self.pipeline and (self.cycle is None or self.cycle.response_complete)

    def _watch_sender(self) -> None:
        if self._sender_due is None:
            self._sender_due = self.loop.call_later(self.settings.stalled_after, self._look_at_sender)

    def _look_at_sender(self) -> None:
        self._sender_due = None
        is_body = self._is_coming and not self._is_head and not self._is_idle()
        enough = self._came >= LEAST_RATE * self.settings.stalled_after
        if is_body and (enough or self.flow.read_paused):
            self._came = 0
            self._watch_sender()
        else:
            self.cut()

    def _refuse_head(self) -> None:
        said = b"the head of the request is too long"
        lines = [b"HTTP/1.1 431 Request Header Fields Too Large", b"connection: close", b"content-type: text/plain"]
        lines += [name + b": " + value for name, value in self.server_state.default_headers]
        lines += [b"content-length: %d" % len(said), b"", said]
        self.transport.write(b"\r\n".join(lines))
        self.transport.close()

    def send_400_response(self, msg: str) -> None:
        if self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete:
            self.cut()  # an answer within another would be taken for a piece of it
        else:
            super().send_400_response(msg)

    def _unsupported_upgrade_warning(self) -> None:
        """It is answered as if it had not asked for another protocol."""

    # -- what goes

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_reader()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._has_taken = True

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_reader()  # of what is not sent yet nobody else waits for

    def _watch_reader(self) -> None:
        if self._reader_due is None:
            self._left, self._has_taken = self.transport.get_write_buffer_size(), False
            self._reader_due = self.loop.call_later(self.settings.stalled_after, self._look_at_reader)

    def _look_at_reader(self) -> None:
        self._reader_due = None
        left = self.transport.get_write_buffer_size()
        if left and left >= self._left and not self._has_taken:
            self.stalled()
            self.cut()
        elif left:
            self._watch_reader()


def connections(settings: Settings, stalled: Callable[[], None]) -> type[Connection]:
    """The class of a server's connections."""
    return type("Connection", (Connection,), {"settings": settings, "stalled": staticmethod(stalled)})
