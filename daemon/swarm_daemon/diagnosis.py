"""What can be wrong with a state directory, its log and what runs under it. Only looks; changes nothing."""

from __future__ import annotations

import os
import shutil
import sys
from collections import namedtuple

from swarm_store import health, registry
from swarm_store.errors import SwarmError
from swarm_store.home import locate
from swarm_store.lifecycle import LIVE
from swarm_store.log import Log
from swarm_store.opening import NoLog

from . import control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_store.home import Home

RECOVER = "if it is damaged: cancel the agents, keep a copy, and recover with sqlite3 {} .recover"
ADOPT = f"{sys.executable} -m swarm_daemon --adopt ID"
LITTLE_SPACE = 1 << 30  # bytes; agents write gigabytes in their hours


class Finding(namedtuple("Finding", ("check", "ok", "found", "hint"))):
    """What one check found, and what to do where it is not `ok`."""

    __slots__ = ()
    check: str
    ok: bool
    found: str
    hint: str


def examine() -> Iterator[Finding]:
    """Every check, in an order in which the first bad one explains the later."""
    home = locate()
    try:
        home.check()
        yield Finding("directory", True, home.path, "")
    except SwarmError as error:
        yield Finding("directory", False, error.message, error.hint)
        return
    yield _space(home)
    ok, found, hint = health.sqlite_version()
    yield Finding("sqlite", ok, found, hint)
    try:
        with Log(home, write=False) as log:
            yield from _log(log)
            yield _daemons(log)
            yield _files(log)
    except NoLog:
        yield Finding("log", True, "there is none yet: nothing has been spawned", "")
    except SwarmError as error:
        yield Finding("log", False, error.message, RECOVER.format(home.database))


def _space(home: Home) -> Finding:
    place = home.path if os.path.isdir(home.path) else "/"
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free on the disk of {home.path}"
    return Finding("space", free >= LITTLE_SPACE, found, "make room; swarmctl prune gives back what old agents take")


def _log(log: Log) -> Iterator[Finding]:
    problems = health.integrity(log)
    yield Finding(
        "integrity",
        not problems,
        "; ".join(problems[:3]) or f"{log.home.database} is sound, up to position {log.position()}",
        RECOVER.format(log.home.database),
    )
    wrong = health.differing(log)
    yield Finding(
        "projection",
        not wrong,
        f"rows differ from the fold of their events: {', '.join(wrong[:5])}" if wrong else "equals the fold of events",
        "this is a fault of swarmctl: please report it with the output of swarmctl events",
    )
    modes = health.loose_modes(log.home)
    yield Finding("permissions", not modes, ", ".join(modes) or "the owner's alone", f"chmod 600 {' '.join(modes)}")


def _daemons(log: Log) -> Finding:
    live = registry.agents(log)
    dead = [agent["id"] for agent in live if not control.may_have_daemon(log.home, agent)]
    found = f"without a daemon: {', '.join(dead)}" if dead else f"{len(live)} agents live, each with its daemon"
    return Finding("daemons", not dead, found, f"{ADOPT}, or swarmctl cancel ID")


def _files(log: Log) -> Finding:
    """Run directories of agents that have ended or are unknown: a daemon died after its last commit."""
    there = sorted(
        os.listdir(log.home.agents) if os.path.isdir(log.home.agents) else []
    )  # before the agents: one that is spawned meanwhile is no leftover
    known = {agent["id"]: agent for agent in registry.agents(log, ended=True)}
    stale = [one for one in there if one not in known or (_has_run(log.home, one) and known[one]["state"] not in LIVE)]
    found = f"left over: {', '.join(stale)}" if stale else "none left over"
    return Finding("files", not stale, found, f"{ADOPT} clears up what an ended run left; what is no agent's: rm -r")


def _has_run(home: Home, agent_id: str) -> bool:
    try:
        return any(name.startswith("run-") for name in os.listdir(home.agent(agent_id)))
    except OSError:
        return False  # removed meanwhile, or no directory
