"""What is asked of subscriptions: make, link, delete one; claim a wake, acknowledge, release it.

Every call checks first and writes then, so that one that raises has changed nothing and others can go on in the same
transaction. Whether a token is genuine, and of which generation, is told by the caller. PROTOCOL.md, sections 6 and 7.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from . import events
from . import statements as sql
from .errors import AckRefused, AlreadyClaimed, SubscriptionConflict, SubscriptionRefused, WakeFenced
from .subscription_wakes import MILLISECOND, finish, get, happened, release, wake
from .subscriptions import PULL_WAKE, Config, Link, Place, Subscription, is_meant, links, log_stream, no_such, places
from .transaction import Transaction


class Made(NamedTuple):
    """A subscription with its streams, and whether it is new."""

    subscription: Subscription
    links: list[Link]
    is_new: bool


class Wake(NamedTuple):
    """The wake that a request speaks of, and the generation of the token that it came with."""

    wake_id: str
    generation: int
    token_generation: int


class Ack(NamedTuple):
    """Everything in the stream at `path` before `offset` is done."""

    path: str
    offset: int


def create(t: Transaction, subscription_id: str, config: Config) -> Made:
    """Make a subscription; one that is there just so is left as it is. Raises SubscriptionConflict.

    Streams that are there by now are linked at their ends.
    """
    there = get(t, subscription_id)
    digest = config.digest()
    if there is not None:
        if there.digest != digest:
            raise SubscriptionConflict(
                f"subscription {subscription_id!r} is there already, and not as it was asked for", "GET says how it is"
            )
        return Made(there, links(t, subscription_id), False)
    made = [_explicit(t, path) for path in config.streams]
    if config.pattern is not None:
        found = places(t.execute(sql.LINKABLE, {}).fetchall(), t.time)
        meant = [one for one in found if is_meant(config.pattern, one.path, config.wake_stream)]
        made += [(one.path, one.stream, one.tag, one.head, "glob") for one in meant]
    said = {"config": config._asdict(), "digest": digest, "links": made}
    event = events.subscription_event(events.SUBSCRIPTION_CREATED, subscription_id, os.urandom(8).hex(), **said)
    t.append(events.SUBSCRIPTIONS, [event])
    return Made(_known(t, subscription_id), links(t, subscription_id), True)


def _explicit(t: Transaction, path: str) -> tuple[str, str, str, int, str]:
    """A link at the end of the stream at `path`; at its beginning where there is none yet."""
    stream = log_stream(path)
    there = places(t.execute(sql.LINKABLE_STREAM, {"name": stream}).fetchall(), t.time)
    place = next((one for one in there if one.path == path), Place(path, stream, "", 0, 0))
    return path, stream, place.tag, place.head, "explicit"


def _known(t: Transaction, subscription_id: str) -> Subscription:
    found = get(t, subscription_id)
    if found is None:
        raise no_such(subscription_id)
    return found


def delete(t: Transaction, subscription_id: str) -> None:
    """Delete it; one that is not there is left alone."""
    there = get(t, subscription_id)
    if there is not None:
        event = events.subscription_event(events.SUBSCRIPTION_DELETED, there.id, there.tag)
        t.append(events.SUBSCRIPTIONS, [event])


def add_streams(t: Transaction, subscription_id: str, paths: Sequence[str]) -> None:
    """Link streams explicitly, at their ends; those that are linked stay where they are. Raises NoSuchSubscription."""
    one = _known(t, subscription_id)
    explicit = {link.path for link in links(t, one.id) if link.is_explicit}
    new = [_explicit(t, path) for path in dict.fromkeys(paths) if path not in explicit]
    if new:
        happened(t, one, events.SUBSCRIPTION_LINKED, links=new)


def remove_stream(t: Transaction, subscription_id: str, path: str) -> None:
    """Take an explicit link away; what the pattern means stays. Raises NoSuchSubscription."""
    one = _known(t, subscription_id)
    if any(link.path == path and link.is_explicit for link in links(t, one.id)):
        happened(t, one, events.SUBSCRIPTION_UNLINKED, path=path)


class Claimed(NamedTuple):
    """What a worker has claimed."""

    subscription: Subscription
    links: list[Link]
    lease_ttl_ms: int


def claim(t: Transaction, subscription_id: str, worker: str) -> Claimed | None:
    """Give the wake to a worker, or a new one where none is in flight; None where nothing is pending.

    Raises NoSuchSubscription, SubscriptionRefused for a webhook's, AlreadyClaimed.
    """
    one = _of_type(t, subscription_id, PULL_WAKE)
    if one.holder is not None and one.is_leased(t.time):
        raise AlreadyClaimed(f"worker {one.holder!r} has claimed it", one.holder, one.generation)
    if one.holder is not None:
        one = release(t, one, events.LEASE_RAN_OUT)
    found = links(t, one.id)
    if not any(link.is_pending for link in found):
        if one.wake_id is not None:
            release(t, one, "nothing pending")
        return None
    if one.wake_id is None:
        woken = wake(t, one, tell=False)
        assert woken is not None
        one = woken
    ttl = one.configured().lease_ttl_ms
    said = {"generation": one.generation, "worker": worker, "lease_until": t.time + ttl * MILLISECOND}
    return Claimed(happened(t, one, events.SUBSCRIPTION_CLAIMED, **said), found, ttl)


def acknowledge(t: Transaction, subscription_id: str, type: str, wake: Wake, acks: Sequence[Ack], done: bool) -> bool:
    """Move cursors on, and extend the lease, or end the wake where the worker is `done`; whether another one begins.

    Raises NoSuchSubscription, SubscriptionRefused where it is not of that `type`, WakeFenced, AckRefused.
    """
    one = _fenced(t, subscription_id, type, wake)
    moved = _moved(links(t, one.id), acks)
    if moved:
        one = happened(t, one, events.SUBSCRIPTION_ACKED, generation=one.generation, acks=moved)
    if done:
        return finish(t, one, "done")
    lease_until = t.time + one.configured().lease_ttl_ms * MILLISECOND
    t.execute(sql.EXTEND_LEASE, {"id": one.id, "lease_until": lease_until})
    return False


def give_back(t: Transaction, subscription_id: str, wake: Wake) -> None:
    """End a claim with nothing acknowledged. Raises as acknowledge."""
    finish(t, _fenced(t, subscription_id, PULL_WAKE, wake), "request")


def _of_type(t: Transaction, subscription_id: str, type: str) -> Subscription:
    one = _known(t, subscription_id)
    if one.is_webhook == (type == PULL_WAKE):
        raise SubscriptionRefused(f"subscription {subscription_id!r} is not of type {type}", "GET says how it is")
    return one


def _fenced(t: Transaction, subscription_id: str, type: str, wake: Wake) -> Subscription:
    """The subscription, if the wake is the one in flight and its lease runs. Raises WakeFenced."""
    one = _of_type(t, subscription_id, type)
    is_current = wake == (one.wake_id, one.generation, one.generation)
    if not is_current or one.lease_until is None or one.lease_until <= t.time:
        raise WakeFenced("that wake is over", "wait for the next")
    return one


def _moved(there: Sequence[Link], acks: Sequence[Ack]) -> list[tuple[str, str, int]]:
    """Cursors as they are after all acks. Raises AckRefused."""
    by_path = {link.path: link for link in there}
    for ack in acks:
        link = by_path.get(ack.path)
        if link is None:
            raise AckRefused(f"{ack.path!r} is none of its streams")
        if not link.acked <= ack.offset <= link.tail:
            what = "before what is acknowledged" if ack.offset < link.acked else "beyond the stream's end"
            raise AckRefused(f"that offset of {ack.path!r} is {what}")
        by_path[ack.path] = link._replace(acked=ack.offset)
    before = {link.path: link.acked for link in there}
    return [(one.path, one.tag, one.acked) for one in by_path.values() if one.acked != before[one.path]]
