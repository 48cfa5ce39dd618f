"""What is done to all of them, and how often: one table."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from random import Random

from swarm_daemon.process import Identity, from_data, send
from swarm_store import events, registry
from swarm_store.errors import LogUnusable
from swarm_store.fold import Agent
from swarm_store.log import Log

from .commands import Command, Commands
from .machine import CHILD, KEEPER, Done, lock_holder, processes
from .report import Report
from .runs import Runs
from .scene import Scene

COMMANDS = ("cancel", "restart", "prune", "backup", "logs -f", "list", "wait")  # are killed in the middle too
LOOKS_AT_LOCK = 200  # until somebody is met who holds it


class Faults:
    """Everything that can be done; each method says whether it happened."""

    def __init__(
        self, scene: Scene, commands: Commands, done: Done, runs: Runs, report: Report, chance: Random, longest: float
    ) -> None:
        self._scene = scene
        self._commands = commands
        self._done = done
        self._runs = runs
        self._report = report
        self._chance = chance
        self._longest = longest  # seconds that something is stopped, or the disk full
        self._disk_until = 0.0
        self._backups = 0
        self._last = ""  # the agent to which something was done last
        self._kills: list[tuple[float, Command]] = []
        self.log: Log  # for reading; there is none during a reboot
        self.before_prune: Callable[[], None] = lambda: None
        self._table: dict[str, tuple[float, Callable[[], bool]]] = {
            "kill daemon": (24, lambda: self._kill("daemon")),
            "kill keeper": (4, lambda: self._kill("keeper")),
            "kill daemon and keeper": (2, lambda: self._kill("daemon", "keeper")),
            "kill child": (3, lambda: self._kill("child")),
            "kill anything": (12, self._kill_anything),
            "kill supervisor": (5, lambda: self._kill_supervisor(signal.SIGKILL)),
            "terminate supervisor": (1, lambda: self._kill_supervisor(signal.SIGTERM)),
            "kill command": (8, self._kill_command),
            "stop daemon": (14, lambda: self._stop("daemon")),
            "stop keeper": (3, lambda: self._stop("keeper")),
            "stop child": (8, lambda: self._stop("child")),
            "stop anything": (8, self._stop_anything),
            "stop supervisor": (4, self._stop_supervisor),
            "stop holder of the write lock": (8, self._stop_holder),
            "second supervisor": (1, self._second_supervisor),
            "supervisor stop": (1, lambda: self._command("supervisor", "stop")),
            "cancel": (5, self._cancel),
            "restart": (5, self._restart),
            "logs -f": (2, lambda: self._about_one("logs", "-f")),
            "list": (1, lambda: self._command("list", "--all", "--json")),
            "wait": (1, lambda: self._about_one("wait", "--timeout", "5s")),
            "prune": (1.5, self._prune),
            "backup": (0.7, self._backup),
        }
        if scene.has_disk:
            self._table["full disk"] = (1.5, self._fill)
        if scene.has_boot:
            self._table["reboot"] = (0.2, self._reboot)

    def one(self) -> None:
        """Do one of them, by chance."""
        names = list(self._table)
        name = self._chance.choices(names, [self._table[name][0] for name in names])[0]
        if self._table[name][1]():
            self._report.faults[name] += 1

    def go_on(self) -> None:
        """What is due: the disk has room again, commands die in the middle."""
        moment = time.monotonic()
        if self._disk_until and moment >= self._disk_until:
            self._disk_until = 0.0
            self._scene.free()
        for due, command in list(self._kills):
            if moment >= due:
                self._kills.remove((due, command))
                if self._done.kill(command.who):
                    self._report.faults[f"kill `{command.words[0]}` in the middle"] += 1

    def over(self) -> None:
        """No more of it: all go on, the disk has room."""
        self._kills.clear()
        self._done.go_on(all=True)
        self._scene.free()

    # -- kill and stop

    def _living(self) -> list[Agent]:
        try:
            return [agent for agent in registry.agents(self.log) if agent["daemon"]]
        except LogUnusable:
            return []  # a writer that we have stopped: others wait until it goes on

    def _some(self) -> Agent | None:
        """Any, and at times the last one again: what goes wrong while something else does is what nobody thinks of."""
        living = self._living()
        again = [agent for agent in living if agent["id"] == self._last]
        chosen = self._chance.choice(again if again and self._chance.random() < 0.4 else living) if living else None
        self._last = chosen["id"] if chosen else ""
        return chosen

    def _kill(self, *whom: str) -> bool:
        agent = self._some()
        if agent is None:
            return False
        mark = f"{agent['id']}.{agent['run']}"
        return sum(self._done.kill(from_data(agent[one]), (mark,)) for one in whom) > 0

    def _stop(self, whom: str) -> bool:
        agent = self._some()
        return agent is not None and self._done.stop(from_data(agent[whom]), self._how_long())

    def _how_long(self) -> float:
        if self._chance.random() < 0.8:
            return self._chance.uniform(0.01, 0.3)
        return self._chance.uniform(0.3, self._longest)

    def _kill_anything(self) -> bool:
        found = [one for one in processes(self._scene.home.path) if one.kind not in (CHILD, KEEPER)]
        if not found:
            return False
        chosen = self._chance.choice(found)
        return self._done.kill(chosen.who, chosen.marks)

    def _stop_anything(self) -> bool:
        found = processes(self._scene.home.path)
        return bool(found) and self._done.stop(self._chance.choice(found).who, self._how_long())

    def _kill_supervisor(self, signum: int) -> bool:
        if not self._commands.supervisors:
            return False
        who = self._chance.choice(self._commands.supervisors).who
        return self._done.kill(who) if signum == signal.SIGKILL else send(who, signum)

    def _stop_supervisor(self) -> bool:
        found = self._commands.supervisors
        return bool(found) and self._done.stop(self._chance.choice(found).who, self._how_long())

    def _stop_holder(self) -> bool:
        """Stop whoever holds the write lock, and only if that has met it in the middle."""
        for _ in range(LOOKS_AT_LOCK):
            who = lock_holder(self._scene.home.lock)
            if who is None or not self._done.stop(who, self._how_long()):
                time.sleep(0.0005)
                continue
            if lock_holder(self._scene.home.lock) == who:
                return True
            self._done.stopped.pop(who, None)
            send(who, signal.SIGCONT)
        return False

    # -- commands

    def _command(self, *words: str) -> bool:
        self._commands.start(*words)
        return True

    def _about_one(self, *words: str) -> bool:
        agent = self._some()
        return agent is not None and self._command(*words, agent["id"])

    def _second_supervisor(self) -> bool:
        return self._command("supervisor", "run")

    def _cancel(self) -> bool:
        living = self._living()
        agents = self._chance.sample(living, min(len(living), self._chance.choice([1, 1, 2, 3])))
        for agent in agents:
            self._done.ask(agent["id"], agent["run"])
        options = self._chance.choice([[], [], ["--no-wait"], ["--grace", "0"], ["--grace", "1"]])
        return bool(agents) and self._command("cancel", *options, *(agent["id"] for agent in agents))

    def _restart(self) -> bool:
        agents = registry.agents(self.log, ended=self._chance.random() < 0.5)
        if not agents:
            return False
        agent = self._chance.choice(agents)
        self._done.ask(agent["id"], agent["run"])
        return self._command("restart", agent["id"])

    def _prune(self) -> bool:
        """What has ended some time ago and was checked."""
        self.before_prune()
        return self._command("prune", "--older-than", f"{max(3, int(self._longest * 3))}s")

    def _backup(self) -> bool:
        self._backups += 1
        return self._command("backup", os.path.join(self._scene.path, f"backup-{self._backups}.db"))

    def _kill_command(self) -> bool:
        """Start a command, to be killed in the middle; it is counted when that has met it alive."""
        _, chosen = self._table[self._chance.choice(COMMANDS)]
        before = len(self._commands.running)
        if chosen() and len(self._commands.running) > before:
            self._kills.append((time.monotonic() + self._chance.random() * 0.5, self._commands.running[-1]))
        return False

    def kill_later(self, command: Command) -> None:
        """Have a command killed in the middle, at times."""
        if self._chance.random() < 0.25:
            self._kills.append((time.monotonic() + self._chance.random() * 0.6, command))

    # -- the machine

    def _fill(self) -> bool:
        if self._disk_until or not self._scene.fill():
            return False
        self._done.disk_was_full = True
        self._disk_until = time.monotonic() + self._chance.uniform(0.2, self._longest)
        return True

    def _reboot(self) -> bool:
        """All processes of the home are gone at once, and the kernel knows nothing of them."""
        self._done.stopped.clear()
        self.log.close()
        stopped: set[Identity] = set()
        while found := {one.who for one in processes(self._scene.home.path)} - stopped:
            stopped |= found
            for who in found:
                send(who, signal.SIGSTOP)
        while left := processes(self._scene.home.path):
            for one in left:
                send(one.who, signal.SIGKILL)
            time.sleep(0.01)
        for command in [*self._commands.running, *self._commands.supervisors]:
            command.process.wait()
        self._kills.clear()
        self._done.stopped.clear()
        self._scene.boot()
        self.log = Log(self._scene.home, write=False)
        self._done.reboots.append(self.log.head(events.REGISTRY))
        return True
