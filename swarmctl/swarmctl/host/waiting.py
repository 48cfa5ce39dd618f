"""Saying that a run waits: in the registry, and to whoever wants to be told."""

from __future__ import annotations

import asyncio

from swarm_store import registry, sessions
from swarm_store.log import Log

from .publisher import Publisher

AGAIN_SECONDS = 1.0  # its daemon may have been killed before it said that the run has begun: its successor does


class Waiting:
    """Whether a run waits for something, as the registry has it."""

    def __init__(self, publisher: Publisher, agent_id: str, run: int) -> None:
        self._publisher, self._who = publisher, (agent_id, run)
        self._later: asyncio.Task[None] | None = None

    async def begin(self, what: str, until: str | None = None) -> None:
        """It waits for `what`: an approval, a turn, quota."""
        if not await self._say(what, until):
            self._later = asyncio.get_running_loop().create_task(self._say_later(what, until))

    async def end(self) -> None:
        """It waits no more."""
        if self._later is not None:
            self._later.cancel()
            self._later = None
        await self._publisher.do(lambda log: sessions.resume(log, *self._who))

    async def tell(self, what: str, approval: str | None = None) -> None:
        """Have `--notify` tell it, by a process of its own."""

        def have_it_told(log: Log) -> None:
            agent = registry.get(log, self._who[0])
            if agent is not None and agent["notify"]:
                from ..aftermath import tell_waiting  # what few hosts need

                tell_waiting(log, *self._who, what, approval)

        await self._publisher.do(have_it_told)

    async def _say(self, what: str, until: str | None) -> bool:
        return await self._publisher.do(lambda log: sessions.wait(log, *self._who, what, until))

    async def _say_later(self, what: str, until: str | None) -> None:
        while not await self._say(what, until):
            await asyncio.sleep(AGAIN_SECONDS)
