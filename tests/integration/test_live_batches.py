"""What live readers read, and what is kept of it: in one event loop with a desk of its own, without sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

from support.client_streams import post, put
from support.looking import DEADLINE
from swarm_store.home import Home
from swarm_store.log import Log
from swarmctl.server.settings import Settings
from swarmctl.server.streams import sse
from swarmctl.server.streams.desk import Desk
from swarmctl.server.streams.sources import ClientSource, Facts, Page
from swarmctl.server.wire import Message


class Noted(ClientSource):
    """A stream that remembers which thread has read it."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.readers: list[threading.Thread] = []

    def read(self, log: Log, facts: Facts, start: int, most: int) -> Page:
        self.readers.append(threading.current_thread())
        return super().read(log, facts, start, most)


class Reader:
    """A live reader from an offset on, and all that it has been sent."""

    def __init__(self, desk: Desk, source: Noted, start: int, cursor: str) -> None:
        self.sent = b""
        facts = source.facts(desk.log)
        self.task = asyncio.create_task(sse.follow(desk, source, facts, start, cursor, self._take))

    async def _take(self, message: Message) -> None:
        self.sent += message.get("body", b"")

    async def has(self, text: bytes) -> None:
        """Wait until it has been sent `text` and told that this is all."""
        async with asyncio.timeout(DEADLINE):
            while text not in self.sent or b'"upToDate":true' not in self.sent.partition(text)[2]:
                await asyncio.sleep(0.005)


def with_desk(home: Home, work: Callable[[Desk], Coroutine[Any, Any, None]]) -> None:
    """Do something in an event loop that has a desk."""

    async def run() -> None:
        desk = Desk(Settings(home, needs_token=False))
        try:
            await work(desk)
        finally:
            await desk.close()

    asyncio.run(run())


def test_who_catches_up_reads_beside_the_event_loop(home: Home, log: Log) -> None:
    """A live reader that catches up holds up nobody, and nothing that it has read is kept for others."""
    put(log, "s", body=b"so far")
    source = Noted("s")

    async def work(desk: Desk) -> None:
        with desk.hub.listen(source.bell) as topic:
            for number in range(3):
                reader = Reader(desk, source, 0, str(10**12 + number))
                await reader.has(b"so far")
                reader.task.cancel()
            assert [thread for thread in source.readers if thread is threading.current_thread()] == []
            assert len(source.readers) == 3
            assert set(topic.shared) <= {source.key}

    with_desk(home, work)


def test_those_who_wait_at_one_place_share_what_is_read(home: Home, log: Log) -> None:
    """What comes is read once for all live readers that wait for it, whatever cursors they have."""
    put(log, "s", body=b"so far")
    source = Noted("s")

    async def work(desk: Desk) -> None:
        readers = [Reader(desk, source, 1, str(10**12 + number)) for number in range(5)]
        for reader in readers:
            await reader.has(b"event: control")
        assert source.readers == []
        post(log, "s", b"and more")
        for reader in readers:
            await reader.has(b"and more")
            reader.task.cancel()
        assert source.readers == [threading.current_thread()]

    with_desk(home, work)
