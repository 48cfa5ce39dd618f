"""What is asked of a session, as it comes: its inbox's records from now on, in order, to whoever handles them.

The order is a follower's: listen, look, sleep until it rings. A ring is lost only with its ringer, so it is also looked
each `NET_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from swarm_store.bells import Bell
from swarm_store.errors import LogUnusable
from swarm_store.events import Record, inbox_stream
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.session_events import INBOX_TYPES

from .publisher import RETRY_SECONDS, Publisher

NET_SECONDS = 60.0
PAGE = 1000


class Inbox:
    """One agent's inbox. `open` first, then look at the session's state, then `listen` for ever."""

    def __init__(self, publisher: Publisher, home: Home, agent_id: str) -> None:
        self._publisher, self._home, self._stream = publisher, home, inbox_stream(agent_id)
        self._rung = asyncio.Event()
        self._rung.set()
        self._offset, self._opening = 0, 0
        self._bell: Bell | None = None

    async def open(self) -> None:
        """Begin to listen: what comes from here on will be handled."""
        while self._bell is None:
            try:
                self._bell = Bell(self._home, self._stream)
            except LogUnusable:  # no room for a bell: later there may be
                await asyncio.sleep(RETRY_SECONDS)
        asyncio.get_running_loop().add_reader(self._bell.file, self._ring)
        self._offset, self._opening = await self._publisher.do(lambda log: (log.head(self._stream), log.openings))

    async def listen(self, handle: Callable[[Record], None]) -> None:
        """Hand on each record as it comes."""
        while True:
            await self._ring_or_net()
            while page := await self._publisher.do(self._next):
                for record in page:
                    self._offset = record.offset + 1
                    handle(record)

    def close(self) -> None:
        """Listen no more."""
        if self._bell is not None:
            asyncio.get_running_loop().remove_reader(self._bell.file)
            self._bell.close()
            self._bell = None

    def _ring(self) -> None:
        assert self._bell is not None
        self._bell.clear()
        self._rung.set()

    async def _ring_or_net(self) -> None:
        try:
            async with asyncio.timeout(NET_SECONDS):
                await self._rung.wait()
        except TimeoutError:
            assert self._bell is not None
            try:
                self._bell.renew()
            except OSError:
                pass  # without it there is the net
        self._rung.clear()

    def _next(self, log: Log) -> list[Record]:
        if log.opening() != self._opening:  # an older copy, or one that was recovered: what it has is not what we knew
            self._offset, self._opening = 0, log.openings
        return log.read(self._stream, start=self._offset, types=INBOX_TYPES, limit=PAGE, payloads=False)
