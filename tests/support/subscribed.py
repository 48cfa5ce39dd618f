"""A log with subscriptions whose clock the test moves, and what a server does on it."""

from __future__ import annotations

from support.client_streams import content
from swarm_store import subscription_wakes, subscription_writes, subscriptions
from swarm_store.clock import SECOND
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.subscription_wakes import Delivery
from swarm_store.subscription_writes import Ack, Claimed, Wake
from swarm_store.subscriptions import PULL_WAKE, WEBHOOK, Config, Subscription

HOOK = Config(WEBHOOK, "events/*", (), "http://localhost:1/", None, 10_000, None)
PULL = HOOK._replace(type=PULL_WAKE, url=None, wake_stream="wake/pool")


class Scene:
    """A log whose clock the test moves, and what a server does on it."""

    def __init__(self, home: Home) -> None:
        self.now = 1_000_000 * SECOND
        self.log = Log(home, clock=lambda: self.now)
        self.since: int | None = None

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)

    def make(self, config: Config, id: str = "s") -> Subscription:
        with self.log.transaction() as t:
            return subscription_writes.create(t, id, config).subscription

    def one(self, id: str = "s") -> Subscription:
        return subscriptions.find(self.log, id)[0]

    def links(self, id: str = "s") -> dict[str, tuple[str, int, int]]:
        """Path → kind, acknowledged, tail."""
        kind = {True: "explicit", False: "glob"}
        found = subscriptions.find(self.log, id)[1]
        return {link.path: (kind[link.is_explicit], link.acked, link.tail) for link in found}

    def look(self, again: bool = False) -> list[Delivery]:
        """What a server does after a ring; `again`: one that has just begun."""
        looked = subscriptions.look(self.log, None if again else self.since)
        self.since = looked.position
        with self.log.transaction() as t:
            given = [subscription_wakes.tend(t, id, sorted(new)) for id, new in looked.tend.items()]
        return [delivery for delivery in given if delivery is not None]

    def settle(self, delivery: Delivery, failure: str | None = None, done: bool = False) -> None:
        with self.log.transaction() as t:
            subscription_wakes.settle(t, delivery, failure, done)

    def claim(self, worker: str = "w", id: str = "s") -> Claimed | None:
        with self.log.transaction() as t:
            return subscription_writes.claim(t, id, worker)

    def ack(self, type: str, wake: Wake, *acks: Ack, done: bool = False, id: str = "s") -> bool:
        with self.log.transaction() as t:
            return subscription_writes.acknowledge(t, id, type, wake, acks, done)

    def wake(self, id: str = "s") -> Wake:
        """The wake in flight, as its worker speaks of it."""
        one = self.one(id)
        assert one.wake_id is not None
        return Wake(one.wake_id, one.generation, one.generation)

    def wakes(self) -> bytes:
        return content(self.log, "wake/pool")
