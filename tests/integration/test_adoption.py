"""A daemon is dead: who takes its run over, and what is known afterwards."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from support import agents
from support.agents import output, sh, spawn
from support.looking import state, until
from swarm_daemon import begin, control
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.errors import NotPossible
from swarm_store.log import Log


def test_the_child_goes_on_without_a_daemon(log: Log) -> None:
    """The child of a killed daemon runs on unharmed, and may write; its bytes wait for the successor."""
    agent = sh(log, "echo before; sleep 0.3; echo after; exit 5")
    until(lambda: output(log, agent["id"]))
    agents.kill(agent["daemon"]["pid"])
    until(lambda: state(agent["child"]["pid"]) == "Z", "the child's end, kept by the kernel")
    assert output(log, agent["id"]) == b"before\n"
    assert agents.adopt(log, agent["id"]) == 0
    ended = agents.ended(log, agent["id"])
    assert (ended["exit_code"], ended["epoch"]) == (5, 1)
    assert output(log, agent["id"]) == b"before\nafter\n"


def test_of_many_successors_one_gets_the_run(log: Log) -> None:
    """However many try to adopt a run at the same moment, one does, and the others are told so."""
    agent = sh(log, "sleep 0.5; echo done; exit 2")
    agents.kill(agent["daemon"]["pid"])
    command = [sys.executable, "-m", "swarm_daemon", "--adopt", agent["id"]]
    successors = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(5)]
    assert sorted(one.wait(timeout=30) for one in successors) == [0, 4, 4, 4, 4]
    adoptions = [one for one in registry.history(log, agent["id"]) if one.type == events.AGENT_ADOPTED]
    assert len(adoptions) == 1
    assert output(log, agent["id"]) == b"done\n"


def test_a_run_with_a_daemon_is_not_adopted(log: Log) -> None:
    """A living daemon keeps its run."""
    agent = spawn(log, "sleep", "1000")
    with pytest.raises(NotPossible):
        begin.adopt(log.home, agent["id"])


def test_cancel_takes_the_place_of_a_dead_daemon(log: Log) -> None:
    """The canceller ends the tree itself, publishes what was written, and the exit status is known."""
    agent = sh(log, "echo hello; setsid sleep 1000 & exec sleep 1000")
    until(lambda: output(log, agent["id"]))
    agents.kill(agent["daemon"]["pid"])
    agent = agents.get(log, agent["id"])
    control.ask_cancel(log, agent, grace=5)
    control.end_without_daemon(log, agent)
    ended = agents.get(log, agent["id"])
    assert (ended["state"], ended["signal"], ended["left"]) == ("cancelled", "SIGTERM", 0)
    assert output(log, agent["id"]) == b"hello\n"


def test_without_its_keeper_a_daemon_still_knows_everything(log: Log) -> None:
    """The keeper is only needed when the daemon dies."""
    agent = sh(log, "sleep 0.2; echo a; exit 6")
    agents.kill(agent["keeper"]["pid"])
    assert agents.ended(log, agent["id"])["exit_code"] == 6
    assert output(log, agent["id"]) == b"a\n"


def test_with_daemon_and_keeper_dead_the_status_is_unknown(log: Log) -> None:
    """Nobody could see how the child ended: it is recorded as lost, with its output, and never as success."""
    agent = sh(log, "echo a; sleep 0.3; exit 0")
    until(lambda: output(log, agent["id"]))
    agents.kill(agent["keeper"]["pid"])
    agents.kill(agent["daemon"]["pid"])
    until(lambda: state(agent["child"]["pid"]) is None, "the child's end")
    assert agents.adopt(log, agent["id"]) == 0
    ended = agents.ended(log, agent["id"])
    assert (ended["state"], ended["exit_code"], ended["signal"]) == ("lost", None, None)
    assert "nobody" in ended["reason"]
    assert output(log, agent["id"]) == b"a\n"


def test_with_daemon_and_keeper_dead_the_tree_is_still_found(log: Log) -> None:
    """Cancel finds the run's processes by their mark when nobody who knew them is left."""
    agent = sh(log, "(setsid sleep 1000 & echo $!); echo ready; exec sleep 1000")
    until(lambda: b"ready" in output(log, agent["id"]))
    orphan = int(output(log, agent["id"]).split()[0])
    agents.kill(agent["keeper"]["pid"])
    agents.kill(agent["daemon"]["pid"])
    control.ask_cancel(log, agents.get(log, agent["id"]), grace=5)
    control.end_without_daemon(log, agents.get(log, agent["id"]))
    assert agents.get(log, agent["id"])["state"] == "cancelled"
    for pid in (orphan, agent["child"]["pid"]):
        assert state(pid) in (None, "Z")


def test_a_request_outlives_the_daemon_it_was_for(log: Log) -> None:
    """A cancel that no daemon has read is obeyed by the successor."""
    agent = spawn(log, "sleep", "1000")
    agents.kill(agent["daemon"]["pid"])
    control.ask_cancel(log, agent)
    assert agents.adopt(log, agent["id"]) == 0
    assert agents.ended(log, agent["id"])["state"] == "cancelled"


def test_a_successor_keeps_the_timeout(log: Log) -> None:
    """The time that a run has had counts on, whoever follows it."""
    agent = spawn(log, "sleep", "1000", timeout=0.2)
    agents.kill(agent["daemon"]["pid"])
    assert agents.adopt(log, agent["id"]) == 0
    ended = agents.ended(log, agent["id"])
    assert (ended["state"], ended["reason"]) == ("failed", "timeout")


def test_a_full_pipe_makes_the_child_wait_for_the_successor(log: Log) -> None:
    """Without a daemon the child writes until the kernel's buffer is full, then waits; nothing of it is lost."""
    agent = sh(log, "sleep 0.2; i=0; while [ $i -lt 30000 ]; do echo line $i; i=$((i+1)); done")
    agents.kill(agent["daemon"]["pid"])
    until(lambda: agents.is_blocked(log, agent["id"]), "the pipe is full")
    assert agents.adopt(log, agent["id"]) == 0
    assert output(log, agent["id"]) == b"".join(b"line %d\n" % n for n in range(30000))


def test_a_successor_goes_on_where_it_cannot_write_down_who_it_is(log: Log) -> None:
    """What is only needed if the log is lost too keeps no successor from its work."""
    agent = spawn(log, "sleep", "1000")
    agents.kill(agent["daemon"]["pid"])
    who = Run(log.home, agent["id"], 1).who
    os.unlink(who)
    os.mkdir(who)  # in the way of the file of that name
    successor = subprocess.Popen([sys.executable, "-m", "swarm_daemon", "--adopt", agent["id"]])
    until(lambda: agents.get(log, agent["id"])["epoch"] == 1, "the adoption")
    control.ask_signal(log, agent, "TERM")  # its daemon does it, and only once it listens
    os.rmdir(who)
    assert successor.wait(timeout=30) == 0
    assert agents.get(log, agent["id"])["signal"] == "SIGTERM"
