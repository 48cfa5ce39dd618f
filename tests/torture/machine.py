"""Which processes the home has, who holds its write lock, and what was done to whom."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field

from swarm_daemon.process import Identity, identify, is_alive, send
from swarm_daemon.tree import DAEMON_MARK, MARK

SUPERVISOR, DAEMON, KEEPER, CHILD, COMMAND = "supervisor", "daemon", "keeper", "child", "command"


@dataclass(frozen=True)
class Process:
    """A process of the home; `marks`: the runs it belongs to, or the agents it was launched to adopt."""

    who: Identity
    kind: str
    marks: tuple[str, ...]
    command: str


def processes(home: str) -> list[Process]:
    """All living processes that have `home` as their SWARM_HOME."""
    wanted = b"SWARM_HOME=" + os.fsencode(home)
    found = []
    for name in os.listdir("/proc"):
        if not name.isdigit() or int(name) == os.getpid():
            continue
        who = identify(int(name))
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                environment = file.read().split(b"\0")
            with open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")[:-1]
        except OSError:
            continue
        if who is not None and wanted in environment and is_alive(who):
            found.append(_classify(who, environment, words))
    return found


def _classify(who: Identity, environment: list[bytes], words: list[str]) -> Process:
    known = dict(pair.decode(errors="replace").partition("=")[::2] for pair in environment)
    command = " ".join(words)
    if DAEMON_MARK in known:
        kind = KEEPER if words[:1] == ["cat"] else DAEMON
        adopts = words[words.index("--adopt") + 1 :] if "--adopt" in words else []
        return Process(who, kind, tuple(adopts) or (known[DAEMON_MARK],), command)
    if MARK in known:
        return Process(who, CHILD, (known[MARK],), command)
    return Process(who, SUPERVISOR if "swarm_supervisor" in words else COMMAND, (), command)


def lock_holder(path: str) -> Identity | None:
    """Who holds the flock on the file at `path` at this moment."""
    info = os.stat(path)
    wanted = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    with open("/proc/locks", encoding="ascii") as locks:
        for fields in map(str.split, locks):
            if fields[1] == "FLOCK" and fields[5] == wanted:
                return identify(int(fields[4]))
    return None


@dataclass
class Done:
    """What was done to whom: what excuses an end that would be a fault otherwise."""

    killed: set[tuple[int, int]] = field(default_factory=set)  # PID and start
    touched: set[str] = field(default_factory=set)  # marks of runs, ids of agents: one of their processes was killed
    asked: dict[str, set[int]] = field(default_factory=dict)  # agent → runs that somebody has asked the end of
    reboots: list[int] = field(default_factory=list)  # the registry's head when all processes were gone
    stopped: dict[Identity, float] = field(default_factory=dict)  # and when they go on
    disk_was_full: bool = False

    def kill(self, who: Identity | None, marks: tuple[str, ...] = ()) -> bool:
        """SIGKILL it; whether it was there."""
        if who is None or not is_alive(who) or not send(who, signal.SIGKILL):
            return False
        self.killed.add((who.pid, who.start))
        self.touched.update(marks)
        return True

    def stop(self, who: Identity | None, seconds: float) -> bool:
        """SIGSTOP it, for so long; whether it was there."""
        if who is None or who in self.stopped or not is_alive(who) or not send(who, signal.SIGSTOP):
            return False
        self.stopped[who] = time.monotonic() + seconds
        return True

    def go_on(self, *, all: bool = False) -> None:
        """SIGCONT those whose time has come; from a thread too, because who stopped them may wait for them itself."""
        moment = time.monotonic()
        for who, due in list(self.stopped.items()):
            if all or due <= moment:
                self.stopped.pop(who, None)
                send(who, signal.SIGCONT)

    def was_killed(self, identity: dict[str, int] | None) -> bool:
        return identity is not None and (identity["pid"], identity["start"]) in self.killed

    def ask(self, agent_id: str, run: int) -> None:
        """Somebody asks for the end of the agent: of this run, or of the next one if that has just begun."""
        self.asked.setdefault(agent_id, set()).update((run, run + 1))
