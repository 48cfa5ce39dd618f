"""An agent of the Agent Client Protocol that uses the MCP servers it is given: its prompt is a list of their tools'
calls, `[["spawn", {...}], ...]` as JSON, and what it says is what these gave."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client


def say(**message: Any) -> None:
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)


async def use(server: dict[str, Any], calls: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    env = {one["name"]: one["value"] for one in server["env"]}
    where = StdioServerParameters(command=server["command"], args=server["args"], env=env)
    given = []
    async with Client(stdio_client(where)) as client:
        for tool, arguments in calls:
            got = await client.call_tool(tool, arguments)
            given.append(got.structured_content if not got.is_error else getattr(got.content[0], "text", ""))
    return given


def main() -> None:
    servers: list[dict[str, Any]] = []
    for line in sys.stdin:
        asked = json.loads(line)
        method, params = asked.get("method"), asked.get("params") or {}
        if method == "initialize":
            can: dict[str, Any] = {"sessionCapabilities": {"resume": {}}}
            result: dict[str, Any] = {"protocolVersion": params["protocolVersion"], "agentCapabilities": can}
        elif method in ("session/new", "session/resume"):
            servers, result = params["mcpServers"], {"sessionId": params.get("sessionId") or f"s-{os.getpid()}"}
        elif method == "session/prompt":
            calls = json.loads(params["prompt"][0]["text"])
            text = json.dumps(asyncio.run(use(servers[0], calls)) if servers else None)
            update = {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": text}}
            say(method="session/update", params={"sessionId": params["sessionId"], "update": update})
            result = {"stopReason": "end_turn"}
        else:
            continue
        say(id=asked["id"], result=result)


if __name__ == "__main__":
    main()
