"""The reducer: agents as a fold of events."""

from __future__ import annotations

import copy

import pytest

from support.facts import IDENTITY, happened, life, recorded
from swarm_store.errors import IllegalTransition
from swarm_store.events import (
    Event,
    agent_adopted,
    agent_crash_looped,
    agent_exited,
    agent_fell_silent,
    agent_lost,
    agent_restart_withdrawn,
    agent_restarted,
    agent_settled,
    agent_signalled,
    agent_spawned,
    agent_spoke,
    agent_start_failed,
    agent_started,
    agent_starting,
    agent_swept,
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


ENDED = [*life("a", outcome="failed")]


def test_a_restart_is_a_new_run_of_the_same_agent() -> None:
    """What was known of the last run is null again; what it was spawned with, and when, stays."""
    spec = {"name": "n", "labels": {"k": "v"}, "command": ["x"], "cwd": "/", "restart": "always", "silence": 5.0}
    first = [agent_spawned("a", **spec), *ENDED[1:]]
    before = folded(*first)
    spawner = {"pid": 7, "start": 8, "boot": "b"}
    after = folded(*first, agent_restarted("a", run=2, reason="policy", restarts=3, spawner=spawner))
    new = {"state": "spawned", "run": 2, "restarts": 3, "spawner": spawner, "epoch": 0}
    assert {key: after[key] for key in new} == new
    unknown = "exit_code signal reason started_at ended_at seconds daemon keeper child monotonic output resources left"
    assert [after[key] for key in unknown.split()] == [None] * 13
    kept = after.keys() - new.keys() - set(unknown.split())
    assert {key: after[key] for key in kept} == {key: before[key] for key in kept}
    assert after.keys() == before.keys()


def test_a_restart_forgets_that_restarts_were_called_off() -> None:
    """Who restarts an agent wants its policy kept again."""
    looped = folded(*ENDED, agent_crash_looped("a", 1, restarts=10))
    withdrawn = folded(*ENDED, agent_restart_withdrawn("a", 1))
    assert (looped["no_more_restarts"], withdrawn["no_more_restarts"]) == ("crash loop", "withdrawn")
    on_request = agent_restarted("a", run=2, reason="request", restarts=0, spawner=IDENTITY)
    for end in (agent_crash_looped("a", 1, restarts=10), agent_restart_withdrawn("a", 1)):
        assert folded(*ENDED, end, on_request)["no_more_restarts"] is None
        assert folded(*ENDED, end)["state"] == "failed"


def test_a_silence_lasts_until_it_is_broken() -> None:
    """It is known since when; output, or the end of the run, ends it."""
    running = life("a")[:3]
    silent = folded(*running, agent_fell_silent("a", 1, seconds=5.0))
    assert (silent["state"], silent["silent_since"]) == ("running", "1970-01-01T00:00:03.000000Z")
    for end in (agent_spoke("a", 1), happened("a", "agent:exited", "failed"), agent_lost("a", 1, reason="r")):
        assert folded(*running, agent_fell_silent("a", 1, seconds=5.0), end)["silent_since"] is None


def test_what_was_swept_is_not_left() -> None:
    """After a sweep nothing is left, and how the run ended stays as it was."""
    exited = agent_exited("a", 1, outcome="failed", exit_code=3, left=2)
    before, after = folded(*ENDED[:3], exited), folded(*ENDED[:3], exited, agent_swept("a", 1, processes=2))
    assert after == before | {"left": 0}


OF_RUN_1 = [
    agent_starting("a", 1, daemon=IDENTITY, keeper=IDENTITY, child=IDENTITY),
    agent_started("a", 1, monotonic=1.0),
    agent_adopted("a", 1, daemon=IDENTITY, epoch=1),
    agent_signalled("a", 1, signal="SIGTERM", reason="cancel"),
    agent_fell_silent("a", 1, seconds=1.0),
    agent_spoke("a", 1),
    agent_start_failed("a", 1, outcome="failed", exit_code=None, reason="r"),
    agent_exited("a", 1, outcome="completed", exit_code=0),
    agent_lost("a", 1, reason="r"),
    agent_swept("a", 1, processes=1),
    agent_crash_looped("a", 1, restarts=1),
    agent_restart_withdrawn("a", 1),
    agent_restarted("a", run=2, reason="request", restarts=0, spawner=IDENTITY),
]


@pytest.mark.parametrize("event", OF_RUN_1, ids=lambda event: str(event.type))
@pytest.mark.parametrize("state", ["spawned", "starting", "running", "failed"])
def test_what_is_said_of_an_earlier_run_moves_no_later_one(event: Event, state: str) -> None:
    """A daemon that wakes up long after its run, or a second restart of it, is refused in every state of the next."""
    second = [happened("a", type, "failed") for type in ("agent:starting", "agent:started", "agent:exited")]
    steps = ["spawned", "starting", "running", "failed"].index(state)
    agent = folded(*ENDED, happened("a", "agent:restarted"), *second[:steps])
    assert (agent["run"], agent["state"]) == (2, state)
    with pytest.raises(IllegalTransition, match="agent a"):
        apply(agent, recorded(event))


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


def test_a_withdrawn_restart_cannot_be_done_by_policy() -> None:
    """Where somebody has withdrawn it in between, a restart by policy is refused; one on request is not."""
    types = ("agent:spawned", "agent:lost", "agent:restart_withdrawn", "agent:restarted")
    *before, again = (recorded(happened("agentid2", type), n) for n, type in enumerate(types, 1))
    agent = fold(before)["agentid2"]
    with pytest.raises(IllegalTransition, match="no more"):
        apply(agent, again._replace(data={**again.data, "reason": "policy"}))
    assert apply(agent, again) is not None


def test_what_follows_an_end_is_owed_until_it_is_settled() -> None:
    """Of an agent with something to be done after its runs each end is owed, whatever runs by then; of others none."""
    told = agent_spawned("a", command=["x"], cwd="/", notify=["x"])
    ended = agent_start_failed("a", 1, outcome="failed", exit_code=127, reason="r")
    again = agent_restarted("a", run=2, reason="request", restarts=0, spawner=IDENTITY)
    lost = agent_lost("a", 2, reason="r")
    assert folded(told)["owed"] == []
    assert folded(told, ended)["owed"] == [1]
    assert folded(told, ended, again)["owed"] == [1]
    assert folded(told, ended, again, lost)["owed"] == [1, 2]
    assert folded(told, ended, again, agent_settled("a", 1))["owed"] == []
    settled = folded(told, ended, again, lost, agent_settled("a", 1), agent_settled("a", 1))
    assert (settled["owed"], settled["state"], settled["run"]) == ([2], "lost", 2)
    assert folded(agent_spawned("a", command=["x"], cwd="/"), ended)["owed"] == []
    assert folded(agent_spawned("a", command=["x"], cwd="/", worktree={"path": "/w"}), ended)["owed"] == [1]
