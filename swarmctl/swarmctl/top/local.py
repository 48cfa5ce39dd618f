"""The swarm of this machine: its log is read, its bells are listened to."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from threading import Event, Lock
from typing import TypeVar

from swarm_store import registry
from swarm_store.bells import Bell, ring, wait
from swarm_store.errors import LogUnusable
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.log import FOREVER, Log

from ..home import LOOK_SECONDS, with_status
from . import verbs
from .source import Stopped, Trouble

T = TypeVar("T")
_count = 0
_counting = Lock()


class LocalSource:
    """The swarm of a state directory; its verbs are run in `environment`."""

    def __init__(self, home: Home, environment: Mapping[str, str]) -> None:
        self._home = home
        self._environment = {**environment, "SWARM_HOME": home.path}

    @property
    def where(self) -> str:
        return self._home.path

    def connect(self, trouble: Trouble) -> LocalConnection:
        return LocalConnection(self._home, trouble)

    def command(self, words: Sequence[str]) -> str:
        return verbs.run(words, self._environment)


class LocalConnection:
    """A log that is open in one thread, and the bells that this thread sleeps on."""

    def __init__(self, home: Home, trouble: Trouble) -> None:
        global _count
        with _counting:
            _count += 1
            self._own = f"top/{os.getpid()}.{_count}"  # a bell that nobody but `wake` rings
        self._trouble = trouble
        self._is_told = False
        self._stopped = Event()
        self._bells: dict[str, Bell] = {}
        self._log = Log(home, write=False)
        self._log.when_gone = self._wait_for_log
        self._heard = self._log.openings
        self.listen(())

    @property
    def opening(self) -> int:
        return self._log.openings

    def agents(self, *, ended: bool) -> list[Agent]:
        return with_status(self._log, self._read(registry.agents(self._log, ended=ended)))

    def agent(self, agent_id: str) -> Agent | None:
        found = registry.get(self._log, agent_id)
        return with_status(self._log, self._read([found]))[0] if found else None

    def head(self, stream: str) -> int:
        return self._log.head(stream)

    def read(
        self,
        stream: str,
        *,
        start: int = 0,
        until: int | None = None,
        types: Sequence[str] = (),
        key: str | None = None,
        limit: int = 64,
        backwards: bool = False,
    ) -> list[Record]:
        end = FOREVER if until is None else until
        found = self._log.read(stream, start=start, until=end, types=types, key=key, limit=limit, backwards=backwards)
        return self._read(found)

    def listen(self, streams: Iterable[str]) -> None:
        wanted = {self._own, *streams}
        for stream in self._bells.keys() - wanted:
            self._bells.pop(stream).close()
        for stream in wanted - self._bells.keys():
            try:
                self._bells[stream] = Bell(self._log.home, stream)
            except LogUnusable:
                pass  # the directory is gone, and so is the log: whoever reads it will say so

    def wait(self, seconds: float) -> None:
        self._check()
        if self._heard != self._log.openings:
            self._heard = self._log.openings
            self._renew()
        if self._bells:
            wait(self._bells.values(), seconds)
        else:
            self._stopped.wait(LOOK_SECONDS)
        self._check()

    def pause(self, seconds: float) -> None:
        self._stopped.wait(seconds)
        self._check()

    def close(self) -> None:
        for bell in self._bells.values():
            bell.close()
        self._bells.clear()
        self._log.close()

    def wake(self) -> None:
        ring(self._log.home, [self._own])

    def stop(self) -> None:
        self._stopped.set()
        self.wake()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped

    def _read(self, found: T) -> T:
        if self._is_told:
            self._is_told = False
            self._trouble("")
        return found

    def _wait_for_log(self, error: LogUnusable) -> None:
        self._is_told = True
        self._trouble(f"{error.message}; waiting for its return; {error.hint}")
        self.pause(LOOK_SECONDS)

    def _renew(self) -> None:
        """Hang the bells up again where they have been removed together with the log."""
        for bell in self._bells.values():
            try:
                bell.renew()
            except OSError:
                pass
