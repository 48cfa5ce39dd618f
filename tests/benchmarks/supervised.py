"""Our supervisor in a benchmark: run under a real notify socket and killed, and its log watched through its bell."""

from __future__ import annotations

import select
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

from swarm_daemon.process import from_data, open_verified, send
from swarm_store import events, registry
from swarm_store.bells import Bell, wait
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.log import Log

from .tools import Swarmctl

PATIENCE = 60.0  # seconds for whatever the supervisor is to do


class Supervised:
    """The supervisor of a scene's swarmctl, and its log."""

    def __init__(self, tool: Swarmctl) -> None:
        self._tool = tool
        home = Home(str(tool.home))
        self.log = Log(home, write=False)
        self._bell = Bell(home, events.REGISTRY)
        self._head = self.log.head(events.REGISTRY)
        self._told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._told.bind(str(tool.place.path / "notify"))
        self._told.settimeout(PATIENCE)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> tuple[float, float]:
        """`supervisor run`: when it was executed and when it was READY, in seconds of the monotonic clock."""
        self._head = self.log.head(events.REGISTRY)
        env = {**self._tool.env, "NOTIFY_SOCKET": str(self._tool.place.path / "notify")}
        begun = time.monotonic()
        self._process = self._tool.place.start([self._tool.program, "supervisor", "run"], env)
        while b"READY=1" not in self._told.recv(4096).split(b"\n"):
            pass
        return begun, time.monotonic()

    def kill(self) -> None:
        """`kill -9`: a normal day. What it had to say to the manager is forgotten."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        while select.select([self._told], [], [], 0)[0]:
            self._told.recv(4096)

    def reconciled(self) -> Record:
        """The event of its last reconciliation."""
        return self.log.read(events.SUPERVISOR, types=[events.SUPERVISOR_RECONCILED], limit=1, backwards=True)[0]

    def agents(self) -> list[Agent]:
        return registry.agents(self.log)

    def skip(self) -> None:
        """Leave out of `news` what has happened until now."""
        self._head = self.log.head(events.REGISTRY)

    def news(self) -> Iterator[tuple[float, Record]]:
        """Each event of the registry from here on, with when it could be read, by the monotonic clock.

        Raises TimeoutError where none comes for long.
        """
        while True:
            page = self.log.read(events.REGISTRY, start=self._head, payloads=False)
            moment = time.monotonic()
            for record in page:
                self._head = record.offset + 1
                yield moment, record
            if not page and not wait([self._bell], PATIENCE):
                raise TimeoutError(f"nothing happened in the registry for {PATIENCE:g} s")

    def await_adoptions(self, wanted: set[str]) -> list[float]:
        """Wait until all of these agents have been adopted; when each was, in the order they were."""
        moments: list[float] = []
        left, news = set(wanted), self.news()
        while left:
            moment, record = next(news)
            if record.type == events.AGENT_ADOPTED and record.key in left:
                left.discard(record.key)
                moments.append(moment)
        return moments

    def close(self) -> None:
        if self._process is not None:
            self.kill()
        self._bell.close()
        self.log.close()
        self._told.close()


@contextmanager
def supervised(tool: Swarmctl) -> Iterator[Supervised]:
    """The supervisor of `tool`, not started yet; at the end it is killed first, so that it saves nobody then."""
    swarm = Supervised(tool)
    try:
        yield swarm
    finally:
        swarm.close()


def kill_daemons(agents: list[Agent]) -> float:
    """`kill -9` of these agents' daemons, each proved to be one; when that began. Raises ProcessLookupError."""
    before = time.monotonic()
    for agent in agents:
        if not send(from_data(agent["daemon"]), signal.SIGKILL):
            raise ProcessLookupError(f"agent {agent['id']} had no daemon to be killed")
    return before


def await_deaths(agents: list[Agent]) -> None:
    """Wait until the daemons that were killed are dead."""
    for agent in agents:
        file = open_verified(from_data(agent["daemon"]))
        if file is not None:
            select.select([file], [], [], PATIENCE)
