"""`swarmctl mcp`: the swarm as an MCP server, for an agent and its tree."""

from __future__ import annotations

import os

from swarm_store.errors import SwarmError
from swarm_store.home import locate

from .. import elsewhere
from .options import HELP, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def mcp() -> None:
    """Serve an agent its own tree as MCP tools on stdin and stdout: spawn, list, read, wait, send, cancel.

    Agents start it themselves where they were spawned with --with-swarm. Whose tree it is says the token in
    SWARM_TOKEN, which ends with the agent's run. It answers no approvals.

    \b
    Examples:
      swarmctl spawn --agent claude --with-swarm "have two agents review the change, then sum up"
      swarmctl mcp
    """
    elsewhere.only_here("mcp")
    try:
        from ..mcp.server import serve
    except ModuleNotFoundError as error:
        raise SwarmError("swarmctl[agents] is not installed", "pip install 'swarmctl[agents]'") from error
    from ..mcp.tree import Tree

    serve(Tree(locate(), os.environ.get("SWARM_TOKEN", "")))
