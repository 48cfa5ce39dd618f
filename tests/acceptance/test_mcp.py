"""The swarm as an agent's MCP tools: its own tree, nothing else, and no longer than it lives."""

from __future__ import annotations

import os
import signal
import time

import pytest

from support.cli import Swarm
from support.looking import until
from support.mcp_client import Calls, granted, server_pids, talk
from swarm_store import tokens
from swarm_store.home import Home
from swarm_store.log import Log
from swarmctl.mcp import access

SPAWNS = "swarmctl spawn -- sleep 600 > grandchild; mv grandchild there; exec sleep 600"


@pytest.fixture
def own(swarm: Swarm) -> str:
    """An agent that lives, for whom the tests speak."""
    return swarm.spawn("--name", "own", "--env", "MODEL=small", "--", "sleep", "600")


def test_two_children_are_spawned_and_waited_for(swarm: Swarm, own: str) -> None:
    """An agent spawns two children, which begin as it did, waits for both, and reads what they have said."""

    async def say(calls: Calls) -> None:
        script = "echo $SWARM_PARENT_ID $SWARM_DEPTH $MODEL $PWD"
        one = await calls.ok("spawn", command=["sh", "-c", script], name="one")
        two = await calls.ok("spawn", command=["sh", "-c", "sleep 0.3; exit 3"], labels={"team": "web"})
        ids = [one["agent"]["id"], two["agent"]["id"]]
        waited = await calls.ok("wait", agents=ids)
        assert [agent["exit_code"] for agent in waited["ended"]] == [0, 3] and not waited["still_running"]
        read = await calls.ok("read", agent="one")
        assert read["text"] == f"{own} 1 small {swarm.cwd}\n" and not read["more"]
        listed = await calls.ok("list")
        assert [agent["id"] for agent in listed["agents"]] == ids
        assert [agent["id"] for agent in (await calls.ok("list", labels=["team"]))["agents"]] == ids[1:]
        assert not (await calls.ok("list", living=True))["agents"]

    talk(swarm, own, say)
    assert swarm.agent("one")["parent"] == own


def test_agents_of_others_are_invisible_and_untouchable(swarm: Swarm, own: str) -> None:
    """Foreign agents are in no list, and each tool says of them, of the agent itself too, that there is none."""
    other = swarm.spawn("--name", "other", "--input", "--", "cat")
    child = swarm.spawn("--", "sleep", "600", SWARM_AGENT_ID=other)

    async def say(calls: Calls) -> None:
        assert (await calls.ok("list"))["agents"] == []
        for word in (other, "other", child, own, "own", other[:3], ""):
            for tool, given in (("read", {}), ("send", {"text": "x"})):
                assert "no agent" in await calls.refused(tool, agent=word, **given)
            for tool in ("wait", "cancel"):
                assert "no agent" in await calls.refused(tool, agents=[word])

    talk(swarm, own, say)
    assert {swarm.agent(one)["state"] for one in (own, other, child)} == {"running"}


def test_grandchildren_are_of_the_tree(swarm: Swarm, own: str) -> None:
    """What a child has spawned is its ancestor's too, at any depth, and stays so when the child has ended."""
    child = swarm.sh(
        "swarmctl spawn -- sleep 600 > grandchild; mv grandchild there; exec sleep 600", SWARM_AGENT_ID=own
    )
    until((swarm.cwd / "there").exists, "the grandchild")
    grandchild = (swarm.cwd / "there").read_text().strip()

    async def say(calls: Calls) -> None:
        assert [one["id"] for one in (await calls.ok("list"))["agents"]] == [child, grandchild]
        await calls.ok("cancel", agents=[child])
        assert [one["id"] for one in (await calls.ok("list", living=True))["agents"]] == [grandchild]
        cancelled = await calls.ok("cancel", agents=[grandchild], grace=0)
        assert [one["state"] for one in cancelled["agents"]] == ["cancelled"]

    talk(swarm, own, say)


def test_the_depth_cap_is_a_tool_error(swarm: Swarm) -> None:
    """An agent that is as deep as may be is told so, in our line, and nothing is spawned."""
    deep = swarm.spawn("--", "sleep", "600", SWARM_DEPTH="1", SWARM_MAX_DEPTH="2", SWARM_AGENT_ID="nobody")

    async def say(calls: Calls) -> None:
        assert "2 is the most" in await calls.refused("spawn", command=["true"])
        swarm_variable = await calls.refused("spawn", command=["true"], env={"SWARM_MAX_DEPTH": "9"})
        assert "SWARM_ are swarmctl's own" in swarm_variable

    talk(swarm, deep, say)
    assert [one["id"] for one in swarm.json("list", "--all")] == [deep]


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({}, "no command to run"),
        ({"command": []}, "no command to run"),
        ({"command": ["nonesuch"]}, "command not found: nonesuch"),
        ({"command": ["a\0b"]}, "NUL"),
        ({"command": ["true"], "cwd": "/nowhere"}, "there is no directory /nowhere"),
        ({"command": ["true"], "name": "no name"}, "no name"),
        ({"command": ["true"], "kind": "claude", "prompt": "x"}, "no command to run, or two things"),
        ({"kind": "nonesuch", "prompt": "x"}, "no such kind of agent"),
        ({"kind": "acp:cat"}, "needs a prompt"),
        ({"command": ["true"], "worktree": True}, "is in no git repository"),
    ],
    ids=str,
)
def test_what_cannot_be_spawned_is_said(swarm: Swarm, own: str, wish: dict[str, object], why: str) -> None:
    """A wish that cannot be is refused in one line, as on the command line, and nothing is left of it."""

    async def say(calls: Calls) -> None:
        assert why in await calls.refused("spawn", **wish)
        assert not (await calls.ok("list", living=True))["agents"]

    talk(swarm, own, say)


def test_waiting_ends_with_its_time(swarm: Swarm, own: str) -> None:
    """wait returns in time with what still runs, says to wait again, and with `any` when the first has ended."""

    async def say(calls: Calls) -> None:
        slow = (await calls.ok("spawn", command=["sleep", "600"]))["agent"]["id"]
        before = time.monotonic()
        waited = await calls.ok("wait", agents=[slow], timeout=0.2)
        assert time.monotonic() - before < 10
        assert [one["id"] for one in waited["still_running"]] == [slow] and "wait again" in waited["note"]
        quick = (await calls.ok("spawn", command=["true"]))["agent"]["id"]
        waited = await calls.ok("wait", agents=[slow, quick], any=True, timeout=30)
        assert [one["id"] for one in waited["ended"]] == [quick]
        assert (await calls.ok("spawn", command=["false"], wait=30))["agent"]["exit_code"] == 1

    talk(swarm, own, say)


def test_output_is_read_in_pieces(swarm: Swarm, own: str) -> None:
    """Reading goes on where it was: all pieces together are the output, none cuts a character; `tail` is its end."""

    async def say(calls: Calls) -> None:
        script = "i=0; while [ $i -lt 2000 ]; do echo grün $i; i=$((i+1)); done"
        agent = (await calls.ok("spawn", command=["sh", "-c", script], wait=30))["agent"]["id"]
        whole = "".join(f"grün {n}\n" for n in range(2000))
        text, start, more = "", None, True
        while more:
            piece = await calls.ok("read", agent=agent, start=start, max_bytes=1000)
            assert len(piece["text"].encode()) <= 1000
            text, start, more = text + piece["text"], piece["next"], piece["more"]
        assert text == whole
        again = await calls.ok("read", agent=agent, start=start)
        assert (again["text"], again["next"], again["more"]) == ("", start, False)
        tail = await calls.ok("read", agent=agent, tail=True, max_bytes=300)
        assert whole.endswith(tail["text"].lstrip("\ufffd")) and not tail["more"] and len(tail["text"]) > 250
        assert "no place" in await calls.refused("read", agent=agent, start="x")

    talk(swarm, own, say)


def test_a_child_is_sent_input(swarm: Swarm, own: str) -> None:
    """What is sent to a child with an open input is a line there, and with `close` its end comes after it."""

    async def say(calls: Calls) -> None:
        await calls.ok("spawn", command=["cat"], name="cat", input=True)
        await calls.ok("send", agent="cat", text="first")
        await calls.ok("send", agent="cat", text="second", close=True)
        await calls.ok("wait", agents=["cat"])
        assert (await calls.ok("read", agent="cat"))["text"] == "first\nsecond\n"
        assert "has ended" in await calls.refused("send", agent="cat", text="late")
        assert "already ended" in await calls.refused("cancel", agents=["cat"])

    talk(swarm, own, say)


def test_a_killed_server_harms_nothing(swarm: Swarm, own: str) -> None:
    """SIGKILL of the server, in the middle of a wait too, leaves the children running; the next one finds them."""
    token = granted(swarm, own)

    async def say(calls: Calls) -> None:
        await calls.ok("spawn", command=["sleep", "600"], name="child")
        (pid,) = server_pids(swarm)
        os.kill(pid, signal.SIGKILL)

    talk(swarm, own, say, token)
    assert swarm.agent("child")["state"] == "running"

    async def go_on(calls: Calls) -> None:
        assert [one["name"] for one in (await calls.ok("list"))["agents"]] == ["child"]

    talk(swarm, own, go_on, token)


def test_a_revoked_token_opens_nothing(swarm: Swarm, own: str) -> None:
    """From the moment a token is revoked every call is refused, and no server starts with it."""
    token = granted(swarm, own)

    async def say(calls: Calls) -> None:
        assert not (await calls.ok("list"))["agents"]
        swarm.ok("token", "revoke", tokens.id_of(token))
        assert "is revoked" in await calls.refused("list")
        assert "is revoked" in await calls.refused("spawn", command=["true"])

    talk(swarm, own, say, token)
    assert "is revoked" in swarm.refused(1, "mcp", SWARM_TOKEN=token)
    assert len(swarm.json("list", "--all")) == 1


def test_a_token_ends_with_its_agent(swarm: Swarm, own: str) -> None:
    """Once the agent has ended, or was removed, its token opens nothing, though nobody has revoked it."""
    token = granted(swarm, own)
    swarm.ok("cancel", own)
    assert "has ended: it is cancelled" in swarm.refused(1, "mcp", SWARM_TOKEN=token)
    swarm.ok("rm", own)
    assert "was removed" in swarm.refused(1, "mcp", SWARM_TOKEN=token)


def test_another_run_gets_another_token(swarm: Swarm, own: str) -> None:
    """A new token for the same agent revokes the one before; other agents' stay."""
    other = granted(swarm, swarm.spawn("--", "sleep", "600"))
    first, second = granted(swarm, own), granted(swarm, own)
    with Log(Home(str(swarm.home))) as log:
        assert access.check(log, second)["id"] == own
        assert access.check(log, other)["id"] != own
    assert "is revoked" in swarm.refused(1, "mcp", SWARM_TOKEN=first)


@pytest.mark.parametrize("scope", ["--read", "--control"])
def test_only_a_trees_token_opens_a_tree(swarm: Swarm, own: str, scope: str) -> None:
    """A server's tokens, one of the agent too, open no tree; and neither does none, or a made-up one."""
    for options in ((), ("--agent", own)):
        token = swarm.ok("token", "create", scope, *options).strip()
        assert "opens no agent's tree" in swarm.refused(1, "mcp", SWARM_TOKEN=token)
    assert "no token in SWARM_TOKEN" in swarm.refused(1, "mcp")
    assert "none of this log" in swarm.refused(1, "mcp", SWARM_TOKEN="k3f9x2ab." + "x" * 43)


def test_tools_describe_themselves(swarm: Swarm, own: str) -> None:
    """Each tool says what it does, each argument what it means, and there is none that answers approvals."""

    async def say(calls: Calls) -> None:
        tools = await calls.tools()
        assert set(tools) == {"spawn", "list", "read", "wait", "send", "cancel"}
        for tool in tools.values():
            assert len(tool.description) > 50 and "\n  " not in tool.description
            assert all(given["description"] for given in tool.input_schema["properties"].values()), tool.name
            assert tool.output_schema["type"] == "object"

    talk(swarm, own, say)
