"""Webhooks over HTTP: a real server, a real receiver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.cli import Swarm
from support.looking import until
from support.servers import serving
from support.webhooks import DONE, LATER, Subscriber, receiving

SUBSCRIPTIONS = "/v1/stream/__ds/subscriptions"


@pytest.fixture
def owner(swarm: Swarm) -> Iterator[Subscriber]:
    """Somebody with the admin's token, on a server of an empty log."""
    with serving(swarm.home) as server, server.client() as client:
        yield Subscriber(server, client)


def error(got: httpx.Response) -> tuple[int, str]:
    return got.status_code, got.json()["error"]["code"]


def test_an_append_is_delivered_and_acknowledged(owner: Subscriber) -> None:
    """A receiver hears of an append, signed by a published key, and its `done` moves the cursor to the end it saw."""
    with receiving() as receiver:
        made = owner.hook("s", receiver)
        owner.put("events/a", b"x")
        notified = receiver.wait(1)
        assert notified.headers["content-type"] == "application/json"
        assert notified.body["subscription_id"] == "s"
        keys = httpx.get(made["webhook"]["signing"]["jwks_url"], trust_env=False)  # without a token
        assert keys.headers["content-type"] == "application/jwk-set+json"
        assert notified.is_signed_by(keys.json())
        notified.raw += b" "
        assert not notified.is_signed_by(keys.json())
        until(lambda: owner.acked("s") == notified.pending)
        end = owner.post("events/a", b"y")
        assert receiver.wait(2).pending == {"events/a": end}
        assert receiver.got[1].body["generation"] == 2


def test_a_worker_calls_back_when_it_is_done(owner: Subscriber) -> None:
    """With its wake's token alone a worker acknowledges; then the wake is over, and a repeated callback is fenced."""
    with receiving(LATER) as receiver:
        owner.hook("s", receiver)
        owner.put("events/a", b"x")
        notified = receiver.wait(1)
        acks = [{"stream": path, "offset": end} for path, end in notified.pending.items()]
        beat = notified.call_back()
        assert (beat.status_code, beat.json()) == (200, {"ok": True, "next_wake": False})
        assert owner.acked("s")["events/a"] < notified.pending["events/a"]
        done = notified.call_back(acks=acks, done=True)
        assert (done.status_code, done.json()) == (200, {"ok": True, "next_wake": False})
        assert owner.acked("s") == notified.pending
        assert error(notified.call_back(acks=acks, done=True)) == (409, "FENCED")


def test_tokens_are_of_one_wake(owner: Subscriber) -> None:
    """No token, a made up one, another subscription's and the server's own are refused; a former wake's is fenced."""
    with receiving(LATER) as receiver:
        owner.hook("s", receiver)
        owner.hook("other", receiver, pattern="others/*")
        owner.put("events/a", b"x")
        first = receiver.wait(1)
        owner.put("others/a", b"x")
        foreign = receiver.wait(2).body["callback_token"]
        wake = {name: first.body[name] for name in ("wake_id", "generation")}
        for token in (foreign, "7.nonsense", owner.server.token, first.body["callback_token"][:-1]):
            assert error(owner.ask("s", "callback", token, **wake)) == (401, "TOKEN_INVALID")
        bare = httpx.post(first.body["callback_url"], json=wake, trust_env=False)
        assert error(bare) == (401, "TOKEN_INVALID") and bare.headers["www-authenticate"].startswith("Bearer")
        assert first.call_back(done=True).json()["next_wake"] is True
        second = receiver.wait(3)
        stale = owner.ask("s", "callback", first.body["callback_token"], **{**wake, "generation": 2})
        assert error(stale) == (409, "FENCED")
        assert error(second.call_back(wake_id=first.body["wake_id"])) == (409, "FENCED")
        assert error(second.call_back(acks=[{"stream": "events/a", "offset": "-1"}])) == (409, "INVALID_OFFSET")
        assert error(second.call_back(acks=[{"stream": "no", "offset": "now"}])) == (409, "INVALID_OFFSET")
        assert error(second.call_back(acks="all")) == (400, "INVALID_REQUEST")


def test_owners_need_the_servers_token(owner: Subscriber) -> None:
    """Making, reading, claiming and deleting are the server's to allow; a wake's token is none there."""
    with httpx.Client(base_url=owner.server.url, trust_env=False) as nobody:
        for request in ("PUT /s", "GET /s", "DELETE /s", "POST /s/claim", "POST /s/streams"):
            method, path = request.split()
            assert nobody.request(method, SUBSCRIPTIONS + path).status_code == 401
        assert error(nobody.post(SUBSCRIPTIONS + "/s/ack")) == (401, "TOKEN_INVALID")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"type": "email"}, "INVALID_REQUEST"),
        ({"pattern": None}, "INVALID_REQUEST"),
        ({"pattern": "__ds/**"}, "INVALID_REQUEST"),
        ({"pattern": ["events/*"]}, "INVALID_REQUEST"),
        ({"streams": "events/a"}, "INVALID_REQUEST"),
        ({"streams": [""]}, "INVALID_REQUEST"),
        ({"streams": [1]}, "INVALID_REQUEST"),
        ({"lease_ttl_ms": 999}, "INVALID_REQUEST"),
        ({"lease_ttl_ms": 600_001}, "INVALID_REQUEST"),
        ({"lease_ttl_ms": 1000.5}, "INVALID_REQUEST"),
        ({"lease_ttl_ms": True}, "INVALID_REQUEST"),
        ({"description": {}}, "INVALID_REQUEST"),
        ({"webhook": {}}, "INVALID_REQUEST"),
        ({"webhook": "http://localhost/"}, "INVALID_REQUEST"),
        ({"type": "pull-wake"}, "INVALID_REQUEST"),
        ({"type": "pull-wake", "wake_stream": "a", "streams": ["a"]}, "INVALID_REQUEST"),
        ({"webhook": {"url": "http://10.0.0.1/hook"}}, "WEBHOOK_URL_REJECTED"),
        ({"webhook": {"url": "https://169.254.169.254/"}}, "WEBHOOK_URL_REJECTED"),
        ({"webhook": {"url": "https://localhost/"}}, "WEBHOOK_URL_REJECTED"),
    ],
)
def test_what_cannot_be_subscribed_to_is_refused(owner: Subscriber, change: dict[str, Any], code: str) -> None:
    """A configuration that is none gets 400, the protocol's word for why, and leaves nothing."""
    good = {"type": "webhook", "pattern": "events/*", "webhook": {"url": "http://localhost:1/"}}
    assert error(owner.client.put(f"{SUBSCRIPTIONS}/s", json={**good, **change})) == (400, code)
    assert error(owner.client.get(f"{SUBSCRIPTIONS}/s")) == (404, "SUBSCRIPTION_NOT_FOUND")


def test_odd_requests_get_an_answer(owner: Subscriber) -> None:
    """Bodies that are no JSON, paths that nothing is at, and methods that it has not."""
    assert error(owner.client.put(f"{SUBSCRIPTIONS}/s", content=b"{")) == (400, "INVALID_REQUEST")
    assert error(owner.client.put(f"{SUBSCRIPTIONS}/s", content=b"[]")) == (400, "INVALID_REQUEST")
    assert error(owner.client.put(f"{SUBSCRIPTIONS}/s", content=b"[" * 100_000)) == (400, "INVALID_REQUEST")
    for path in ("/v1/stream/__ds/", "/v1/stream/__ds/x", SUBSCRIPTIONS, f"{SUBSCRIPTIONS}/", f"{SUBSCRIPTIONS}/a/b"):
        assert owner.client.get(path).status_code == 404
    assert owner.client.put("/v1/stream/%5F%5Fds/mine", content=b"x").status_code in (404, 405)
    assert owner.client.put("/v1/stream/__ds", content=b"x").status_code in (404, 405)
    got = owner.client.patch(f"{SUBSCRIPTIONS}/s", json={})
    assert (got.status_code, got.headers["allow"]) == (405, "PUT, GET, DELETE")
    assert owner.client.delete(f"{SUBSCRIPTIONS}/s").status_code == 204


def test_a_subscription_is_shown_as_it_is(owner: Subscriber) -> None:
    """What was asked for comes back, normalized; another under the same id is 409; ids may have any character."""
    with receiving() as receiver:
        asked = {"type": "webhook", "streams": ["/b/", "a", "b"], "webhook": {"url": receiver.url}, "description": "é"}
        made = owner.subscribe("a%2Fb%20%C3%A9", **asked)
        assert made == owner.get("a%2Fb%20%C3%A9") == owner.subscribe("a%2Fb%20%C3%A9", **asked)
        assert (made["id"], made["subscription_id"]) == ("a/b é", "a/b é")
        assert [one["path"] for one in made["streams"]] == ["a", "b"]
        assert (made["lease_ttl_ms"], made["status"], made["description"]) == (30_000, "active", "é")
        assert made["pattern"] is made["wake_stream"] is None
        other = owner.client.put(f"{SUBSCRIPTIONS}/a%2Fb%20%C3%A9", json={**asked, "description": "e"})
        assert error(other) == (409, "SUBSCRIPTION_ALREADY_EXISTS")


def test_explicit_streams_come_and_go(owner: Subscriber) -> None:
    """Streams are added and removed by their paths, slashes encoded or not; what is asked twice is done once."""
    with receiving() as receiver:
        owner.hook("s", receiver)
        for _ in range(2):
            assert owner.ask("s", "streams", streams=["m/a", "m/b"]).status_code == 204
        assert set(owner.acked("s")) == {"m/a", "m/b"}
        for path in ("m%2Fa", "m/b", "m/b"):
            assert owner.client.delete(f"{SUBSCRIPTIONS}/s/streams/{path}").status_code == 204
        assert owner.acked("s") == {}
        assert error(owner.ask("none", "streams", streams=["a"])) == (404, "SUBSCRIPTION_NOT_FOUND")
        assert error(owner.client.delete(f"{SUBSCRIPTIONS}/none/streams/a")) == (404, "SUBSCRIPTION_NOT_FOUND")


@pytest.mark.parametrize(
    "answer",
    [(500, {}, b"no"), (302, {"Location": "/elsewhere"}, b""), (404, {}, b"")],
    ids=["error", "redirect", "not found"],
)
def test_a_refused_delivery_is_tried_again(owner: Subscriber, answer: tuple[int, dict[str, str], bytes]) -> None:
    """Errors and redirects are failures: it says so, and the same wake comes again after about a second."""
    with receiving(answer) as receiver:
        owner.hook("s", receiver)
        owner.put("events/a", b"x")
        receiver.wait(1)
        until(lambda: owner.get("s")["status"] == "failed")
        receiver.answer = DONE
        again = receiver.wait(2)
        assert again.body["wake_id"] == receiver.got[0].body["wake_id"]
        assert 0.7 < again.at - receiver.got[0].at < 5
        until(lambda: owner.get("s")["status"] == "active")
        until(lambda: owner.acked("s") == again.pending)
        assert len(receiver.got) == 2


def test_a_huge_answer_is_not_read(owner: Subscriber) -> None:
    """An answer that is larger than any of ours counts as taken, and not as done."""
    with receiving((200, {}, b'{"done":true,"x":"' + b"x" * 10_000_000 + b'"}')) as receiver:
        owner.hook("s", receiver)
        owner.put("events/a", b"x")
        receiver.wait(1)
        until(lambda: owner.client.get("/v1/events", params={"type": "subscription:delivered"}).json()["events"])
        assert owner.acked("s") == {"events/a": "0000000000000000_0000000000000000"}


def test_an_agent_wakes_who_subscribes_to_it(owner: Subscriber, swarm: Swarm) -> None:
    """What an agent of this machine writes, and what happens to it, wakes as a client's append does."""
    with receiving() as receiver:
        owner.hook("s", receiver, pattern="agents/*", streams=["registry"])
        agent = swarm.ended("echo hello")
        until(lambda: {p for one in receiver.got for p in one.pending} == {"registry", f"agents/{agent}"})


def test_a_deleted_subscription_hears_nothing(owner: Subscriber) -> None:
    """Its callbacks get 404, and appends wake it no more."""
    with receiving(LATER) as receiver:
        owner.hook("s", receiver)
        owner.hook("t", receiver)
        owner.put("events/a", b"x")
        receiver.wait(2)
        (notified,) = (one for one in receiver.got if one.body["subscription_id"] == "s")
        assert owner.client.delete(f"{SUBSCRIPTIONS}/s").status_code == 204
        assert error(notified.call_back(done=True)) == (404, "SUBSCRIPTION_NOT_FOUND")
        (other,) = (one for one in receiver.got if one is not notified)
        assert other.call_back(done=True).json()["next_wake"] is True
        assert receiver.wait(3).body["subscription_id"] == "t"
