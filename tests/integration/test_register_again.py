"""A run that the log does not know: what its files say of it, and what the log is told."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from threading import Barrier
from typing import Any
from unittest.mock import Mock

import pytest

from support import agents
from support.agents import sh
from support.facts import IDENTITY, happened
from swarm_daemon import spawn as spawning
from swarm_daemon.process import myself
from swarm_daemon.register import abandoned, register_again, unknown_runs
from swarm_daemon.run import Run
from swarm_store import events, registry, sessions
from swarm_store import session_events as said
from swarm_store.errors import LogBusy, TreeRefused
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.log import Log

KNOWN = {
    "nothing": [],
    "spawned": ["agent:spawned"],
    "starting": ["agent:spawned", "agent:starting"],
    "running": ["agent:spawned", "agent:starting", "agent:started"],
    "lost": ["agent:spawned", "agent:lost"],
}


@pytest.fixture
def agent(log: Log) -> Agent:
    return sh(log, "sleep 1000", name="n", labels={"a": "b"})


def another_log(tmp_path_factory: pytest.TempPathFactory) -> Log:
    return Log(Home(str(tmp_path_factory.mktemp("another", numbered=True) / "home")))


def test_a_log_that_knows_nothing_is_told_all(log: Log, agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> None:
    """From a run's files another log learns the agent as the first one had it, but for what only time has told."""
    run = Run(log.home, agent["id"], 1)
    with another_log(tmp_path_factory) as other:
        assert register_again(other, run)
        told = agents.get(other, agent["id"])
    differing = {key for key in told if told[key] != agent[key]}
    assert differing <= {"created_at", "started_at", "monotonic"}


@pytest.mark.parametrize("known", KNOWN.values(), ids=KNOWN)
def test_a_log_that_is_behind_is_brought_up_to_the_run(
    log: Log, agent: Agent, known: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Whatever little a log knows of earlier runs, afterwards the agent is running in this one."""
    run = Run(log.home, agent["id"], 1)
    later = Run(log.home, agent["id"], 3)
    later.make()
    shutil.copy(run.who, later.who)
    with another_log(tmp_path_factory) as other:
        registry.publish(other, *(happened(agent["id"], type) for type in known))
        assert register_again(other, later)
        told = agents.get(other, agent["id"])
    assert (told["state"], told["run"], told["child"]) == ("running", 3, agent["child"])


def test_what_the_log_has_ended_stays_ended(log: Log, agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A log that has this very run as ended is told nothing."""
    with another_log(tmp_path_factory) as other:
        registry.publish(other, happened(agent["id"], "agent:spawned"), happened(agent["id"], "agent:lost"))
        register_again(other, Run(log.home, agent["id"], 1))
        assert agents.get(other, agent["id"])["state"] == "lost"


def test_runs_are_found_by_their_files(log: Log, agent: Agent) -> None:
    """A run is unknown where the log lacks its agent or is at an earlier run; without processes it is none."""
    run = Run(log.home, agent["id"], 1)
    Run(log.home, "strange2", 1).make()
    assert [(one.agent_id, one.number) for one in unknown_runs(log.home, {})] == [(run.agent_id, 1)]
    assert unknown_runs(log.home, {agent["id"]: 1}) == []
    assert len(unknown_runs(log.home, {agent["id"]: 0})) == 1


def test_a_name_that_is_taken_is_left_out(log: Log, agent: Agent, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where another living agent has the name by now, the run is registered without it: no agent goes unknown."""
    with another_log(tmp_path_factory) as other:
        registry.publish(other, happened("b", events.AGENT_SPAWNED, name="n"))
        assert register_again(other, Run(log.home, agent["id"], 1))
        assert agents.get(other, agent["id"])["name"] is None


def test_a_name_that_was_given_to_another_is_left_out(
    log: Log, agent: Agent, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Where the log knows an earlier run, and another living agent has its name by now, the later run has none."""
    later = Run(log.home, agent["id"], 2)
    later.make()
    shutil.copy(Run(log.home, agent["id"], 1).who, later.who)
    with another_log(tmp_path_factory) as other:
        registry.publish(other, happened(agent["id"], events.AGENT_SPAWNED, name="n"))
        registry.publish(other, happened(agent["id"], "agent:lost"), happened("b", events.AGENT_SPAWNED, name="n"))
        assert register_again(other, later)
        told = agents.get(other, agent["id"])
        assert (told["state"], told["run"], told["name"]) == ("running", 2, None)
        assert registry.folded(other)[agent["id"]] == told


FULL = {
    "budget": {"budget": {"usd": None, "tokens": 100}},
    "children": {"caps": {"depth": None, "children": 0}},
    "depth": {"caps": {"depth": 0, "children": None}},
}


@pytest.mark.parametrize("above", FULL.values(), ids=FULL)
@pytest.mark.parametrize("known", [[], ["agent:spawned", "agent:lost"]], ids=["unknown", "lost"])
def test_who_lives_is_registered_whatever_its_tree_may(
    log: Log, above: dict[str, Any], known: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A log in which the budget above a living agent is spent, or its tree is full, is told of it all the same."""
    child = sh(log, "sleep 1000", caller={**os.environ, "SWARM_AGENT_ID": "top", "SWARM_DEPTH": "0"})
    run = Run(log.home, child["id"], 1)
    later = Run(log.home, child["id"], 2)
    later.make()
    shutil.copy(run.who, later.who)
    with another_log(tmp_path_factory) as other:
        for one in (happened(child["id"], type) for type in known):
            registry.publish(other, one._replace(data={**one.data, "reason": "test", "parent": "top"}))
        top = happened("top", "agent:spawned")
        registry.publish(other, top._replace(data={**top.data, "kind": "claude", **above}))
        sessions.say(other, "top", said.usage_reported("top", 1, 0, model="m", input=200))
        assert register_again(other, later)
        told = agents.get(other, child["id"])
    assert (told["state"], told["run"], told["parent"]) == ("running", 2, "top")


def test_a_run_that_is_refused_stops_nobody(log: Log, agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that refuses a run keeps nobody from the next ones; one that cannot be written is said."""
    run = Run(log.home, agent["id"], 1)
    for error, said_of_it in ((TreeRefused("full"), nullcontext()), (LogBusy("busy"), pytest.raises(LogBusy))):
        monkeypatch.setattr(registry, "introduce", Mock(side_effect=error))
        with said_of_it:
            register_again(log, run)


def test_what_a_spawner_left_that_died_is_abandoned(log: Log, agent: Agent) -> None:
    """A spec that nobody registered is abandoned once its spawner is dead; not before, and not if it is older."""
    mine, theirs = spawning.request(log.home, ["true"]), spawning.request(log.home, ["true"])
    for wish, spawner in ((mine, myself()), (theirs, IDENTITY)):
        spec = {**wish.spec, "agent": {**wish.spec["agent"], "spawner": spawner}}
        Run(log.home, wish.agent_id, 1).prepare(spec)
    created = int(log.fact("created"))
    assert abandoned(log.home, {agent["id"]}, created) == [theirs.agent_id]
    assert abandoned(log.home, {agent["id"], theirs.agent_id}, created) == []
    assert abandoned(log.home, {agent["id"]}, created + 10**12) == []


def test_a_living_run_is_never_abandoned(log: Log, agent: Agent) -> None:
    """Of an agent that the log does not know, and that has come to a later run, nothing is removed."""
    run = Run(log.home, agent["id"], 1)
    os.rename(run.path, Run(log.home, agent["id"], 2).path)
    spec = {**run.spec(), "agent": {**run.spec()["agent"], "spawner": IDENTITY}}
    run.prepare(spec)
    created = int(log.fact("created"))
    assert abandoned(log.home, {}, created) == []
    os.rename(Run(log.home, agent["id"], 2).path, run.path)


def test_two_may_register_the_same_run(log: Log, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A supervisor and a daemon that tell the log of the same run at the same moment do not hinder each other."""
    agent = sh(log, "sleep 1000")
    together = Barrier(2)
    with another_log(tmp_path_factory) as first, Log(first.home) as second:
        runs = [Run(log.home, agent["id"], number) for number in range(1, 100)]
        for one in runs[1:]:
            one.make()
            shutil.copy(runs[0].who, one.who)

        def register(other: Log) -> list[bool]:
            return [register_again(other, one) for one in runs if together.wait(30) >= 0]

        with ThreadPoolExecutor(2) as pool:
            assert [*pool.map(register, (first, second))] == [[True] * len(runs)] * 2
        assert agents.get(first, agent["id"])["run"] == 99
