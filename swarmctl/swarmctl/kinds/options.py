"""What a profile may say to the drivers of ours, beside what all kinds have. A third party's driver checks its own."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from .plain import Strict, Variable, Word


class McpServer(Strict):
    """An MCP server that the agent is given: a command that speaks over stdio."""

    name: Word
    command: Word
    args: list[Word] = []
    env: dict[Variable, Word] = {}


class Acp(Strict):
    """`mode` and `auth` are ids of the agent's own; `meta` goes as _meta with each session that is opened."""

    mode: str | None = None
    auth: str | None = None
    meta: dict[str, Any] = {}
    mcp_servers: list[McpServer] = []


class Claude(Strict):
    """`args` are added to the command line, `permission_mode` is the word of --permission-mode."""

    permission_mode: Word | None = None
    args: list[Word] = []
    mcp: list[McpServer] = []


def of(driver: str) -> type[BaseModel] | None:
    """What the options of a driver are checked by; None for one that is not ours."""
    if driver == "api":
        from ..host.drivers.api.options import Options

        return Options
    ours: dict[str, type[BaseModel]] = {"acp": Acp, "claude": Claude}
    return ours.get(driver)
