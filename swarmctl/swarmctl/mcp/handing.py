"""The swarm handed to an agent of a kind that was spawned with --with-swarm: a token of its own, and the MCP server.

Its host does this before anything else, and takes the token back at its end; where it is killed, the token opens
nothing all the same once the agent has ended, and the next run revokes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

from swarm_daemon.run import Run
from swarm_store.errors import LogUnusable, WrongUsage
from swarm_store.log import Log

from . import access, config

OPTION = {"acp": "mcp_servers", "claude": "mcp"}  # what each driver calls the MCP servers in its options
RETRY_SECONDS = 1.0
T = TypeVar("T")


def check(driver: str) -> None:
    """Raises WrongUsage where the driver takes no MCP servers."""
    if driver not in OPTION:
        raise WrongUsage(f"--with-swarm: agents of {driver} take no tools from elsewhere", "leave it out")


def hand(run: Run, spec: dict[str, Any]) -> dict[str, Any]:
    """The spec of a session's run, with the swarm among its MCP servers if that is wanted. Waits for the log."""
    session = spec["session"]
    if not session["with_swarm"]:
        return spec
    token = _patiently(run, lambda log: access.grant(log, run.agent_id))
    name = OPTION[session["driver"]]
    others = session["options"].get(name) or []
    options = {**session["options"], name: [*others, config.server(run.home, run.agent_id, token)]}
    return {**spec, "session": {**session, "options": options}}


def take_back(run: Run, spec: dict[str, Any]) -> None:
    """Revoke the token. Trouble with the log leaves that to the agent's end."""
    if not spec["session"]["with_swarm"]:
        return
    try:
        with Log(run.home, create=False, lock_timeout=RETRY_SECONDS) as log:
            access.revoke(log, run.agent_id)
    except LogUnusable:
        pass


def _patiently(run: Run, work: Callable[[Log], T]) -> T:
    while True:
        try:
            with Log(run.home, create=False) as log:
                return work(log)
        except LogUnusable:
            time.sleep(RETRY_SECONDS)
