"""The reducer: agents as a fold of events."""

from __future__ import annotations

import copy

import pytest

from support.facts import IDENTITY, happened, life, recorded
from swarm_store.errors import IllegalTransition
from swarm_store.events import (
    Event,
    agent_adopted,
    agent_exited,
    agent_lost,
    agent_spawned,
    agent_started,
    agent_starting,
)
from swarm_store.fold import Agent, apply, fold
from swarm_store.registry import unknown

SECOND = 1_000_000


def folded(*events: Event) -> Agent:
    """The one agent that `events` make, a second after each other."""
    agents = fold(recorded(event, n + 1, n * SECOND) for n, event in enumerate(events))
    (agent,) = agents.values()
    return agent


def test_a_spawned_agent_has_what_it_was_asked_with() -> None:
    """Everything in the spec is on the agent, and what has not happened yet is null."""
    spec = {
        "name": "n",
        "labels": {"k": "v"},
        "command": ["x", "y"],
        "cwd": "/w",
        "run": 3,
        "parent": "p",
        "depth": 2,
        "restart": "always",
        "timeout": 5.0,
        "grace": 1.0,
        "host": "h",
    }
    agent = folded(agent_spawned("a", **spec))
    assert {key: agent[key] for key in spec} == spec
    assert (agent["id"], agent["state"], agent["created_at"]) == ("a", "spawned", "1970-01-01T00:00:00.000000Z")
    unknown = "exit_code signal reason started_at ended_at daemon keeper child monotonic output resources left"
    assert [agent[key] for key in unknown.split()] == [None] * 12


def test_a_spec_may_be_the_least() -> None:
    """A command and a directory are enough: the rest has defaults."""
    agent = folded(agent_spawned("a", command=["x"], cwd="/"))
    defaults: dict[str, object] = {"name": None, "labels": {}, "run": 1, "parent": None, "depth": 0, "restart": "no"}
    assert {key: agent[key] for key in defaults} == defaults


def test_starting_brings_the_identities() -> None:
    """The three processes of a run are on the agent before it runs."""
    daemon, keeper, child = ({"pid": pid} for pid in (1, 2, 3))
    agent = folded(life("a")[0], agent_starting("a", 1, daemon=daemon, keeper=keeper, child=child))
    assert (agent["state"], agent["daemon"], agent["keeper"], agent["child"]) == ("starting", daemon, keeper, child)


def test_started_brings_the_times() -> None:
    """When the child was executed, by both clocks."""
    agent = folded(*life("a")[:2], agent_started("a", 1, monotonic=7.25))
    expected = ("running", "1970-01-01T00:00:02.000000Z", 7.25)
    assert (agent["state"], agent["started_at"], agent["monotonic"]) == expected


def test_adoption_changes_daemon_and_epoch_alone() -> None:
    """A successor daemon takes the run over and nothing else changes."""
    before = folded(*life("a")[:3])
    after = folded(*life("a")[:3], agent_adopted("a", 1, daemon={"pid": 9}, epoch=4))
    assert after == {**before, "daemon": {"pid": 9}, "epoch": 4}


def test_the_end_says_how() -> None:
    """Exit status, signal, reason, output, resources and who was left are on the ended agent."""
    how: dict[str, object] = {"exit_code": None, "signal": "SIGKILL", "reason": "timeout", "output": {"stdout": 1}}
    how |= {"resources": {"user": 0.5}, "left": 2}
    agent = folded(*life("a")[:3], agent_exited("a", 1, outcome="failed", **how))
    assert {key: agent[key] for key in how} == how
    assert (agent["state"], agent["ended_at"]) == ("failed", "1970-01-01T00:00:03.000000Z")


def test_a_lost_agent_has_no_exit_status() -> None:
    """Nobody can say how it ended, so the status stays unknown."""
    agent = folded(*life("a")[:3], agent_lost("a", 1, reason="the machine was restarted"))
    expected = ("lost", None, "the machine was restarted", "1970-01-01T00:00:03.000000Z")
    assert (agent["state"], agent["exit_code"], agent["reason"], agent["ended_at"]) == expected


def test_a_removed_agent_is_gone_and_may_come_again() -> None:
    """After removal there is no agent; the same id spawned again is last in the order."""
    records = [*life("a"), happened("b", "agent:spawned"), happened("a", "agent:removed")]
    assert list(fold(map(recorded, records))) == ["b"]
    assert list(fold(map(recorded, [*records, life("a")[0]]))) == ["b", "a"]


@pytest.mark.parametrize("event", [Event("agent:dreamt", {}, "a", None), Event("agent:exited", {}, None, None)])
def test_what_a_newer_version_says_changes_nothing(event: Event) -> None:
    """A type that the table does not know, or an event about no agent, leaves all as it is."""
    agents = fold(map(recorded, life("a")))
    assert fold([recorded(event)], agents) == agents
    assert apply(agents["a"], recorded(event)) == agents["a"]


def test_an_illegal_event_changes_nothing() -> None:
    """To apply what the table forbids is refused; a fold, which may be of a log with holes, leaves it out."""
    agents = fold(map(recorded, life("a")))
    before = copy.deepcopy(agents)
    with pytest.raises(IllegalTransition):
        apply(agents["a"], recorded(happened("a", "agent:started")))
    assert fold([recorded(happened("a", "agent:started"))], agents) == before
    assert agents == before


def test_another_log_learns_what_it_does_not_know() -> None:
    """The events that `unknown` gives bring whatever a log knew of a living agent to where it is; no others follow."""
    whole = [*life("a", name="n")[:3], agent_adopted("a", 1, daemon=IDENTITY, epoch=2)]
    agent = fold(recorded(event, n + 1) for n, event in enumerate(whole))["a"]
    for known in range(len(whole) + 1):
        before = fold(recorded(event, n + 1) for n, event in enumerate(whole[:known]))
        missing = unknown(before.get("a"), agent)
        after = fold((recorded(event, n + 9) for n, event in enumerate(missing)), before)["a"]
        assert after == agent
        assert unknown(after, agent) == []
    ended = fold(recorded(event, n + 1) for n, event in enumerate(life("a")))["a"]
    assert unknown(ended, agent) == []
    assert unknown(None, ended) == []


def test_a_fold_is_pure() -> None:
    """Neither the start nor an agent in it is changed by what follows."""
    start = fold(map(recorded, life("a")[:2]))
    before = copy.deepcopy(start)
    after = fold([recorded(happened("a", "agent:started")), recorded(happened("b", "agent:spawned"))], start)
    assert start == before
    assert (after["a"]["state"], after["b"]["state"]) == ("running", "spawned")
    assert after["a"]["daemon"] == IDENTITY


def test_a_fold_can_be_cut_anywhere() -> None:
    """Folding on from a fold is folding it all."""
    events = [*life("a"), *life("b"), happened("a", "agent:removed")]
    records = [recorded(event, n + 1) for n, event in enumerate(events)]
    whole = fold(records)
    for cut in range(len(records) + 1):
        assert fold(records[cut:], fold(records[:cut])) == whole
