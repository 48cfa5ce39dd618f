"""Interrupts of the turn under way, or of one that is about to be. An agent that does not end its turn is ended."""

from __future__ import annotations

import asyncio

from .driver import Driver, DriverError

PATIENCE_SECONDS = 30.0  # for an agent to end its turn in


class Interrupts:
    """What was asked to be interrupted in one run. `asked`: the turn under way is."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._turns: set[int] = set()
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def begin(self, turn: int) -> None:
        """A turn begins, which may have been interrupted before."""
        self._over.clear()
        self.asked.clear()
        if turn in self._turns:
            self.asked.set()

    def end(self) -> None:
        """It is over."""
        self._over.set()

    def note(self, turn: int) -> None:
        """Somebody wants that turn interrupted, now or when it begins."""
        self._turns.add(turn)

    def carry_out(self, driver: Driver | None) -> None:
        """Interrupt the turn under way."""
        self.asked.set()
        if driver is not None:
            self._task = asyncio.get_running_loop().create_task(self._end_turn(driver))

    async def _end_turn(self, driver: Driver) -> None:
        """Have the agent end its turn; where it does not, end the agent."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await driver.interrupt()
                await self._over.wait()
        except (TimeoutError, DriverError):
            if not self._over.is_set():
                await driver.close()
