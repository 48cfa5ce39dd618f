"""Subscriptions as JSON: what clients ask, checked, and what they are told. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from swarm_store.clock import rfc3339
from swarm_store.errors import AckRefused, SubscriptionRefused
from swarm_store.globs import segments
from swarm_store.subscription_wakes import Delivery
from swarm_store.subscription_writes import Ack
from swarm_store.subscriptions import PULL_WAKE, WEBHOOK, Config, Link, Subscription

from ..streams import offsets
from ..wire import Refused

if TYPE_CHECKING:
    from .keys import Keys

DEFAULT_LEASE, SHORTEST_LEASE, LONGEST_LEASE = 30_000, 1_000, 600_000  # milliseconds
LONGEST_PATH = 1024  # bytes
LONGEST_TEXT = 4096  # bytes
MOST_STREAMS = 10_000
RESERVED = "__ds"
PREFIX = "/v1/stream/__ds/"


def read_object(body: bytes) -> dict[str, Any]:
    """The JSON object that a body is; an empty one is `{}`. Raises SubscriptionRefused."""
    try:
        said = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        raise SubscriptionRefused("the body is no JSON") from None
    if not isinstance(said, dict):
        raise SubscriptionRefused("the body is no JSON object")
    return said


def config(said: dict[str, Any]) -> Config:
    """The subscription that a PUT asks for. Raises SubscriptionRefused."""
    kind = said.get("type")
    if kind not in (WEBHOOK, PULL_WAKE):
        raise SubscriptionRefused(f'type must be "{WEBHOOK}" or "{PULL_WAKE}"')
    pattern = path(said["pattern"], "pattern") if said.get("pattern") else None
    streams = tuple(sorted(set(paths(said)))) if said.get("streams") else ()
    if pattern is None and not streams:
        raise SubscriptionRefused("a pattern or streams are needed")
    lease = said.get("lease_ttl_ms", DEFAULT_LEASE)
    if type(lease) is not int or not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
        raise SubscriptionRefused(f"lease_ttl_ms must be an integer from {SHORTEST_LEASE} to {LONGEST_LEASE}")
    description = said.get("description")
    if description is not None:
        text(description, "description")
    url = wake_stream = None
    if kind == WEBHOOK:
        webhook = said.get("webhook")
        url = webhook.get("url") if isinstance(webhook, dict) else None
        if not isinstance(url, str) or not url:
            raise SubscriptionRefused("a webhook subscription needs webhook.url")
    else:
        wake_stream = path(said.get("wake_stream"), "wake_stream")
        if wake_stream in streams:
            raise SubscriptionRefused("its own wakes cannot wake a subscription", "leave wake_stream out of streams")
    return Config(kind, pattern, streams, url, wake_stream, lease, description)


def paths(said: dict[str, Any]) -> list[str]:
    """The member `streams`. Raises SubscriptionRefused."""
    given = said.get("streams")
    if not isinstance(given, list) or not given or len(given) > MOST_STREAMS:
        raise SubscriptionRefused(f"streams must be 1 to {MOST_STREAMS} paths")
    return [path(one, "streams") for one in given]


def path(given: object, what: str) -> str:
    """A path of a stream, or a pattern of such. Raises SubscriptionRefused."""
    found = text(given, what).strip("/")
    if not found or "\0" in found or len(found.encode()) > LONGEST_PATH or segments(found)[:1] == [RESERVED]:
        raise SubscriptionRefused(f"{what}: no stream can have that path", "paths are as after /v1/stream/")
    return found


def text(given: object, what: str) -> str:
    """Text, not empty. Raises SubscriptionRefused."""
    try:
        if isinstance(given, str) and 0 < len(given.encode()) <= LONGEST_TEXT:
            return given
    except UnicodeEncodeError:  # half a surrogate pair
        pass
    raise SubscriptionRefused(f"{what} must be text, of at most {LONGEST_TEXT} bytes")


def wake(said: dict[str, Any]) -> tuple[str, int]:
    """The wake that a request speaks of; one that no wake is where it is not said."""
    wake_id, generation = said.get("wake_id"), said.get("generation")
    return (wake_id if isinstance(wake_id, str) else "", generation if type(generation) is int else -1)


def acks(said: dict[str, Any]) -> list[Ack]:
    """The member `acks`. Raises SubscriptionRefused, AckRefused."""
    given = said.get("acks")
    if given is None:
        return []
    if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise SubscriptionRefused("acks must be an array of objects")
    found = []
    for one in given:
        stream, offset = one.get("stream", one.get("path")), one.get("offset")
        try:
            found.append(Ack(path(stream, "stream"), offsets.parse(offset if isinstance(offset, str) else "")))
        except Refused as error:
            raise AckRefused(error.detail, error.hint) from None
    return found


def subscription(one: Subscription, links: list[Link], base: str, keys: Keys | None) -> dict[str, Any]:
    """A subscription as its owner sees it."""
    asked = one.configured()
    webhook = None
    if asked.url is not None and keys is not None:
        signing = {"alg": "ed25519", "kid": keys.kid, "jwks_url": base + PREFIX + "jwks.json"}
        webhook = {"url": asked.url, "signing": signing}
    return {
        "id": one.id,
        "subscription_id": one.id,
        "type": asked.type,
        "pattern": asked.pattern,
        "streams": [
            {"path": link.path, "link_type": _kind(link), "acked_offset": offsets.token(link.acked)} for link in links
        ],
        "webhook": webhook,
        "wake_stream": asked.wake_stream,
        "lease_ttl_ms": asked.lease_ttl_ms,
        "created_at": rfc3339(one.created),
        "status": "failed" if one.retries else "active",
        "description": asked.description,
    }


def _kind(link: Link) -> str:
    return "explicit" if link.is_explicit else "glob"


def streams(links: list[Link]) -> list[dict[str, Any]]:
    """The streams of a wake."""
    return [
        {
            "path": link.path,
            "link_type": _kind(link),
            "acked_offset": offsets.token(link.acked),
            "tail_offset": offsets.token(link.tail),
            "has_pending": link.is_pending,
        }
        for link in links
    ]


def notification(delivery: Delivery, base: str, keys: Keys) -> bytes:
    """What a webhook's receiver is sent."""
    said = {
        "subscription_id": delivery.id,
        "wake_id": delivery.wake_id,
        "generation": delivery.generation,
        "streams": streams(delivery.links),
        "callback_url": f"{base}{PREFIX}subscriptions/{quote(delivery.id, safe='')}/callback",
        "callback_token": keys.token(delivery.tag, delivery.generation),
    }
    return json.dumps(said, separators=(",", ":")).encode()
