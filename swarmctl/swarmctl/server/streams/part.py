"""A request on /v1/stream/<name> → what answers it."""

from __future__ import annotations

from urllib.parse import unquote

from ..wire import Receive, Refused, Scope, Send
from . import reading, writing
from .desk import Desk
from .own import source

LONGEST_NAME = 1024  # bytes
ALLOW = (b"allow", b"GET, HEAD, PUT, POST, DELETE")
ALLOW_READING = (b"allow", b"GET, HEAD")


class Streams:
    """The part of the server that speaks the protocol."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = stream_name(scope)
        method = scope["method"]
        found, ours = source(name)
        if method == "GET":
            await reading.get(self._desk, found, scope, send)
        elif method == "HEAD":
            await reading.head(self._desk, found, send)
        elif ours:
            raise Refused(405, f"stream {name!r} is the log's own: it can only be read", headers=[ALLOW_READING])
        elif method == "POST":
            await writing.post(self._desk, name, scope, receive, send)
        elif method == "PUT":
            await writing.put(self._desk, name, scope, receive, send)
        elif method == "DELETE":
            await writing.delete(self._desk, name, send)
        else:
            raise Refused(405, f"a stream has no {method}", headers=[ALLOW])


def stream_name(scope: Scope) -> str:
    """The name in a request's path. Raises Refused (400) for one that no stream can have."""
    raw = scope["raw_path"].decode("latin-1").removeprefix(writing.PREFIX)
    try:
        name = unquote(raw, errors="strict")
    except UnicodeDecodeError:
        raise Refused(400, "a stream's name is UTF-8") from None
    if not name or len(name.encode()) > LONGEST_NAME or "\0" in name or name.startswith("/"):
        raise Refused(400, "no stream can have that name", f"it has 1 to {LONGEST_NAME} bytes, and no NUL")
    return name
