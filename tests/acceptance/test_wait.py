"""`swarmctl wait`: until agents have ended, and their status as its own."""

from __future__ import annotations

import pytest

from support.cli import Swarm, output_of
from support.looking import until


@pytest.mark.parametrize(
    ("script", "status"), [("exit 0", 0), ("exit 3", 3), ("exit 126", 126), ("kill -9 $$", 137), ("kill -2 $$", 130)]
)
def test_gives_the_agents_own_status(swarm: Swarm, script: str, status: int) -> None:
    """`wait` exits as the agent did, 128+N for signal N, and prints nothing; again and again."""
    agent = swarm.sh(script)
    assert [swarm.run("wait", agent) for _ in range(2)] == [(status, b"", b"")] * 2


def test_waits_for_the_end(swarm: Swarm) -> None:
    """`wait` goes on as long as the agent does, and ends with it."""
    agent = swarm.sh("while [ ! -e go ]; do sleep 0.02; done; exit 6")
    process = swarm.start("wait", agent)
    other = swarm.ended("true")
    assert swarm.run("wait", other).status == 0 and process.poll() is None
    (swarm.cwd / "go").touch()
    assert output_of(process) == (6, b"", b"")


def test_of_several_the_first_failure_counts(swarm: Swarm) -> None:
    """Of several agents, the first in the order given that did not end with 0 gives the status."""
    good, four, five = (swarm.sh(f"exit {status}") for status in (0, 4, 5))
    assert swarm.run("wait", good, five, four).status == 5
    assert swarm.run("wait", four, good, five).status == 4
    assert swarm.run("wait", good, good).status == 0


def test_any_ends_with_the_first(swarm: Swarm) -> None:
    """`wait --any` ends when one has ended, prints its id, and has its status."""
    swarm.spawn("--name", "long", "--", "sleep", "60")
    short = swarm.sh("exit 9")
    assert swarm.run("wait", "--any", "long", short) == (9, f"{short}\n".encode(), b"")


def test_timeout_gives_124_and_ends_nothing(swarm: Swarm) -> None:
    """When --timeout is over the status is 124, stderr names who is still running, and it goes on running."""
    done = swarm.ended("true")
    agent = swarm.spawn("--", "sleep", "60")
    got = swarm.run("wait", "--timeout", "0.1", done, agent)
    assert got.status == 124 and got.out == b""
    assert agent in got.error and done not in got.error and got.error.count("\n") == 1
    assert swarm.agent(agent)["state"] == "running"


def test_an_agent_that_timed_out_counts_as_124(swarm: Swarm) -> None:
    """`wait` for an agent that its own timeout ended gives 124."""
    assert swarm.run("wait", swarm.spawn("--timeout", "0.1", "--", "sleep", "60")).status == 124


def test_a_cancelled_agent_counts_by_its_signal(swarm: Swarm) -> None:
    """`wait` for an agent that TERM ended when it was cancelled gives 143."""
    agent = swarm.spawn("--", "sleep", "60")
    process = swarm.start("wait", agent)
    swarm.ok("cancel", agent)
    assert output_of(process).status == 143


def test_one_unknown_among_several_is_refused_at_once(swarm: Swarm) -> None:
    """`wait` does not begin to wait where one of the words means no agent."""
    agent = swarm.spawn("--", "sleep", "60")
    assert "nobody" in swarm.refused(3, "wait", agent, "nobody")


def test_many_can_wait_for_one(swarm: Swarm) -> None:
    """Every one of several waiters hears of the end."""
    agent = swarm.sh("while [ ! -e go ]; do sleep 0.02; done; exit 2")
    waiters = [swarm.start("wait", agent) for _ in range(4)]
    until(lambda: swarm.agent(agent)["state"] == "running", "it runs")
    (swarm.cwd / "go").touch()
    assert [output_of(process).status for process in waiters] == [2] * 4
