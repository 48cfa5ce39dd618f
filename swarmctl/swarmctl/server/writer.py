"""Writing to the log for many requests at once: one thread, one transaction for all that came while the last was made.

So fifty writers cost little more syncs than one, and the event loop never waits for the disk or the write lock.
"""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable
from threading import Thread
from typing import Any, NamedTuple, TypeVar

from swarm_store import client_writes
from swarm_store.errors import LogUnusable, SwarmError
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Transaction

T = TypeVar("T")
MOST = 256  # in one transaction: what waits for it waits for all of them
PAUSE = 0.002  # between steps of clearing: others want the lock too


class _Wish(NamedTuple):
    work: Callable[[Transaction], Any]
    done: asyncio.Future[Any]


class Writer:
    """The thread that writes. `submit` is the event loop's; the work is done in the thread, within a transaction."""

    def __init__(self, home: Home, committed: Callable[[float], None]) -> None:
        """`committed` is called, in the thread, with the seconds that each transaction took."""
        self._home = home
        self._committed = committed
        self._wishes: queue.SimpleQueue[_Wish | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = Thread(target=self._run, name="writer", daemon=True)
        self.clearing = False
        self._thread.start()

    async def submit(self, work: Callable[[Transaction], T]) -> T:
        """What `work` gives, once it is on disk. Raises what it raises, and then nothing of it is written.

        Several share a transaction. Raises LogUnusable where nothing can be written.
        """
        done: asyncio.Future[T] = self._loop.create_future()
        self._wishes.put(_Wish(work, done))
        return await done

    def clear(self) -> None:
        """Delete, in steps, what streams that are gone have left."""
        self.clearing = True
        self._wishes.put(_Wish(lambda t: None, self._loop.create_future()))

    async def close(self) -> None:
        """Write what was submitted, and end."""
        self._wishes.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    def _run(self) -> None:
        log: Log | None = None
        ended = False
        while not ended:
            batch, ended = self._next()
            try:
                if log is None:
                    log = Log(self._home)
                began = time.monotonic()
                outcomes = _write(log, [wish.work for wish in batch])
                self._committed(time.monotonic() - began)
            except BaseException as error:
                outcomes = [error] * len(batch)
            self._loop.call_soon_threadsafe(_answer, batch, outcomes)
            if log is not None and self.clearing:
                self._clear(log)
        if log is not None:
            log.close()

    def _next(self) -> tuple[list[_Wish], bool]:
        """What waits by now, and whether there will be no more."""
        batch: list[_Wish] = []
        wish = self._wishes.get()
        while wish is not None:
            batch.append(wish)
            if len(batch) == MOST:
                return batch, False
            try:
                wish = self._wishes.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _clear(self, log: Log) -> None:
        try:
            while self._wishes.empty():
                if not client_writes.clear(log):
                    self.clearing = False
                    return
                time.sleep(PAUSE)
        except SwarmError:
            self.clearing = False  # the next that is deleted tries again


def _write(log: Log, works: list[Callable[[Transaction], Any]]) -> list[Any]:
    """What each gives, or the error that it raises. Raises what concerns all of them."""
    outcomes: list[Any] = []
    with log.transaction(durable=True) as transaction:
        for work in works:
            try:
                outcomes.append(transaction.attempt(work))
            except LogUnusable:
                raise
            except Exception as error:  # one's fault is not the others'
                outcomes.append(error)
    return outcomes


def _answer(batch: list[_Wish], outcomes: list[Any]) -> None:
    for wish, outcome in zip(batch, outcomes, strict=True):
        if wish.done.done():
            continue  # whoever asked has gone
        if isinstance(outcome, BaseException):
            wish.done.set_exception(outcome)
        else:
            wish.done.set_result(outcome)
