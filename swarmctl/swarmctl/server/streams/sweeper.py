"""What time does to clients' streams: those whose time is up go, and what is left of those that are gone is cleared.

It sleeps until the next stream expires, or something happens to one. Nobody sees an expired stream meanwhile, so
nothing hurries; of several servers on one log each does this, and finds done what another has done.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from swarm_store import client_writes
from swarm_store.clock import SECOND
from swarm_store.errors import SwarmError
from swarm_store.events import STREAMS
from swarm_store.log import Log

from ..hub import Hub, Topic
from ..writer import Writer

GATHER = 1.0  # seconds between looks: clearing takes the write lock
LONGEST_SLEEP = 3600.0
BATCH = 100  # streams that expire in one transaction

log = logging.getLogger("swarmctl.server")


class Sweeper:
    """Begins when it is made, in the event loop. `run` does something in a thread, with a log to read."""

    def __init__(self, hub: Hub, writer: Writer, run: Callable[[Callable[[Log], Any]], Awaitable[Any]]) -> None:
        self._hub = hub
        self._writer = writer
        self._run = run
        self._task = asyncio.get_running_loop().create_task(self._live())

    async def close(self) -> None:
        """Stop; what is left is for the next."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _live(self) -> None:
        while True:
            try:
                with self._hub.listen(STREAMS) as topic:
                    while True:
                        await self._sweep(topic)
            except SwarmError as error:
                log.warning("sweeping: %s", error.message)
                await asyncio.sleep(GATHER)

    async def _sweep(self, topic: Topic) -> None:
        rings = topic.rings
        seconds, is_left = await self._run(_look)
        if seconds <= 0:
            await self._writer.submit(lambda t: client_writes.expire(t, BATCH))
            is_left = True
        if is_left:
            self._writer.clear()
        await topic.wait(rings, seconds)
        await asyncio.sleep(GATHER)


def _look(reader: Log) -> tuple[float, bool]:
    """Seconds until the next stream expires, and whether there is something to clear."""
    deadline = client_writes.next_deadline(reader)
    seconds = LONGEST_SLEEP if deadline is None else (deadline - reader.clock()) / SECOND
    return min(seconds, LONGEST_SLEEP), client_writes.is_left(reader)
