"""Agents that say nothing: marked, heard again, ended and restarted, and never where they could not be heard."""

from __future__ import annotations

import fcntl
import os
import signal
import time

import pytest

from support import agents
from support.looking import state, until
from support.supervisors import adopted, gated, history, let_go, supervising
from swarm_store import events, sessions
from swarm_store.clock import SECOND
from swarm_store.log import Log


def test_a_silence_is_said_once_and_so_is_its_end(log: Log) -> None:
    """It is marked when no output has come for so long; new output, on either stream, unmarks it."""
    agent = gated(log, "read line < go; echo again >&2; sleep 1000", silence=0.2)
    until(lambda: agents.get(log, agent["id"])["silent_since"], "it is marked")
    (fell,) = history(log, agent["id"], events.AGENT_FELL_SILENT)
    assert fell.data == {"run": 1, "seconds": 0.2}
    let_go(agent)
    until(lambda: history(log, agent["id"], events.AGENT_SPOKE), "it is heard")
    until(lambda: len(history(log, agent["id"], events.AGENT_FELL_SILENT)) == 2, "it falls silent again")
    assert agents.output(log, agent["id"], "stderr") == b"again\n"
    assert len(history(log, agent["id"], events.AGENT_SPOKE)) == 1


def test_a_marked_agent_goes_on(log: Log) -> None:
    """Marking ends nothing: its state stays running, and its own end is its own."""
    agent = gated(log, "read line < go; exit 4", silence=0.1)
    until(lambda: agents.get(log, agent["id"])["silent_since"], "it is marked")
    assert agents.get(log, agent["id"])["state"] == "running"
    let_go(agent)
    ended = agents.ended(log, agent["id"])
    assert (ended["exit_code"], ended["reason"], ended["silent_since"]) == (4, None, None)


def test_an_agent_that_speaks_is_not_silent(log: Log) -> None:
    """Each output starts the count anew, however long it runs."""
    talker = agents.sh(log, "while :; do echo x; sleep 0.05; done", silence=1.0)
    silent = agents.spawn(log, "sleep", "1000", silence=1.0)
    until(lambda: agents.get(log, silent["id"])["silent_since"], "the other is marked")
    assert history(log, talker["id"], events.AGENT_FELL_SILENT) == []


def test_a_stopped_agent_is_not_silent(log: Log) -> None:
    """What somebody has stopped could not have spoken; once continued it has its time again."""
    stopped = agents.spawn(log, "sleep", "1000", silence=0.3)
    os.kill(stopped["child"]["pid"], signal.SIGSTOP)
    until(lambda: state(stopped["child"]["pid"]) == "T", "it is stopped")
    other = agents.spawn(log, "sleep", "1000", silence=0.9)
    until(lambda: agents.get(log, other["id"])["silent_since"], "a longer silence is marked")
    assert history(log, stopped["id"], events.AGENT_FELL_SILENT) == []
    os.kill(stopped["child"]["pid"], signal.SIGCONT)
    until(lambda: agents.get(log, stopped["id"])["silent_since"], "now it is silent")


def test_an_agent_that_waits_is_not_silent(log: Log) -> None:
    """What waits for somebody could say nothing; when it goes on it has its time again, however long it has waited."""
    waiting = agents.spawn(log, "sleep", "1000", silence=2.0, on_silence="restart")
    sessions.wait(log, waiting["id"], 1, "approval")
    other = agents.spawn(log, "sleep", "1000", silence=3.0)
    until(lambda: agents.get(log, other["id"])["silent_since"], "a longer silence is marked")
    sessions.resume(log, waiting["id"], 1)
    until(lambda: history(log, waiting["id"], events.AGENT_FELL_SILENT), "now it is silent")
    (resumed,) = history(log, waiting["id"], events.AGENT_RESUMED)
    (fell,) = history(log, waiting["id"], events.AGENT_FELL_SILENT)
    assert fell.time - resumed.time > 1.5 * SECOND


def test_a_daemon_that_was_stopped_takes_nobody_for_silent(log: Log) -> None:
    """It has slept longer than it meant to, as on a suspended machine: the count starts anew, then goes on."""
    stopped = agents.sh(log, "echo up; exec sleep 1000", silence=0.5)
    until(lambda: agents.output(log, stopped["id"]) and state(stopped["daemon"]["pid"]) == "S", "it sleeps on its pipe")
    agents.stop(log, stopped["daemon"]["pid"])
    other = agents.spawn(log, "sleep", "1000", silence=3.0)
    until(lambda: agents.get(log, other["id"])["silent_since"], "much more than its time has passed")
    os.kill(stopped["daemon"]["pid"], signal.SIGCONT)
    continued = log.clock()
    until(lambda: agents.get(log, stopped["id"])["silent_since"], "it is marked later")
    (fell,) = history(log, stopped["id"], events.AGENT_FELL_SILENT)
    assert fell.time - continued > 300_000


@pytest.mark.parametrize("restart", ["no", "on-failure"])
def test_a_silent_agent_is_ended_where_that_is_wished(log: Log, restart: str) -> None:
    """on_silence=restart ends the run as failed, with the reason, and its policy starts the next."""
    agent = agents.spawn(log, "sleep", "1000", silence=0.2, on_silence="restart", restart=restart)
    with supervising(log.home):
        (exited,) = until(lambda: history(log, agent["id"], events.AGENT_EXITED), "its end")
        assert (exited.data["outcome"], exited.data["reason"], exited.data["signal"]) == (
            "failed",
            "silence",
            "SIGTERM",
        )
        if restart == "on-failure":
            until(lambda: agents.get(log, agent["id"])["run"] == 2, "the second run")
            assert agents.get(log, agent["id"])["silent_since"] is None
    if restart == "no":
        assert agents.get(log, agent["id"])["run"] == 1


def test_a_successor_knows_the_silence(log: Log) -> None:
    """One that was said is not said again by the next daemon, which hears its end."""
    agent = gated(log, "read line < go; echo again; sleep 1000", silence=0.2)
    until(lambda: agents.get(log, agent["id"])["silent_since"], "it is marked")
    with supervising(log.home):
        agents.kill(agent["daemon"]["pid"])
        adopted(log, agent["id"])
        assert len(history(log, agent["id"], events.AGENT_FELL_SILENT)) == 1
        let_go(agent)
        until(lambda: history(log, agent["id"], events.AGENT_SPOKE), "it is heard")


def test_what_came_while_the_daemon_was_busy_is_no_silence(log: Log) -> None:
    """Output that is in the pipe when the time is over counts as heard, where the daemon has waited for the log."""
    script = "mkfifo then; read line < go; echo one; read line < then; echo two; sleep 1000"
    agent = gated(log, script, silence=0.5)
    with open(log.home.lock, "r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        let_go(agent)
        begun = time.monotonic()
        let_go(agent, "then")
        until(lambda: time.monotonic() > begun + 0.8, "its time is over")
    until(lambda: b"two" in agents.output(log, agent["id"]), "its second line")
    assert history(log, agent["id"], events.AGENT_SPOKE) == []
