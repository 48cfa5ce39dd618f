"""What brings a subscription forward: its pattern meets new streams, it is woken, delivered, and its lease runs out.

Each function is part of a transaction and looks anew at how things stand, so any number of servers may do this on one
log: who comes second finds it done. A delivery belongs to whoever began it, until it is over or overdue; it is known by
the number of the attempt.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from typing import Any, NamedTuple

from . import client_writes, events
from . import statements as sql
from .client_streams import ClientStream
from .errors import SwarmError
from .subscriptions import Link, Place, Subscription, is_meant, links, places
from .transaction import Transaction

MILLISECOND = 1000
LONGEST_DELIVERY = 30_000  # milliseconds that a receiver has to answer in, where the lease is not shorter
MARGIN = 0.9  # of that: whoever delivers gives up before anybody else may begin
FIRST_RETRY, LAST_RETRY, JITTER = 1_000, 60_000, 0.2


class Delivery(NamedTuple):
    """A wake that whoever has this is to deliver now, within `timeout` seconds, and then to `settle`."""

    id: str
    tag: str
    url: str
    wake_id: str
    generation: int
    attempt: int
    links: list[Link]
    timeout: float


def happened(t: Transaction, one: Subscription, type: str, **said: Any) -> Subscription:
    """Write down that something happened to a subscription, and give it as it is then."""
    t.append(events.SUBSCRIPTIONS, [events.subscription_event(type, one.id, one.tag, **said)])
    return Subscription(*t.execute(sql.SUBSCRIPTION, {"id": one.id}).fetchone())


def get(t: Transaction, subscription_id: str) -> Subscription | None:
    """The subscription as it is after what the transaction has done."""
    row = t.execute(sql.SUBSCRIPTION, {"id": subscription_id}).fetchone()
    return Subscription(*row) if row else None


def tend(t: Transaction, subscription_id: str, new: Iterable[str] = ()) -> Delivery | None:
    """Do for a subscription what is due by now; `new` are streams of the log that its pattern may mean.

    What is given is the caller's to deliver.
    """
    one = get(t, subscription_id)
    if one is None:
        return None
    _link_new(t, one, new)
    if one.lease_until is not None and one.lease_until <= t.time:
        one = release(t, one, events.LEASE_RAN_OUT)
    if one.wake_id is None and (one.attempt_at is None or one.attempt_at <= t.time):
        one = wake(t, one) or calm(t, one)
    if one.is_webhook and one.wake_id is not None and one.attempt_at is not None and one.attempt_at <= t.time:
        return _begin(t, one)
    return None


def _link_new(t: Transaction, one: Subscription, new: Iterable[str]) -> None:
    found: list[Place] = []
    for stream in new:
        there = places(t.execute(sql.LINKABLE_STREAM, {"name": stream}).fetchall(), t.time)
        for place in there:
            is_linked = t.execute(sql.IS_IN_GLOB, {"id": one.id, "path": place.path}).fetchone()
            if not is_linked and one.pattern is not None and is_meant(one.pattern, place.path, one.wake_stream):
                found.append(place)
    if found:
        made = [(place.path, place.stream, place.tag, place.start, "glob") for place in found]
        happened(t, one, events.SUBSCRIPTION_LINKED, links=made)


def wake(t: Transaction, one: Subscription, *, tell: bool = True) -> Subscription | None:
    """Wake an idle subscription where work is pending; None where there is none, or no stream to say so in.

    `tell` False writes nothing into the wake stream: its worker is the one who asks.
    """
    pending = [link.path for link in links(t, one.id) if link.is_pending]
    if not pending:
        return None
    generation = one.generation + 1
    if one.wake_stream is not None and tell and not _tell(t, one, pending[0], generation):
        return None
    lease_until = t.time + one.configured().lease_ttl_ms * MILLISECOND if one.is_webhook else None
    said = {"generation": generation, "wake_id": "w_" + os.urandom(12).hex(), "lease_until": lease_until}
    return happened(t, one, events.SUBSCRIPTION_WOKEN, **said)


def _tell(t: Transaction, one: Subscription, path: str, generation: int) -> bool:
    """Write the wake into the wake stream, if that can be."""
    assert one.wake_stream is not None
    row = t.execute(sql.CLIENT_STREAM, {"name": events.client_stream(one.wake_stream)}).fetchone()
    if row is None:
        return False
    stream = ClientStream(*row)
    event = {"type": "wake", "subscription_id": one.id, "stream": path, "generation": generation}
    event["ts"] = t.time // MILLISECOND
    body = json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    count = 1 if stream.is_json else None
    try:
        client_writes.append(t, one.wake_stream, body, content_type=stream.content_type, messages=count)
    except SwarmError:  # it was closed, or is about to go
        return False
    return True


def calm(t: Transaction, one: Subscription) -> Subscription:
    """Nothing is pending any more, so nothing is to be tried again."""
    if one.is_webhook and (one.retries or one.attempt_at is not None):
        t.execute(sql.CALM_SUBSCRIPTION, {"id": one.id})
        return one._replace(retries=0, attempt_at=None)
    return one


def _begin(t: Transaction, one: Subscription) -> Delivery:
    """Take the delivery that is due: nobody else begins one before this one must be over."""
    config = one.configured()
    assert config.url is not None and one.wake_id is not None
    window = min(config.lease_ttl_ms, LONGEST_DELIVERY)
    row = {"id": one.id, "attempt_at": t.time + window * MILLISECOND}
    t.execute(sql.BEGIN_ATTEMPT, row | {"lease_until": t.time + config.lease_ttl_ms * MILLISECOND})
    t.rung.add(events.SUBSCRIPTIONS)
    timeout = window / 1000 * MARGIN
    found = links(t, one.id)
    return Delivery(one.id, one.tag, config.url, one.wake_id, one.generation, one.attempts + 1, found, timeout)


def settle(t: Transaction, delivery: Delivery, failure: str | None, done: bool) -> None:
    """What has become of a delivery: why it failed, or None; `done`: the receiver is done with all that it was told.

    What comes too late is left out: the attempt, or the wake, is another one by now.
    """
    one = get(t, delivery.id)
    is_current = one is not None and (one.tag, one.wake_id) == (delivery.tag, delivery.wake_id)
    if one is None or not is_current or one.attempts != delivery.attempt:
        return
    if failure is not None:
        retries = one.retries + 1
        said = {"generation": one.generation, "reason": failure, "retries": retries}
        next_attempt = t.time + backoff(retries, random.random()) * MILLISECOND
        happened(t, one, events.SUBSCRIPTION_DELIVERY_FAILED, **said, next_attempt_at=next_attempt)
        return
    one = happened(t, one, events.SUBSCRIPTION_DELIVERED, generation=one.generation)
    if done and one.is_leased(t.time):
        acks = [(link.path, link.tag, link.tail) for link in _unacked(t, delivery)]
        if acks:
            happened(t, one, events.SUBSCRIPTION_ACKED, generation=one.generation, acks=acks)
        finish(t, one, "done")


def _unacked(t: Transaction, delivery: Delivery) -> list[Link]:
    """The streams as they were delivered, of those that are still the same and not acknowledged further."""
    now = {link.path: link for link in links(t, delivery.id)}
    told = [link for link in delivery.links if link.there and link.path in now]
    return [link for link in told if now[link.path].tag == link.tag and now[link.path].acked < link.tail]


def backoff(retries: int, chance: float) -> int:
    """Milliseconds before the next delivery after so many that failed; `chance` from 0 to 1 decides the jitter."""
    base = min(FIRST_RETRY << min(retries - 1, 10), LAST_RETRY)
    return min(int(base * (1 - JITTER + 2 * JITTER * chance)), LAST_RETRY)


def release(t: Transaction, one: Subscription, reason: str) -> Subscription:
    """End a wake: its token and its holder have no say any more."""
    return happened(t, one, events.SUBSCRIPTION_RELEASED, generation=one.generation, reason=reason)


def finish(t: Transaction, one: Subscription, reason: str) -> bool:
    """End a wake, and begin the next where work is pending; whether it does."""
    return wake(t, release(t, one, reason)) is not None
