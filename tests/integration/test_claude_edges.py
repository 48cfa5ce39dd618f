"""The driver of Claude Code with processes that do not end as they should, or not at all."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from support import scripted_claude
from support.claude_room import KeepingRoom, spec
from swarmctl.host.driver import AgentDied
from swarmctl.host.drivers.claude import ClaudeDriver, connection
from swarmctl.host.facts import Message, Said, ToolFinished

DEADLINE = 20.0
COMMAND = [sys.executable, "-P", scripted_claude.__file__]


def run(doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(doing, DEADLINE))


def made(place: Path, room: KeepingRoom) -> ClaudeDriver:
    return ClaudeDriver(spec(str(place), COMMAND, {"CLAUDE_CONFIG_DIR": str(place)}), room)


@pytest.mark.parametrize("held", [False, True], ids=["alone", "held"])
def test_a_turn_ends_with_a_process_that_does_not_hear_its_interrupt(held: bool, tmp_path: Path, fifo: Path) -> None:
    """It is ended itself, and the calls that it leaves are told as interrupted, whoever holds its output open."""
    room = KeepingRoom()

    async def talk() -> None:
        driver = made(tmp_path, room)
        await driver.open(None)
        turn = asyncio.create_task(driver.prompt("tool t1; result t1; tool t2;" + f"hold {fifo};" * held + "stay"))
        await room.until(lambda room: len(room.calls()) == 2)
        await driver.interrupt()
        await driver.close()
        with pytest.raises(AgentDied, match="was ended in the middle of a turn"):
            await turn

    run(talk())
    assert room.finished() == [ToolFinished("t1", "completed", "done"), ToolFinished("t2", "interrupted", "")]


class StuckRoom(KeepingRoom):
    """One that does not take a certain message, as where the log is locked."""

    async def say(self, *said: Said) -> None:
        if Message("assistant", "Stuck") in said:
            self.live("notice", "stuck")
            await asyncio.Event().wait()
        await super().say(*said)


def test_a_turn_ends_with_its_process_though_its_words_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is to read them is waited for no longer than a moment, and the turn with it."""
    monkeypatch.setattr(connection, "LEAVE_SECONDS", 0.1)
    room = StuckRoom()

    async def talk() -> None:
        driver = made(tmp_path, room)
        await driver.open(None)
        turn = asyncio.create_task(driver.prompt("tool t1; say Stuck; stay"))
        await room.until(lambda room: room.parts)
        await driver.close()
        with pytest.raises(AgentDied):
            await turn

    run(talk())


def test_a_death_is_told_whoever_holds_the_output_open(tmp_path: Path, fifo: Path) -> None:
    """A process that dies is dead, also where another one that it has started keeps its output open."""
    room = KeepingRoom()

    async def talk() -> None:
        driver = made(tmp_path, room)
        await driver.open(None)
        with pytest.raises(AgentDied, match="with status 9"):
            await driver.prompt(f"tool t1; hold {fifo}; die")
        await driver.close()

    run(talk())
    assert room.finished() == [ToolFinished("t1", "interrupted", "")]


def test_an_output_that_ends_before_its_process_ends_the_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for the end of a process that says nothing any more."""
    monkeypatch.setattr(connection, "LEAVE_SECONDS", 0.1)
    room = KeepingRoom()

    async def talk() -> None:
        driver = made(tmp_path, room)
        await driver.open(None)
        with pytest.raises(AgentDied, match="claude has closed its output"):
            await driver.prompt("tool t1; mute; stay")
        await driver.close()

    run(talk())
    assert room.finished() == [ToolFinished("t1", "interrupted", "")]


def test_what_is_under_way_when_the_host_is_ended_is_told(tmp_path: Path) -> None:
    """The message so far, and an end of each call; what Claude Code says while it is ended is in its raw output."""
    room = KeepingRoom()

    async def talk() -> None:
        driver = made(tmp_path, room)
        await driver.open(None)
        steps = "say One; part Tw; tool t1; part Thr; part ee; deaf; result t1; say Three, and more; stay"
        turn = asyncio.create_task(driver.prompt(steps))
        await room.until(lambda room: ("assistant", "ee") in room.parts)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert room.texts() == ["One", "Three"] and room.finished() == [ToolFinished("t1", "interrupted", "")]
        await driver.close()

    run(talk())
    assert room.texts() == ["One", "Three"] and len(room.finished()) == 1
    assert any(b"Three, and more" in line for line in room.lines)


def test_a_call_that_a_person_is_asked_about_has_no_end_yet(tmp_path: Path) -> None:
    """Where the host is ended meanwhile, the next run goes on with what was deferred."""
    room = KeepingRoom()

    async def talk() -> None:
        driver = made(tmp_path, room)
        await driver.open(None)
        turn = asyncio.create_task(driver.prompt("tool t1; defer t1"))
        await room.until(lambda room: room.asked)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        await driver.close()

    run(talk())
    assert room.finished() == []
