"""The client without a network: what is asked again, where a token may go, what errors problems are."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from swarm_store.errors import CannotStart, LogUnusable, NameTaken, NoSuchAgent, SwarmError, WrongUsage
from swarmctl.client import NotAllowed, Unreachable, calls, streams
from swarmctl.client.errors import error_of
from swarmctl.client.exchange import Answer, Done, Feed, Item, Pause, Request, Steps, advance
from swarmctl.client.target import Target, check_secrecy, target

AWAY = Unreachable("away")
LOST_ON_THE_WAY = Unreachable("away", was_sent=True)  # with its request, or its answer


def answer(status: int, body: Any = None, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, json.dumps(body).encode(), lambda one: error_of(one.status, one.body, server="there"))


BUSY = answer(503, {"status": 503, "detail": "busy", "type": "urn:swarmctl:log-busy"})


def outcome(
    steps: Steps[Any] | Feed[Any], outcomes: Sequence[Answer | Unreachable]
) -> tuple[Any, list[Request], list[float], list[Any]]:
    """What a call returns or raises for these outcomes of its requests; they, its pauses and its items."""
    requests: list[Request] = []
    pauses: list[float] = []
    items: list[Any] = []
    left = list(outcomes)
    try:
        step: Any = advance(steps)
        while not isinstance(step, Done):
            if isinstance(step, Request):
                requests.append(step)
                if not left:
                    return None, requests, pauses, items
                step = advance(steps, left.pop(0))
            else:
                pauses += [step.seconds] if isinstance(step, Pause) else []
                items += [step.value] if isinstance(step, Item) else []
                step = advance(steps)
    except SwarmError as error:
        return error, requests, pauses, items
    return step.value, requests, pauses, items


def test_a_question_is_asked_again_a_few_times() -> None:
    """What changes nothing is asked four times, later and later, whatever became of the request."""
    for trouble in (AWAY, LOST_ON_THE_WAY, BUSY):
        error, requests, pauses, _ = outcome(calls.find("x"), [trouble] * 9)
        assert isinstance(error, SwarmError) and len(requests) == 4
        assert pauses == sorted(pauses) and len(pauses) == 3
    found, requests, _, _ = outcome(calls.find("x"), [AWAY, BUSY, answer(200, {"id": "x"})])
    assert found == {"id": "x"} and len(requests) == 3


def test_a_server_says_when_to_come_again() -> None:
    """Retry-After is waited for, but not for ever; what is no number is none."""
    busy = {"status": 503, "detail": "busy"}
    assert outcome(calls.find("x"), [answer(503, busy, retry_after="1"), answer(200, {})])[2] == [1.0]
    assert outcome(calls.find("x"), [answer(503, busy, retry_after="600"), answer(200, {})])[2] == [2.0]
    assert outcome(calls.find("x"), [answer(503, busy, retry_after="Wed, 21"), answer(200, {})])[2] == [0.1]


def test_what_may_have_been_done_is_not_asked_again() -> None:
    """A signal or a removal that may have arrived is not repeated; one that was never sent is."""
    cancel = partial(calls.cancel, "x", signal="TERM", grace=None)
    for steps in (partial(calls.signal, "x", "TERM"), partial(calls.remove, "x"), cancel):
        assert len(outcome(steps(), [LOST_ON_THE_WAY] * 9)[1]) == 1
        assert len(outcome(steps(), [BUSY] * 9)[1]) == 1
        assert len(outcome(steps(), [AWAY, answer(202)])[1]) == 2


def test_what_may_have_been_done_is_said() -> None:
    """Where a spawn was sent once and the server is not there any more, the error says that it may have been done."""
    once = [Unreachable("away", "look", was_sent=True), *(Unreachable("away", "look") for _ in range(3))]
    error, requests, _, _ = outcome(calls.spawn(["true"], {}, None), once)
    assert (error.was_sent, error.hint, len(requests)) == (True, "what was asked for may have been done", 4)
    error, _, _, _ = outcome(calls.find("x"), [Unreachable("away", "look", was_sent=True)] * 4)
    assert error.hint == "look"


def test_a_spawn_is_repeated_with_the_same_key() -> None:
    """A spawn is repeated even if it may have arrived, with one key, and each spawn has a key of its own."""
    _, requests, _, _ = outcome(calls.spawn(["true"], {}, None), [LOST_ON_THE_WAY, BUSY, answer(201, {})])
    keys = {dict(request.headers)["idempotency-key"] for request in requests}
    assert len(requests) == 3 and len(keys) == 1
    (other,) = outcome(calls.spawn(["true"], {}, None), [answer(201, {})])[1]
    assert dict(other.headers)["idempotency-key"] not in keys


def test_who_waits_waits_for_the_server_too() -> None:
    """A wait outlasts any number of failures, and ends at its own deadline."""
    ended, requests, _, _ = outcome(calls.ended("x"), [AWAY] * 50 + [answer(204), answer(200, {"id": "x"})])
    assert ended == {"id": "x"} and len(requests) == 52
    before = time.monotonic()
    assert outcome(calls.ended("x", timeout=0.0), [answer(204)])[0] is None
    assert time.monotonic() - before < 1


def test_a_reader_goes_on_at_the_offset_it_was_given() -> None:
    """A live reader asks from where the last whole answer ended, with its cursor; what never came is asked anew."""
    pages: list[Answer | Unreachable] = [
        answer(200, [], stream_next_offset="0_5", stream_up_to_date="true"),
        answer(200, [], stream_next_offset="0_7", stream_up_to_date="true", stream_cursor="c"),
        LOST_ON_THE_WAY,
        answer(204, None, stream_next_offset="0_7", stream_up_to_date="true", stream_cursor="d"),
    ]
    asked = [dict(request.params) for request in outcome(streams.watch(), pages)[1]]
    assert asked == [
        {"offset": "-1"},
        {"offset": "0_5", "live": "long-poll"},
        {"offset": "0_7", "live": "long-poll", "cursor": "c"},
        {"offset": "0_7", "live": "long-poll", "cursor": "c"},
        {"offset": "0_7", "live": "long-poll", "cursor": "d"},
    ]


@pytest.mark.parametrize(
    ("problem", "kind", "status"),
    [
        ({"type": "urn:swarmctl:no-such-agent", "status": 404, "exit_code": 3}, NoSuchAgent, 3),
        ({"type": "urn:swarmctl:name-taken", "status": 409}, NameTaken, 1),
        ({"type": "urn:swarmctl:cannot-start", "status": 422, "exit_code": 126}, CannotStart, 126),
        ({"type": "urn:swarmctl:no-log", "status": 404}, LogUnusable, 1),
        ({"type": "urn:swarmctl:invalid", "status": 422}, WrongUsage, 2),
        ({"type": "about:blank", "status": 401}, NotAllowed, 1),
        ({"type": "about:blank", "status": 403}, NotAllowed, 1),
        ({"type": "urn:swarmctl:of-tomorrow", "status": 409}, SwarmError, 1),
    ],
)
def test_problems_are_errors(problem: dict[str, Any], kind: type[SwarmError], status: int) -> None:
    """A problem is the error that it names, with its message, hint and exit status; else what its status means."""
    body = json.dumps({"detail": "what", "hint": "do", **problem}).encode()
    error = error_of(problem["status"], body, server="there")
    assert (type(error), error.message, error.hint, error.exit_code) == (kind, "what", "do", status)


def test_what_is_no_server_of_ours_is_said() -> None:
    """An answer that is no problem names the server, and says that something else answered."""
    for body in (b"<html>", b"[]", b'{"status_code": 1}', b"\xff"):
        assert "there answered 502, and not as swarmctl serve does" in error_of(502, body, server="there").message


def test_servers_are_urls_and_sockets() -> None:
    """http, https and unix name a server; a path in front is kept; a user in a URL, or anything else, is refused."""
    assert target("http://127.0.0.1:4437/") == Target("http://127.0.0.1:4437")
    assert target("https://example.org/swarm").name == "https://example.org/swarm"
    assert target("unix:/run/s").name == "unix:/run/s"
    for bad in (
        "",
        "host:4437",
        "ftp://x",
        "http://",
        "http://x:0x",
        "http://u:p@x",
        "http://x/?q",
        "unix:",
        "http://[x",
    ):
        with pytest.raises(WrongUsage):
            target(bad)


@pytest.mark.parametrize(
    ("server", "is_safe"),
    [
        ("http://127.0.0.1:4437", True),
        ("http://localhost", True),
        ("http://[::1]:1", True),
        ("http://127.9.9.9", True),
        ("unix:/run/s", True),
        ("https://example.org", True),
        ("http://example.org", False),
        ("http://10.0.0.1", False),
        ("http://localhost.example.org", False),
    ],
)
def test_a_token_goes_nowhere_unencrypted(server: str, is_safe: bool) -> None:
    """Plain http takes a token to this machine only, unless that is said to be meant; without a token it is free."""
    check_secrecy(target(server), has_token=False, insecure=False)
    check_secrecy(target(server), has_token=True, insecure=True)
    if is_safe:
        check_secrecy(target(server), has_token=True, insecure=False)
    else:
        with pytest.raises(WrongUsage) as raised:
            check_secrecy(target(server), has_token=True, insecure=False)
        assert "ssh -L" in raised.value.hint
