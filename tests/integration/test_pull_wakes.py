"""Workers that are woken through a wake stream, and claim. Time is the test's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.client_streams import TEXT, delete, post, put, spec
from support.facts import life
from support.subscribed import PULL, Scene
from swarm_store import registry, subscription_writes
from swarm_store.client_streams import JSON
from swarm_store.errors import AlreadyClaimed, WakeFenced
from swarm_store.home import Home
from swarm_store.subscription_writes import Ack
from swarm_store.subscriptions import PULL_WAKE


@pytest.fixture
def scene(home: Home) -> Iterator[Scene]:
    made = Scene(home)
    yield made
    made.log.close()


def test_a_wake_is_written_into_the_wake_stream(scene: Scene) -> None:
    """One event for each wake, in the transaction that wakes, none while one is in flight; it is claimed once."""
    put(scene.log, "wake/pool", spec(JSON))
    scene.make(PULL)
    put(scene.log, "events/a", body=b"x")
    scene.look()
    post(scene.log, "events/a", b"y")
    scene.look()
    ts = scene.now // 1000
    event = b'{"type":"wake","subscription_id":"s","stream":"events/a","generation":1,"ts":%d}'
    assert scene.wakes() == event % ts
    claimed = scene.claim("one")
    assert claimed is not None and [link.tail for link in claimed.links] == [2]
    with pytest.raises(AlreadyClaimed) as refused:
        scene.claim("two")
    assert (refused.value.holder, refused.value.generation) == ("one", 1)
    assert scene.ack(PULL_WAKE, scene.wake(), Ack("events/a", 1), done=True) is True
    assert scene.wakes() == event % ts + b"," + event.replace(b":1,", b":2,") % ts


def test_a_claim_without_a_wake_makes_one(scene: Scene) -> None:
    """A worker that comes by itself gets what is pending, and nothing is written into the wake stream for it."""
    put(scene.log, "wake/pool", spec(JSON))
    put(scene.log, "events/a")
    scene.make(PULL)
    assert scene.claim() is None
    post(scene.log, "events/a", b"x")
    claimed = scene.claim()
    assert claimed is not None and claimed.subscription.generation == 1
    scene.look()
    assert scene.wakes() == b""


def test_a_wake_stream_that_comes_late_gets_its_wake(scene: Scene) -> None:
    """Without a wake stream nobody would hear of a wake, so it waits for one; a closed one is as none."""
    scene.make(PULL)
    put(scene.log, "events/a", body=b"x")
    scene.look()
    assert scene.one().generation == 0
    put(scene.log, "wake/pool", spec(TEXT))
    scene.look()
    assert scene.one().generation == 1
    assert scene.wakes().count(b'"wake"') == 1
    scene.claim()
    post(scene.log, "wake/pool", close=True)
    assert scene.ack(PULL_WAKE, scene.wake(), done=True) is False
    assert scene.one().wake_id is None


def test_a_released_wake_is_told_of_again(scene: Scene) -> None:
    """A worker that gives up leaves its cursor, and another wake follows; its own is over."""
    put(scene.log, "wake/pool", spec(JSON))
    scene.make(PULL)
    put(scene.log, "events/a", body=b"x")
    scene.look()
    scene.claim()
    wake = scene.wake()
    with scene.log.transaction() as t:
        subscription_writes.give_back(t, "s", wake)
    assert (scene.one().generation, scene.one().holder) == (2, None)
    with pytest.raises(WakeFenced):
        scene.ack(PULL_WAKE, wake, Ack("events/a", 1))
    assert scene.wakes().count(b'"wake"') == 2


def test_a_dead_workers_claim_ends_with_its_lease(scene: Scene) -> None:
    """Acks extend a claim; without them another worker may claim, even before any server has looked."""
    put(scene.log, "wake/pool", spec(JSON))
    scene.make(PULL)
    put(scene.log, "events/a", body=b"x")
    scene.look()
    scene.pass_seconds(3600)
    assert scene.look() == []  # a wake that nobody has claimed does not run out
    scene.claim("dead")
    wake = scene.wake()
    scene.pass_seconds(9)
    scene.ack(PULL_WAKE, wake)
    scene.pass_seconds(9)
    with pytest.raises(AlreadyClaimed):
        scene.claim("alive")
    scene.pass_seconds(1)
    claimed = scene.claim("alive")
    assert claimed is not None and claimed.subscription.generation == 2
    with pytest.raises(WakeFenced):
        scene.ack(PULL_WAKE, wake, Ack("events/a", 1))


def test_a_claim_of_nothing_ends_the_wake(scene: Scene) -> None:
    """A wake whose stream was deleted does not stand in the way of the next."""
    put(scene.log, "wake/pool", spec(JSON))
    scene.make(PULL)
    put(scene.log, "events/a", body=b"x")
    scene.look()
    delete(scene.log, "events/a")
    assert scene.claim() is None
    put(scene.log, "events/b", body=b"x")
    scene.look()
    assert scene.wakes().count(b'"wake"') == 2


def test_its_own_wakes_do_not_wake_it(scene: Scene) -> None:
    """A pattern that means everything does not mean the wake stream, nor the log's own streams."""
    put(scene.log, "wake/pool", spec(JSON))
    scene.make(PULL._replace(pattern="**"))
    put(scene.log, "a", body=b"x")
    registry.publish(scene.log, *life("agent1"))
    scene.look()
    scene.look()
    assert scene.links() == {"a": ("glob", 0, 1)}
