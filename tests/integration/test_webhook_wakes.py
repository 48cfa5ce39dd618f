"""Wakes that are delivered by a webhook: acknowledged, fenced, tried again. Time is the test's."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from support.client_streams import post, put
from support.subscribed import HOOK, Scene
from swarm_store.clock import SECOND
from swarm_store.errors import AckRefused, WakeFenced
from swarm_store.home import Home
from swarm_store.subscription_wakes import backoff
from swarm_store.subscription_writes import Ack
from swarm_store.subscriptions import WEBHOOK


@pytest.fixture
def scene(home: Home) -> Iterator[Scene]:
    made = Scene(home)
    yield made
    made.log.close()


def test_an_append_wakes_a_webhook(scene: Scene) -> None:
    """What is delivered has the stream with its end; it is delivered once, to whoever looks first."""
    put(scene.log, "events/a")
    scene.make(HOOK)
    assert scene.look() == []
    post(scene.log, "events/a", b"x")
    (delivery,) = scene.look()
    assert [(link.path, link.acked, link.tail) for link in delivery.links] == [("events/a", 0, 1)]
    assert (delivery.generation, delivery.attempt, delivery.url) == (1, 1, "http://localhost:1/")
    assert scene.look() == scene.look(again=True) == []


def test_done_at_once_acknowledges_what_was_told(scene: Scene) -> None:
    """An answer `done` acknowledges the ends as they were delivered; what came since wakes again."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    (first,) = scene.look()
    post(scene.log, "events/a", b"y")
    scene.settle(first, done=True)
    assert scene.links() == {"events/a": ("glob", 1, 2)}
    (second,) = scene.look()
    assert (second.generation, second.wake_id != first.wake_id) == (2, True)
    scene.settle(second, done=True)
    assert scene.one().wake_id is None
    assert scene.look() == []


def test_a_callback_acknowledges_and_ends_the_wake(scene: Scene) -> None:
    """A callback moves the cursor, extends the lease, and with `done` ends the wake: then it is fenced."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    post(scene.log, "events/a", b"y")
    (delivery,) = scene.look()
    scene.settle(delivery)
    wake = scene.wake()
    scene.pass_seconds(9)
    assert scene.ack(WEBHOOK, wake, Ack("events/a", 1)) is False
    scene.pass_seconds(9)
    assert scene.look() == []
    assert scene.ack(WEBHOOK, wake, Ack("events/a", 2), done=True) is False
    assert scene.links() == {"events/a": ("glob", 2, 2)}
    with pytest.raises(WakeFenced):
        scene.ack(WEBHOOK, wake, done=True)


def test_done_with_work_left_wakes_again(scene: Scene) -> None:
    """A worker that is done with less than all is told that another wake begins, with a new generation."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    (first,) = scene.look()
    scene.settle(first)
    assert scene.ack(WEBHOOK, scene.wake(), done=True) is True
    (second,) = scene.look()
    assert second.generation == 2


@pytest.mark.parametrize(
    "change", [{"wake_id": "w_other"}, {"generation": 2}, {"token_generation": 0}, {"generation": 0}]
)
def test_another_wake_is_fenced(scene: Scene, change: dict[str, Any]) -> None:
    """Wake id, generation and the token's generation must all be those of the wake in flight."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    scene.look()
    with pytest.raises(WakeFenced):
        scene.ack(WEBHOOK, scene.wake()._replace(**change), Ack("events/a", 1), done=True)
    assert scene.links() == {"events/a": ("glob", 0, 1)}


@pytest.mark.parametrize(
    "acks", [[("events/a", 3)], [("events/a", 0)], [("events/b", 1)], [("events/a", 2), ("no", 1)]]
)
def test_an_ack_that_cannot_be_is_refused_whole(scene: Scene, acks: list[tuple[str, int]]) -> None:
    """An offset beyond the end, one before the cursor, or a foreign stream: nothing of the request is done."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    post(scene.log, "events/a", b"y")
    scene.look()
    scene.ack(WEBHOOK, scene.wake(), Ack("events/a", 1))
    with pytest.raises(AckRefused):
        scene.ack(WEBHOOK, scene.wake(), *(Ack(*one) for one in acks), done=True)
    assert scene.links() == {"events/a": ("glob", 1, 2)}
    assert scene.one().wake_id is not None


def test_a_lease_that_runs_out_wakes_again(scene: Scene) -> None:
    """Without a callback the wake ends with its lease, its token is good for nothing, and the next one begins."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    (first,) = scene.look()
    scene.settle(first)
    stale = scene.wake()
    scene.pass_seconds(10)
    with pytest.raises(WakeFenced):  # though nobody has looked yet
        scene.ack(WEBHOOK, stale, Ack("events/a", 1))
    (second,) = scene.look()
    assert second.generation == 2
    with pytest.raises(WakeFenced):
        scene.ack(WEBHOOK, stale, Ack("events/a", 1))


def test_retries_back_off_from_one_second_to_sixty() -> None:
    """The delay doubles with each failure, with a jitter of a fifth, and never exceeds a minute."""
    assert [backoff(n, 0.5) for n in (1, 2, 3, 6, 7, 50)] == [1000, 2000, 4000, 32_000, 60_000, 60_000]
    assert (backoff(1, 0), backoff(1, 1), backoff(9, 0), backoff(9, 1)) == (800, 1200, 48_000, 60_000)


def test_a_failed_delivery_is_tried_again_when_it_is_due(scene: Scene) -> None:
    """The same wake is delivered again after the delay, not before, whoever looks; an answer ends the trouble."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    (first,) = scene.look()
    scene.settle(first, failure="answered 500")
    one = scene.one()
    assert one.retries == 1 and one.attempt_at is not None
    assert 0.8 * SECOND <= one.attempt_at - scene.now <= 1.2 * SECOND
    scene.pass_seconds(0.7)
    post(scene.log, "events/a", b"y")
    assert scene.look() == scene.look(again=True) == []
    scene.pass_seconds(0.6)
    (second,) = scene.look()
    assert (second.wake_id, second.generation, second.attempt) == (first.wake_id, 1, 2)
    scene.settle(second)
    assert (scene.one().retries, scene.one().attempt_at) == (0, None)


def test_a_receiver_that_is_down_is_not_tried_more_often_than_due(scene: Scene) -> None:
    """Where the lease is shorter than the delay, the wake ends, and the next begins when the delay is over."""
    scene.make(HOOK._replace(lease_ttl_ms=1000))
    put(scene.log, "events/a", body=b"x")
    begun = scene.now
    times: list[float] = []
    while len(times) < 8:
        for delivery in scene.look():
            times.append((scene.now - begun) / SECOND)
            scene.settle(delivery, failure="nobody there")
        scene.pass_seconds(0.05)
    delays = [later - sooner for sooner, later in pairwise(times)]
    for n, delay in enumerate(delays):
        base = min(2**n, 60)
        assert 0.8 * base <= delay <= 1.2 * base + 0.1, delays
    assert scene.one().generation <= len(times)


def test_a_delivery_whose_server_died_is_taken_over(scene: Scene) -> None:
    """Nobody else delivers while an answer may come; once it is overdue another does, and the late answer is void."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    (first,) = scene.look()
    scene.pass_seconds(first.timeout)
    assert scene.look(again=True) == []
    scene.pass_seconds(10 - first.timeout)
    (second,) = scene.look(again=True)
    scene.settle(first, done=True)
    assert scene.one().wake_id == second.wake_id
    assert scene.links() == {"events/a": ("glob", 0, 1)}
