"""The log's bells as wake-ups of the event loop: one bell for each stream that somebody here waits on.

The order is a follower's: listen, look at the log, then wait for a ring since. A ring is missed only where the writer
died between its commit and it, so now and then (`NET`) it is looked whether the log has grown all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from swarm_store.bells import NET, Bell
from swarm_store.errors import SwarmError
from swarm_store.log import Log


class Topic:
    """A stream that is waited on: how often it has rung, who sleeps, and what was read since the last ring."""

    def __init__(self, bell: Bell) -> None:
        self.bell = bell
        self.rings = 0
        self.listeners = 0
        self.shared: dict[Any, Any] = {}  # what its readers can share until it rings again
        self.sleepers: set[asyncio.Future[None]] = set()

    def ring(self) -> None:
        """Wake everybody."""
        self.rings += 1
        self.shared.clear()
        sleepers, self.sleepers = self.sleepers, set()
        for sleeper in sleepers:
            if not sleeper.done():
                sleeper.set_result(None)

    async def wait(self, seen: int, timeout: float) -> bool:
        """Sleep until it has rung more often than `seen` times, at most `timeout` seconds; whether it has."""
        return await wait_for_any([(self, seen)], timeout)


async def wait_for_any(topics: list[tuple[Topic, int]], timeout: float) -> bool:
    """Sleep until one of these has rung more often than it is said to have, at most `timeout` seconds; whether so."""
    if timeout <= 0 or _have_rung(topics):
        return _have_rung(topics)
    loop = asyncio.get_running_loop()
    sleeper: asyncio.Future[None] = loop.create_future()
    for topic, _ in topics:
        topic.sleepers.add(sleeper)
    alarm = loop.call_later(timeout, _wake, sleeper)
    try:
        await sleeper
    finally:
        alarm.cancel()
        for topic, _ in topics:
            topic.sleepers.discard(sleeper)
    return _have_rung(topics)


def _have_rung(topics: list[tuple[Topic, int]]) -> bool:
    for topic, seen in topics:  # noqa: SIM110  # `any` takes four times as long, and each reader asks at each ring
        if topic.rings != seen:
            return True
    return False


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class Hub:
    """The topics of one server, in the event loop's thread; `log` is for looking whether it has grown."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._topics: dict[str, Topic] = {}
        self._loop = asyncio.get_running_loop()
        self._position = -1
        self._opening = log.openings
        self._net = self._loop.call_later(NET, self._look)

    def wake_all(self) -> None:
        """Wake everybody, whatever has happened."""
        for topic in list(self._topics.values()):
            topic.ring()

    def close(self) -> None:
        """Wake everybody for the last time, and leave no bell behind."""
        self._net.cancel()
        self.wake_all()
        for topic in self._topics.values():
            self._loop.remove_reader(topic.bell.file)
            topic.bell.close()
        self._topics.clear()

    @contextmanager
    def listen(self, stream: str) -> Iterator[Topic]:
        """`with hub.listen(stream) as topic:` look at the log within it, then `await topic.wait(...)`."""
        topic = self._topics.get(stream)
        if topic is None:
            topic = self._topics[stream] = Topic(Bell(self._log.home, stream))
            self._loop.add_reader(topic.bell.file, self._rung, topic)
        topic.listeners += 1
        try:
            yield topic
        finally:
            topic.listeners -= 1
            if not topic.listeners and self._topics.get(stream) is topic:
                del self._topics[stream]
                self._loop.remove_reader(topic.bell.file)
                topic.bell.close()

    def _rung(self, topic: Topic) -> None:
        topic.bell.clear()
        topic.ring()

    def _look(self) -> None:
        """The net under the bells."""
        self._net = self._loop.call_later(NET, self._look)
        if not self._topics:
            return
        try:
            position = self._log.position()
        except SwarmError:
            return
        if self._log.openings != self._opening:
            self._opening = self._log.openings
            self._renew()
        if position != self._position:
            self._position = position
            self.wake_all()

    def _renew(self) -> None:
        for topic in self._topics.values():
            try:
                topic.bell.renew()
            except OSError:
                pass  # without it there is the net
