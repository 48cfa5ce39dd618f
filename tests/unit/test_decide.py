"""The table of what is done about an agent: every row, and that the first that holds is the one."""

from __future__ import annotations

from itertools import product

import pytest

from support.ended import END, agent
from support.facts import IDENTITY, LIVE, TERMINAL
from swarm_store.clock import SECOND
from swarm_supervisor import decide as deciding
from swarm_supervisor.decide import (
    ADOPT,
    FAIL,
    FINISH,
    GIVE_UP,
    LOSE,
    NEVER_STARTED,
    NO_FILES,
    RESTART,
    RESUME,
    START,
    SWEEP,
    Action,
    Seen,
    decide,
)

STARTED = LIVE[1:]
NOTHING = Seen(
    is_ours=True, has_daemon=False, spawner_lives=False, child_lives=False, has_spec=True, has_run=False, left=0
)
ALL_SEEN = [Seen._make((*flags, left, False, False, None)) for *flags, left in product(*[(False, True)] * 6, (0, 2))]
BEGUN = END - 60 * SECOND
BOOT = str(IDENTITY["boot"])  # that of the agents here


def done(state: str, seen: Seen, **given: object) -> str | None:
    """The kind of what is decided for an agent of that state; None for nothing."""
    action = decide(agent(state, **given), seen, END, BEGUN, BOOT)
    return action.kind if action else None


@pytest.mark.parametrize("state", [*LIVE, *TERMINAL])
def test_a_living_daemon_is_left_to_itself(state: str) -> None:
    """Whatever else is seen, nothing is done about a run that has its daemon, not even its restart."""
    seen = [one for one in ALL_SEEN if one.has_daemon]
    assert {done(state, one, restart="always") for one in seen} == {None}


@pytest.mark.parametrize("state", [*LIVE, *TERMINAL])
def test_another_hosts_run_is_not_touched(state: str) -> None:
    """What cannot be looked at from here is left alone, ended or not, whatever its policy."""
    seen = [one for one in ALL_SEEN if not one.is_ours]
    assert {done(state, one, restart="always") for one in seen} == {None}


@pytest.mark.parametrize("seen", [one for one in ALL_SEEN if one.is_ours and not one.has_daemon])
def test_what_was_registered_and_never_launched(seen: Seen) -> None:
    """It is its living spawner's; else it is started, and where its spec is gone it has failed, for good."""
    expected = None if seen.spawner_lives else START if seen.has_spec else FAIL
    assert done("spawned", seen) == expected


@pytest.mark.parametrize("state", STARTED)
@pytest.mark.parametrize("seen", [one for one in ALL_SEEN if one.is_ours and not one.has_daemon])
def test_a_run_whose_daemon_is_dead(state: str, seen: Seen) -> None:
    """A living child is adopted, a dead one finished; without files a living one is left and a dead one lost."""
    expected = (ADOPT if seen.child_lives else FINISH) if seen.has_run else None if seen.child_lives else LOSE
    assert done(state, seen) == expected


@pytest.mark.parametrize("state", TERMINAL)
@pytest.mark.parametrize("seen", [one for one in ALL_SEEN if one.is_ours and not one.has_daemon])
def test_what_an_ended_run_has_left(state: str, seen: Seen) -> None:
    """First its files are cleared up, then its processes ended, and only then its policy is asked."""
    expected = FINISH if seen.has_run else SWEEP if seen.left else None
    assert done(state, seen) == expected
    asked = RESTART if state != "cancelled" else None
    assert done(state, seen, restart="always") == (expected or asked)


@pytest.mark.parametrize("state", LIVE)
def test_a_living_run_is_never_restarted_or_swept(state: str) -> None:
    """Sweeps and restarts are for what has ended: no sight of a living run leads to one."""
    kinds = {done(state, one, restart="always", left=3) for one in ALL_SEEN}
    assert kinds <= {None, START, FAIL, ADOPT, FINISH, LOSE}


@pytest.mark.parametrize("state", STARTED)
def test_a_reused_pid_is_no_living_child(state: str) -> None:
    """A process that only has the child's PID is not seen as the child: the run is finished, never adopted by it."""
    assert done(state, NOTHING._replace(has_run=True, child_lives=False)) == FINISH


def test_another_boots_run_of_this_host_is_lost_or_finished() -> None:
    """After a reboot no identity is alive: with its files the run is finished from them, without it is lost."""
    assert done("running", NOTHING._replace(has_run=True)) == FINISH
    assert done("running", NOTHING) == LOSE


def test_too_many_restarts_are_given_up() -> None:
    """A crash loop is named instead of restarted, and with no restart allowed at the first end."""
    assert done("failed", NOTHING, restart="always", restarts=2, max_restarts=2) == GIVE_UP
    assert done("failed", NOTHING, restart="always", max_restarts=0) == GIVE_UP
    assert done("failed", NOTHING, restart="always", restarts=2, max_restarts=2, no_more_restarts="crash loop") is None


def test_a_shutdown_waits_for_the_next_supervisor() -> None:
    """The supervisor that began before the end does nothing; one that begins later restarts."""
    ended = agent("cancelled", restart="always", reason="shutdown")
    assert decide(ended, NOTHING, END + SECOND, END - SECOND, BOOT) is None
    later = decide(ended, NOTHING, END + SECOND, END + SECOND, BOOT)
    assert later is not None and later.kind == RESTART


def test_an_action_says_whom_when_and_why() -> None:
    """It names agent and run, in how many seconds, and the reason that becomes the event's."""
    ended = agent("lost", restart="on-failure", run=4)
    restart = decide(ended, NOTHING, END, BEGUN, BOOT)
    assert restart is not None
    assert restart[:3] == (RESTART, "agentid1", 4) and 1.0 <= restart.wait <= 1.25 and "on-failure" in restart.why
    assert decide(agent("running"), NOTHING, END, BEGUN, BOOT) == Action(LOSE, "agentid1", 1, 0.0, NO_FILES)
    never = decide(agent("spawned"), NOTHING._replace(has_spec=False), END, BEGUN, BOOT)
    assert never == Action(FAIL, "agentid1", 1, 0.0, NEVER_STARTED)


@pytest.mark.parametrize("state", [*LIVE, *TERMINAL])
def test_what_follows_an_end_is_done_beside(state: str) -> None:
    """Runs that owe something are settled after some seconds, whatever the agent does by now; but not while its latest
    run has a daemon or files, and not another host's."""
    owing = agent(state, run=3, owed=[1, 3])
    asked = [(one.kind, one.run, one.wait) for one in deciding.owed(owing, NOTHING)]
    assert asked == [(deciding.SETTLE, 1, deciding.SETTLE_SECONDS), (deciding.SETTLE, 3, deciding.SETTLE_SECONDS)]
    for seen in (NOTHING._replace(has_daemon=True), NOTHING._replace(has_run=True)):
        assert [one.run for one in deciding.owed(owing, seen)] == [1]
    assert deciding.owed(owing, NOTHING._replace(is_ours=False)) == []
    assert deciding.owed(agent(state, owed=[]), NOTHING) == []


def test_the_table_answers_for_every_state() -> None:
    """A living agent always meets a row, whatever is seen; an ended one without work falls through to its policy."""
    for state in LIVE:
        for seen in ALL_SEEN:
            assert any(state in states and holds(seen) for states, holds, *_ in deciding.TABLE)
    for state in TERMINAL:
        assert not any(state in states and holds(NOTHING) for states, holds, *_ in deciding.TABLE)


def test_what_earlier_runs_have_left_is_ended() -> None:
    """Processes of a run before its agent's latest; the latest's own are another row's, strangers nobody's."""
    found = deciding.earlier(["a.1", "a.2", "a.3", "b.1", "nobody.1", "no mark"], {"a": 3, "b": 1})
    assert [action[:3] for action in found] == [(SWEEP, "a", 1), (SWEEP, "a", 2)]


@pytest.mark.parametrize("state", TERMINAL)
@pytest.mark.parametrize("policy", ["no", "on-failure", "always"])
def test_a_turn_that_waits_is_started_for(state: str, policy: str) -> None:
    """Whatever its policy, an ended agent that was sent a turn gets a run at once, when all else is cleared up."""
    waits = NOTHING._replace(turn_waits=True)
    action = decide(agent(state, restart=policy), waits, END, BEGUN, BOOT)
    assert action == Action(RESUME, "agentid1", 1, 0.0, "a turn waits for it")
    assert done(state, waits._replace(has_run=True), restart=policy) == FINISH
    assert done(state, waits._replace(left=1), restart=policy) == SWEEP
    assert done(state, waits._replace(has_daemon=True), restart=policy) is None
    assert done(state, waits, restart=policy, no_more_restarts="withdrawn") is None
    assert done(state, waits, restart=policy, reason="shutdown") is None  # of this supervisor's own time


def test_a_session_with_nothing_to_do_is_not_restarted() -> None:
    """A policy starts a session again for a turn that is not completed, or where it was to stay; else for nothing."""
    for state in ("failed", "lost", "completed"):
        assert done(state, NOTHING._replace(is_idle=True), restart="always") is None
        assert done(state, NOTHING._replace(is_idle=False), restart="always") == RESTART
