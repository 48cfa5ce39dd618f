"""What an agent's command line is told of its MCP server: ACP's session/new and claude's --mcp-config take this."""

from __future__ import annotations

import os
import sys
from typing import TypedDict

from swarm_store.home import Home

PROFILES = ("SWARM_CONFIG", "XDG_CONFIG_HOME")  # where they are: clients hand on little of their own environment


class Server(TypedDict):
    """A server to be started. `env` holds a secret: it goes into no command line, and no file that others can read."""

    name: str
    command: str
    args: list[str]
    env: dict[str, str]


def server(home: Home, agent_id: str, token: str) -> Server:
    """The swarm for the agent; `token` as access.grant gave it. Nothing of the agent's reaches its interpreter."""
    arguments = ["-P", "-E", "-m", "swarmctl", "mcp"]
    environment = {"SWARM_HOME": home.path, "SWARM_AGENT_ID": agent_id, "SWARM_TOKEN": token}
    environment |= {name: os.environ[name] for name in PROFILES if name in os.environ}
    return {
        "name": "swarm",
        "command": sys.executable,
        "args": arguments,
        "env": environment,
    }
