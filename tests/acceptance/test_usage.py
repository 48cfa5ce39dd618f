"""`swarmctl usage`, and what `list` and `show` say of AI agents."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from support import agents, hosted
from support.cli import Swarm
from support.looking import until
from support.terminal import on_terminal
from swarm_store.home import Home
from swarm_store.log import Log


@pytest.fixture
def log(swarm: Swarm) -> Iterator[Log]:
    """The log of the command line's home."""
    with Log(Home(str(swarm.home))) as log:
        yield log


@pytest.fixture
def family(swarm: Swarm, log: Log) -> tuple[str, str]:
    """An agent that has used something, and another that it has spawned, of another kind."""
    parent = hosted.spawn(log, "use 1000 10 20000", name="parent", labels={"team": "web"})["id"]
    caller = {**swarm.env, "SWARM_AGENT_ID": parent, "SWARM_DEPTH": "0"}
    child = hosted.spawn(log, "use 500 5 -", name="child", kind="codex", caller=caller)["id"]
    for one in (parent, child):
        agents.ended(log, one)
    return parent, child


def test_what_each_has_used(swarm: Swarm, family: tuple[str, str]) -> None:
    """Each agent has its own, and its tree's; a cost that is not known is unknown; the total has each once."""
    shown = [line.split() for line in swarm.ok("usage").splitlines()]
    parent, child = family
    assert shown == [
        ["ID", "NAME", "KIND", "IN", "CACHED", "OUT", "COST", "TREE", "IN", "TREE", "OUT", "TREE", "COST"],
        [parent, "parent", "claude", "1,000", "0", "10", "$0.0200", "1,500", "15", "$0.0200", "and", "more"],
        [child, "child", "codex", "500", "0", "5", "unknown", "500", "5", "unknown"],
        ["total", "1,500", "0", "15", "$0.0200", "and", "more"],
    ]


def test_as_json(swarm: Swarm, family: tuple[str, str]) -> None:
    """--json has sums of own and tree, cost in millionths of a dollar, null where it is unknown."""
    parent, child = swarm.json("usage")
    assert (parent["own"]["cost"], parent["tree"]["cost"], parent["tree"]["unpriced"]) == (20000, 20000, 1)
    assert (child["own"]["cost"], child["own"]["input"], child["parent"]) == (None, 500, family[0])


def test_by_what(swarm: Swarm, family: tuple[str, str]) -> None:
    """--by sums by kind, day, model, or a label's values; agents that are named with their trees alone."""
    assert {one["kind"]: one["cost"] for one in swarm.json("usage", "--by", "kind")} == {"claude": 20000, "codex": None}
    assert {one["label"]: one["input"] for one in swarm.json("usage", "--label", "team")} == {"web": 1000, None: 500}
    assert [one["day"] for one in swarm.json("usage", "--by", "day")] == [time.strftime("%Y-%m-%d", time.gmtime())]
    assert [one["input"] for one in swarm.json("usage", "--by", "model", "child")] == [500]
    assert [one["input"] for one in swarm.json("usage", "--by", "model", "parent")] == [1500]
    assert swarm.ok("usage", "--by", "kind").splitlines()[0].split() == ["KIND", "IN", "CACHED", "OUT", "COST"]
    assert swarm.ok("usage", "--label", "team").splitlines()[0].split()[0] == "TEAM"


def test_what_cannot_be_summed(swarm: Swarm) -> None:
    """An unknown --by, or a label without a key, is wrong usage; nobody is status 3."""
    assert "one of agent, kind" in swarm.refused(2, "usage", "--by", "moon")
    assert "belong together" in swarm.refused(2, "usage", "--by", "label")
    assert "belong together" in swarm.refused(2, "usage", "--by", "kind", "--label", "x")
    swarm.refused(3, "usage", "nobody")


def test_nothing_was_used(fresh: Swarm) -> None:
    """Where nothing was used nothing is shown, and nothing is made."""
    assert fresh.ok("usage") == "" and fresh.json("usage") == [] and fresh.json("usage", "--by", "day") == []
    assert not fresh.home.exists()


def test_a_waiting_agent_says_what_for(swarm: Swarm, log: Log) -> None:
    """`list` and `show` say what an agent waits for, and `show` how its session stands."""
    agent = hosted.spawn(log, "say before\nask rm x", name="a")["id"]
    approval = hosted.asked(log, agent)["id"]
    until(lambda: agents.get(log, agent)["waiting_for"])
    assert "  waiting (approval)  " in swarm.ok("list")
    assert b"\x1b[33mwaiting (approval)" in on_terminal(swarm, "list", columns=120).out
    told = dict(line.split(maxsplit=1) for line in swarm.ok("show", "a").splitlines())
    assert told["session"] == "s-1 (claude, 1.0, m1)" and told["waiting_for"] == "approval"
    assert told["turns"].startswith("0 of 1 ended, one under way since 20") and told["said"] == "before"
    assert told["asks"] == f"{approval}: rm x (Bash); swarmctl approve {approval}"
    known = swarm.agent("a")
    assert (known["session"]["session"], [one["id"] for one in known["approvals"]]) == ("s-1", [approval])


def test_what_a_session_has_done(swarm: Swarm, family: tuple[str, str]) -> None:
    """`show` has the turns, how the last ended, and what all used; of a plain command nothing of the kind."""
    told = dict(line.split(maxsplit=1) for line in swarm.ok("show", "parent").splitlines())
    assert told["turns"] == "1 of 1 ended" and told["last_turn"].startswith("completed at 20")
    assert told["used"] == "1,000 tokens in, 10 out, $0.0200"
    plain = swarm.ended("true")
    assert "session" not in swarm.agent(plain) and "turns" not in swarm.ok("show", plain)
