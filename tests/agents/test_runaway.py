"""A tree of real agents that would grow for ever: its caps and its budget end that."""

from __future__ import annotations

import json

import pytest

from agents.homes import DEADLINE
from agents.scene import Agent
from support.canned import Canned
from support.cli import Swarm

pytestmark = pytest.mark.timeout(2 * DEADLINE)
OPTIONS = ("--with-swarm", "--approve", "all", "--env", "ENABLE_TOOL_SEARCH=false")


def spawning(prompt: str, **more: object) -> str:
    """A turn in which the agent spawns another with this prompt, and waits for it."""
    wish = {"kind": "claude", "prompt": prompt, "with_swarm": True, "wait": 60, **more}
    return f"MCP:spawn {json.dumps(wish)}"


def test_a_tree_grows_no_deeper_than_it_may(swarm: Swarm, canned: Canned) -> None:
    """Each agent has another spawn another: below --max-depth it is refused, and who wanted it is told why."""
    agent = Agent(swarm, canned, "claude", spawning(spawning(spawning("hello"))), "--max-depth", "2", *OPTIONS)
    assert agent.wait() == 0, swarm.logs(agent.id)
    family = swarm.json("list", "--all")
    assert [one["parent"] for one in family] == [None, family[0]["id"], family[1]["id"]]
    refused = [one for one in swarm.json("events", family[2]["id"]) if one["type"] == "tool:finished"]
    assert f"agents below {agent.id} may be 2 deep, and this would be 3" in refused[-1]["data"]["output"]


def test_a_tree_spends_no_more_than_it_may(swarm: Swarm, canned: Canned) -> None:
    """Twelve children are wanted one after the other: when the budget is spent the next are refused, and no more turns
    are begun."""
    prompt = "\n".join(spawning("hello", name=f"child-{n}") for n in range(12))
    agent = Agent(swarm, canned, "claude", prompt, "--budget-tokens", "5000", *OPTIONS)
    agent.wait()
    children = [one for one in swarm.json("list", "--all") if one["parent"] == agent.id]
    assert 0 < len(children) < 12, swarm.logs(agent.id)
    assert [one["limit"] for one in agent.events("budget:exhausted")] == ["tokens"]
    refused = [one["output"] for one in agent.events("tool:finished") if "is spent: tokens" in one["output"]]
    assert len(refused) == 12 - len(children)
    assert swarm.run("send", agent.id, "and more").status == 4
    assert len(agent.outcomes) == 1
