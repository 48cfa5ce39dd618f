"""The real command lines with the swarm as tools: each spawns two children by MCP, and waits for them."""

from __future__ import annotations

import json

import pytest

from agents import homes
from agents.homes import DEADLINE
from support.cli import Swarm
from support.looking import until

pytestmark = pytest.mark.timeout(DEADLINE)
AT_ONCE = "ENABLE_TOOL_SEARCH=false"  # Claude Code has a model look for tools of MCP servers before it calls them
PROMPT = "\n".join(
    [
        "TOOL:sleep 5",  # codex does not wait for its MCP servers
        'MCP:spawn {"command": ["true"], "name": "one"}',
        'MCP:spawn {"command": ["sh", "-c", "exit 3"], "name": "two"}',
        'MCP:wait {"agents": ["one", "two"]}',
    ]
)


@pytest.mark.parametrize("kind", homes.KINDS)
def test_an_agent_spawns_two_children(swarm: Swarm, kind: str) -> None:
    """It is given the tools, its two children have it as parent, and it waits until both have ended."""
    agent = swarm.spawn("--agent", kind, "--with-swarm", "--approve", "all", "--env", AT_ONCE, PROMPT)
    until(lambda: swarm.agent(agent)["ended_at"], "its end", seconds=DEADLINE)
    assert swarm.agent(agent)["exit_code"] == 0, swarm.run("logs", agent)
    children = [one for one in swarm.json("list", "--all") if one["id"] != agent]
    assert [(one["name"], one["parent"], one["exit_code"]) for one in children] == [
        ("one", agent, 0),
        ("two", agent, 3),
    ]
    finished = [one["data"] for one in swarm.json("events", agent) if one["type"] == "tool:finished"]
    assert [one["status"] for one in finished] == ["completed"] * 4
    assert "all have ended" in json.dumps(finished[-1]["output"])
