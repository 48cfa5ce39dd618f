"""Servers that are killed while they wake workers: no wake is lost, and none is delivered by two at once."""

from __future__ import annotations

import signal
import threading
from collections import Counter

from support.cli import Swarm
from support.homes import empty_log, swarm
from support.looking import until
from support.servers import Server, serving
from support.webhooks import DONE, LATER, Answer, Subscriber, receiving
from swarm_store import subscription_writes
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.subscriptions import Config

__all__ = ["empty_log", "swarm"]
FAILING: Answer = (503, {}, b"")


def test_a_server_is_killed_between_delivery_and_answer(swarm: Swarm) -> None:
    """A wake whose server dies before the answer is delivered again by the next server, and then acknowledged."""
    with receiving() as receiver:
        receiver.gate.clear()
        with serving(swarm.home) as server, server.client() as client:
            owner = Subscriber(server, client)
            owner.hook("s", receiver, lease_ttl_ms=2000)
            owner.put("events/a", b"x")
            receiver.wait(1)
            server.stop(signal.SIGKILL)
        receiver.gate.set()
        with serving(swarm.home) as server, server.client() as client:
            again = receiver.wait(2)
            assert again.at - receiver.got[0].at > 1.5
            until(lambda: Subscriber(server, client).acked("s") == again.pending)
            assert len(receiver.got) == 2


def test_a_callback_outlives_the_server_that_delivered(swarm: Swarm) -> None:
    """A wake's token is good at any server of the log, also at one that is started later."""
    with receiving(LATER) as receiver:
        with serving(swarm.home) as server, server.client() as client:
            owner = Subscriber(server, client)
            owner.hook("s", receiver)
            owner.put("events/a", b"x")
            notified = receiver.wait(1)
            server.stop(signal.SIGKILL)
        with serving(swarm.home, "--port", str(server.port)) as server, server.client() as client:
            acks = [{"stream": path, "offset": end} for path, end in notified.pending.items()]
            assert notified.call_back(acks=acks, done=True).status_code == 200
            assert Subscriber(server, client).acked("s") == notified.pending


def test_a_retry_is_not_sooner_for_a_restart(swarm: Swarm) -> None:
    """The time of the next attempt is in the log: servers that come and go neither forget it nor hurry."""
    with receiving(FAILING) as receiver:
        with serving(swarm.home) as server, server.client() as client:
            owner = Subscriber(server, client)
            owner.hook("s", receiver)
            owner.put("events/a", b"x")
            receiver.wait(2)
            wanted = {"type": "subscription:delivery_failed"}
            until(lambda: client.get("/v1/events", params=wanted).json()["events"][1:])
            server.stop(signal.SIGKILL)
        receiver.answer = DONE
        with serving(swarm.home):
            receiver.wait(3)
        first, second, third = (one.at for one in receiver.got)
        assert 0.7 < second - first < 2.4 and 1.5 < third - second < 4


def test_many_servers_deliver_each_wake_once(swarm: Swarm) -> None:
    """Three servers on one log, appends through all of them: each wake goes out once, and all is acknowledged."""
    with (
        receiving() as receiver,
        serving(swarm.home) as one,
        serving(swarm.home) as two,
        serving(swarm.home) as three,
        one.client() as client,
    ):
        owner = Subscriber(one, client)
        owner.hook("s", receiver)
        threads = [threading.Thread(target=_append, args=(server, n)) for n, server in enumerate((one, two, three))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ends = {f"events/{n}": f"{0:016d}_{20:016d}" for n in range(3)}
        until(lambda: owner.acked("s") == ends)
        wakes = Counter(notified.body["wake_id"] for notified in receiver.got)
        assert set(wakes.values()) == {1}
        generations = [notified.body["generation"] for notified in receiver.got]
        assert generations == list(range(1, len(generations) + 1))


def _append(server: Server, number: int) -> None:
    with server.client() as client:
        owner = Subscriber(server, client)
        owner.put(f"events/{number}", b"x")
        for _ in range(19):
            owner.post(f"events/{number}", b"x")


def test_servers_that_are_killed_all_the_time_lose_nothing(swarm: Swarm) -> None:
    """While one server after another is killed, each append is acknowledged in the end, and was told before."""
    told: dict[str, str] = {}
    with receiving() as receiver:
        for n in range(6):
            with serving(swarm.home) as server, server.client() as client:
                owner = Subscriber(server, client)
                owner.hook("s", receiver, lease_ttl_ms=1000)
                owner.put(f"events/{n}", b"x")
                if n % 2:
                    receiver.wait(len(receiver.got) + 1)
                server.stop(signal.SIGKILL)
        with serving(swarm.home) as server, server.client() as client:
            owner = Subscriber(server, client)
            end = f"{0:016d}_{1:016d}"
            until(lambda: owner.acked("s") == {f"events/{n}": end for n in range(6)})
            for notified in receiver.got:
                told |= notified.pending
            assert told == owner.acked("s")


def test_a_target_is_looked_at_when_it_is_delivered_to(swarm: Swarm) -> None:
    """What is in the log is not trusted: a URL that was never to be taken is not connected to."""
    with receiving() as receiver:
        urls = [f"http://0.0.0.0:{receiver.port}/", f"https://ip6-localhost:{receiver.port}/", "https://10.0.0.1/"]
        with Log(Home(str(swarm.home))) as log, log.transaction() as t:
            for n, url in enumerate(urls):
                subscription_writes.create(t, f"s{n}", Config("webhook", "events/*", (), url, None, 1000, None))
        with serving(swarm.home) as server, server.client() as client:
            owner = Subscriber(server, client)
            owner.put("events/a", b"x")
            until(lambda: all(owner.get(f"s{n}")["status"] == "failed" for n in range(len(urls))))
        assert receiver.got == []


def test_a_receiver_that_hangs_holds_nobody_up(swarm: Swarm) -> None:
    """One receiver that never answers: the others' wakes go out, and the server stops when it is told to."""
    with receiving() as stuck, receiving() as receiver, serving(swarm.home) as server, server.client() as client:
        stuck.gate.clear()
        owner = Subscriber(server, client)
        owner.hook("stuck", stuck)
        owner.hook("good", receiver)
        owner.put("events/a", b"x")
        stuck.wait(1)
        until(lambda: owner.acked("good") == receiver.wait(1).pending)
        assert server.stop() == 0
