"""A daemon is killed while it ends its run: what was begun is ended, and recorded as what it was."""

from __future__ import annotations

import os
import signal
import sys

from support import agents
from support.agents import get, output
from support.looking import state, until
from support.programs import Program
from swarm_daemon import control
from swarm_store import events, registry
from swarm_store.fold import Agent
from swarm_store.log import Log

# Ends at TERM like any program, or ignores it.
HEEDS = "import time; print('ready', flush=True); time.sleep(1000)"
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + HEEDS

HOLD = """
with Log(home).lock:
    say("held")
    sys.stdin.readline()
"""


def _spawn(log: Log, program: str, **options: float) -> Agent:
    agent = agents.spawn(log, sys.executable, "-S", "-c", program, **options)
    until(lambda: output(log, agent["id"]), "it is ready")
    return agent


def _is_signalled(log: Log, agent: Agent) -> bool:
    return any(one.type == events.AGENT_SIGNALLED for one in registry.history(log, agent["id"]))


def test_a_cancel_that_was_begun_is_carried_out(log: Log) -> None:
    """The successor of a daemon that was killed in the grace period ends the run, as cancelled."""
    agent = _spawn(log, IGNORES)
    control.ask_cancel(log, agent, grace=1.0)
    until(lambda: _is_signalled(log, agent), "the cancel has begun")
    agents.kill(agent["daemon"]["pid"])
    assert agents.adopt(log, agent["id"]) == 0
    ended = get(log, agent["id"])
    assert (ended["state"], ended["reason"], ended["signal"]) == ("cancelled", "cancel", "SIGKILL")


def test_a_child_that_died_of_a_cancel_was_cancelled(log: Log) -> None:
    """Where the daemon was killed before it could say that it had signalled the child, it is known all the same."""
    agent = _spawn(log, HEEDS)
    daemon = agent["daemon"]["pid"]
    agents.stop(log, daemon)
    control.ask_cancel(log, agent)
    with Program(log.home, HOLD) as holder:
        assert holder.line() == "held"
        os.kill(daemon, signal.SIGCONT)
        until(lambda: state(agent["child"]["pid"]) == "Z", "the child's end")
        agents.kill(daemon)
    assert not _is_signalled(log, agent)
    assert agents.adopt(log, agent["id"]) == 0
    ended = get(log, agent["id"])
    assert (ended["state"], ended["reason"], ended["signal"]) == ("cancelled", "cancel", "SIGTERM")


def test_a_timeout_that_was_begun_is_one(log: Log) -> None:
    """A run that its daemon has begun to end for its timeout is ended for that, whoever does the rest."""
    agent = _spawn(log, IGNORES, timeout=0.5, grace=1.0)
    until(lambda: _is_signalled(log, agent), "the timeout has begun to end it")
    agents.kill(agent["daemon"]["pid"])
    agents.kill(agent["child"]["pid"])
    assert agents.adopt(log, agent["id"]) == 0
    ended = get(log, agent["id"])
    assert (ended["state"], ended["reason"], ended["signal"]) == ("failed", "timeout", "SIGKILL")
