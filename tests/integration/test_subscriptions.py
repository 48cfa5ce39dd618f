"""Subscriptions in the store: which streams they have, who is woken, what stays of one that is gone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.client_streams import delete, post, put, spec
from support.facts import life
from support.subscribed import HOOK, PULL, Scene
from swarm_store import health, recovery, registry, subscription_writes, subscriptions
from swarm_store.client_streams import JSON, Fork
from swarm_store.errors import NoSuchSubscription, SubscriptionConflict, WakeFenced
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.subscription_writes import Ack
from swarm_store.subscriptions import PULL_WAKE, WEBHOOK


@pytest.fixture
def scene(home: Home) -> Iterator[Scene]:
    made = Scene(home)
    yield made
    made.log.close()


def test_streams_that_are_there_are_linked_at_their_ends(scene: Scene) -> None:
    """A pattern takes in what is there without replaying it; what is not meant stays out."""
    put(scene.log, "events/a", body=b"x")
    put(scene.log, "elsewhere/a", body=b"x")
    scene.make(HOOK)
    assert scene.links() == {"events/a": ("glob", 1, 1)}
    assert scene.look(again=True) == []


def test_a_stream_made_later_is_read_from_its_beginning(scene: Scene) -> None:
    """A stream that the pattern meets later is linked before its first append; a fork where it parted."""
    put(scene.log, "source", body=b"x")
    post(scene.log, "source", b"y")
    scene.make(HOOK)
    scene.look()
    put(scene.log, "events/new", body=b"x")
    put(scene.log, "events/fork", spec(fork=Fork("source", None, 0)))
    scene.look()
    assert scene.links() == {"events/fork": ("glob", 2, 2), "events/new": ("glob", 0, 1)}


def test_what_nobody_saw_is_noticed_by_the_next_server(scene: Scene) -> None:
    """Appends and streams that came while no server ran wake when one begins."""
    put(scene.log, "events/old")
    scene.make(HOOK)
    post(scene.log, "events/old", b"x")
    put(scene.log, "events/new", body=b"x")
    (delivery,) = scene.look(again=True)
    assert [(link.path, link.acked, link.tail) for link in delivery.links] == [
        ("events/new", 0, 1),
        ("events/old", 0, 1),
    ]


def test_a_new_stream_is_linked_while_a_wake_is_in_flight(scene: Scene) -> None:
    """A stream that is met during a wake is pending when that ends."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    (delivery,) = scene.look()
    put(scene.log, "events/b", body=b"x")
    assert scene.look() == []
    scene.settle(delivery, done=True)
    (second,) = scene.look()
    assert [link.path for link in second.links if link.is_pending] == ["events/b"]


def test_a_deleted_subscription_is_gone(scene: Scene) -> None:
    """What is under way for it fails, nothing is written, and one of the same id is another one."""
    scene.make(HOOK)
    put(scene.log, "events/a", body=b"x")
    (delivery,) = scene.look()
    wake = scene.wake()
    with scene.log.transaction() as t:
        subscription_writes.delete(t, "s")
        subscription_writes.delete(t, "s")
    with pytest.raises(NoSuchSubscription):
        scene.ack(WEBHOOK, wake, Ack("events/a", 1), done=True)
    scene.settle(delivery, done=True)
    again = scene.make(HOOK)
    assert again.tag != delivery.tag
    scene.settle(delivery, done=True)
    with pytest.raises(WakeFenced):
        scene.ack(WEBHOOK, wake, Ack("events/a", 1), done=True)
    assert scene.links() == {"events/a": ("glob", 1, 1)}


def test_the_same_configuration_is_confirmed(scene: Scene) -> None:
    """Asked for again, it is found; with any difference there is a conflict, and nothing changes."""
    first = scene.make(HOOK)
    assert scene.make(HOOK) == first
    for other in (
        HOOK._replace(lease_ttl_ms=1000),
        HOOK._replace(description="x"),
        HOOK._replace(url="http://localhost/"),
    ):
        with pytest.raises(SubscriptionConflict):
            scene.make(other)
    assert scene.one() == first


def test_explicit_links_come_and_go_beside_the_pattern(scene: Scene) -> None:
    """An explicit link takes precedence, and its end leaves the pattern's; cursors stay where they are."""
    put(scene.log, "events/a", body=b"x")
    put(scene.log, "other", body=b"x")
    scene.make(HOOK._replace(streams=("not/yet",)))
    assert scene.links() == {"events/a": ("glob", 1, 1), "not/yet": ("explicit", 0, 0)}
    post(scene.log, "events/a", b"y")
    with scene.log.transaction() as t:
        subscription_writes.add_streams(t, "s", ["events/a", "other", "other"])
        subscription_writes.add_streams(t, "s", ["other"])
    assert scene.links()["events/a"] == ("explicit", 1, 2)
    assert scene.links()["other"] == ("explicit", 1, 1)
    with scene.log.transaction() as t:
        for path in ("events/a", "other", "other", "never"):
            subscription_writes.remove_stream(t, "s", path)
    assert scene.links() == {"events/a": ("glob", 1, 2), "not/yet": ("explicit", 0, 0)}
    put(scene.log, "not/yet", body=b"x")
    (delivery,) = scene.look()
    assert [link.path for link in delivery.links if link.is_pending] == ["events/a", "not/yet"]


def test_a_stream_made_anew_is_another_one(scene: Scene) -> None:
    """A stream that is deleted leaves a pattern; one of its name is read from its beginning, an explicit link too."""
    put(scene.log, "events/a", body=b"x")
    post(scene.log, "events/a", b"y")
    scene.make(HOOK._replace(streams=("kept",)))
    put(scene.log, "kept", body=b"x")
    scene.look()
    delete(scene.log, "events/a")
    delete(scene.log, "kept")
    assert scene.links() == {"kept": ("explicit", 0, 0)}
    put(scene.log, "events/a", body=b"z")
    put(scene.log, "kept", body=b"z")
    scene.look()
    assert scene.links() == {"events/a": ("glob", 0, 1), "kept": ("explicit", 0, 1)}


def test_agents_can_be_subscribed_to(scene: Scene) -> None:
    """The registry, and agents by a pattern: those there are at their ends, those to come from their beginning."""
    registry.publish(scene.log, *life("agent1"))
    scene.make(HOOK._replace(pattern="agents/*", streams=("registry",)))
    (linked,) = scene.links().items()
    assert linked[0] == "registry" and linked[1][1] == linked[1][2] > 0
    registry.publish(scene.log, *life("agent2"))
    (delivery,) = scene.look()
    assert [link.path for link in delivery.links if link.is_pending] == ["registry"]


def test_nothing_is_done_without_subscriptions(scene: Scene) -> None:
    """Where there is none a look finds nothing to do and nothing to wait for."""
    put(scene.log, "events/a", body=b"x")
    assert subscriptions.look(scene.log, None)._replace(position=0) == (0, {}, None, False)


def test_a_recovered_log_has_its_subscriptions(home: Home, scene: Scene) -> None:
    """What is folded again from the events is what was there: cursors, wake, lease, retries."""
    put(scene.log, "wake/pool", spec(JSON))
    scene.make(PULL, "pull")
    scene.make(HOOK)
    scene.make(HOOK, "gone")
    with scene.log.transaction() as t:
        subscription_writes.delete(t, "gone")
        subscription_writes.add_streams(t, "s", ["other"])
    put(scene.log, "events/a", body=b"x")
    (delivery,) = scene.look()
    scene.claim(id="pull")
    scene.ack(PULL_WAKE, scene.wake("pull"), Ack("events/a", 1), id="pull")
    scene.settle(delivery, failure="answered 500")
    before = [subscriptions.find(scene.log, id) for id in ("pull", "s")]
    scene.log.close()
    recovery.set_aside_and_recover(home)
    scene.log = Log(home, clock=lambda: scene.now)
    after = [subscriptions.find(scene.log, id) for id in ("pull", "s")]
    assert [(one._replace(attempts=0), links) for one, links in after] == [
        (one._replace(attempts=0), links) for one, links in before
    ]
    with pytest.raises(NoSuchSubscription):
        scene.one("gone")
    assert health.integrity(scene.log) == []
