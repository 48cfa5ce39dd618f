"""Processes that an ended agent has left running are ended, and nobody else's."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from support import agents
from support.looking import is_running, until
from support.supervisors import done, gated, gone, history, let_go, supervising
from swarm_daemon import control, spawn, tree
from swarm_daemon.launch import Launch
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.events import Event
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.log import Log

# Two that have left the agent's group and session, and outlive it; their PIDs are what it writes.
LEAVER = "setsid sleep 1000 & echo $!; nohup sh -c 'sleep 1000; :' >/dev/null 2>&1 & echo $!; read line < go; exit 3"


def left_by(log: Log, agent: Agent, count: int = 2) -> list[int]:
    """The PIDs that the agent has written, once the last, a shell, has its child too."""
    pids = [int(word) for word in until(lambda: _words(log, agent, count), "the PIDs")]
    until(lambda: tree.children(pids[-1]), "the shell's child")
    return pids


def _words(log: Log, agent: Agent, count: int) -> list[bytes]:
    words = agents.output(log, agent["id"]).split()
    return words if len(words) >= count else []


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_an_ended_agent_has_left_is_ended(log: Log, when: str) -> None:
    """setsid and nohup do not help: with or without a supervisor at that moment, they are ended, and it is said."""
    agent = gated(log, LEAVER)
    left = left_by(log, agent)
    if when == "before":
        let_go(agent)
        assert agents.ended(log, agent["id"])["left"] == 3  # the nohup'd shell has a child
        assert all(map(is_running, left))
    with supervising(log.home):
        if when == "after":
            let_go(agent)
        for pid in left:
            gone(pid)
        until(lambda: agents.get(log, agent["id"])["left"] == 0, "it is said")
    (swept,) = history(log, agent["id"], events.AGENT_SWEPT)
    assert swept.data == {"run": 1, "processes": 3}
    ended = agents.get(log, agent["id"])
    assert (ended["state"], ended["exit_code"]) == ("failed", 3)
    assert done(log, "sweep") == [agent["id"]]


def test_a_restart_waits_for_the_sweep(log: Log) -> None:
    """What the last run has left is ended before the next one begins."""
    agent = gated(log, LEAVER, restart="on-failure")
    left = left_by(log, agent)
    with supervising(log.home):
        let_go(agent)
        until(lambda: agents.get(log, agent["id"])["run"] == 2, "the second run")
        assert not any(map(is_running, left))
        assert [one.data["run"] for one in history(log, agent["id"], events.AGENT_SWEPT)] == [1]


def test_what_a_lost_run_has_left_is_ended_too(log: Log) -> None:
    """Where nobody has counted what a run left, it is looked for."""
    agent = gated(log, LEAVER)
    left = left_by(log, agent)
    with supervising(log.home) as supervisor:
        shutil.rmtree(Run(log.home, agent["id"], 1).path)
        for who in ("keeper", "daemon", "child"):
            agents.kill(agent[who]["pid"])
        supervisor.send(signal.SIGHUP)
        assert agents.ended(log, agent["id"])["state"] == "lost"
        for pid in left:
            gone(pid)
    assert len(history(log, agent["id"], events.AGENT_SWEPT)) == 1


def test_agents_that_an_agent_has_spawned_are_their_own(log: Log) -> None:
    """A sweep ends where another agent begins."""
    swarmctl = os.path.join(os.path.dirname(sys.executable), "swarmctl")
    agent = gated(log, f"{swarmctl} spawn -- sleep 1000; setsid sleep 1000 & echo $!; read line < go; exit 3")
    words = until(lambda: _words(log, agent, 2))
    child, left = words[0].decode(), int(words[1])
    with supervising(log.home):
        let_go(agent)
        gone(left)
        until(lambda: agents.get(log, agent["id"])["left"] == 0, "the sweep")
        assert agents.get(log, child)["state"] == "running"
        assert is_running(agents.get(log, child)["child"]["pid"])


def test_a_restart_by_hand_ends_what_was_left(log: Log) -> None:
    """Without a supervisor too: nothing of the last run goes on beside the new one."""
    agent = gated(log, LEAVER)
    left = left_by(log, agent)
    let_go(agent)
    agents.ended(log, agent["id"])
    spawn.restart(log, agents.get(log, agent["id"]))
    assert not any(map(is_running, left))
    assert [one.data for one in history(log, agent["id"], events.AGENT_SWEPT)] == [{"run": 1, "processes": 3}]
    assert agents.get(log, agent["id"])["run"] == 2


def test_what_an_earlier_run_has_left_is_ended(log: Log) -> None:
    """An agent that somebody restarted before a supervisor had looked keeps nothing of its last run."""
    agent = gated(log, LEAVER)
    left = left_by(log, agent)
    let_go(agent)
    agents.ended(log, agent["id"])
    number = spawn.open_run(log, agents.get(log, agent["id"]), reason="request")
    Launch(log.home, agent["id"], number).wait()
    now = left_by(log, agent, 4)[2:]
    with supervising(log.home):
        for pid in left:
            gone(pid)
        assert all(map(is_running, now))
    assert done(log, "sweep") == [agent["id"]]


def test_what_runs_elsewhere_under_the_same_id_is_not_touched(log: Log, tmp_path: Path) -> None:
    """An agent that was exported to another state directory, and is lost there, lives on here."""
    agent = gated(log, LEAVER)
    left = left_by(log, agent)
    elsewhere = Home(str(tmp_path / "elsewhere"))
    with Log(elsewhere) as other:
        history = registry.history(log, agent["id"])
        registry.publish(other, *(Event(one.type, one.data, one.key, None) for one in history))
        registry.publish(other, events.agent_lost(agent["id"], 1, reason="it was exported"))
        with supervising(elsewhere):
            pass
        assert done(other, "sweep") == []
    assert all(map(is_running, left)) and is_running(agent["child"]["pid"])


def test_what_a_removed_agent_has_left_is_ended(log: Log) -> None:
    """An agent that was removed before its processes were ended leaves nothing either."""
    agent = gated(log, LEAVER)
    left = left_by(log, agent)
    let_go(agent)
    control.forget(log, agents.ended(log, agent["id"]))
    with supervising(log.home):
        for pid in left:
            gone(pid)
        again = gated(log, LEAVER)
        left = left_by(log, again)
        let_go(again)
        control.forget(log, agents.ended(log, again["id"]))
        for pid in left:
            gone(pid)
