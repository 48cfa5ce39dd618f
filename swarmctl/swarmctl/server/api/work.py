"""What blocks is done in threads, each piece with a log that is its own while it lasts."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from swarm_store.log import Log
from swarm_store.tokens import Token

from ..hub import Hub
from ..settings import Settings
from ..wire import TOKEN

T = TypeVar("T")
READERS, WRITERS, LABOURERS = 4, 4, 8  # threads
KEPT = 8  # logs of a kind that are kept open: opening one takes 0.2 ms, for writing 0.5


class Work:
    """The threads of one server, of three kinds, so that no look-up waits behind a spawn."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self.settings = settings
        self.home = settings.home
        self.hub = hub
        self.has_launched = asyncio.Event()  # processes that are our children, perhaps
        self.is_closing = False  # nobody is to wait any longer
        self._readers = ThreadPoolExecutor(READERS, "api-read")
        self._writers = ThreadPoolExecutor(WRITERS, "api-write")
        self._labourers = ThreadPoolExecutor(LABOURERS, "api-labour")
        self._idle: dict[bool, deque[Log]] = {False: deque(), True: deque()}

    def close(self) -> None:
        """Close the logs; what is under way goes on to its end."""
        for pool in (self._readers, self._writers, self._labourers):
            pool.shutdown(wait=False, cancel_futures=True)
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    @contextmanager
    def log(self, *, write: bool = False) -> Iterator[Log]:
        """A log that nobody else uses within the block."""
        idle = self._idle[write]
        try:
            log = idle.pop()
        except IndexError:
            log = Log(self.home, write=write, create=False)  # a server makes its log at its start, and no other
        try:
            yield log
        finally:
            if len(idle) < KEPT:
                idle.append(log)
            else:
                log.close()

    async def read(self, do: Callable[[Log], T]) -> T:
        """What is found in the log, in milliseconds."""
        return await self._in(self._readers, do, write=False)

    async def write(self, do: Callable[[Log], T]) -> T:
        """A short transaction."""
        return await self._in(self._writers, do, write=True)

    async def labour(self, do: Callable[[Log], T], *, write: bool = True) -> T:
        """What takes its time: processes that start, deleting, copying."""
        return await self._in(self._labourers, do, write=write)

    async def _in(self, pool: ThreadPoolExecutor, do: Callable[[Log], T], *, write: bool) -> T:
        def work() -> T:
            with self.log(write=write) as log:
                return do(log)

        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        finally:
            if write:
                self.has_launched.set()


async def _work(request: Request) -> Work:
    work: Work = request.app.state.work
    return work


Here = Annotated[Work, Depends(_work)]


def by_whom(request: Request, given: str | None) -> str | None:
    """Who asks, as the log keeps it: what they call themselves, and the token, which nobody can make up."""
    token: Token | None = request.scope.get(TOKEN)
    if token is None:
        return given
    return f"{given} (token {token.id})" if given else f"token {token.id}"
