"""What `doctor --fix` does: everything about a state directory that can be put right without a doubt.

Each step looks for itself whether there is anything to do, and says in words what it did. Nothing that somebody may
still want is deleted: damaged logs stay aside, processes and unknown directories are named by the diagnosis alone.
"""

from __future__ import annotations

import os
import shutil
import stat
import time

from swarm_store import events, health, recovery, registry
from swarm_store.errors import SwarmError
from swarm_store.lifecycle import LIVE
from swarm_store.log import Log

from . import control, launch, orphans
from .diagnosis import is_stale
from .process import from_data, is_alive
from .register import register_again, unknown_runs
from .run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swarm_store.home import Home

NOTHING_LEFT = "neither its files nor its processes are there"
WAIT_SECONDS = 10.0  # for daemons: to introduce themselves, to adopt


def repair(home: Home) -> Iterator[str]:
    """Do what is safe, a sentence for each thing done. A step that fails is said, and the next is tried."""
    for step in (_close_to_others, _recover, _rebuild, _finish, _register, _record_lost, _adopt, _tidy):
        if step not in (_close_to_others, _recover) and not os.path.exists(home.database):
            return  # nothing has ever been spawned here
        try:
            yield from step(home)
        except (SwarmError, OSError) as error:
            yield f"failed: {error}"


def _close_to_others(home: Home) -> Iterator[str]:
    """The state directory and all in it are the owner's alone; but what is another user's is not ours to change."""
    if os.path.isdir(home.path) and os.stat(home.path).st_uid == os.geteuid():
        for path in [home.path, *health.loose_modes(home)]:
            mode = stat.S_IMODE(os.stat(path).st_mode)
            if mode & 0o077:
                os.chmod(path, mode & ~0o077)
                yield f"closed {path} to others"


def _recover(home: Home) -> Iterator[str]:
    report = recovery.recover_if_needed(home, check=True)
    if report is not None:
        yield str(report)
        until = time.monotonic() + WAIT_SECONDS  # its bells have rung: the daemons are about to tell it of their agents
        while time.monotonic() < until and _unknown_daemons(home):
            time.sleep(0.05)


def _unknown_daemons(home: Home) -> bool:
    with Log(home, write=False) as log:
        unknown, _ = orphans.processes(log)
        return any(one.is_daemon and Run(home, one.agent_id, one.run).has_daemon() for one in unknown)


def _rebuild(home: Home) -> Iterator[str]:
    """Where rows are not what the events make of them, the events are right."""
    with Log(home) as log:
        wrong = health.differing(log)
        if wrong:
            registry.rebuild(log)
            yield f"rows of {len(wrong)} agents were written anew from their events"


def _finish(home: Home) -> Iterator[str]:
    with Log(home) as log:
        finished = control.finish_removals(log)
        if finished:
            yield f"what removed agents had left is deleted: {', '.join(finished)}"


def _register(home: Home) -> Iterator[str]:
    """Runs that go on without a daemon, and that the log does not know: their files say what they are."""
    with Log(home) as log:
        runs = {agent["id"]: agent["run"] for agent in registry.agents(log, ended=True)}
        for run in unknown_runs(home, runs):
            if not run.has_daemon() and not registry.was_removed(log, run.agent_id) and register_again(log, run):
                yield f"agent {run.agent_id} is in the log again"


def _record_lost(home: Home) -> Iterator[str]:
    """What has neither files nor processes any more has ended, and a log that lost its end cannot know how."""
    with Log(home) as log:
        for agent in registry.agents(log):
            run = Run(home, agent["id"], agent["run"])
            alive = any(is_alive(from_data(agent[who])) for who in ("daemon", "keeper", "child", "spawner"))
            if control.has_lost_daemon(home, agent) and not os.path.isdir(run.path) and not alive:
                registry.publish(log, events.agent_lost(agent["id"], agent["run"], reason=NOTHING_LEFT))
                yield f"agent {agent['id']} is lost: nothing is there of its run"


def _adopt(home: Home) -> Iterator[str]:
    """A successor for each run whose daemon is dead; and for one that had ended, to clear up."""
    with Log(home, write=False) as log:
        agents = registry.agents(log, ended=True)
        lost = [agent["id"] for agent in agents if control.has_lost_daemon(home, agent)]
        over = [agent for agent in agents if agent["state"] not in LIVE and is_stale(home, agent["id"], agent)]
        over = [agent for agent in over if not Run(home, agent["id"], agent["run"]).has_daemon()]
        if lost:
            launch.adopt(home, lost, each=True)
        if over:
            launch.adopt(home, [agent["id"] for agent in over])

        def is_done() -> bool:
            now = [registry.get(log, one) for one in lost]
            waiting = any(agent and control.has_lost_daemon(home, agent) for agent in now)
            return not waiting and not any(is_stale(home, agent["id"], agent) for agent in over)

        _until(is_done)
        launch.reap()
        for agent_id in lost:
            agent = registry.get(log, agent_id)
            taken = agent is None or not control.has_lost_daemon(home, agent)
            yield f"agent {agent_id} {'has a daemon again' if taken else 'could not be adopted'}"
        for agent in over:
            if not is_stale(home, agent["id"], agent):
                yield f"what agent {agent['id']} had left in files is cleared up"


def _tidy(home: Home) -> Iterator[str]:
    """Temporary files of the dead, under the lock: nobody is at work on them."""
    if not health.stale_files(home):
        return
    with recovery.locked(home):
        for path in health.stale_files(home):
            if os.path.isdir(path):
                shutil.rmtree(path, ignore_errors=True)
            else:
                os.unlink(path)
            yield f"removed {os.path.basename(path)}"


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
