"""`spawn --with-swarm`: an agent is handed its own tree as tools, and has it as long as it lives."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from support.cli import Swarm
from support.looking import until
from swarm_store import events, tokens
from swarm_store.home import Home
from swarm_store.log import Log

AGENT = f"acp:{sys.executable} {Path(__file__).parents[1] / 'support' / 'swarming_agent.py'}"


def said(swarm: Swarm, agent: str) -> list[Any]:
    """What the agent's tools gave, in order."""
    with Log(Home(str(swarm.home)), write=False) as log:
        messages = log.read(events.agent_stream(agent), types=["message"])
    found: list[Any] = json.loads([one.data["text"] for one in messages if one.data["role"] == "assistant"][-1])
    return found


def used(swarm: Swarm, *calls: tuple[str, dict[str, Any]], options: tuple[str, ...] = ("--with-swarm",)) -> str:
    """An agent that has made these calls, and ended well."""
    agent = swarm.spawn("--agent", AGENT, *options, json.dumps(calls))
    until(lambda: swarm.agent(agent)["ended_at"], "the agent's end", seconds=100)
    assert swarm.agent(agent)["exit_code"] == 0, swarm.run("logs", agent)
    return agent


def test_an_agent_spawns_two_children_and_waits(swarm: Swarm) -> None:
    """An agent is given the tools, spawns two children with them, and waits; its token ends with its run."""
    one, two = {"command": ["true"], "name": "one"}, {"command": ["sh", "-c", "exit 3"], "name": "two"}
    agent = used(swarm, ("spawn", one), ("spawn", two), ("wait", {"agents": ["one", "two"]}), ("list", {}))
    first, second, waited, listed = said(swarm, agent)
    ids = [first["agent"]["id"], second["agent"]["id"]]
    assert [child["exit_code"] for child in waited["ended"]] == [0, 3]
    assert [child["id"] for child in listed["agents"]] == ids
    assert [swarm.agent(child)["parent"] for child in ids] == [agent, agent]
    with Log(Home(str(swarm.home)), write=False) as log:
        (token,) = tokens.read(log).values()
    assert token.scope == tokens.TREE and token.agents == frozenset([agent]) and token.revoked is not None


def test_an_agent_spawns_agents_of_a_kind(swarm: Swarm) -> None:
    """A child may be an AI agent: it is prompted, may do unasked what its parent may, and is sent another turn."""
    calls = json.dumps([["list", {}]])
    child = {"kind": AGENT, "prompt": calls, "name": "child", "with_swarm": True}
    more = ("send", {"agent": "child", "text": calls})
    waits = ("wait", {"agents": ["child"]})
    options = ("--with-swarm", "--approve", "auto-read", "--allow", "Bash(git *)", "--deny", "Write")
    agent = used(swarm, ("spawn", child), waits, more, waits, ("read", {"agent": "child"}), options=options)
    spawned, _, sent, waited, read = said(swarm, agent)
    assert isinstance(spawned, dict), spawned
    assert spawned["agent"]["kind"] == AGENT and sent["turn"] == 1
    assert waited["ended"][0]["state"] == "completed"
    assert read["text"].count('assistant: [{"agents": [], "left_out": 0}]') == 2 and f"user: {calls}" in read["text"]
    spec = json.loads((swarm.home / "agents" / spawned["agent"]["id"] / "spec.json").read_text())
    session = {name: spec["session"][name] for name in ("approve", "allow", "deny", "with_swarm")}
    assert session == {"approve": "auto-read", "allow": ["Bash(git *)"], "deny": ["Write"], "with_swarm": True}


@pytest.mark.parametrize("where", ["SWARM_CONFIG", "XDG_CONFIG_HOME"])
def test_a_child_may_be_of_any_kind_that_its_parent_knows(swarm: Swarm, where: str) -> None:
    """Profiles are found where the agent's own environment says, of which its command line hands little on."""
    profiles = swarm.cwd / "conf" / ("" if where == "SWARM_CONFIG" else "swarmctl") / "agents"
    profiles.mkdir(parents=True)
    (profiles / "mine.toml").write_text('driver = "acp"\ncommand = ["true"]\n')
    swarm.env[where] = str(swarm.cwd / "conf")
    (spawned,) = said(swarm, used(swarm, ("spawn", {"kind": "mine", "prompt": "x"})))
    assert isinstance(spawned, dict), spawned
    assert spawned["agent"]["kind"] == "mine"


def test_a_profile_lets_no_child_do_more(swarm: Swarm) -> None:
    """What a profile allows unasked a child of an agent may not, but what its parent may; what it denies is denied."""
    profiles = swarm.cwd / "conf" / "agents"
    profiles.mkdir(parents=True)
    swarm.env["SWARM_CONFIG"] = str(swarm.cwd / "conf")
    for name, mode in (("loose", "bypassPermissions"), ("careful", "plan")):
        rules = 'command = ["false"]\nallow = ["Bash", "Edit(src/*)"]\ndeny = ["WebFetch"]\n'
        options = f'options.permission_mode = "{mode}"\noptions.args = ["--verbose"]\n'
        (profiles / f"{name}.toml").write_text('extends = "claude"\n' + rules + options)
    wishes = [("spawn", {"kind": kind, "prompt": "x"}) for kind in ("loose", "careful")]
    agent = used(swarm, *wishes, options=("--with-swarm", "--allow", "Bash(git *)", "--deny", "Write"))
    specs = [swarm.home / "agents" / one["agent"]["id"] / "spec.json" for one in said(swarm, agent)]
    loose, careful = (json.loads(one.read_text())["session"] for one in specs)
    may = {"approve": "ask", "allow": ["Bash(git *)"], "deny": ["Write", "WebFetch"]}
    assert [{name: one[name] for name in may} for one in (loose, careful)] == [may, may]
    assert loose["options"] == {"args": ["--verbose"]}
    assert careful["options"] == {"args": ["--verbose"], "permission_mode": "plan"}


def test_the_caps_of_a_tree_stop_an_agent(swarm: Swarm) -> None:
    """How deep and how many is said where the topmost is spawned, and a refusal is a tool's error in our line."""
    sleeps = {"command": ["sleep", "600"]}
    agent = used(swarm, ("spawn", sleeps), ("spawn", sleeps), options=("--with-swarm", "--max-children", "1"))
    first, refused = said(swarm, agent)
    assert f"1 agents live below {agent}, and 1 is the most" in refused
    swarm.ok("cancel", first["agent"]["id"])
    agent = used(swarm, ("spawn", sleeps), options=("--with-swarm", "--max-depth", "0"))
    assert "may be 0 deep" in said(swarm, agent)[0]


def test_without_it_there_are_no_tools(swarm: Swarm) -> None:
    """An agent that was not given the swarm has no server of ours, and there is no token."""
    agent = used(swarm, options=())
    assert said(swarm, agent) is None
    assert swarm.json("token", "list", "--all") == []


def test_it_is_of_agents_that_take_tools(swarm: Swarm) -> None:
    """A plain command has no tools, and is told so."""
    assert "--with-swarm needs --agent" in swarm.refused(2, "spawn", "--with-swarm", "--", "true")
