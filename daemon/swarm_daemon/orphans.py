"""Processes that run in an agent's name, by the marks in their environment, which no agent in the log accounts for."""

from __future__ import annotations

import os
from collections import namedtuple

from swarm_store import registry
from swarm_store.clock import SECOND, microseconds, now
from swarm_store.lifecycle import LIVE

from .tree import DAEMON_MARK, MARK, environment

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_store.fold import Agent
    from swarm_store.home import Home
    from swarm_store.log import Log

ENDING_SECONDS = 5.0  # a daemon that has written its agent's end still has to clear up


class Marked(namedtuple("Marked", ("pid", "agent_id", "run", "is_daemon"))):
    """A process with a run's mark; `is_daemon` is true of its keeper too."""

    __slots__ = ()
    pid: int
    agent_id: str
    run: int
    is_daemon: bool


def processes(log: Log) -> tuple[list[Marked], list[Marked]]:
    """The processes of this state directory whose run the log does not know; and those whose agent has ended."""
    found = marked(log.home)  # before the agents: what is spawned meanwhile is known then
    known = {agent["id"]: agent for agent in registry.agents(log, ended=True)}
    unknown, left = [], []
    for one in found:
        agent = known.get(one.agent_id)
        if agent is None or agent["run"] < one.run:
            unknown.append(one)
        elif agent["run"] > one.run or (agent["state"] not in LIVE and not (one.is_daemon and _may_clear_up(agent))):
            left.append(one)
    return unknown, left


def marked(home: Home) -> list[Marked]:
    """The living processes that carry a mark of this state directory."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        around = environment(int(name))
        agent_id, _, run = (around.get(DAEMON_MARK) or around.get(MARK) or "").rpartition(".")
        if agent_id and run.isdigit() and around.get("SWARM_HOME") == home.path:
            found.append(Marked(int(name), agent_id, int(run), DAEMON_MARK in around))
    return found


def _may_clear_up(agent: Agent) -> bool:
    """Whether an agent has ended so recently that its daemon and keeper may still be there, and rightly so."""
    return now() - microseconds(agent["ended_at"]) <= ENDING_SECONDS * SECOND
