"""Caps and budgets of trees: what stands at an agent holds for all below it, by the log's parents."""

from __future__ import annotations

import json
import os

from support import agents, hosted
from support.cli import Swarm
from support.looking import until
from swarm_store import session_events as said
from swarm_store import sessions
from swarm_store.home import Home
from swarm_store.log import Log


def below(swarm: Swarm, parent: str, *words: str) -> tuple[int, str]:
    """Status and errors of a command that says it is of this agent, and has forgotten how deep it is."""
    ran = swarm.run(*words, SWARM_AGENT_ID=parent, SWARM_DEPTH="0")
    return ran.status, ran.err.decode()


def test_a_tree_is_as_deep_as_it_may(swarm: Swarm) -> None:
    """Agents below one with --max-depth are refused where they would be deeper, whatever they say of themselves."""
    top = swarm.ok("spawn", "--max-depth", "1", "--", "sleep", "60").strip()
    assert below(swarm, top, "spawn", "--name", "child", "--", "sleep", "60") == (0, "")
    child = swarm.json("show", "child")
    assert (child["parent"], child["caps"]) == (top, None)
    status, error = below(swarm, child["id"], "spawn", "--", "true")
    assert status == 1 and f"agents below {top} may be 1 deep, and this would be 2" in error


def test_depth_is_by_the_log(swarm: Swarm) -> None:
    """Where the log has the parent an agent is one deeper, whatever it is told, and SWARM_MAX_DEPTH the most."""
    agent = swarm.spawn("--", "sleep", "60")
    for depth in range(1, 9):
        words = ("--name", f"at{depth}", "--", "sh", "-c", "echo $SWARM_DEPTH; exec sleep 60")
        assert below(swarm, agent, "spawn", *words) == (0, "")
        agent = swarm.agent(f"at{depth}")["id"]
        assert swarm.agent(agent)["depth"] == depth
    until(lambda: swarm.logs(agent) == b"8\n", "what it was told")
    status, error = below(swarm, agent, "spawn", "--", "true")
    assert status == 1 and "agents have spawned agents 9 deep, and 8 is the most" in error
    swarm.spawn("--", "true", SWARM_AGENT_ID=agent, SWARM_DEPTH="-9", SWARM_MAX_DEPTH="9")
    assert len(swarm.json("list", "--all")) == 10
    assert swarm.run("cancel", "--all", "--grace", "0s").status == 0


def test_a_tree_has_as_many_as_it_may(swarm: Swarm) -> None:
    """At most --max-children agents live below one; where one has ended there is room again."""
    top = swarm.ok("spawn", "--max-children", "1", "--", "sleep", "60").strip()
    assert below(swarm, top, "spawn", "--name", "child", "--", "sleep", "60")[0] == 0
    status, error = below(swarm, top, "spawn", "--", "sleep", "60")
    assert status == 1 and f"1 agents live below {top}, and 1 is the most" in error
    swarm.ok("cancel", "child")
    assert below(swarm, top, "spawn", "--", "sleep", "60")[0] == 0


def test_a_job_file_has_budgets_and_caps(swarm: Swarm) -> None:
    """The options of a tree stand in a job file too, in numbers or as on the command line."""
    jobs = [
        {"command": ["true"], "name": "a", "budget_usd": 0.1, "budget_tokens": "2k"},
        {"command": ["true"], "name": "b", "budget_usd": "$5", "max_depth": 2, "max_children": 0},
    ]
    swarm.ok("spawn", "--wait", "--from", "-", input="".join(json.dumps(job) + "\n" for job in jobs).encode())
    a, b = swarm.json("list", "--all")
    assert (a["budget"], a["caps"]) == ({"usd": 100_000, "tokens": 2_000}, None)
    assert (b["budget"], b["caps"]) == ({"usd": 5_000_000, "tokens": None}, {"depth": 2, "children": 0})


def test_a_spent_budget_ends_a_command_and_its_tree(swarm: Swarm) -> None:
    """Where a session below a command has spent the command's budget, the command is ended and no more are spawned."""
    top = swarm.ok("spawn", "--budget-tokens", "100", "--", "sleep", "60").strip()
    with Log(Home(str(swarm.home))) as log:
        child = hosted.spawn(log, "say hello", caller={**os.environ, "SWARM_AGENT_ID": top})["id"]
        swarm.ok("wait", child)
        used = said.usage_reported(child, 1, 0, model="m", input=150)
        sessions.say(log, child, used)
    assert swarm.run("wait", "--timeout", "30", top).status == 143
    status, error = below(swarm, top, "spawn", "--", "true")
    assert status == 1 and f"the budget of agent {top} is spent: tokens" in error
    assert "budget:exhausted" in swarm.ok("events", top)


def test_who_lives_below_a_spent_budget_is_found_again(swarm: Swarm) -> None:
    """In a restored log, whose budget was spent then, a supervisor finds what lives below it, and all others too."""
    with Log(Home(str(swarm.home))) as log:
        top = hosted.spawn(log, "use 1000 10 10", budget={"usd": None, "tokens": 100})["id"]
        agents.ended(log, top)
    copy = swarm.cwd / "copy.db"
    swarm.ok("backup", str(copy))
    swarm.ok("budget", top, "--tokens", "none")
    assert below(swarm, top, "spawn", "--name", "child", "--", "sleep", "600")[0] == 0
    other = swarm.spawn("--", "sleep", "600")
    for one in ("child", other):
        agents.kill(swarm.agent(one)["daemon"]["pid"])
    for name in ("swarm.db-wal", "swarm.db-shm"):
        (swarm.home / name).unlink(missing_ok=True)
    copy.replace(swarm.home / "swarm.db")
    swarm.ok("supervisor", "run", "--once")
    assert {one: swarm.agent(one)["state"] for one in ("child", other)} == {"child": "running", other: "running"}
    swarm.ok("cancel", "child", other)
