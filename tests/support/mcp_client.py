"""An agent's side of `swarmctl mcp`: the official SDK's client, and the server as a real process over stdio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from support.cli import Swarm
from support.looking import processes_of
from swarm_store.home import Home
from swarm_store.log import Log
from swarmctl.mcp import access, config

DEADLINE = 60.0  # seconds for a whole conversation; far more than any here takes


class Calls:
    """A conversation with the server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def ok(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """What a tool gives, which must succeed."""
        got = await self._client.call_tool(tool, arguments)
        assert not got.is_error, got.content
        assert got.structured_content is not None
        return dict(got.structured_content)

    async def refused(self, tool: str, **arguments: Any) -> str:
        """The one line that a tool says which must fail."""
        got = await self._client.call_tool(tool, arguments)
        assert got.is_error, got.structured_content
        (said,) = got.content
        assert said.type == "text" and "\n" not in said.text
        return said.text

    async def tools(self) -> dict[str, Any]:
        return {tool.name: tool for tool in (await self._client.list_tools()).tools}


def granted(swarm: Swarm, agent_id: str) -> str:
    """A token for the agent's tree."""
    with Log(Home(str(swarm.home))) as log:
        return access.grant(log, agent_id)


@asynccontextmanager
async def tools_of(swarm: Swarm, agent_id: str, token: str) -> AsyncIterator[Calls]:
    """The tools of an agent, served by a process of its own that ends with the block."""
    told = config.server(Home(str(swarm.home)), agent_id, token)
    where = StdioServerParameters(command=told["command"], args=told["args"], env=told["env"])
    async with Client(stdio_client(where)) as client:
        yield Calls(client)


def talk(swarm: Swarm, agent_id: str, say: Callable[[Calls], Awaitable[None]], token: str = "") -> None:
    """Have one conversation as the agent; with a new token if none is given."""

    async def whole() -> None:
        async with tools_of(swarm, agent_id, token or granted(swarm, agent_id)) as calls:
            await asyncio.wait_for(say(calls), DEADLINE)

    asyncio.run(whole())


def server_pids(swarm: Swarm) -> list[int]:
    """The processes that serve tools in this home."""
    return [pid for pid, command in processes_of(swarm.home).items() if command.endswith("swarmctl\0mcp\0")]
