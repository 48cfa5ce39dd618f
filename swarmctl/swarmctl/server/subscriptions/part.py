"""A request on /v1/stream/__ds/… → what answers it. Errors are as the protocol has them: {"error": {"code", …}}."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import unquote

from swarm_store import subscription_writes as writes
from swarm_store import subscriptions
from swarm_store.errors import AlreadyClaimed, SubscriptionRefused
from swarm_store.subscriptions import PULL_WAKE, WEBHOOK, Link, Subscription
from swarm_store.transaction import Transaction

from ..settings import Settings
from ..streams.desk import Desk
from ..wire import Headers, Receive, Refused, Scope, Send, header, read_body, respond
from . import bodies, targets
from .dispatcher import Dispatcher

T = TypeVar("T")
MOST_BODY = 1 << 20
LONGEST_ID = 256  # bytes
OWN_TOKENS = ("callback", "ack", "release")
STATUS = {
    "SUBSCRIPTION_NOT_FOUND": 404,
    "INVALID_REQUEST": 400,
    "WEBHOOK_URL_REJECTED": 400,
    "TOKEN_INVALID": 401,
    "SUBSCRIPTION_ALREADY_EXISTS": 409,
    "FENCED": 409,
    "ALREADY_CLAIMED": 409,
    "NO_PENDING_WORK": 409,
    "INVALID_OFFSET": 409,
}
METHODS = {"": "PUT, GET, DELETE", "streams": "POST", "stream": "DELETE", "jwks": "GET"}  # any other: POST


class TokenInvalid(SubscriptionRefused):
    """The token is none of this subscription's."""

    code = "TOKEN_INVALID"


class NothingPending(SubscriptionRefused):
    """There is nothing to claim."""

    code = "NO_PENDING_WORK"


class Subscriptions:
    """The part of the server that has them; made in the event loop, and closed before the desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._base = public_url(desk.settings)
        self._dispatcher = Dispatcher(desk, self._base or "")
        self._keys = self._dispatcher.keys

    async def close(self) -> None:
        """Stop waking and delivering."""
        await self._dispatcher.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            id, action, rest = route(scope)
            answer = _ANSWERS.get((scope["method"], action))
            if answer is None:
                allow = (b"allow", METHODS.get(action, "POST").encode())
                raise Refused(405, f"there is no {scope['method']} of that", headers=[allow])
            await answer(self, id, rest, scope, receive, send)
        except SubscriptionRefused as error:
            await _refuse(send, error)

    async def _write(self, work: Callable[[Transaction], T]) -> T:
        return await self._desk.writer.submit(work)

    async def _jwks(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/jwk-set+json"), (b"cache-control", b"public, max-age=300")]
        await respond(send, 200, headers, json.dumps((await self._keys()).jwks()).encode())

    async def _put(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        config = bodies.config(await self._body(receive))
        if config.url is not None:
            if self._base is None:
                raise SubscriptionRefused(
                    "webhooks need a server that their receivers can reach", "swarmctl serve --public-url URL"
                )
            await targets.check(config.url)
        made = await self._write(lambda t: writes.create(t, id, config))
        await self._tell(send, 201 if made.is_new else 200, made.subscription, made.links)

    async def _get(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        await self._tell(send, 200, *subscriptions.find(self._desk.log, id))

    async def _tell(self, send: Send, status: int, one: Subscription, links: list[Link]) -> None:
        keys = await self._keys() if one.is_webhook else None
        await _json(send, status, bodies.subscription(one, links, self._base or "", keys))

    async def _delete(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        await self._write(lambda t: writes.delete(t, id))
        await respond(send, 204, [])

    async def _add(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        paths = bodies.paths(await self._body(receive))
        await self._write(lambda t: writes.add_streams(t, id, paths))
        await respond(send, 204, [])

    async def _remove(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        path = bodies.path(rest, "the path")
        await self._write(lambda t: writes.remove_stream(t, id, path))
        await respond(send, 204, [])

    async def _claim(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        worker = bodies.text((await self._body(receive)).get("worker"), "worker")
        claimed = await self._write(lambda t: writes.claim(t, id, worker))
        if claimed is None:
            raise NothingPending("nothing is pending", "wait for the next wake")
        one = claimed.subscription
        said: dict[str, Any] = {"wake_id": one.wake_id, "generation": one.generation}
        said["token"] = (await self._keys()).token(one.tag, one.generation)
        said |= {"streams": bodies.streams(claimed.links), "lease_ttl_ms": claimed.lease_ttl_ms}
        await _json(send, 200, said)

    async def _callback(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        await self._acknowledge(id, WEBHOOK, scope, receive, send)

    async def _ack(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        await self._acknowledge(id, PULL_WAKE, scope, receive, send)

    async def _acknowledge(self, id: str, type: str, scope: Scope, receive: Receive, send: Send) -> None:
        wake, said = await self._wake(id, scope, receive)
        acks, done = bodies.acks(said), said.get("done") is True
        next_wake = await self._write(lambda t: writes.acknowledge(t, id, type, wake, acks, done))
        await _json(send, 200, {"ok": True, "next_wake": next_wake})

    async def _release(self, id: str, rest: str, scope: Scope, receive: Receive, send: Send) -> None:
        wake, _ = await self._wake(id, scope, receive)
        await self._write(lambda t: writes.give_back(t, id, wake))
        await respond(send, 204, [])

    async def _wake(self, id: str, scope: Scope, receive: Receive) -> tuple[writes.Wake, dict[str, Any]]:
        """The wake that a worker speaks of, by its token. Raises TokenInvalid, NoSuchSubscription."""
        scheme, _, token = (header(scope, b"authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise TokenInvalid("no token", "Authorization: Bearer …, the token that came with the wake")
        said = await self._body(receive)
        one, _ = subscriptions.find(self._desk.log, id)
        generation = (await self._keys()).generation(token.strip(), one.tag)
        if generation is None:
            raise TokenInvalid("that is no token of this subscription's", "give the one that came with the wake")
        return writes.Wake(*bodies.wake(said), generation), said

    async def _body(self, receive: Receive) -> dict[str, Any]:
        return bodies.read_object(await read_body(receive, min(MOST_BODY, self._desk.settings.most_body)))


_ANSWERS = {
    ("GET", "jwks"): Subscriptions._jwks,
    ("PUT", ""): Subscriptions._put,
    ("GET", ""): Subscriptions._get,
    ("DELETE", ""): Subscriptions._delete,
    ("POST", "streams"): Subscriptions._add,
    ("DELETE", "stream"): Subscriptions._remove,
    ("POST", "claim"): Subscriptions._claim,
    ("POST", "callback"): Subscriptions._callback,
    ("POST", "ack"): Subscriptions._ack,
    ("POST", "release"): Subscriptions._release,
}


def route(scope: Scope) -> tuple[str, str, str]:
    """The subscription's id that a path names, what of it, and what follows. Raises Refused (404)."""
    try:
        raw = scope["raw_path"].decode("latin-1").split("/", 4)[-1]  # after /v1/stream/__ds/
        first, *segments = [unquote(one, errors="strict") for one in raw.split("/")]
    except UnicodeDecodeError:
        raise Refused(400, "a path is UTF-8") from None
    if first == "jwks.json" and not segments:
        return "", "jwks", ""
    if first == "subscriptions" and segments and 0 < len(segments[0].encode()) <= LONGEST_ID:
        id, *action = segments
        if len(action) > 1 and action[0] == "streams":
            return id, "stream", "/".join(action[1:])
        if not action or (len(action) == 1 and action[0] in ("streams", "claim", *OWN_TOKENS)):
            return id, action[0] if action else "", ""
    raise Refused(404, "there is nothing here", "subscriptions are at /v1/stream/__ds/subscriptions/ID")


def public_url(settings: Settings) -> str | None:
    """The server's URL, as those reach it who are not on it; None where nobody can."""
    if settings.public_url is not None:
        return settings.public_url
    if settings.uds is not None:
        return None
    host = socket.gethostname() if settings.host in ("0.0.0.0", "::") else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


async def _json(send: Send, status: int, said: dict[str, Any], headers: Headers | None = None) -> None:
    head = [(b"content-type", b"application/json"), (b"cache-control", b"no-store"), *(headers or [])]
    await respond(send, status, head, json.dumps(said).encode())


async def _refuse(send: Send, error: SubscriptionRefused) -> None:
    said: dict[str, Any] = {
        "code": error.code,
        "message": f"{error.message}; {error.hint}" if error.hint else error.message,
    }
    if isinstance(error, AlreadyClaimed):
        said |= {"current_holder": error.holder, "generation": error.generation}
    status = STATUS[error.code]
    challenge = [(b"www-authenticate", b"Bearer")] if status == 401 else []
    await _json(send, status, {"error": said}, challenge)
