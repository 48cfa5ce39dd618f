"""What keeps subscriptions going on one server: it notices what is to be done, and has it done.

While there are none it sleeps on their own stream's bell; with the first it listens to the whole log's. After a ring it
looks, in a reader's thread, at what was written since; wakes and leases are transactions of the writer's; whatever a
transaction gives it to deliver, it delivers. Servers need not know of each other: the log decides who does what.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from swarm_store import subscription_wakes, subscriptions
from swarm_store.bells import ALL
from swarm_store.clock import SECOND
from swarm_store.errors import SwarmError
from swarm_store.events import SUBSCRIPTIONS
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.subscription_wakes import Delivery
from swarm_store.subscriptions import Looked
from swarm_store.transaction import Transaction

from ..hub import Topic
from ..streams.desk import Desk
from . import bodies

if TYPE_CHECKING:
    from .courier import Courier
    from .keys import Keys

GATHER = 0.02  # seconds between looks where the log rings all the time
LONGEST_SLEEP = 3600.0
PAUSE = 1.0  # after trouble with the log
MOST_DELIVERIES = 256  # at once

log = logging.getLogger("swarmctl.server")


class Dispatcher:
    """Begins when it is made, in the event loop. `base` is the server's URL, as receivers reach it."""

    def __init__(self, desk: Desk, base: str) -> None:
        self._desk = desk
        self._base = base
        self._courier: Courier | None = None
        self._keys: Keys | None = None
        self._done: tuple[str, int] | None = None  # which log it is, and up to which position all is done
        self._under_way: set[asyncio.Task[None]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def keys(self) -> Keys:
        """The key, made by the first who needs it, in a thread: loading cryptography takes its time.

        Raises HomeRefused.
        """
        if self._keys is None:
            self._keys = await asyncio.to_thread(_load_keys, self._desk.settings.home)
        return self._keys

    async def close(self) -> None:
        """Stop; what is being delivered is delivered again, by whoever is there, once it is overdue."""
        tasks = [self._task, *self._under_way]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._courier is not None:
            await self._courier.close()

    async def _run(self) -> None:
        bell = SUBSCRIPTIONS
        while True:
            try:
                with self._desk.hub.listen(bell) as topic:
                    bell = await self._listen(topic, bell)
            except SwarmError as error:
                log.warning("subscriptions: %s", error.message)
                await asyncio.sleep(PAUSE)
            except Exception:
                log.exception("subscriptions")
                await asyncio.sleep(PAUSE)

    async def _listen(self, topic: Topic, bell: str) -> str:
        """Do what is to be done, until it is another bell that says so; which."""
        loop = asyncio.get_running_loop()
        while True:
            rings, began = topic.rings, loop.time()
            which, looked = await self._desk.run(self._look)
            wanted = ALL if looked.any else SUBSCRIPTIONS
            if wanted != bell:
                return wanted
            await self._tend(looked.tend)
            self._done = (which, looked.position) if looked.any else None
            await topic.wait(rings, self._sleep(looked.next_due))
            await asyncio.sleep(began + GATHER - loop.time())

    def _look(self, reader: Log) -> tuple[str, Looked]:
        """In a reader's thread: what is another log than before, or recovered, is looked at from its beginning."""
        which = f"{reader.fact('log')} {reader.fact('epoch')}"
        since = self._done[1] if self._done is not None and self._done[0] == which else None
        return which, subscriptions.look(reader, since)

    def _sleep(self, next_due: int | None) -> float:
        if next_due is None:
            return LONGEST_SLEEP
        return min(max((next_due - self._desk.log.clock()) / SECOND, 0), LONGEST_SLEEP)

    async def _tend(self, tend: dict[str, set[str]]) -> None:
        """Bring forward what is due, in one transaction where that is possible, and deliver what that gives."""
        left = list(tend.items())
        while left:
            room = MOST_DELIVERIES - len(self._under_way)
            if room <= 0:
                await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
                continue
            some, left = left[:room], left[room:]
            for delivery in await asyncio.gather(*(self._tend_one(id, new) for id, new in some)):
                if delivery is not None:
                    if self._courier is None:
                        self._courier = await asyncio.to_thread(_load_courier, await self.keys())
                    task = asyncio.get_running_loop().create_task(self._deliver(delivery))
                    self._under_way.add(task)
                    task.add_done_callback(self._under_way.discard)

    async def _tend_one(self, id: str, new: set[str]) -> Delivery | None:
        def work(t: Transaction) -> Delivery | None:
            return subscription_wakes.tend(t, id, sorted(new))

        return await self._desk.writer.submit(work)

    async def _deliver(self, delivery: Delivery) -> None:
        """Deliver, and write down what came of it; where that cannot be written, it counts as overdue."""
        assert self._courier is not None
        body = bodies.notification(delivery, self._base, await self.keys())
        outcome = await self._courier.deliver(delivery.url, body, delivery.timeout)

        def settle(t: Transaction) -> None:
            subscription_wakes.settle(t, delivery, outcome.failure, outcome.done)

        try:
            await self._desk.writer.submit(settle)
        except SwarmError as error:
            log.warning("subscription %s: %s", delivery.id, error.message)


def _load_keys(home: Home) -> Keys:
    from .keys import Keys

    return Keys(home)


def _load_courier(keys: Keys) -> Courier:
    from .courier import Courier

    return Courier(keys)
