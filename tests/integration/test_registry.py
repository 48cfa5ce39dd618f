"""The registry: the projection written with its events, names, looking agents up, removing them, the past."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from support.facts import LEGAL, OUTCOMES, happened, life, note
from swarm_store import events, health, projection, registry
from swarm_store.errors import IllegalTransition, NameTaken, NoSuchAgent, NotPossible, WrongUsage
from swarm_store.events import Event, Record
from swarm_store.fold import Agent, apply, fold
from swarm_store.home import Home
from swarm_store.log import Log


@pytest.fixture
def log(home: Home) -> Iterator[Log]:
    """A log whose agents are events alone: no daemon is behind them, and nobody has to end them."""
    with Log(home) as log:
        yield log


def test_the_projection_is_written_with_its_event(home: Home, log: Log) -> None:
    """A reader sees an event and the row that it makes at the same moment, and no row without its event."""
    with Log(home, write=False) as reader:
        with log.transaction(durable=True) as transaction:
            transaction.append(events.REGISTRY, [happened("a", "agent:spawned")])
            assert registry.get(reader, "a") is None
        found = registry.get(reader, "a")
        assert found is not None
        assert found["state"] == "spawned"
        assert registry.agents_at(reader, reader.position()) == {"a": found}


def test_an_event_that_cannot_follow_leaves_nothing(log: Log) -> None:
    """Of several events published together the last is illegal: none is in the log and no row has changed."""
    registry.publish(log, happened("a", "agent:spawned"))
    before = registry.agents(log), log.position()
    with pytest.raises(IllegalTransition, match="agent a is spawned: agent:started cannot follow"):
        registry.publish(log, happened("b", "agent:spawned"), happened("a", "agent:started"))
    assert (registry.agents(log), log.position()) == before
    assert health.differing(log) == []


def test_the_living_are_listed_and_the_ended_on_request(log: Log) -> None:
    """Both lists are in the order of spawning, whatever happened since."""
    for agent_id in ("c", "a", "d", "b"):
        registry.publish(log, happened(agent_id, "agent:spawned"))
    registry.publish(log, happened("a", "agent:lost"))
    registry.publish(log, happened("c", "agent:starting"))
    assert [agent["id"] for agent in registry.agents(log)] == ["c", "d", "b"]
    assert [agent["id"] for agent in registry.agents(log, ended=True)] == ["c", "a", "d", "b"]
    assert list(registry.runs(log).items()) == [("c", 1), ("d", 1), ("b", 1)]
    assert list(registry.runs(log, ended=True)) == ["c", "a", "d", "b"]


def test_a_living_agents_name_is_taken(log: Log) -> None:
    """A second agent of the name is refused, in words that name the first, until that one has ended."""
    registry.publish(log, *life("old", name="n"), happened("a", "agent:spawned", name="n"))
    with pytest.raises(NameTaken, match="'n' belongs to agent a, which is spawned") as taken:
        registry.publish(log, happened("b", "agent:spawned", name="n"))
    assert "swarmctl cancel a" in taken.value.hint
    with pytest.raises(NameTaken):
        registry.publish(log, happened("x", "agent:spawned", name="m"), happened("y", "agent:spawned", name="m"))
    assert registry.get(log, "x") is None
    registry.publish(log, happened("a", "agent:lost"))
    registry.publish(log, happened("b", "agent:spawned", name="n"), happened("c", "agent:spawned"))
    assert registry.resolve(log, "n")["id"] == "b"


def test_agents_without_names_do_not_clash(log: Log) -> None:
    """No name is not a name."""
    registry.publish(log, happened("a", "agent:spawned"), happened("b", "agent:spawned"))
    assert len(registry.agents(log)) == 2


def test_a_name_means_the_living_agent_else_the_latest(log: Log) -> None:
    """Of several agents of one name the living one is meant, else the one that was spawned last."""
    registry.publish(log, *life("a1", name="n"), *life("a2", name="n"))
    assert registry.resolve(log, "n")["id"] == "a2"
    registry.publish(log, happened("a3", "agent:spawned", name="n"))
    assert registry.resolve(log, "n")["id"] == "a3"
    registry.publish(log, happened("a3", "agent:lost"), happened("a3", "agent:removed"))
    assert registry.resolve(log, "n")["id"] == "a2"


def test_a_word_means_an_id_then_a_name_then_the_start_of_an_id(log: Log) -> None:
    """The most exact meaning wins."""
    registry.publish(log, happened("abc", "agent:spawned", name="x"), happened("abd1", "agent:spawned", name="abc"))
    registry.publish(log, happened("x1", "agent:spawned", name="abd"))
    for word, meant in {"abc": "abc", "abd1": "abd1", "abd": "x1", "x": "abc", "x1": "x1"}.items():
        assert registry.resolve(log, word)["id"] == meant, word


def test_the_start_of_an_id_must_be_unique(log: Log) -> None:
    """Ended agents count; an ambiguous start names those that it could be; the start of none is no agent."""
    registry.publish(log, happened("abc1", "agent:spawned"), *life("abc2"), happened("abd1", "agent:spawned"))
    assert registry.resolve(log, "abd")["id"] == "abd1"
    assert registry.resolve(log, "abc2")["id"] == "abc2"
    with pytest.raises(WrongUsage, match="'abc' is the start of several ids: abc2, abc1"):
        registry.resolve(log, "abc")
    for word in ("", "b", "abcz", "ab%", "ab_1", "*", "abd1 ", "ABC1", "'"):
        with pytest.raises(NoSuchAgent):
            registry.resolve(log, word)


def test_a_removed_agent_is_history(log: Log) -> None:
    """Its row, output and inbox go; its registry events stay, and it can be seen in the past."""
    registry.publish(log, *life("a"), *life("b"))
    at = log.position()
    for agent_id in ("a", "b"):
        log.append(events.agent_stream(agent_id), [note(n) for n in range(450)])
        log.append(events.inbox_stream(agent_id), [note(1)])
    agent = registry.resolve(log, "a")
    registry.remove(log, agent)
    assert registry.get(log, "a") is None
    assert (log.read(events.agent_stream("a")), log.read(events.inbox_stream("a"))) == ([], [])
    assert (len(log.read(events.agent_stream("b"))), len(log.read(events.inbox_stream("b")))) == (450, 1)
    assert [record.type for record in registry.history(log, "a")][-2:] == ["agent:exited", "agent:removed"]
    assert registry.agents_at(log, at)["a"] == agent
    assert health.differing(log) == []


def test_a_living_agent_is_not_removed(log: Log) -> None:
    """It is refused before any of its output is touched."""
    registry.publish(log, happened("a", "agent:spawned"))
    log.append(events.agent_stream("a"), [note(1)])
    with pytest.raises(NotPossible, match="agent a is spawned"):
        registry.remove(log, registry.resolve(log, "a"))
    assert len(log.read(events.agent_stream("a"))) == 1


def test_what_a_newer_version_says_does_not_harm_the_rows(log: Log) -> None:
    """Unknown events about an agent, nobody, or an agent that is not there leave the projection as it is."""
    registry.publish(log, happened("a", "agent:spawned"))
    before = registry.agents(log)
    for key in ("a", "none", None):
        registry.publish(log, Event("agent:dreamt", {}, key, None))
    assert registry.agents(log) == before
    assert health.differing(log) == []


def test_a_row_that_is_not_what_the_events_say_is_found(log: Log) -> None:
    """A projection that was changed, lost or invented behind the log's back is named."""
    registry.publish(log, *life("a"), *life("b"), *life("c"))
    assert health.differing(log) == []
    log.database.execute("UPDATE agents SET agent = replace(agent, 'completed', 'failed') WHERE id = 'a'")
    log.database.execute("DELETE FROM agents WHERE id = 'b'")
    assert health.differing(log) == ["a", "b"]


# The past.


def some_history(count: int, chance: random.Random) -> Iterable[Event]:
    """`count` legal registry events of agents that come, live, end and go."""
    states: dict[str, str | None] = {}
    runs: dict[str, int] = {}
    for n in range(count):
        agent_id = chance.choice([*states, f"a{n}"])
        state = states.get(agent_id)
        type, outcome = chance.choice([(type, outcome) for at, type, outcome in LEGAL if at == state])
        assert outcome in (None, *OUTCOMES)
        runs[agent_id] = 1 if state is None else runs[agent_id] + (type == "agent:restarted")
        yield happened(agent_id, type, outcome, run=runs[agent_id])
        states[agent_id] = LEGAL[state, type, outcome]
        if states[agent_id] is None:
            del states[agent_id]


def lived(log: Log, count: int) -> list[dict[str, Agent]]:
    """Write `count` registry events among other records; all agents after each position of the log, from 0 on."""
    agents: dict[str, Agent] = {}
    seen: list[dict[str, Agent]] = [{}]
    for event in some_history(count, random.Random(count)):
        with log.transaction() as transaction:
            transaction.append("other", [note(1)])
            transaction.append(events.REGISTRY, [event])
        seen.append(agents)
        (record,) = log.read(events.REGISTRY, backwards=True, limit=1)
        agents = dict(agents)
        after = apply(agents.pop(event.key or "", None), record)
        if after is not None:
            agents[after["id"]] = after
        seen.append(agents)
    return seen


class Spy:
    """Stands before the fold and notes how many records it folds, and whether from a snapshot."""

    def __init__(self) -> None:
        self.folded = 0
        self.from_snapshot = False

    def __call__(self, records: Iterable[Record], start: dict[str, Agent] | None = None) -> dict[str, Agent]:
        taken = list(records)
        self.folded, self.from_snapshot = len(taken), start is not None
        return fold(taken, start)


def test_every_moment_of_the_past_is_seen_as_it_was(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """At every position the agents are those of a fold from zero, and few records had to be folded for it."""
    monkeypatch.setattr(projection, "SNAPSHOT_EVERY", 25)
    spy = Spy()
    monkeypatch.setattr(registry, "fold", spy)
    seen = lived(log, 300)
    held = max(map(len, seen))
    for position, expected in enumerate(seen):
        assert registry.agents_at(log, position) == expected
        assert spy.folded <= 25 + max(25, held)
        assert spy.from_snapshot or position <= 50 + 2 * held
    assert registry.agents_at(log, len(seen) + 100) == seen[-1]
    assert registry.folded(log) == seen[-1]
    assert spy.folded == 300


def test_snapshots_are_taken_and_used_at_their_real_distance(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past 2000 registry events there are two snapshots, and the past beyond each is folded from it."""
    spy = Spy()
    monkeypatch.setattr(registry, "fold", spy)
    history = list(some_history(2300, random.Random(1)))
    with log.transaction() as transaction:
        transaction.append("other", [note(1)])
        transaction.append(events.REGISTRY, history)
    assert log.query("SELECT position, offset FROM snapshots") == [(1001, 999), (2001, 1999)]
    records = log.read(events.REGISTRY, limit=1 << 20)
    for position in (0, 1, 2, 999, 1000, 1001, 1002, 1500, 2000, 2001, 2002, 2300, 2301, 9999):
        assert registry.agents_at(log, position) == fold(one for one in records if one.position <= position)
        assert spy.folded == (max(0, min(position, 2301) - 1)) % 1000
        assert spy.from_snapshot == (position >= 1001)


def test_agents_of_the_past_are_in_the_order_of_spawning(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a snapshot or not, the order is the list's."""
    monkeypatch.setattr(projection, "SNAPSHOT_EVERY", 4)
    registry.publish(log, *(happened(agent_id, "agent:spawned") for agent_id in ("c", "a", "d", "b", "e")))
    assert log.query("SELECT count(*) FROM snapshots") == [(1,)]
    assert list(registry.agents_at(log, log.position())) == ["c", "a", "d", "b", "e"]


def test_snapshots_are_rarer_the_more_agents_they_hold(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next snapshot waits for as many events as there are agents in it, so that all of them cost in proportion."""
    monkeypatch.setattr(projection, "SNAPSHOT_EVERY", 10)
    registry.publish(log, *(happened(f"a{n}", "agent:spawned") for n in range(30)), happened("a0", "agent:starting"))
    registry.publish(log, *(happened("a0", "agent:signalled") for _ in range(100)))
    offsets = [row[0] for row in log.query("SELECT offset FROM snapshots ORDER BY position")]
    assert offsets == [9, 39, 69, 99, 129]
