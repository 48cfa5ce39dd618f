"""Agents that live at random: the rows are always what the events fold to, and what the table allows."""

from __future__ import annotations

import shutil
import tempfile
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from support.facts import ENDS, LEGAL, LIVE, OUTCOMES, TYPES, happened
from swarm_store import health, registry
from swarm_store.errors import IllegalTransition, NameTaken
from swarm_store.events import Event
from swarm_store.home import Home
from swarm_store.log import Log

IDS = st.sampled_from(["a", "b", "ab"])
MOVES = st.sampled_from([(type, None) for type in TYPES if type not in ENDS]) | st.tuples(
    st.sampled_from(ENDS), st.sampled_from([*OUTCOMES, "lost", None])
)
NAMES = st.sampled_from([None, "n", "m"])
States = dict[str, tuple[str, str | None, int]]  # of each agent: its state, its name, its run


def moved(states: States, event: Event, outcome: str | None) -> States | type[Exception]:
    """The states after `event`, or the error that it must end in."""
    assert event.key is not None
    state, name, run = states.get(event.key, (None, event.data.get("name"), 1))
    begins = event.type in ("agent:spawned", "agent:restarted")
    said = event.data.get("run", run)
    if (state, event.type, outcome) not in LEGAL:
        return IllegalTransition
    if event.type != "agent:settled":  # which is of any run, also when another runs already
        if not (said > run if event.type == "agent:restarted" else said == run):
            return IllegalTransition
        run = said
    left = {key: value for key, value in states.items() if key != event.key}
    if begins and name and any(at in LIVE and name == other for at, other, _ in left.values()):
        return NameTaken
    after = LEGAL[state, event.type, outcome]
    return left if after is None else {**left, event.key: (after, name, run)}


class Registry(RuleBasedStateMachine):
    """Publishes random events, legal or not, one by one and together."""

    def __init__(self) -> None:
        super().__init__()
        self.path = tempfile.mkdtemp()
        self.log = Log(Home(self.path))
        self.states: States = {}

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.path)

    @rule(moves=st.lists(st.tuples(IDS, MOVES, NAMES, st.sampled_from([None, 1, 2])), min_size=1, max_size=3))
    def publish(self, moves: list[tuple[str, tuple[str, str | None], str | None, int | None]]) -> None:
        states: Any = self.states
        events = []
        for agent_id, (type, outcome), name, run in moves:
            event = happened(agent_id, type, outcome, name=name, run=None if type == "agent:spawned" else run)
            events.append(event)
            states = states if isinstance(states, type_) else moved(states, event, outcome)
        before = self.log.position()
        if isinstance(states, type_):
            with pytest.raises(states):
                registry.publish(self.log, *events)
            assert self.log.position() == before
        else:
            registry.publish(self.log, *events)
            assert self.log.position() == before + len(events)
            self.states = states

    @rule(agent_id=IDS)
    def go_on(self, agent_id: str) -> None:
        """The next step of an ordinary life, so that agents get somewhere."""
        state, _, run = self.states.get(agent_id, (None, None, 0))
        steps = ("agent:spawned", "agent:starting", "agent:started", "agent:exited", "agent:restarted")
        type, outcome = next((type, outcome) for at, type, outcome in LEGAL if at == state and type in steps)
        event = happened(agent_id, type, outcome, run=run + (type in ("agent:spawned", "agent:restarted")))
        after = moved(self.states, event, outcome)
        if after is NameTaken:
            return
        registry.publish(self.log, event)
        assert not isinstance(after, type_)
        self.states = after

    @rule()
    def open_again(self) -> None:
        self.log.close()
        self.log = Log(Home(self.path))

    @invariant()
    def rows_are_what_the_model_says(self) -> None:
        rows = {
            agent["id"]: (agent["state"], agent["name"], agent["run"])
            for agent in registry.agents(self.log, ended=True)
        }
        assert rows == self.states
        living = [agent["id"] for agent in registry.agents(self.log)]
        assert sorted(living) == sorted(key for key, (state, _, _) in self.states.items() if state in LIVE)

    @invariant()
    def rows_are_what_the_events_fold_to(self) -> None:
        assert health.differing(self.log) == []
        assert list(registry.folded(self.log)) == [agent["id"] for agent in registry.agents(self.log, ended=True)]


type_ = type
TestRegistry = Registry.TestCase
TestRegistry.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
