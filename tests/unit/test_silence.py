"""Silence: only time in which an agent could have been heard counts."""

from __future__ import annotations

import pytest

from swarm_daemon.silence import OVERSLEPT, Silence


def test_without_a_limit_nothing_is_silent() -> None:
    """An agent that was given no limit is never due."""
    assert Silence(None, 0.0).due_in(1e9) is None


def test_it_is_due_after_its_limit() -> None:
    """The time left shrinks with the clock, down to 0 and not below."""
    silence = Silence(10.0, 100.0)
    assert [silence.due_in(moment) for moment in (100.0, 104.0, 110.0, 200.0)] == [10.0, 6.0, 0.0, 0.0]


def test_output_starts_the_count_anew() -> None:
    """What is heard before the limit ends no silence, and puts it off."""
    silence = Silence(10.0, 0.0)
    assert not silence.hear(9.0)
    assert silence.due_in(10.0) == 9.0


def test_output_ends_a_silence_once() -> None:
    """A silence that has been said is not due again, and its end is told once."""
    silence = Silence(10.0, 0.0)
    silence.is_silent = True
    assert silence.due_in(1000.0) is None
    assert [silence.hear(1000.0), silence.hear(1001.0)] == [True, False]
    assert silence.due_in(1001.0) == 10.0


def test_a_successor_knows_a_silence_that_was_said() -> None:
    """One that is silent already is not due again until it has spoken."""
    silence = Silence(10.0, 0.0, is_silent=True)
    assert silence.due_in(1000.0) is None
    assert silence.hear(1000.0)


@pytest.mark.parametrize(
    ("asked", "took", "since"),
    [
        (5.0, 5.0, 0.0),
        (5.0, 5.0 + OVERSLEPT, 0.0),
        (5.0, 5.1 + OVERSLEPT, 50.0),
        (600.0, 3.0, 0.0),
        (0.0, 3600.0, 50.0),
    ],
)
def test_who_oversleeps_could_not_listen(asked: float, took: float, since: float) -> None:
    """A sleep that took much longer than was asked for (a suspended machine, a stopped daemon) starts it anew."""
    silence = Silence(10.0, 0.0)
    silence.wake(0.0, 50.0 - took)
    silence.since = 0.0
    silence.wake(asked, 50.0)
    assert silence.since == since


def test_oversleeping_ends_no_silence() -> None:
    """A silence that has been said lasts until output comes."""
    silence = Silence(10.0, 0.0, is_silent=True)
    silence.wake(1.0, 100.0)
    assert silence.is_silent and silence.since == 0.0


def test_whoever_is_stopped_before_it_listens_starts_anew() -> None:
    """A daemon that was stopped between its beginning and its first sleep takes nobody for silent."""
    silence = Silence(0.5, 0.0)
    silence.wake(0.0, 5.0)
    assert silence.due_in(5.0) == 0.5
