"""The agent's process and the connection to it: requests to it, by the protocol's names, and its end."""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import Process
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from acp.connection import Connection, MethodHandler
from acp.meta import AGENT_METHODS
from pydantic import BaseModel

from ... import process as processes
from ...driver import AgentDied, DriverError, Room
from .wire import Wire

OPEN_SECONDS = 180.0  # for an answer until the session is open; opencode took 23 s at its first start
LEAVE_SECONDS = 1.0  # to end by itself once its input has
END_SECONDS = 4.0  # from the end of its output to its own


class Peer:
    """One agent's process. `name`: what its command is called."""

    def __init__(self, command: list[str], process: Process, wire: Wire, handle: MethodHandler) -> None:
        self.name = os.path.basename(command[0])
        self._process, self._wire = process, wire
        self._connection = Connection(handle, wire)

    async def ask(self, method: str, request: BaseModel, seconds: float | None = OPEN_SECONDS) -> dict[str, Any]:
        """As `request`, in the library's words."""
        return await self.request(AGENT_METHODS[method], _dump(request), seconds)

    async def request(self, method: str, params: dict[str, Any], seconds: float | None) -> dict[str, Any]:
        """The answer. Raises RequestError as the agent says it, AgentDied, DriverError after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                result = await self._connection.send_request(method, params)
        except ConnectionError:
            raise await self._why_it_ended() from None
        except TimeoutError:
            raise DriverError(f"{self.name} has not answered {method} for {seconds:.0f} s") from None
        return table(result)

    async def notify(self, method: str, notification: BaseModel) -> None:
        """Tell it something. Nothing where it has died: whoever waits for an answer is told so."""
        try:
            await self._connection.send_notification(AGENT_METHODS[method], _dump(notification))
        except ConnectionError:
            pass

    async def end(self, *, is_busy: bool) -> None:
        """End it by the end of its input, so that it can write down what it knows; else, or if it is busy, by force."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        await processes.ended(self._process, 0 if is_busy else LEAVE_SECONDS)
        await processes.end(self._process, LEAVE_SECONDS if is_busy else processes.END_SECONDS)
        await self._connection.close()

    async def _why_it_ended(self) -> BaseException:
        if self._wire.trouble is not None:
            return self._wire.trouble
        status = await processes.ended(self._process, END_SECONDS)
        if status is None:
            return AgentDied(f"{self.name} has closed its output, but not ended")
        how = f"was killed by signal {-status}" if status < 0 else f"has ended with status {status}"
        return AgentDied(f"{self.name} {how}")


async def start(
    command: list[str],
    *,
    cwd: str,
    env: Mapping[str, str],
    room: Room,
    update: Callable[[dict[str, Any]], Awaitable[None]],
    handle: MethodHandler,
) -> Peer:
    """Start an agent. `update` gets what it tells, in order, `handle` what it asks. Raises NotInstalled."""
    process = await processes.start(command, cwd=cwd, env=env)
    assert process.stdout is not None and process.stdin is not None
    return Peer(command, process, Wire(process.stdout, process.stdin, room, update), handle)


def table(value: Any) -> dict[str, Any]:
    """The value, if it is an object."""
    return value if isinstance(value, dict) else {}


def _dump(request: BaseModel) -> dict[str, Any]:
    return request.model_dump(mode="json", by_alias=True, exclude_none=True)
