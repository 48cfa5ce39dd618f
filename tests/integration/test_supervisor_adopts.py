"""Daemons, keepers and children die while a supervisor looks, or before it does."""

from __future__ import annotations

import os
import shutil
import signal

import pytest

from support import agents
from support.agents import output, spawn
from support.looking import is_running, state, until
from support.supervisors import IMPATIENT, adopted, done, gated, gone, history, let_go, supervising
from swarm_daemon import tree
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.log import Log

COUNTER = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done; read line < go; echo end; exit 7"
LINES = b"".join(b"line %d\n" % n for n in range(3000)) + b"end\n"


@pytest.mark.parametrize("times", [1, 3])
def test_a_killed_daemon_has_a_successor(log: Log, times: int) -> None:
    """However often: each time exactly one adopts, every line is there once, and the exit status is the child's."""
    agent = gated(log, COUNTER)
    with supervising(log.home):
        for epoch in range(times):
            agents.kill(agents.get(log, agent["id"])["daemon"]["pid"])
            adopted(log, agent["id"], epoch + 1)
        let_go(agent)
        ended = agents.ended(log, agent["id"])
    assert (ended["exit_code"], ended["epoch"], output(log, agent["id"])) == (7, times, LINES)
    assert len(history(log, agent["id"], events.AGENT_ADOPTED)) == times
    assert done(log, "adopt") == [agent["id"]] * times


def test_it_adopts_what_it_finds(log: Log) -> None:
    """Daemons that died before there was a supervisor have successors when it is up; those that live are left alone."""
    orphans = [spawn(log, "sleep", "1000") for _ in range(3)]
    other = spawn(log, "sleep", "1000")
    for agent in orphans:
        agents.kill(agent["daemon"]["pid"])
    with supervising(log.home):
        for agent in orphans:
            adopted(log, agent["id"])
    assert agents.get(log, other["id"]) == other
    assert sorted(done(log, "adopt")) == sorted(agent["id"] for agent in orphans)


def test_an_end_that_no_daemon_saw_is_exact(log: Log) -> None:
    """Of children that ended while their daemons were dead the status and the last byte are known."""
    ended = [gated(log, f"echo a; read line < go; echo b; exit {code}") for code in (0, 3)]
    killed = gated(log, "echo a; read line < go")
    for agent in (*ended, killed):
        until(lambda: output(log, agent["id"]), "its first line")  # noqa: B023
        agents.kill(agent["daemon"]["pid"])
    for agent in ended:
        let_go(agent)
    os.kill(killed["child"]["pid"], signal.SIGUSR1)
    for agent in (*ended, killed):
        until(lambda: state(agent["child"]["pid"]) == "Z", "the child's end")  # noqa: B023
    with supervising(log.home):
        found = [agents.ended(log, agent["id"]) for agent in (*ended, killed)]
        until(lambda: not any(os.path.exists(Run(log.home, one["id"], 1).path) for one in found), "all is cleared up")
    known = [(one["state"], one["exit_code"], one["signal"]) for one in found]
    assert known == [("completed", 0, None), ("failed", 3, None), ("failed", None, "SIGUSR1")]
    assert [output(log, one["id"]) for one in found] == [b"a\nb\n", b"a\nb\n", b"a\n"]
    assert sorted(done(log, "finish")) == sorted(one["id"] for one in found)


def test_what_nobody_can_know_is_lost_and_restarted_by_policy(log: Log) -> None:
    """With daemon, keeper and child gone the run is lost, with its output, never a success; its policy goes on."""
    agent = gated(log, "echo a; read line < go; exit 0", restart="on-failure")
    until(lambda: output(log, agent["id"]))
    for who in ("keeper", "daemon"):
        agents.kill(agent[who]["pid"])
    let_go(agent)
    until(lambda: state(agent["child"]["pid"]) is None, "nobody has its status any more")
    with supervising(log.home):
        until(lambda: agents.get(log, agent["id"])["run"] == 2, "the second run")
        (lost,) = history(log, agent["id"], events.AGENT_LOST)
        assert "nobody" in lost.data["reason"] and lost.data["output"] == {"stdout": 2, "stderr": 0}
        until(lambda: output(log, agent["id"]) == b"a\na\n", "the second run's output")


def test_a_keeper_that_dies_is_no_end(log: Log) -> None:
    """The daemon lives, so nothing is done."""
    agent = gated(log, "read line < go; exit 4")
    with supervising(log.home):
        agents.kill(agent["keeper"]["pid"])
        let_go(agent)
        assert agents.ended(log, agent["id"])["exit_code"] == 4
    assert done(log, "adopt") == done(log, "finish") == []


def test_run_files_removed_while_the_child_lives(log: Log) -> None:
    """Without its files a run cannot be adopted: its child goes on, and when that has ended the run is lost."""
    agent = spawn(log, "sleep", "1000")
    agents.kill(agent["daemon"]["pid"])
    shutil.rmtree(Run(log.home, agent["id"], 1).path)
    with supervising(log.home) as supervisor:
        assert agents.get(log, agent["id"])["state"] == "running"
        assert is_running(agent["child"]["pid"])
        agents.kill(agent["child"]["pid"])
        supervisor.send(signal.SIGHUP)
        assert agents.ended(log, agent["id"])["state"] == "lost"
    assert done(log, "lose") == [agent["id"]]


def test_run_files_removed_after_the_child_has_died(log: Log) -> None:
    """Daemon and child dead, and no files: lost, in words that say so; its keeper has nothing to keep, and goes too."""
    agent = spawn(log, "sleep", "1000")
    for who in ("daemon", "child"):
        agents.kill(agent[who]["pid"])
    shutil.rmtree(Run(log.home, agent["id"], 1).path)
    with supervising(log.home):
        ended = agents.ended(log, agent["id"])
    assert (ended["state"], ended["exit_code"]) == ("lost", None)
    assert "files are gone" in ended["reason"]
    gone(agent["keeper"]["pid"])


def test_an_ended_run_is_cleared_up(log: Log) -> None:
    """Files and keeper of a daemon that died after its last commit go; how it ended stays as it was."""
    agent = gated(log, "read line < go; exit 3")
    run = Run(log.home, agent["id"], 1)
    agents.stop(log, agent["daemon"]["pid"])
    let_go(agent)
    until(lambda: state(agent["child"]["pid"]) == "Z", "the child's end")
    registry.publish(log, events.agent_exited(agent["id"], 1, outcome="failed", exit_code=3, left=0))
    agents.kill(agent["daemon"]["pid"])
    before = agents.get(log, agent["id"])
    with supervising(log.home):
        until(lambda: not os.path.exists(run.path), "the files are gone")
        gone(agent["keeper"]["pid"])
        assert agents.get(log, agent["id"]) == before


def test_it_does_not_touch_a_run_without_a_registration(log: Log) -> None:
    """A directory that is no agent's is left where it is: nobody knows what it is."""
    stray = os.path.join(log.home.agents, "stray", "run-1")
    os.makedirs(stray)
    with supervising(log.home):
        assert os.path.isdir(stray)
    assert registry.agents(log, ended=True) == []


def test_a_successor_that_hangs_holds_nobody_up(log: Log) -> None:
    """Where as many successors hang as may load side by side, the next run gets its own all the same."""
    hanging = (
        """
from swarm_daemon import launch
from swarm_supervisor import act, doing
act.AT_ONCE, doing.HANDSHAKE_SECONDS, real, hung = 1, 0.2, launch.adopt, []
def adopt(home, ids, each):
    if hung:
        return real(home, ids, each=each)
    hung.append(launch.detached(["/bin/sleep", "1000"]))
    return hung[0]
launch.adopt = adopt
"""
        + IMPATIENT
    )
    first, second = (agents.spawn(log, "sleep", "1000") for _ in range(2))
    with supervising(log.home, program=hanging) as supervisor:
        agents.kill(first["daemon"]["pid"])
        until(lambda: tree.children(supervisor.pid), "the one that hangs")
        (hung,) = tree.children(supervisor.pid)
        agents.kill(second["daemon"]["pid"])
        until(lambda: agents.get(log, second["id"])["epoch"] == 1, "the adoption of the second")
        agents.kill(hung)
        until(lambda: agents.get(log, first["id"])["epoch"] == 1, "the adoption of the first")
