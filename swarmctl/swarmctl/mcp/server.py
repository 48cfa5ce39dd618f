"""The tools on stdin and stdout, with the official MCP SDK."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from inspect import getdoc
from typing import Any

from mcp.server import MCPServer
from mcp.types import CallToolResult, TextContent

from swarm_store.errors import SwarmError

from .. import __version__
from .tools import Tools
from .tree import Tree

INSTRUCTIONS = """\
You are an agent of a swarm. With these tools you start other agents beside you (commands, or AI agents), wait for them,
read what they say, talk to them and end them. You see the agents of your own tree alone: those that you have spawned,
those that they have, and so on. They go on if you end."""


def serve(tree: Tree) -> None:
    """Serve until stdin ends. Raises AccessRefused where the token opens nothing."""
    with tree.enter(write=False):
        pass
    server = MCPServer("swarm", instructions=INSTRUCTIONS, version=__version__, log_level="ERROR", subscriptions=False)
    for name, tool in Tools(tree).all().items():
        server.add_tool(_in_words(tool), name=name, description=getdoc(tool))
    server.run("stdio")


def _in_words(tool: Callable[..., Any]) -> Callable[..., Any]:
    """The same tool, which says what is wrong in our one line; a bug of ours says no more than that it is one."""

    @wraps(tool)
    async def call(*args: Any, **given: Any) -> Any:
        try:
            return await tool(*args, **given)
        except SwarmError as error:
            line = f"{error.message}; {error.hint}" if error.hint else error.message
            return CallToolResult(content=[TextContent(type="text", text=line.replace("\n", " "))], is_error=True)

    return call
