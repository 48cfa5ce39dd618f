"""What can be wrong with a state directory, its log and what runs under it. Only looks; repair changes things."""

from __future__ import annotations

import os
import shutil
import time
from collections import namedtuple

from swarm_store import health, registry
from swarm_store.clock import SECOND, microseconds, now
from swarm_store.errors import SwarmError
from swarm_store.home import file_system
from swarm_store.lifecycle import LIVE
from swarm_store.log import Log
from swarm_store.opening import NoLog

from . import control, orphans
from .process import boot_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_store.fold import Agent
    from swarm_store.home import Home

FIX = "swarmctl doctor --fix"
LITTLE_SPACE = 1 << 30  # bytes; agents write gigabytes in their hours
STARTING_SECONDS = 1.5
SKEW_SECONDS = 60.0  # clocks that are kept right by NTP are seldom off by more than one


class Finding(namedtuple("Finding", ("check", "ok", "found", "hint"))):
    """What one check found, and what to do where it is not `ok`."""

    __slots__ = ()
    check: str
    ok: bool
    found: str
    hint: str


def examine(home: Home) -> Iterator[Finding]:
    """Every check, in an order in which the first bad one explains the later."""
    try:
        home.check()
        yield Finding("directory", True, f"{home.path}, on {file_system(home.path) or 'an unknown file system'}", "")
    except SwarmError as error:
        yield Finding("directory", False, error.message, error.hint)
        return
    yield _space(home)
    yield _permissions(home)
    ok, found, hint = health.sqlite_version()
    yield Finding("sqlite", ok, found, hint)
    try:
        with Log(home, write=False) as log:
            yield from _log(log)
            yield _clock(log)
            yield _daemons(log)
            yield from _processes(log)
            yield from _files(log)
    except NoLog:
        yield Finding("log", True, "there is none yet: nothing has been spawned", "")
        return
    except SwarmError as error:
        yield Finding("log", False, error.message, error.hint)
    yield _leftovers(home)


def _space(home: Home) -> Finding:
    place = home.path if os.path.isdir(home.path) else "/"
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free on the disk of {home.path}"
    return Finding("space", free >= LITTLE_SPACE, found, "make room; swarmctl prune gives back what old agents take")


def _permissions(home: Home) -> Finding:
    loose = health.loose_modes(home)
    return Finding("permissions", not loose, _few(loose) or "the owner's alone", f"chmod go= on them, or {FIX}")


def _log(log: Log) -> Iterator[Finding]:
    problems = health.integrity(log)
    sound = f"{log.home.database} is sound, up to position {log.position()}"
    hint = f"{FIX} sets it aside, and recovers what can be read"
    yield Finding("integrity", not problems, "; ".join(problems[:3]) or sound, hint)
    wrong = health.differing(log)
    yield Finding(
        "projection",
        not wrong,
        f"rows differ from the fold of their events: {_few(wrong)}" if wrong else "equals the fold of events",
        f"{FIX} writes them anew; it is a fault of swarmctl: please report it, with the output of swarmctl events",
    )


def _clock(log: Log) -> Finding:
    """Records of the future, and agents of this boot that began later than the clock says now that they did."""
    ahead = (health.newest_time(log) - now()) / SECOND
    boot, monotonic = boot_id(), time.monotonic()
    for agent in registry.agents(log):
        if agent["child"] and agent["child"]["boot"] == boot and agent["monotonic"] is not None and agent["started_at"]:
            ran = monotonic - agent["monotonic"]
            ahead = max(ahead, (microseconds(agent["started_at"]) - now()) / SECOND + ran)
    back = ahead > SKEW_SECONDS
    found = f"the clock was set back by about {ahead:.0f} s since something happened" if back else "goes with the log's"
    return Finding("clock", not back, found, "set it right; positions tell the order all the same, ages are wrong")


def _daemons(log: Log) -> Finding:
    live = registry.agents(log)
    dead = [agent["id"] for agent in live if control.has_lost_daemon(log.home, agent)]
    found = f"without a daemon: {_few(dead)}" if dead else f"{len(live)} agents live, each with its daemon"
    return Finding("daemons", not dead, found, f"swarmctl supervisor run adopts them, or {FIX}; or swarmctl cancel ID")


def _processes(log: Log) -> Iterator[Finding]:
    """What runs here in the name of agents that the log does not know, or that have ended."""
    until = time.monotonic() + STARTING_SECONDS
    while (found_now := orphans.processes(log))[0] and time.monotonic() < until:
        time.sleep(0.05)  # an agent that is being spawned has a daemon before it is in the log
    unknown, left = found_now
    told = [f"{one.pid} ({one.agent_id}.{one.run})" for one in unknown]
    found = f"of no agent in the log: {_few(told)}" if told else "none that no agent accounts for"
    hint = "a daemon introduces its agent within a second, once the log can be written; else end them: kill PID"
    yield Finding("orphans", not told, found, hint)
    told = [f"{one.pid} ({one.agent_id}.{one.run})" for one in left]
    found = f"left running by agents that have ended: {_few(told)}" if told else "none left by ended agents"
    yield Finding("left", not told, found, "end them, unless that is meant: kill PID")


def _files(log: Log) -> Iterator[Finding]:
    """Run directories of agents that have ended or are unknown: a daemon died after its last commit."""
    # Before the agents: one that is spawned meanwhile is no leftover.
    there = sorted(os.listdir(log.home.agents)) if os.path.isdir(log.home.agents) else []
    known = {agent["id"]: agent for agent in registry.agents(log, ended=True)}
    stale = [one for one in there if is_stale(log.home, one, known.get(one))]
    stale += [one for one in registry.half_removed(log) if one not in stale]
    found = f"left over: {_few(stale)}" if stale else "none left over"
    yield Finding("files", not stale, found, f"{FIX} clears up what ended or removed agents left; the rest: rm -r")


def is_stale(home: Home, agent_id: str, agent: Agent | None) -> bool:
    """Whether an agent's directory has what it should not have (any more)."""
    if agent is None:
        return True
    return agent["state"] not in LIVE and _has_run(home, agent_id)


def _has_run(home: Home, agent_id: str) -> bool:
    try:
        return any(name.startswith("run-") for name in os.listdir(home.agent(agent_id)))
    except OSError:
        return False  # removed meanwhile, or no directory


def _leftovers(home: Home) -> Finding:
    """Files of recoveries and writers that were killed, bells of the dead; damaged logs are kept, and only named."""
    stale = [os.path.basename(path) for path in health.stale_files(home)]
    stale += ["swarm.db.recovering"] if os.path.exists(home.database + ".recovering") else []
    kept = health.set_aside(home)
    also = f"; kept from recoveries: {_few(kept)}" if kept else ""
    found = f"left over: {_few(stale)}" if stale else "none left over"
    return Finding("temporary", not stale, found + also, f"{FIX} removes them, or goes on with the recovery")


def _few(names: list[str]) -> str:
    """The first of many."""
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
