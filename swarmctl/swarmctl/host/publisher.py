"""The log as a host writes it: one thread has it open, and does one thing after the other until each is done.

A log that is busy, full, damaged or being replaced is tried again each second: what is to be written waits, in order,
and whoever asked for it with it. So trouble with the log ends no agent. What is appended has the host as its producer
(id `host`, the run as epoch), so that nothing is there twice, and a host of an earlier run that wakes up is fenced.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from typing import TypeVar

from swarm_store import sessions
from swarm_store.errors import LogUnusable
from swarm_store.events import Event, agent_stream
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Producer

PRODUCER = "host"
LOCK_TIMEOUT = 2.0  # seconds; what waits for the write lock longer is tried again
RETRY_SECONDS = 1.0
T = TypeVar("T")


class Publisher:
    """The log of one run of an agent, for the event loop; used from its thread alone."""

    def __init__(self, home: Home, agent_id: str, run: int) -> None:
        self._home, self._agent_id, self._run = home, agent_id, run
        self._thread = ThreadPoolExecutor(1, "log")
        self._leaving = Flag()
        self._log: Log | None = None
        self._sequence: int | None = None
        self._said = ""

    async def do(self, work: Callable[[Log], T]) -> T:
        """What `work` gives, once the log lets it. It is done also where whoever asked is cancelled meanwhile."""
        done = asyncio.get_running_loop().run_in_executor(self._thread, self._patiently, work)
        return await asyncio.shield(done)

    async def say(self, *happened: Event, durable: bool = False) -> None:
        """Append to the agent's stream, all or nothing, once. Raises ProducerFenced where a later run has begun."""
        await self.do(lambda log: self._append(log, happened, durable))

    async def close(self, seconds: float) -> None:
        """Write what waits, for at most so long, and close the log."""
        closing = asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        done, _ = await asyncio.wait([closing], timeout=seconds)
        if not done:
            self._leaving.set()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _append(self, log: Log, happened: tuple[Event, ...], durable: bool) -> None:
        """Its sequence is chosen when it is first tried, and stays the same however often it is."""
        if self._sequence is None:
            self._sequence = log.sequence(agent_stream(self._agent_id), PRODUCER)
        producer = Producer(PRODUCER, self._run, self._sequence + 1)
        sessions.say(log, self._agent_id, *happened, durable=durable, producer=producer)
        self._sequence += 1

    def _patiently(self, work: Callable[[Log], T]) -> T:
        while True:
            try:
                if self._log is None:
                    self._log = Log(self._home, create=False, lock_timeout=LOCK_TIMEOUT)
                done = work(self._log)
                self._said = ""
                return done
            except LogUnusable as error:
                self._note(error)
                if self._leaving.wait(RETRY_SECONDS):
                    raise

    def _note(self, error: LogUnusable) -> None:
        if error.message != self._said:
            self._said = error.message
            print(f"swarmctl: {error.message}; trying again", file=sys.stderr, flush=True)

    def _close(self) -> None:
        if self._log is not None:
            self._log.close()
