"""Waiting for agents to end: one reader of the registry for all who wait, whoever they wait for."""

from __future__ import annotations

import asyncio
from functools import partial

from swarm_store import events, lifecycle, registry
from swarm_store.errors import SwarmError
from swarm_store.events import Record
from swarm_store.fold import Agent, fold
from swarm_store.log import Log

from ... import ended
from .work import Work

RETRY_SECONDS = 0.5  # a log that cannot be read is looked at again
PAGE = 500


class Endings:
    """Tells each waiter of its agent's end; it reads the registry while there is one, once for all of them."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._waiting: dict[str, set[asyncio.Future[Agent | None]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._listens = asyncio.Event()

    def end_live(self) -> None:
        """Let nobody wait any longer."""
        for waiters in list(self._waiting.values()):
            _tell(waiters, None)

    async def close(self) -> None:
        """Read no more."""
        self.end_live()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)

    async def of(self, agent: Agent, timeout: float, run: int | None = None) -> Agent | None:
        """The agent when it has ended, or a later one than `run` has begun; None where it has not in `timeout`."""
        future: asyncio.Future[Agent | None] = asyncio.get_running_loop().create_future()
        waiters = self._waiting.setdefault(agent["id"], set())
        waiters.add(future)
        try:
            return await asyncio.wait_for(self._of(agent, run, future), timeout)
        except TimeoutError:
            return None
        finally:
            waiters.discard(future)
            if not waiters and self._waiting.get(agent["id"]) is waiters:
                del self._waiting[agent["id"]]

    async def _of(self, agent: Agent, run: int | None, future: asyncio.Future[Agent | None]) -> Agent | None:
        if self._reader is None or self._reader.done():
            self._listens.clear()
            self._reader = asyncio.create_task(self._read())
        await self._listens.wait()
        agent = await self._work.read(lambda log: registry.get(log, agent["id"]) or ended.as_it_was(log, agent))
        if agent["state"] in lifecycle.TERMINAL or (run is not None and agent["run"] > run):
            return agent
        return await future

    async def _read(self) -> None:
        """Read the registry from now on, and tell those who wait; ends when nobody does."""
        with self._work.hub.listen(events.REGISTRY) as topic, self._work.log() as log:
            start, opening = await self._head(log), log.openings
            self._listens.set()
            while self._waiting:
                seen = topic.rings
                try:
                    page = await asyncio.to_thread(log.read, events.REGISTRY, start=start, limit=PAGE, payloads=False)
                except SwarmError:
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                if log.openings != opening:  # another log has its place: whoever waits asks anew
                    opening, start = log.openings, await self._head(log)
                    self.end_live()
                    continue
                for record in page:
                    start = record.offset + 1
                    if record.type in ended.BEFORE and record.key in self._waiting:
                        agent = await self._work.read(partial(_as_ended, record=record))
                        _tell(self._waiting.get(record.key, set()), agent)
                if not page:
                    await topic.wait(seen, self._work.settings.long_poll)

    async def _head(self, log: Log) -> int:
        while True:
            try:
                return await asyncio.to_thread(log.head, events.REGISTRY)
            except SwarmError:
                await asyncio.sleep(RETRY_SECONDS)


def _as_ended(log: Log, record: Record) -> Agent | None:
    """The agent after the record that ended its run; it may have been restarted, or removed, by now."""
    assert record.key is not None
    known = registry.get(log, record.key)
    if known is not None and known["run"] == record.data["run"] and known["state"] in lifecycle.TERMINAL:
        return known
    return fold(one for one in registry.history(log, record.key) if one.position <= record.position).get(record.key)


def _tell(waiters: set[asyncio.Future[Agent | None]], agent: Agent | None) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(agent)
