"""Agents that write to the log themselves, and are stopped by a signal that somebody asks for."""

from __future__ import annotations

import sys

import pytest

from support.agents import get, kill, spawn
from support.looking import state, until
from support.programs import PRELUDE
from swarm_daemon import control
from swarm_store.events import Event
from swarm_store.log import Log

WRITES = """
with Log(home) as log:
    for n in range(1 << 30):
        log.append("client/notes", [note(n)], durable=True)
"""
TIMES = 15  # one that is stopped whatever it does was in a write in more than half of them


@pytest.mark.parametrize("daemon", ["alive", "dead"])
def test_who_is_stopped_by_request_is_not_in_a_write(log: Log, daemon: str) -> None:
    """An agent that does nothing but write keeps nobody out of the log when it is stopped, by its daemon or without."""
    agent = spawn(log, sys.executable, "-c", PRELUDE + WRITES)
    child = agent["child"]["pid"]
    until(lambda: log.head("client/notes"), "it writes")
    if daemon == "dead":
        kill(agent["daemon"]["pid"])
    log.lock_timeout = 1.0
    for _ in range(TIMES):
        control.ask_signal(log, get(log, agent["id"]), "STOP")
        until(lambda: state(child) == "T", "it is stopped")
        log.append("client/notes", [Event("note:taken", {}, None, None)])
        before = log.head("client/notes")
        control.ask_signal(log, get(log, agent["id"]), "CONT")
        until(lambda: log.head("client/notes") > before, "it writes again")  # noqa: B023
