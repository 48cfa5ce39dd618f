"""Boot, reconcile everything, then sleep until something happens to somebody, and reconcile that.

It wakes for the bell of the registry, for the end of a daemon or a spawner (a pidfd each), for timers and signals; once
a minute it looks at everything that lives anyway. It keeps nothing: what it holds is only what it is waiting for.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys

from swarm_daemon import launch, tree
from swarm_daemon.process import boot_id, from_data, is_alive, open_verified
from swarm_daemon.register import abandoned, register_again, unknown_runs
from swarm_store import events, registry
from swarm_store.bells import Bell, sweep
from swarm_store.clock import microseconds, now
from swarm_store.codec import encode
from swarm_store.errors import LogDamaged, LogGone, SwarmError
from swarm_store.log import Log

from . import decide
from .act import Act
from .observe import observe
from .settle import Settle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from swarm_store.fold import Agent
    from swarm_store.home import Home
    from swarm_store.retention import Policy

    from .loop import Loop
    from .notify import Notify
    from .observe import Marked
    from .singleton import Singleton

    Did = dict[str, list[str]]  # what was done → to which agents

PRUNE_SECONDS = 600.0
LOOK_AGAIN_SECONDS = 1.0
SWEEP_SECONDS = 60.0  # a ring of the bell is lost only with its ringer, between commit and ring
OTHER_FILES = 100  # that must be left beside those that guard agents: the log, launches, sweeps
NAMED = ("pid", "start", "boot")


class Session:
    """From one opening of the log to its end: see run."""

    def __init__(
        self, home: Home, singleton: Singleton, version: str, notify: Notify, loop: Loop, retention: Policy
    ) -> None:
        """Raises LogUnusable."""
        self._retention = retention
        self._home = home
        self._singleton = singleton
        self._version = version
        self._notify = notify
        self._loop = loop
        self._begun = microseconds(singleton.who["since"])  # the supervisor: sessions come and go with the log
        self.is_up = False  # whether all has been reconciled once
        self._log = Log(home)
        try:
            self._bell = Bell(home, events.REGISTRY)
        except BaseException:
            self._log.close()
            raise
        self._act = Act(self._log, self._loop, self._look_soon, self._begun)
        self._settle = Settle(self._log, self._loop, self._look_soon)
        self._guards: dict[str, tuple[int, int]] = {}  # of each agent: the PID of who answers for it, and a pidfd
        self._most_guards = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - OTHER_FILES
        self._to_look: dict[str, None] = {}
        self._cause = "start"
        self._is_sweep_due = False
        self._has_sessions = False  # whether any agent is of a kind

    def run(self, told: Callable[[], str | None], *, once: bool = False) -> str:
        """Supervise until `told` gives a reason to stop; the reason. Raises LogUnusable where it cannot go on."""
        try:
            self._boot()
            while (reason := told()) is None:
                if once and not self._act.busy and not self._settle.busy:
                    reason = "once"
                    break
                self._loop.turn()
                self._reconcile()
                if self._log.openings:
                    raise LogGone("another event log has taken the place of the one that was open", "")
            self._say_goodbye(reason)
            return reason
        finally:
            self._close()

    def _boot(self) -> None:
        self._singleton.check(self._home)
        who = self._singleton.who
        started = events.supervisor_started(
            supervisor={key: who[key] for key in NAMED}, host=who["host"], version=self._version
        )
        self._log.append(events.SUPERVISOR, [started], durable=True)
        self._head = self._log.head(events.REGISTRY)
        self._loop.watch(os.dup(self._bell.file), self._rung)
        known = registry.runs(self._log, ended=True)
        self._clear_abandoned(known)
        again = [run.agent_id for run in unknown_runs(self._home, known) if register_again(self._log, run)]
        for agent_id in (*known, *again):
            self._look_soon(agent_id)
        marked = tree.marked(self._home)
        done = {"register": again, decide.SWEEP: self._sweep_earlier(marked, known)}
        self._reconcile(marked, {kind: ids for kind, ids in done.items() if ids})
        sweep(self._home)
        self._loop.after(SWEEP_SECONDS, self._sweep)
        if any(limit is not None for limit in self._retention):
            self._prune()
        self._keep_watchdog_quiet()
        self._notify.ready(self._status())
        self.is_up = True

    def _say_goodbye(self, reason: str) -> None:
        self._notify.stopping()
        try:
            self._log.append(events.SUPERVISOR, [events.supervisor_stopped(reason=reason)], durable=True)
        except SwarmError:
            pass  # that nobody holds the lock any more says it too

    def _close(self) -> None:
        self._loop.reset()
        self._bell.close()
        self._log.close()

    # -- what happens

    def _rung(self) -> None:
        """Something is new in the registry."""
        self._bell.clear()
        if os.path.exists(self._home.suspect):
            raise LogDamaged("the event log has been found damaged", "it is looked at, and recovered if that is so")
        self._read_news()

    def _read_news(self) -> None:
        while page := self._log.read(events.REGISTRY, start=self._head, payloads=False):
            self._head = page[-1].offset + 1
            for record in page:
                if record.key is not None:
                    self._look_soon(record.key)

    def _guard_ended(self, agent_id: str) -> None:
        self._unguard(agent_id)
        self._cause = "a daemon ended"
        self._look_soon(agent_id)

    def _sweep(self) -> None:
        """The safety net."""
        self._loop.after(SWEEP_SECONDS, self._sweep)
        self._singleton.check(self._home)
        self._clear_abandoned(registry.runs(self._log, ended=True))
        self._sweep_removed()
        sweep(self._home)
        self._read_news()
        self.look_at_all()
        self._notify.status(self._status())

    def _prune(self) -> None:
        """In a process of its own, because forgetting gigabytes takes its time; killed, the next one goes on."""
        self._loop.after(PRUNE_SECONDS, self._prune)
        command = [sys.executable, "-P", "-m", "swarm_supervisor.prune", encode(self._retention._asdict())]
        launch.detached(command, {**os.environ, tree.DAEMON_MARK: "prune"})  # it is no agent's: see tree

    def look_at_all(self) -> None:
        """Look at all that lives in the next turn, and at what was sent a turn, whatever has happened or not."""
        for agent_id in registry.runs(self._log):
            self._look_soon(agent_id)
        if self._has_sessions:
            from swarm_store import sessions  # a tenth more of memory, which a swarm of plain commands need not have

            for agent in sessions.wanting_runs(self._log):
                self._look_soon(agent["id"])

    def _clear_abandoned(self, known: dict[str, int]) -> None:
        """Remove what spawners have left that were killed before they had registered anything."""
        found = abandoned(self._home, known, int(self._log.fact("created")))
        by_now = registry.runs(self._log, ended=True) if found else {}  # registered, and dead, since
        for agent_id in set(found) - by_now.keys():
            shutil.rmtree(self._home.agent(agent_id), ignore_errors=True)

    def _sweep_earlier(self, marked: Marked, known: dict[str, int]) -> list[str]:
        """End what earlier runs have left, and agents that were removed; of which agents."""
        strange = {mark.rpartition(".")[0] for mark in marked} - known.keys()
        removed = [agent_id for agent_id in strange if registry.was_removed(self._log, agent_id)]
        actions = decide.earlier(marked, {**known, **dict.fromkeys(removed, decide.REMOVED)})
        for action in actions:
            self._act.sweep_earlier(action)
        return [action.agent_id for action in actions]

    def _sweep_removed_soon(self) -> None:
        """One look at all processes, for however many are removed together."""
        if not self._is_sweep_due:
            self._is_sweep_due = True
            self._loop.after(LOOK_AGAIN_SECONDS, self._sweep_removed)

    def _sweep_removed(self) -> None:
        self._is_sweep_due = False
        known = registry.runs(self._log, ended=True)
        if swept := self._sweep_earlier(tree.marked(self._home), known):
            self._reconcile(done={decide.SWEEP: swept})

    def _look_soon(self, agent_id: str) -> None:
        self._to_look[agent_id] = None

    def _keep_watchdog_quiet(self) -> None:
        if self._notify.watchdog_seconds is not None:
            self._notify.watchdog()
            self._loop.after(self._notify.watchdog_seconds, self._keep_watchdog_quiet)

    # -- observe, decide, act

    def _reconcile(self, marked: Marked | None = None, done: Did | None = None) -> None:
        """Look at whoever something has happened to, and do what is to be done; `done` has been already.

        Each that did something is an event, and the first whatever it did.
        """
        found = {"agents": 0, "live": 0, "daemons": 0, "foreign": 0}
        did: Did = done or {}
        while self._to_look:
            ids, self._to_look = list(self._to_look), {}
            for agent_id in ids:
                self._reconcile_one(agent_id, marked, found, did)
            self._act.flush()
        if did or self._cause == "start":
            reconciled = events.supervisor_reconciled(cause=self._cause, found=found, did=did)
            self._log.append(events.SUPERVISOR, [reconciled], durable=True)
        self._cause = "news"

    def _reconcile_one(self, agent_id: str, marked: Marked | None, found: dict[str, int], did: Did) -> None:
        agent = registry.get(self._log, agent_id)
        if agent is None:
            self._unguard(agent_id)
            self._sweep_removed_soon()
            return
        seen = observe(self._log, agent, marked)
        self._has_sessions = self._has_sessions or agent["kind"] is not None
        found["agents"] += 1
        found["live"] += agent["ended_at"] is None
        found["daemons"] += seen.has_daemon
        found["foreign"] += not seen.is_ours
        for owed in decide.owed(agent, seen):
            self._settle.do(owed)
        if agent_id in self._act.busy:
            return
        if _is_me(agent["spawner"]):
            seen = seen._replace(spawner_lives=False)  # whatever we had under way for it is over
        self._guard(agent, seen.has_daemon)
        action = decide.decide(agent, seen, now(), self._begun, boot_id())
        if action is None:
            self._act.settled(agent_id)
        elif action.kind == decide.TIME_OUT:
            self._act.do(action)  # what it comes to is in the agent's own stream
        elif not self._act.is_waited_for(action):
            did.setdefault(action.kind, []).append(agent_id)
            self._act.do(action, agent["epoch"])

    def _guard(self, agent: Agent, has_daemon: bool) -> None:
        """Be woken when whoever answers for the agent ends: its daemon, before that its spawner; else its child."""
        is_over = agent["ended_at"] and not has_daemon  # one that has ended may still have to be cleared up
        who = None if is_over else from_data(agent["daemon"] or agent["spawner"])
        if not is_over and not has_daemon and not is_alive(who):
            who = from_data(agent["child"])  # its files may be gone, so that nobody can adopt it
        agent_id: str = agent["id"]  # for the callback, which would keep the whole agent otherwise
        pid, _ = self._guards.get(agent_id, (0, 0))
        if who is not None and who.pid == pid:
            return
        self._unguard(agent_id)
        if len(self._guards) >= self._most_guards:
            return  # the sweep sees it: better late than that nothing can be opened any more
        file = open_verified(who)
        if who is not None and file is not None:
            self._guards[agent_id] = (who.pid, file)
            self._loop.watch(file, lambda: self._guard_ended(agent_id))
        elif has_daemon:  # one that is just taking over, or has just died
            self._loop.after(LOOK_AGAIN_SECONDS, lambda: self._look_soon(agent_id))

    def _unguard(self, agent_id: str) -> None:
        guard = self._guards.pop(agent_id, None)
        if guard is not None:
            self._loop.forget(guard[1])

    def _status(self) -> str:
        waiting = f", {len(self._act.waiting)} restarts are due" if self._act.waiting else ""
        return f"{len(self._guards)} agents{waiting}"


def _is_me(spawner: dict[str, Any] | None) -> bool:
    return spawner is not None and spawner["pid"] == os.getpid()
