"""What is done with a driver in a recording, and in its play: turns, answers, an interrupt."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NamedTuple

from support.claude_room import KeepingRoom
from swarmctl.host.drivers.claude import ClaudeDriver


class Play(NamedTuple):
    """`answers` to what is asked, in order; `interrupt`: of the first turn, when a `part` or a wish (`asked`) came."""

    turns: list[str]
    answers: list[dict[str, Any]] = []
    outcomes: list[str] = []
    interrupt: str | None = None


async def take(driver: ClaudeDriver, room: KeepingRoom, play: Play, session: str | None = None) -> list[str]:
    """Take all of its turns with a driver, and close it: the outcomes."""
    answering = asyncio.create_task(_answer(room, play))
    interrupting = asyncio.create_task(_interrupt(driver, room, play))
    try:
        await driver.open(session)
        return [(await driver.prompt(turn)).outcome for turn in play.turns]
    finally:
        for task in (answering, interrupting):
            task.cancel()
        await asyncio.gather(answering, interrupting, return_exceptions=True)
        await driver.close()


async def _answer(room: KeepingRoom, play: Play) -> None:
    for number, answer in enumerate(play.answers):
        await room.until(partial(_has_asked, number))
        room.answer(**answer)


def _has_asked(number: int, room: KeepingRoom) -> bool:
    return len(room.asked) > number


async def _interrupt(driver: ClaudeDriver, room: KeepingRoom, play: Play) -> None:
    if play.interrupt is None:
        return
    if play.interrupt == "asked":
        await room.until(lambda it: it.asked)
    else:
        await room.until(lambda it: it.parts)
    room.interrupt()
    await driver.interrupt()
