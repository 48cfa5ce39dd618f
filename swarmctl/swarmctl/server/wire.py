"""Requests and responses as plain ASGI, for what is called often: no framework between a stream and its socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import parse_qsl

from swarm_store.errors import SwarmError

from . import problem

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
TOKEN = "swarmctl.token"  # in a scope: the Token that the guard has let in; None where none is needed


class Refused(Exception):
    """The request is answered with an error: a problem, and headers beside it."""

    def __init__(self, status: int, detail: str, hint: str = "", headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.hint = hint
        self.headers = list(headers)


class Disconnected(OSError):
    """The client has gone."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first header of that name (lower case); None where there is none."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value).decode("latin-1")
    return None


def query(scope: Scope) -> list[tuple[str, str]]:
    """The query's parameters in order, empty ones too."""
    return parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)


async def read_body(receive: Receive, most: int) -> bytes:
    """The whole body. Raises Refused (413) beyond `most` bytes, Disconnected where the client went away within it."""
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise Refused(413, f"the body is larger than {most} bytes", "send it in pieces")
        if not message.get("more_body", False):
            return b"".join(parts) + part if parts else part
        parts.append(part)


async def respond(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    """A whole response at once."""
    if status != 204 and status != 304:
        headers = [*headers, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, refused: Refused) -> None:
    """Answer with a problem."""
    members = problem.problem(refused.status, refused.detail, refused.hint)
    await _problem(send, refused.status, members, refused.headers)


async def fail(send: Send, error: SwarmError) -> None:
    """Answer with what an error says."""
    members = problem.of_error(error)
    status = members["status"]
    again = [(b"retry-after", str(problem.RETRY_AFTER).encode())] if status == 503 else []
    await _problem(send, status, members, again)


async def _problem(send: Send, status: int, members: dict[str, Any], headers: Headers) -> None:
    head = [(b"content-type", problem.MEDIA_TYPE.encode()), (b"cache-control", b"no-store"), *headers]
    await respond(send, status, head, problem.body(members))
