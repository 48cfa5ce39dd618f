"""A run that the log does not know: which events bring the log up to it."""

from __future__ import annotations

from typing import Any

import pytest

from support.facts import IDENTITY, happened, recorded
from swarm_daemon.register import _missing
from swarm_daemon.run import Run
from swarm_store.events import Event
from swarm_store.fold import Agent, fold
from swarm_store.home import Home

SPAWNED = {"command": ["true"], "cwd": "/", "name": "n", "run": 1}
WHO = {"daemon": IDENTITY, "keeper": IDENTITY, "child": {**IDENTITY, "pid": 7}, "monotonic": 2.5}


def folded(events: list[Event], start: Agent | None = None) -> Agent:
    records = [recorded(event, place) for place, event in enumerate(events, 1)]
    return fold(records, {"a": start} if start else None)["a"]


def missing(known: list[Event], number: int) -> tuple[Agent | None, list[Event]]:
    agent = folded(known) if known else None
    return agent, _missing(agent, Run(Home("/nowhere"), "a", number), SPAWNED, WHO)


KNOWN: dict[str, list[Event]] = {
    "nothing": [],
    "spawned": [happened("a", "agent:spawned")],
    "starting": [happened("a", "agent:spawned"), happened("a", "agent:starting")],
}


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
@pytest.mark.parametrize("number", [1, 3])
def test_the_log_is_brought_up_to_the_run(known: list[Event], number: int) -> None:
    """Whatever little the log knows, afterwards the agent is running in that run, with its processes."""
    agent, events = missing(known, number)
    after = folded(events, agent)
    assert (after["state"], after["run"], after["monotonic"]) == ("running", number, 2.5)
    assert number == 1 or after["child"]["pid"] == 7


def test_an_earlier_run_that_seemed_to_live_is_lost() -> None:
    """The log stands still at a run that lived: how it ended is not known, and is not guessed."""
    _, events = missing([*KNOWN["starting"], happened("a", "agent:started")], 2)
    assert [event.type for event in events] == ["agent:lost", "agent:restarted", "agent:starting", "agent:started"]


@pytest.mark.parametrize("last", [("agent:started", None), ("agent:exited", "failed")])
def test_a_run_that_is_known_is_left_as_it_is(last: tuple[str, Any]) -> None:
    """Where the log knows the run to be going on, or to have ended, nothing is added."""
    known = [*KNOWN["starting"], happened("a", "agent:started")]
    known += [happened("a", *last)] if last[1] else []
    assert missing(known, 1)[1] == []
