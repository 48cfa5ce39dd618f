"""How a run begins to have a daemon: started fresh, or adopted from a daemon that died.

Every step is in the log before the next depends on it: both identities before the command is executed, the takeover
before the successor touches anything. So whichever step is the last, the next daemon knows where to go on.
"""

from __future__ import annotations

import os
import time

from swarm_store import events, lifecycle, registry
from swarm_store.errors import CannotStart, LogUnusable, NotPossible
from swarm_store.log import Log

from . import child, keeper, tree
from .agent import Daemon, note
from .closing import clear_up
from .ending import make_room
from .output import RETRY_SECONDS
from .process import Identity, from_data, is_alive, myself
from .run import Run, read_record, write_aside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from swarm_store.fold import Agent
    from swarm_store.home import Home

    from .run import Spec

LOCK_TIMEOUT = 10.0  # seconds for the lifecycle's first events; somebody waits for the outcome
RUNNING_LOCK_TIMEOUT = 2.0  # and once it runs: shorter, because the child's output waits meanwhile


def start(home: Home, agent_id: str, number: int) -> Daemon:
    """Start the run: identities into the log first, then the command. Raises CannotStart where it refuses.

    Forks before anything else: this process becomes the run's keeper, and its daemon returns from here.
    """
    run = Run(home, agent_id, number)
    run.redirect()
    if not run.acquire():
        raise NotPossible(f"run {run.mark} has a daemon already")
    _clear_first_start(run)
    make_room(run)
    spec = run.spec()
    if spec["before"] and number > 1:
        from .aftermath import prepare  # what few runs need

        prepare(run, spec)
    if spec["input"]:
        from . import holder  # what few runs need

        holder.fork(run)
    held_by = keeper.split(run)
    try:
        held = child.fork(run, spec)
    except BaseException:
        keeper.release(held_by)
        raise
    try:
        log = Log(home, create=False, lock_timeout=LOCK_TIMEOUT)
        who = {"daemon": myself(), "keeper": held_by.as_data(), "child": held.identity.as_data()}
        by = run.confined()["by"]
        write_aside(run.who, {**who, "monotonic": time.monotonic()})  # first: it may find no room
        registry.publish(log, events.agent_starting(agent_id, number, **who, limited_by=by))
    except BaseException:
        held.give_up()
        keeper.release(held_by)
        raise
    held.let_go()
    refused = read_record(run.refused)
    if refused is not None:
        raise _refuse(log, run, spec, refused, held_by)
    return _daemon(log, run, spec)


def _clear_first_start(run: Run) -> None:
    """What a start has left that was killed, with whoever had launched it, before it was in the log.

    Its child held the run's lock until it had seen the gate close, and has ended.
    """
    before = from_data(read_record(run.keeper))
    if before is not None:
        keeper.release(before)
    try:
        os.unlink(run.refused)
    except FileNotFoundError:
        pass


def adopt(home: Home, agent_id: str) -> Daemon | None:
    """Take over a run whose daemon is dead, as its successor; None where it was over and only had to be cleared up.

    Raises NotPossible where the run has a living daemon, or never had one.
    """
    log = Log(home, create=False, lock_timeout=LOCK_TIMEOUT)
    agent = registry.resolve(log, agent_id)
    run = Run(home, agent["id"], agent["run"])
    if not os.path.isdir(run.path) or agent["state"] == lifecycle.SPAWNED:
        raise NotPossible(f"agent {agent['id']} is {agent['state']} and has no run to adopt")
    if not run.acquire():
        raise NotPossible(f"agent {agent['id']} has a daemon", "only a run whose daemon is dead can be adopted")
    agent = registry.resolve(log, agent["id"])  # its last daemon may have ended it in between
    if agent["state"] in lifecycle.TERMINAL:
        log.close()
        clear_up(run, from_data(agent["keeper"]))
        return None
    return _take_over(log, run, agent)


def _take_over(log: Log, run: Run, agent: Agent) -> Daemon | None:
    adopted = events.agent_adopted(run.agent_id, run.number, daemon=myself(), epoch=agent["epoch"] + 1)
    registry.publish(log, adopted)
    known = {key: agent[key] for key in ("keeper", "child", "monotonic")}
    try:
        write_aside(run.who, {**known, "daemon": myself(), "epoch": agent["epoch"] + 1})
    except OSError as error:  # no room: what is there still names the child
        note(f"cannot write {run.who}: {error.strerror}")
    spec = _spec(run, agent)
    if agent["state"] == lifecycle.STARTING:
        at_gate = from_data(agent["child"])
        while is_alive(at_gate) and tree.is_daemon(at_gate):  # it has seen the gate close, and ends
            time.sleep(0.01)
        refused = read_record(run.refused)
        if refused is not None:
            _refuse(log, run, spec, refused, from_data(agent["keeper"]))
            return None
    return _daemon(log, run, spec)


def _spec(run: Run, agent: Agent) -> Spec:
    """What the run was started from; where that is lost, what the registry knows of it, which is all that it needs."""
    try:
        return run.spec()
    except CannotStart:
        return agent


def _daemon(log: Log, run: Run, spec: Spec) -> Daemon:
    """The daemon of a child that is executed; from here on no trouble with the log may end it."""
    while True:
        try:
            agent = registry.get(log, run.agent_id)
            if agent is not None and agent["state"] == lifecycle.STARTING:
                registry.publish(log, events.agent_started(run.agent_id, run.number, monotonic=time.monotonic()))
                agent = registry.get(log, run.agent_id)
            assert agent is not None
            log.lock_timeout = RUNNING_LOCK_TIMEOUT
            return Daemon(log, run, spec, agent)
        except (LogUnusable, OSError) as error:  # no room for the event, for a bell, for a journal
            note(str(error))
            time.sleep(RETRY_SECONDS)


def _refuse(log: Log, run: Run, spec: Spec, refused: dict[str, Any], held_by: Identity | None) -> CannotStart:
    """Record that the command was not executed, and say why."""
    command = spec["command"][0]
    why = f"cannot {refused['step']} {command!r}: {refused['error']}"
    ended = {"outcome": lifecycle.FAILED, "exit_code": refused["exit_code"], "signal": None, "reason": why}
    registry.publish(log, events.agent_exited(run.agent_id, run.number, **ended))
    log.close()
    clear_up(run, held_by)
    if spec.get("after"):
        from .aftermath import follow

        follow(run, spec)
    return CannotStart(why, "check the command, its permissions and its directory", refused["exit_code"])
