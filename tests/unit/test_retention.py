"""Retention: which ended agents a policy forgets."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from swarm_store.clock import SECOND, rfc3339
from swarm_store.fold import Agent
from swarm_store.lifecycle import STATES, TERMINAL
from swarm_store.retention import Policy, expired, size

NOW = 10_000 * SECOND


def ended(name: str, ago: int, *, output: int = 0, **known: Any) -> Agent:
    """An agent that ended so many seconds ago."""
    agent = {"id": name, "state": "completed", "ended_at": rfc3339(NOW - ago * SECOND), "output": {"stdout": output}}
    return {**agent, "restart": "no", "no_more_restarts": None, "reason": None, **known}


def ids(agents: list[Agent]) -> list[str]:
    return [agent["id"] for agent in agents]


def test_no_policy_forgets_nobody() -> None:
    """Without a limit nobody is chosen."""
    assert expired([ended("a", 5)], NOW, Policy()) == []


def test_age_number_and_size() -> None:
    """By age those at least so old; by number all but the newest; by size the oldest, until it fits."""
    agents = [ended("c", 10, output=1000), ended("a", 30, output=1000), ended("b", 20, output=1000)]
    assert ids(expired(agents, NOW, Policy(older_than=20))) == ["a", "b"]
    assert ids(expired(agents, NOW, Policy(keep=1))) == ["a", "b"]
    used = sum(map(size, agents))
    assert ids(expired(agents, NOW, Policy(larger_than=used), used=used)) == []
    assert ids(expired(agents, NOW, Policy(larger_than=used - 1), used=used)) == ["a"]
    assert ids(expired(agents, NOW, Policy(larger_than=0), used=used)) == ["a", "b", "c"]


def test_the_newest_stay_whatever_else_is_asked() -> None:
    """What `keep` keeps is neither too old nor too large."""
    agents = [ended("a", 30), ended("b", 20), ended("c", 10)]
    assert ids(expired(agents, NOW, Policy(older_than=0, keep=2, larger_than=0), used=1 << 30)) == ["a"]


def test_what_its_policy_may_start_again_is_not_over() -> None:
    """A failed agent that is to be restarted stays; where that was given up or withdrawn, it goes."""
    again = ended("again", 30, state="failed", restart="on-failure")
    looped = ended("looped", 29, state="failed", restart="always", no_more_restarts="crash loop")
    shut = ended("shut", 28, state="cancelled", restart="always", reason="shutdown")
    cancelled = ended("cancelled", 27, state="cancelled", restart="always", reason="cancel")
    assert ids(expired([again, looped, shut, cancelled], NOW, Policy(keep=0))) == ["looped", "cancelled"]


AGENTS = st.lists(
    st.builds(
        lambda state, ago, output: ended("", ago, output=output, state=state),
        st.sampled_from(STATES),
        st.integers(0, 100),
        st.integers(0, 1 << 20),
    ),
    max_size=20,
)
LIMIT = st.none() | st.integers(0, 50)


@given(AGENTS, LIMIT, LIMIT, LIMIT)
def test_what_lives_is_never_chosen_and_older_goes_first(
    made: list[Agent], older_than: int | None, keep: int | None, larger_than: int | None
) -> None:
    """Whatever the policy: only what has ended goes, never one of the newest kept, nor one before an older one."""
    agents = [{**agent, "id": f"{n:02}"} for n, agent in enumerate(made)]
    gone = expired(agents, NOW, Policy(older_than, keep, larger_than), used=1 << 22)
    over = [agent for agent in agents if agent["state"] in TERMINAL]
    assert all(agent in over for agent in gone)
    assert len(over) - len(gone) >= min(len(over), keep or 0)
    left = [agent["ended_at"] for agent in over if agent not in gone]
    assert not gone or not left or max(agent["ended_at"] for agent in gone) <= min(left)
