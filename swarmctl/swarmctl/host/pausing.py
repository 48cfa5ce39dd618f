"""Pauses of a session, which the registry shows: until a turn is sent, or until a quota allows more."""

from __future__ import annotations

import asyncio
import time

from swarm_store import session_events
from swarm_store.clock import SECOND, rfc3339

from .publisher import Publisher
from .waiting import Waiting

LOOK_SECONDS = 60.0  # a machine that was suspended has another clock than the event loop


class Pauses:
    """The pauses of one run."""

    def __init__(self, publisher: Publisher, agent_id: str, run: int) -> None:
        self._publisher, self._who = publisher, (agent_id, run)
        self._waiting = Waiting(publisher, agent_id, run)

    async def for_turn(self, news: asyncio.Event) -> None:
        """Until something has come."""
        await self._begin("turn")
        await news.wait()
        await self._waiting.end()

    async def for_quota(self, until: float, interrupted: asyncio.Event) -> None:
        """Until then (seconds of the Unix clock), or until the turn is interrupted."""
        moment = rfc3339(int(until * SECOND))
        await self._begin("quota", moment)
        while not interrupted.is_set() and (left := until - time.time()) > 0:
            try:
                async with asyncio.timeout(min(left, LOOK_SECONDS)):
                    await interrupted.wait()
            except TimeoutError:
                pass
        await self._waiting.end()

    async def _begin(self, what: str, until: str | None = None) -> None:
        await self._waiting.begin(what, until)
        await self._waiting.tell(what)

    async def say_quota(self, turn: int, until: float, reason: str) -> None:
        """Say that a quota is reached, and when the turn goes on."""
        moment = rfc3339(int(until * SECOND))
        reached = session_events.quota_reached(*self._who, turn, until=moment, reason=reason)
        await self._publisher.say(reached, durable=True)
