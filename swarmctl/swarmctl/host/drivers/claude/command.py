"""The command line that starts Claude Code as we want it. Pure, but for the file that names its MCP servers."""

from __future__ import annotations

import json
import os
from typing import Any

from ...driver import SessionSpec

DUPLEX = (
    "-p",
    "--verbose",
    "--output-format=stream-json",
    "--input-format=stream-json",
    "--permission-prompt-tool=stdio",
    "--include-partial-messages",
)
# Without it some failures to start are told on stderr alone.
ENVIRONMENT = {"CLAUDE_CODE_STARTUP_FAILURE_RESULTS": "1"}
SERVERS = "claude-mcp.json"


def command(config: SessionSpec, session: str, *, resumes: bool, mode: str | None = None) -> list[str]:
    """Its argv. Of a profile's options: `args` (more arguments), `permission_mode`; `mcp` see `write_servers`.

    `mode`: the permission mode that the session was in last: one that is resumed does not know it.
    """
    options = config.options
    made = [*(config.command or ["claude"]), *DUPLEX]
    if config.model:
        made.append(f"--model={config.model}")
    if mode := mode or options.get("permission_mode"):
        made.append(f"--permission-mode={mode}")
    if options.get("mcp"):
        made.append(f"--mcp-config={_place(config)}")
    made += [str(one) for one in options.get("args") or ()]
    return [*made, f"--resume={session}" if resumes else f"--session-id={session}"]


def write_servers(config: SessionSpec) -> None:
    """Write the MCP servers down for nobody but us: they may hold secrets, which a command line would show.

    `mcp` of the options: a list of `{name, command, args, env}`.
    """
    if config.options.get("mcp"):
        file = os.open(_place(config), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(file, "w", encoding="utf-8") as out:
            json.dump({"mcpServers": _by_name(config.options["mcp"])}, out)


def _by_name(servers: list[dict[str, Any]]) -> dict[str, Any]:
    return {one["name"]: {key: value for key, value in one.items() if key != "name"} for one in servers}


def _place(config: SessionSpec) -> str:
    return os.path.join(config.run_path, SERVERS)
