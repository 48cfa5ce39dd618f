"""The driver of ACP with an agent that does what agents should not: sessions that are gone, ends without an end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from support import scripted_acp
from support.acp_room import DEADLINE, Room, config, told
from support.agents import ended
from support.looking import until
from support.sessions import messages, outcomes, said, spawn
from swarm_daemon import control
from swarm_store.log import Log
from swarmctl.host.driver import AgentDied, SessionGone
from swarmctl.host.drivers.acp import AcpDriver
from swarmctl.host.drivers.acp import driver as acp_driver
from swarmctl.host.facts import ToolCalled

COMMAND = [sys.executable, "-P", scripted_acp.__file__]


def run(doing: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(doing, DEADLINE))


def made(place: Path, room: Room, **said: Any) -> AcpDriver:
    return AcpDriver(config(COMMAND, place, **said), room)


def test_a_new_session_in_place_of_one_that_is_gone_is_heard(tmp_path: Path) -> None:
    """Where the agent does not know a session, and another one is opened, what is said in that is no history."""
    room = Room()
    driver = made(tmp_path, room, env={"SCRIPT_LOAD": "gone"})

    async def talk() -> None:
        with pytest.raises(SessionGone):
            await driver.open("s-0")
        await driver.open(None)
        assert (await driver.prompt("say Hello; call c1; done c1")).outcome == "completed"
        await driver.close()

    run(talk())
    assert told(room.said) == ["assistant: Hello", "call execute: c1", "completed: did c1"]


NUMBERS = """
    {"method": "session/update", "params": {"sessionId": "SESSION", "update": {"sessionUpdate": "tool_call",
        "toolCallId": "c1", "kind": "fetch", "status": "completed", "rawInput": {"a": 1e999, "b": [NaN], "c": 1.5}}}}
"""
COST = """
    {"method": "session/update", "params": {"sessionId": "SESSION", "update": {"sessionUpdate": "usage_update",
        "cost": {"currency": "USD", "amount": AMOUNT}}}}
"""


def line(text: str) -> str:
    """A step that has the agent write this."""
    return "line " + " ".join(text.split())


def test_a_number_that_is_none_is_unknown(tmp_path: Path) -> None:
    """What JSON has no number for is null in a call's input, and no cost; what else is said is kept."""
    room = Room()
    driver = made(tmp_path, room)
    costs = [line(COST.replace("AMOUNT", amount)) for amount in ("NaN", "1e999", "1" + "0" * 400, "-1", "true")]

    async def talk() -> None:
        await driver.open(None)
        done = await driver.prompt("; ".join(["say Before", line(NUMBERS), *costs, "say after"]))
        assert (done.outcome, done.reason) == ("completed", None)
        await driver.close()

    run(talk())
    (called,) = [one for one in room.said if isinstance(one, ToolCalled)]
    assert called.input == {"a": None, "b": [None], "c": 1.5}
    assert told(room.said) == ["assistant: Before", "call fetch: fetch", "completed:", "assistant: after"]


def test_a_death_is_told_whoever_holds_the_output_open(tmp_path: Path, fifo: Path) -> None:
    """An agent that dies is dead, also where a process that it has started keeps its output open."""
    room = Room()
    driver = made(tmp_path, room)

    async def talk() -> None:
        await driver.open(None)
        with pytest.raises(AgentDied, match="has ended with status 7"):
            await driver.prompt(f"call c1; say Hello; hold {fifo}; die")
        await driver.close()

    run(talk())
    assert told(room.said) == ["call execute: c1", "assistant: Hello", "interrupted:"]


def test_what_is_under_way_when_the_host_is_ended_is_told(tmp_path: Path) -> None:
    """The message so far, and an end of each call; and what the agent says while it is ended."""
    room = Room()
    driver = made(tmp_path, room)

    async def talk() -> None:
        await driver.open(None)
        turn = asyncio.create_task(driver.prompt("say One; call c1; say Two; deaf; done c1; say Three"))
        await room.until(lambda: "Two" in room.shown)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert told(room.said) == ["assistant: One", "call execute: c1", "assistant: Two", "interrupted:"]
        await driver.close()

    run(talk())
    assert told(room.said)[4:] == ["assistant: Three"]


def test_what_is_under_way_when_the_agent_is_ended_is_told(tmp_path: Path) -> None:
    """Also where it ends its turn then: a call has an end, before the turn has one."""
    room = Room()
    driver = made(tmp_path, room)

    async def talk() -> None:
        await driver.open(None)
        turn = asyncio.create_task(driver.prompt("call c1; say Two; deaf"))
        await room.until(lambda: "Two" in room.shown)
        closing = asyncio.create_task(driver.close())
        with pytest.raises(AgentDied):
            await turn
        assert told(room.said) == ["call execute: c1", "assistant: Two", "interrupted:"]
        await closing

    run(talk())
    assert len(room.said) == 3


def test_a_cancelled_run_has_told_what_was_under_way(log: Log, tmp_path: Path) -> None:
    """Of the turn that it was in, which it has not completed."""
    agent = spawn(log, tmp_path, "call c1; say Two; deaf", kind="acp", driver="acp", command=COMMAND)
    until(lambda: said(log, agent, "tool:called"), "the call")
    control.ask_cancel(log, agent)
    ended(log, agent["id"])
    (finished,) = said(log, agent, "tool:finished")
    assert (finished.data["status"], finished.data["turn"]) == ("interrupted", 0)
    assert messages(log, agent) == ["Two"] and not outcomes(log, agent)


HISTORY = {"SCRIPT_LOAD": "one=Hello;two=OK;three=All is well"}


@pytest.mark.parametrize(("said", "quiet"), [("All is", 60.0), (None, 1.0)], ids=["known", "unknown"])
def test_a_history_that_comes_late_and_with_pauses_is_not_said_again(
    said: str | None, quiet: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is waited for until it has what the log has last, or until nothing has come for long."""
    monkeypatch.setattr(acp_driver, "SETTLE_SECONDS", 0.05)
    monkeypatch.setattr(acp_driver, "UNSURE_SECONDS", quiet)
    room = Room()
    driver = made(tmp_path, room, env=HISTORY | {"SCRIPT_PAUSE": "0.2"}, said=said)

    async def talk() -> None:
        opened = await driver.open("s-0")
        assert opened.heard == ["one", "two", "three"]
        await driver.prompt("say Hello again")
        await driver.close()

    run(talk())
    assert told(room.said) == ["assistant: Hello again"]


def test_a_history_that_comes_as_it_should_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it has what the log has last when the session is loaded, the turn begins after a moment."""
    monkeypatch.setattr(acp_driver, "UNSURE_SECONDS", 60.0)
    room = Room()
    driver = made(tmp_path, room, env=HISTORY, said="All is well")

    async def talk() -> None:
        assert (await driver.open("s-0")).heard == ["one", "two", "three"]
        await driver.close()

    run(talk())
