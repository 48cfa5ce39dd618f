"""What the parts of one server share for reading and writing: logs, the hub, the writer, a few threads.

The event loop's thread reads what is small and is waited for; catching up, which may be large, is the pool's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from swarm_store import client_writes
from swarm_store.errors import SwarmError
from swarm_store.log import Log
from swarm_store.transaction import Transaction

from ..hub import Hub, Topic
from ..metrics import Metrics
from ..settings import Settings
from ..writer import Writer
from .sources import Facts, Page, Source
from .sweeper import Sweeper

T = TypeVar("T")
READERS = 4  # threads


class Desk:
    """Opened in the event loop, and closed there. Raises LogUnusable where the log cannot be opened."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        Log(settings.home).close()  # made, or brought up to date, by a writer
        self.log = Log(settings.home, write=False)
        self.hub = Hub(self.log)
        self.metrics = Metrics(self.log)
        self.writer = Writer(settings.home, self.metrics.committed)
        self.is_closing = False
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reader")
        self._own = threading.local()
        self._sweeper = Sweeper(self.hub, self.writer, self.run)
        self._touched: set[asyncio.Task[None]] = set()

    def end_live(self) -> None:
        """Have live responses end at their next turn, which is now."""
        self.is_closing = True
        self.hub.wake_all()

    async def close(self) -> None:
        """Write what was submitted, and close."""
        self.end_live()
        await self._sweeper.close()
        self.hub.close()
        await self.writer.close()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.log.close()

    async def read(self, source: Source, facts: Facts, start: int, most: int) -> Page:
        """A page of a source, read in the pool."""
        return await self.run(lambda log: source.read(log, facts, start, most))

    async def run(self, work: Callable[[Log], T]) -> T:
        """What `work` gives, done in the pool with a log of its thread's own."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._run, work)

    def _run(self, work: Callable[[Log], T]) -> T:
        log = getattr(self._own, "log", None)
        if log is None:
            log = self._own.log = Log(self.settings.home, write=False)
        return work(log)

    def shared_facts(self, topic: Topic, source: Source) -> Facts:
        """How a source stands, looked up once for all that wait on it."""
        facts: Facts | None = topic.shared.get(source.key)
        if facts is None:
            facts = topic.shared[source.key] = source.facts(self.log)
        return facts

    def touch(self, facts: Facts) -> None:
        """Let a stream with a time to live begin it anew, because somebody reads it; nobody waits for that."""
        stream = facts.stream
        if stream is None or client_writes.renewed(stream, self.log.clock()) is None:
            return

        def renew(t: Transaction) -> None:
            client_writes.renew(t, stream)

        task = asyncio.get_running_loop().create_task(self._write_quietly(renew))
        self._touched.add(task)
        task.add_done_callback(self._touched.discard)

    async def _write_quietly(self, work: object) -> None:
        assert callable(work)
        try:
            await self.writer.submit(work)
        except SwarmError:
            pass  # whoever reads meets the same trouble
