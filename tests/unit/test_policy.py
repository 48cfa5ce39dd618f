"""Restart policies: which end is followed by another run, when, and when no more."""

from __future__ import annotations

import pytest

from support.ended import END, agent
from support.facts import IDENTITY
from swarm_store.clock import SECOND, rfc3339
from swarm_supervisor import policy
from swarm_supervisor.policy import FIRST_SECONDS, HEALTHY_SECONDS, JITTER, MAX_RESTARTS, MOST_SECONDS

BEFORE, AFTER = END - SECOND, END + SECOND
BOOT = str(IDENTITY["boot"])  # that of the agents here
DAY = 24 * 3600 * SECOND


@pytest.mark.parametrize(
    ("restart", "wanted"),
    [
        ("no", set()),
        ("on-failure", {"failed", "lost"}),
        ("always", {"failed", "lost", "completed"}),
    ],
)
@pytest.mark.parametrize("state", ["completed", "failed", "cancelled", "lost"])
def test_which_ends_a_policy_restarts(restart: str, wanted: set[str], state: str) -> None:
    """Each policy wants a new run after the ends that it names, and never after a cancel."""
    assert policy.wants_restart(agent(state, restart=restart), BEFORE, BOOT) is (state in wanted)


@pytest.mark.parametrize("why", ["withdrawn", "crash loop"])
def test_what_has_been_called_off_stays_so(why: str) -> None:
    """An agent whose restarts were withdrawn or given up is not restarted, whatever its policy."""
    assert not policy.wants_restart(agent(restart="always", no_more_restarts=why), AFTER, BOOT)


@pytest.mark.parametrize("restart", ["on-failure", "always"])
def test_a_shutdown_is_followed_by_the_next_supervisor(restart: str) -> None:
    """What was ended with its machine is wanted by a supervisor that began afterwards, not by one that saw it."""
    ended = agent("cancelled", restart=restart, reason="shutdown")
    assert policy.wants_restart(ended, AFTER, BOOT)
    assert not policy.wants_restart(ended, BEFORE, BOOT)
    assert not policy.wants_restart(ended | {"restart": "no"}, AFTER, BOOT)


def test_after_a_reboot_a_clock_that_was_set_back_is_no_matter() -> None:
    """What a shutdown ended in another boot is wanted again, also where by the clock this supervisor began before."""
    ended = agent("cancelled", restart="on-failure", reason="shutdown")
    assert policy.wants_restart(ended, BEFORE, "this boot")


def test_delays_double_up_to_the_most() -> None:
    """With each restart in a row the wait doubles, from the first to the most, plus at most the jitter."""
    waits = [policy.delay(agent(restarts=count), END) for count in range(40)]
    for count, wait in enumerate(waits):
        plain = min(FIRST_SECONDS * 2**count, MOST_SECONDS)
        assert plain <= wait <= plain * (1 + JITTER)
    assert waits[39] >= MOST_SECONDS


def test_jitter_is_of_the_run_and_not_of_the_moment() -> None:
    """The same run waits the same whoever asks; runs that ended together do not all wait the same."""
    assert policy.delay(agent(), END) == policy.delay(agent(), END)
    assert len({policy.delay(agent(id=f"agent{n}"), END) for n in range(20)}) > 10
    assert policy.delay(agent(run=2), END) != policy.delay(agent(run=3), END)


def test_time_that_has_passed_counts() -> None:
    """A supervisor that comes later waits for the rest only, and not at all where all has passed."""
    whole = policy.delay(agent(restarts=3), END)
    assert policy.delay(agent(restarts=3), END + 2 * SECOND) == pytest.approx(whole - 2)
    assert policy.delay(agent(restarts=3), END + DAY) == 0.0


def test_a_clock_set_back_lengthens_no_wait() -> None:
    """Where the clock shows a time before the end, the wait is the whole one, not a day more."""
    assert policy.delay(agent(), END - DAY) == policy.delay(agent(), END)


@pytest.mark.parametrize(("seconds", "counted"), [(HEALTHY_SECONDS - 1, 7), (HEALTHY_SECONDS, 0)])
def test_a_healthy_spell_starts_the_count_anew(seconds: float, counted: int) -> None:
    """A run that lasted long enough makes the restarts before it forgotten, for the delay too."""
    ended = agent(restarts=7, seconds=seconds)
    assert policy.restarts_so_far(ended) == counted
    assert (policy.delay(ended, END) < 2 * FIRST_SECONDS) is (counted == 0)


def test_how_long_a_lost_run_lasted_is_told_by_the_wall_clock() -> None:
    """Where nobody measured, start and end count; a clock that was set back between makes no healthy spell."""
    healthy = {"restarts": 7, "seconds": None, "started_at": rfc3339(END - int(HEALTHY_SECONDS) * SECOND)}
    assert policy.restarts_so_far(agent("lost", **healthy)) == 0
    assert policy.restarts_so_far(agent("lost", **healthy | {"started_at": rfc3339(END + DAY)})) == 7
    assert policy.restarts_so_far(agent("lost", **healthy | {"started_at": None})) == 7


@pytest.mark.parametrize(
    ("most", "restarts", "is_one"),
    [(None, MAX_RESTARTS - 1, False), (None, MAX_RESTARTS, True), (3, 2, False), (3, 3, True), (0, 0, True)],
)
def test_when_it_is_a_crash_loop(most: int | None, restarts: int, is_one: bool) -> None:
    """As many restarts in a row as are allowed, and no more: with 0 the first end is the last."""
    assert policy.is_crash_loop(agent(max_restarts=most, restarts=restarts)) is is_one


def test_a_healthy_spell_ends_a_crash_loop() -> None:
    """After it, as many restarts are allowed as at first."""
    assert not policy.is_crash_loop(agent(max_restarts=3, restarts=3, seconds=HEALTHY_SECONDS))
