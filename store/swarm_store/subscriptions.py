"""Subscriptions: durable cursors over streams that wake a worker, by a webhook or through a wake stream.

Their life is events in the stream `subscriptions`, folded in the same transaction into the tables `subscriptions` and
`subscription_links` (subscription_projection.py). What brings one forward is in subscription_wakes.py, what a worker
or an owner asks of one in subscription_writes.py; here is what they are, and what is read of them.
Protocol: https://github.com/durable-streams/durable-streams, PROTOCOL.md, sections 6 and 7.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from . import events
from . import statements as sql
from .codec import decode, encode
from .errors import NoSuchSubscription
from .globs import matches, names_first
from .log import Log
from .transaction import Transaction

WEBHOOK, PULL_WAKE = "webhook", "pull-wake"
OWN = (events.REGISTRY, "agents", "state")  # first segments of the log's own streams
AGENT_STATES = "state/agents"
MOST_NEW = 10_000  # records: where more have come, everything is looked at


class Config(NamedTuple):
    """What was asked for, normalized: paths without slashes at their ends, each once and in order."""

    type: str
    pattern: str | None
    streams: tuple[str, ...]
    url: str | None
    wake_stream: str | None
    lease_ttl_ms: int
    description: str | None

    def digest(self) -> str:
        """What two configurations have in common that are the same."""
        return hashlib.sha256(encode(self._asdict()).encode()).hexdigest()


class Subscription(NamedTuple):
    """A row of subscriptions; times in microseconds. No other one has its `tag`, not even one of the same id."""

    id: str
    tag: str
    pattern: str | None
    wake_stream: str | None
    config: str
    digest: str
    created: int
    generation: int
    wake_id: str | None  # the wake in flight
    holder: str | None  # the worker that has claimed it
    lease_until: int | None
    retries: int  # deliveries that failed in a row
    attempt_at: int | None  # when the next delivery is due, if one is
    attempts: int  # deliveries begun

    def configured(self) -> Config:
        """What was asked for."""
        said = decode(self.config)
        return Config(**{**said, "streams": tuple(said["streams"])})

    @property
    def is_webhook(self) -> bool:
        """Whether it is delivered, and not claimed."""
        return self.wake_stream is None

    def is_leased(self, now: int) -> bool:
        """Whether its wake still holds at `now`: a lease runs, or nobody has claimed it yet."""
        return self.wake_id is not None and (self.lease_until is None or self.lease_until > now)


class Link(NamedTuple):
    """A stream of a subscription as it stands: `acked` is the offset before which all is done, `tail` its end."""

    path: str
    is_explicit: bool
    acked: int
    tail: int
    tag: str
    there: bool

    @property
    def is_pending(self) -> bool:
        """Whether there is something that nobody has acknowledged."""
        return self.tail > self.acked


class Place(NamedTuple):
    """A stream that can be linked: its path, the log's stream, the tag that no other of that name has, its offsets."""

    path: str
    stream: str
    tag: str
    start: int
    head: int


def log_stream(path: str) -> str:
    """The stream of the log that holds what clients read at `path`."""
    first, _, rest = path.partition("/")
    if path == AGENT_STATES:
        return events.REGISTRY
    if first == "agents" and rest:
        return events.agent_stream(rest.partition("/")[0])
    return path if first in OWN else events.client_stream(path)


def paths(stream: str) -> tuple[str, ...]:
    """The paths at which clients read from a stream of the log; none where they cannot."""
    if stream.startswith(events.CLIENT_STREAMS):
        return (stream.removeprefix(events.CLIENT_STREAMS),)
    if stream == events.REGISTRY:
        return (stream, AGENT_STATES)
    if stream.startswith(events.AGENT_STREAMS):
        return (stream, *(f"{stream}/{output}" for output in events.OUTPUT_TYPES))
    return ()


@lru_cache(10_000)  # the same few are asked for after every append
def is_meant(pattern: str, path: str, wake_stream: str | None) -> bool:
    """Whether a pattern takes in the stream at `path`: never one's own wakes, and the log's own only by their name."""
    if path == wake_stream:
        return False
    first = path.partition("/")[0]
    return (first not in OWN or names_first(pattern, first)) and matches(pattern, path)


def find(log: Log, subscription_id: str) -> tuple[Subscription, list[Link]]:
    """A subscription and its streams. Raises NoSuchSubscription."""
    rows = log.query(sql.SUBSCRIPTION, {"id": subscription_id})
    if not rows:
        raise no_such(subscription_id)
    found = Subscription(*rows[0])
    return found, _links(log.query(sql.SUBSCRIPTION_LINKS, {"id": subscription_id}), log.clock())


def no_such(subscription_id: str) -> NoSuchSubscription:
    """The error that says so."""
    return NoSuchSubscription(f"there is no subscription {subscription_id!r}", "PUT makes one")


def links(t: Transaction, subscription_id: str) -> list[Link]:
    """The streams of a subscription, after what the transaction has done."""
    return _links(t.execute(sql.SUBSCRIPTION_LINKS, {"id": subscription_id}).fetchall(), t.time)


def _links(rows: Iterable[tuple[Any, ...]], now: int) -> list[Link]:
    found = (_link(row, now) for row in rows)
    return [link for link in found if link.there or link.is_explicit]


def _link(row: tuple[Any, ...], now: int) -> Link:
    path, explicit, acked, link_tag, stream, head, tag, deleted, deadline, fork_offset = row
    is_client = stream.startswith(events.CLIENT_STREAMS)
    there = head is not None and (not is_client or (deleted == 0 and (deadline is None or deadline > now)))
    if not there:
        return Link(path, bool(explicit), 0, 0, "", False)
    tag = tag or ""
    # One that was made anew since is read from its beginning.
    return Link(path, bool(explicit), acked if tag == link_tag else fork_offset or 0, head, tag, True)


def places(rows: Iterable[tuple[Any, ...]], now: int) -> list[Place]:
    """Streams that can be linked, of rows of LINKABLE or LINKABLE_STREAM."""
    found = []
    for name, head, tag, deleted, deadline, fork_offset in rows:
        is_client = name.startswith(events.CLIENT_STREAMS)
        if is_client and (tag is None or deleted or (deadline is not None and deadline <= now)):
            continue
        found += [Place(path, name, tag or "", fork_offset or 0, head) for path in paths(name)]
    return found


class Looked(NamedTuple):
    """What is to be done: whom to `tend`, each with streams of the log that are new to it; when to look again."""

    position: int
    tend: dict[str, set[str]]
    next_due: int | None  # microseconds, at the latest
    any: bool  # whether there are subscriptions


def look(log: Log, since: int | None) -> Looked:
    """Which subscriptions what came after the position `since` concerns, and which time does; None looks at all."""
    position, now = log.position(), log.clock()
    count, due = log.query(sql.SUBSCRIPTIONS_DUE)[0]
    if not count:
        return Looked(position, {}, None, False)
    tend: dict[str, set[str]] = {str(row[0]): set() for row in log.query(sql.DUE_SUBSCRIPTIONS, {"now": now})}
    if since is None or not since <= position <= since + MOST_NEW:
        _find_all(log, tend, now)
    elif position > since:
        _find_touched(log, tend, since, position)
    return Looked(position, tend, due, True)


def _find_all(log: Log, tend: dict[str, set[str]], now: int) -> None:
    """Add every idle subscription, and every stream that is meant by one and not linked."""
    there: list[Place] | None = None
    for id, pattern, wake_stream, is_idle in log.query(sql.SUBSCRIBED):
        if is_idle:
            tend.setdefault(id, set())
        if pattern is None:
            continue
        if there is None:
            there = places(log.query(sql.LINKABLE), now)
        linked = {row[0] for row in log.query(sql.GLOB_PATHS, {"id": id})}
        new = {one.stream for one in there if one.path not in linked and is_meant(pattern, one.path, wake_stream)}
        if new:
            tend.setdefault(id, set()).update(new)


def _find_touched(log: Log, tend: dict[str, set[str]], since: int, until: int) -> None:
    """Add the idle subscriptions to streams that were written, and those that such streams are new to."""
    written = {str(row[0]) for row in log.query(sql.WRITTEN_STREAMS, {"since": since, "until": until})}
    if events.STREAMS in written:  # one that was just made may be a wake stream that is waited for
        made = log.query(sql.STREAMS_SPOKEN_OF, {"since": since, "until": until})
        written |= {events.client_stream(str(row[0])) for row in made}
    subscribed = log.query(sql.SUBSCRIBED)
    idle = {id for id, _, _, is_idle in subscribed if is_idle}
    for stream in written:
        for (id,) in log.query(sql.LINKED_SUBSCRIPTIONS, {"stream": stream}):
            if id in idle:
                tend.setdefault(id, set())
        for id, pattern, wake_stream, _ in subscribed:
            for path in paths(stream):
                if path == wake_stream and id in idle:
                    tend.setdefault(id, set())
                is_new = pattern is not None and is_meant(pattern, path, wake_stream)
                if is_new and not log.query(sql.IS_IN_GLOB, {"id": id, "path": path}):
                    tend.setdefault(id, set()).add(stream)
