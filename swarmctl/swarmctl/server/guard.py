"""The guard: before any part of the server sees a request, it is known who asks, from where, and that they may.

In this order, each with its answer:

    head too long 431 → method or path that cannot be 405, 400 → Host 421 → Origin 403 → preflight 204
    → token 401 → its rights 403 → length of the body 413 → its uses counted 401

A Host that is ours keeps out pages that have their own name lead to this machine (DNS rebinding); an Origin that is
ours keeps out forms and scripts of other pages. No other page may read anything, but those of --allow-origin.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import parse_qsl

from swarm_store import tokens
from swarm_store.errors import SwarmError
from swarm_store.tokens import Token

from . import rights, wire
from .connection import CONNECTION, Connection
from .keys import Keys
from .settings import HOST, LOOPBACK, Settings
from .wire import App, Headers, Message, Receive, Refused, Scope, Send

MOST_HEAD = 32 << 10  # bytes of path, query and headers
MOST_HEADERS = 100
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
BULK = "/v1/import"  # its body goes to the disk as it comes
_ONCE = frozenset((b"host", b"origin", b"authorization", b"content-length", b"transfer-encoding"))
_LOOKED_AT = _ONCE | {b"sec-fetch-site", b"sec-fetch-mode", b"access-control-request-method"}
_IN_URLS = ("token", "access_token")
_ALLOW_HEADERS = (
    "authorization, content-type, if-none-match, idempotency-key, last-event-id, stream-seq, stream-ttl,"
    " stream-expires-at, stream-closed, stream-forked-from, stream-fork-offset, stream-fork-sub-offset,"
    " producer-id, producer-epoch, producer-seq"
)
_EXPOSE_HEADERS = (
    "stream-next-offset, stream-cursor, stream-up-to-date, stream-closed, stream-ttl, stream-expires-at, stream-seq,"
    " stream-sse-data-encoding, producer-epoch, producer-seq, producer-expected-seq, producer-received-seq,"
    " etag, location, retry-after, content-disposition"
)

Head = dict[bytes, bytes]


def security_headers(settings: Settings) -> Headers:
    """What every response has, whoever makes it: the server adds them."""
    return [
        (b"x-content-type-options", b"nosniff"),
        (b"cross-origin-resource-policy", b"cross-origin" if settings.allowed_origins else b"same-origin"),
        (b"referrer-policy", b"no-referrer"),
        (b"x-frame-options", b"DENY"),
    ]


class Guard:
    """Answers what may not be, and hands everything else to `inside`.

    Raises SwarmError where there is no usable log, or the admin's token is not safe.
    """

    def __init__(self, settings: Settings, inside: App) -> None:
        self._settings = settings
        self._inside = inside
        self._keys = Keys(settings.home, self._end_what_is_over) if settings.needs_token else None
        self._served: dict[str, dict[asyncio.Task[None], Callable[[], None]]] = {}  # by token: what is being answered

    def start(self) -> None:
        """Follow the tokens. Raises SwarmError where that cannot be."""
        if self._keys is not None:
            self._keys.start()

    def stop(self) -> None:
        """Let go of the log."""
        if self._keys is not None:
            self._keys.stop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            head = read_head(scope)
            check_host(self._settings, scope["server"], head.get(b"host"))
            send = self._for_origin(scope, head, send)
            if self._is_preflight(scope, head):
                return await wire.respond(send, 204, _PREFLIGHT)
            token = scope[wire.TOKEN] = await self._admit(scope, head)
            if b"transfer-encoding" in head and scope["path"] != BULK:
                receive, send = _limited(receive, send, self._settings.most_body)
        except Refused as refused:
            return await wire.refuse(send, refused)
        except SwarmError as error:
            return await wire.fail(send, error)
        send = _unless_gone(scope, send)
        if token is None or token.id == tokens.ADMIN or rights.is_revocation(scope["method"], scope["raw_path"]):
            return await self._inside(scope, receive, send)
        return await self._serve_while_good(token, scope, receive, send)

    def _for_origin(self, scope: Scope, head: Head, send: Send) -> Send:
        """Raises Refused for a page that may not use this server; `send`, with what one that may has to hear."""
        origin = head.get(b"origin")
        if not may_come_from(self._settings, scope["method"], head):
            raise Refused(
                403,
                "this page is of another origin" if origin else "a page of another site asks for this",
                "if it is to use this server: swarmctl serve --allow-origin ORIGIN",
            )
        if not self._settings.allowed_origins:
            return send
        more: Headers = [(b"vary", b"Origin")]
        if origin is not None:
            more += [
                (b"access-control-allow-origin", origin),
                (b"access-control-expose-headers", _EXPOSE_HEADERS.encode()),
            ]

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *more]}
            await send(message)

        return with_headers

    def _is_preflight(self, scope: Scope, head: Head) -> bool:
        is_asking = scope["method"] == "OPTIONS" and b"access-control-request-method" in head
        return is_asking and head.get(b"origin", b"").decode("latin-1") in self._settings.allowed_origins

    async def _admit(self, scope: Scope, head: Head) -> Token | None:
        """The token of a request that may be; None where none is needed. Raises Refused."""
        token = None
        if self._keys is not None and not rights.is_open(scope["method"], scope["raw_path"]):
            token = self._token(self._keys, head.get(b"authorization"))
            if not rights.may(token, scope["method"], scope["raw_path"]):
                raise Refused(403, f"token {token.id} does not allow this", "swarmctl token list shows what it allows")
            if token.agents is not None and not self._keys.is_agent(rights.agent_of(scope["raw_path"])):
                raise Refused(404, "the agent has been removed", "its token is for nothing else")
        length = head.get(b"content-length", b"0")
        if scope["path"] != BULK and int(length) > self._settings.most_body:
            raise Refused(413, f"the body is larger than {self._settings.most_body} bytes", "send it in pieces")
        if token is not None and self._keys is not None:
            state = await self._keys.use(token)
            if state != tokens.GOOD:
                raise _unauthorized(f"token {token.id} is {state}", "swarmctl token create makes another", known=True)
        return token

    def _token(self, keys: Keys, authorization: bytes | None) -> Token:
        """The token that a request has. Raises Refused (401)."""
        if authorization is None:
            raise _unauthorized(
                "no token", "send Authorization: Bearer TOKEN, of the file `token` or swarmctl token create"
            )
        scheme, _, presented = authorization.decode("latin-1").strip().partition(" ")
        token, state = keys.find(presented.strip()) if scheme.lower() == "bearer" else (None, "")
        if token is None:
            raise _unauthorized("no such token", "swarmctl token create makes one", known=True)
        if state != tokens.GOOD:
            raise _unauthorized(f"token {token.id} is {state}", "swarmctl token create makes another", known=True)
        return token

    async def _serve_while_good(self, token: Token, scope: Scope, receive: Receive, send: Send) -> None:
        """Live responses may last: they end when their token does."""
        task = asyncio.current_task()
        assert task is not None
        served = self._served.setdefault(token.id, {})
        connection: Connection | None = scope.get(CONNECTION)
        served[task] = connection.cut if connection is not None else lambda: None
        try:
            await self._inside(scope, receive, send)
        finally:
            del served[task]
            if not served:
                self._served.pop(token.id, None)

    def _end_what_is_over(self) -> None:
        assert self._keys is not None
        for token_id, served in list(self._served.items()):
            if self._keys.is_over(token_id):
                for end in list(served.values()):
                    end()


# -- each check by itself


def read_head(scope: Scope) -> Head:
    """The headers that the guard looks at. Raises Refused for a head that is too long, ambiguous or no request."""
    head: Head = {}
    size = len(scope["raw_path"]) + len(scope["query_string"])
    for name, value in scope["headers"]:
        size += len(name) + len(value)
        if name in _LOOKED_AT:
            if name in head and name in _ONCE:
                raise Refused(400, f"more than one header {name.decode()}", "send one")
            head[name] = value
    if size > MOST_HEAD or len(scope["headers"]) > MOST_HEADERS:
        raise Refused(431, f"more than {MOST_HEAD} bytes or {MOST_HEADERS} lines of headers", "send fewer")
    if scope["method"] not in METHODS:
        allow = (b"allow", ", ".join(METHODS).encode())
        raise Refused(405, f"{scope['method']} is no method of this server", f"it has {', '.join(METHODS)}", [allow])
    if b"transfer-encoding" in head:
        _check_coding(head[b"transfer-encoding"], scope["http_version"])
    if "\0" in scope["path"]:
        raise Refused(400, "a NUL in the path", "leave it out")
    query = scope["query_string"].decode("latin-1").lower()
    if ("token" in query or "%" in query) and any(name.lower() in _IN_URLS for name, _ in parse_qsl(query, True)):
        raise Refused(400, "a token in the URL, where logs and histories keep it", "send Authorization: Bearer instead")
    return head


def _check_coding(coding: bytes, version: str) -> None:
    """Raises Refused for a body that a proxy before us may have seen end elsewhere, or that nobody here decodes."""
    if version == "1.0":
        raise Refused(400, "HTTP/1.0 has no Transfer-Encoding", "send Content-Length, or HTTP/1.1")
    if coding.strip().lower() != b"chunked":
        raise Refused(501, "the only Transfer-Encoding here is chunked", "send the body as it is")


def check_host(settings: Settings, server: tuple[str, int | None] | None, host: bytes | None) -> None:
    """Raises Refused (421) where the Host header names somebody else."""
    if host is None or not is_ours(settings, server, host.decode("latin-1")):
        raise Refused(421, "this server does not go by that name", "if it should: swarmctl serve --allow-host NAME")


@lru_cache(256)
def is_ours(settings: Settings, server: tuple[str, int | None] | None, host: str) -> bool:
    """Whether a Host header names us: the address at which the client has reached us, or a name that is allowed."""
    match = HOST.fullmatch(host.lower())
    if match is None:
        return False
    name, port = match[1], match[2]
    allowed = {one.lower() for one in settings.allowed_hosts}
    if settings.public_url is not None:
        allowed.add(settings.public_url.partition("//")[2].lower())
    if {name, match[0]} & allowed:
        return True
    local = {"localhost", "127.0.0.1", "[::1]"}
    if settings.uds is not None or server is None:
        return name in local
    address = server[0].removeprefix("::ffff:")
    names = {_in_url(address), _in_url(settings.host.lower())} - {"0.0.0.0", "[::]"}
    if address in LOOPBACK or ip_address(address).is_loopback:
        names |= local
    return name in names and int(port or 80) == server[1]


def may_come_from(settings: Settings, method: str, head: Head) -> bool:
    """Whether no page asks, or one of ours or of an origin that is allowed."""
    if b"origin" not in head:  # GET by a page's tags has none
        follows_link = head.get(b"sec-fetch-mode") == b"navigate" and method in rights.READING
        return follows_link or head.get(b"sec-fetch-site") not in (b"cross-site", b"same-site")
    origin = head[b"origin"].decode("latin-1").lower()
    host = head[b"host"].decode("latin-1").lower()  # checked before: it is ours
    return origin in (f"http://{host}", f"https://{host}", *settings.allowed_origins)


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _unauthorized(detail: str, hint: str, *, known: bool = False) -> Refused:
    challenge = b'Bearer realm="swarmctl"' + (b', error="invalid_token"' if known else b"")
    return Refused(401, detail, hint, [(b"www-authenticate", challenge)])


def _unless_gone(scope: Scope, send: Send) -> Send:
    """`send` that raises Disconnected once there is nobody to send to; uvicorn's returns, however often it is."""
    connection: Connection | None = scope.get(CONNECTION)
    if connection is None:
        return send

    async def to_somebody(message: Message) -> None:
        if connection.is_gone:
            raise wire.Disconnected
        await send(message)

    return to_somebody


def _limited(receive: Receive, send: Send, most: int) -> tuple[Receive, Send]:
    """For a body of unknown length: past `most` the answer is 413, and `receive` says that the client has gone."""
    size = 0
    is_answered = is_started = False

    async def count(message: Message) -> Message:
        nonlocal size, is_answered
        size += len(message.get("body", b""))
        if size <= most:
            return message
        if not is_started and not is_answered:
            is_answered = True
            await wire.refuse(send, Refused(413, f"the body is larger than {most} bytes", "send it in pieces"))
        return {"type": "http.disconnect"}

    async def counted() -> Message:
        return await count(await receive())

    async def once(message: Message) -> None:
        nonlocal is_started
        if not is_answered:
            is_started = True
            await send(message)

    return counted, once


_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", ", ".join(METHODS).encode()),
    (b"access-control-allow-headers", _ALLOW_HEADERS.encode()),
    (b"access-control-max-age", b"600"),
]
