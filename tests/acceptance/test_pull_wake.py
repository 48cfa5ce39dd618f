"""Pull-wake over HTTP: workers read a wake stream, and race to claim."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.cli import Swarm
from support.looking import until
from support.servers import serving
from support.webhooks import Subscriber


@pytest.fixture
def owner(swarm: Swarm) -> Iterator[Subscriber]:
    """Somebody with the admin's token, a wake stream, and a subscription to `events/*`."""
    with serving(swarm.home) as server, server.client() as client:
        made = Subscriber(server, client)
        made.put("wake/pool", kind="application/json")
        made.subscribe("s", type="pull-wake", pattern="events/*", wake_stream="wake/pool", lease_ttl_ms=1000)
        yield made


def wakes(owner: Subscriber) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = owner.client.get("/v1/stream/wake/pool?offset=-1").json()
    return found


def code(got: Any) -> tuple[int, str]:
    return got.status_code, got.json()["error"]["code"]


def test_one_of_many_workers_claims(owner: Subscriber) -> None:
    """Of workers that race for a wake one gets it, and the others are told who has it."""
    owner.put("events/a", b"x")
    (event,) = until(lambda: wakes(owner))
    assert (event["type"], event["subscription_id"], event["stream"]) == ("wake", "s", "events/a")
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda n: owner.ask("s", "claim", worker=f"w{n}"), range(8)))
    (claimed,) = (one.json() for one in got if one.status_code == 200)
    assert claimed["generation"] == event["generation"] and claimed["lease_ttl_ms"] == 1000
    refused = [one.json()["error"] for one in got if one.status_code == 409]
    assert len(refused) == 7
    assert {(one["code"], one["generation"]) for one in refused} == {("ALREADY_CLAIMED", 1)}
    (stream,) = claimed["streams"]
    wake = {name: claimed[name] for name in ("wake_id", "generation")}
    acks = [{"stream": "events/a", "offset": stream["tail_offset"]}]
    done = owner.ask("s", "ack", claimed["token"], **wake, acks=acks, done=True)
    assert done.json() == {"ok": True, "next_wake": False}
    assert code(owner.ask("s", "claim", worker="late")) == (409, "NO_PENDING_WORK")
    assert code(owner.ask("s", "ack", claimed["token"], **wake)) == (409, "FENCED")


def test_a_released_wake_comes_again(owner: Subscriber) -> None:
    """A worker that gives back gets 204, its wake is over, and another wake stands in the stream."""
    owner.put("events/a", b"x")
    until(lambda: wakes(owner))
    claimed = owner.ask("s", "claim", worker="w").json()
    wake = {name: claimed[name] for name in ("wake_id", "generation")}
    assert owner.ask("s", "release", claimed["token"], **wake).status_code == 204
    assert [one["generation"] for one in wakes(owner)] == [1, 2]
    assert code(owner.ask("s", "release", claimed["token"], **wake)) == (409, "FENCED")


def test_a_worker_that_dies_loses_its_claim(owner: Subscriber) -> None:
    """When a lease runs out, the next wake is written by itself, and the dead worker's token is fenced."""
    owner.put("events/a", b"x")
    until(lambda: wakes(owner))
    claimed = owner.ask("s", "claim", worker="w").json()
    until(lambda: len(wakes(owner)) == 2)
    wake = {name: claimed[name] for name in ("wake_id", "generation")}
    assert code(owner.ask("s", "ack", claimed["token"], **wake, done=True)) == (409, "FENCED")
    assert owner.ask("s", "claim", worker="v").json()["generation"] == 2


def test_each_type_has_its_own_requests(owner: Subscriber) -> None:
    """A webhook is not claimed, and a pull-wake worker does not call back; a claim names its worker."""
    owner.subscribe("hook", type="webhook", pattern="e/*", webhook={"url": "http://localhost:1/"})
    owner.put("events/a", b"x")
    until(lambda: wakes(owner))
    claimed = owner.ask("s", "claim", worker="w").json()
    assert code(owner.ask("hook", "claim", worker="w")) == (400, "INVALID_REQUEST")
    assert code(owner.ask("s", "claim")) == (400, "INVALID_REQUEST")
    assert code(owner.ask("none", "claim", worker="w")) == (404, "SUBSCRIPTION_NOT_FOUND")
    wake = {name: claimed[name] for name in ("wake_id", "generation")}
    assert code(owner.ask("s", "callback", claimed["token"], **wake)) == (400, "INVALID_REQUEST")
