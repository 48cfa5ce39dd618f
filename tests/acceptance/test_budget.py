"""`swarmctl budget`: what a tree may use, shown and changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import hosted
from support.cli import Swarm
from swarm_store import session_events as said
from swarm_store import sessions
from swarm_store.home import Home
from swarm_store.log import Log


@pytest.fixture
def log(swarm: Swarm) -> Iterator[Log]:
    """The log of the command line's home."""
    with Log(Home(str(swarm.home))) as log:
        yield log


def test_a_budget_is_set_and_shown(swarm: Swarm, log: Log) -> None:
    """Each limit is changed alone, and shown with what was used of it; a cost that nobody told is not shown as none."""
    agent = hosted.spawn(log, "say hello")["id"]
    swarm.ok("wait", agent)
    used = {"model": "m", "input": 1_000, "output": 500}
    sessions.say(log, agent, said.usage_reported(agent, 1, 0, **used, cost=250_000))  # type: ignore[arg-type]
    sessions.say(log, agent, said.usage_reported(agent, 1, 0, **used, cost=None))  # type: ignore[arg-type]
    assert swarm.ok("budget", agent, "--usd", "5") == (
        "usd     $0.2500 of $5.0000, and what 1 reports cost is not known\ntokens  3,000 of no limit\n"
    )
    swarm.ok("budget", agent, "--tokens", "2k")
    shown = swarm.json("budget", agent)
    assert (shown["usd"], shown["tokens"], shown["exhausted"]) == (5_000_000, 2_000, "tokens")
    line = swarm.ok("budget", agent).splitlines()[1]
    assert line == "tokens  3,000 of 2,000, which is spent: no further turn is begun"
    refused = swarm.run("send", agent, "say more")
    assert refused.status == 4 and f"the budget of agent {agent} is spent: tokens" in refused.err.decode()
    swarm.ok("budget", agent, "--tokens", "none")
    assert swarm.json("budget", agent)["exhausted"] is None
    swarm.ok("send", "--wait", agent, "say more")


def test_show_has_the_budget_as_it_is_now(swarm: Swarm, log: Log) -> None:
    """`show` has the budget in words, and after a change the new one."""
    agent = hosted.spawn(log, "say hello", budget={"usd": 5_000, "tokens": 1_000})["id"]
    swarm.ok("wait", agent)
    assert "\nbudget           $0.0050, 1,000 tokens\n" in swarm.ok("show", agent)
    swarm.ok("budget", agent, "--usd", "none", "--tokens", "5M")
    assert "\nbudget           5,000,000 tokens\n" in swarm.ok("show", agent)
    swarm.ok("budget", agent, "--tokens", "none")
    assert "\nbudget           -\n" in swarm.ok("show", agent)


@pytest.mark.parametrize("forget", ["", "env -u SWARM_AGENT_ID "])
def test_no_agent_changes_a_budget_that_holds_for_it(swarm: Swarm, forget: str) -> None:
    """An agent, and one below it, is refused another budget of it, also where it does not say who it is."""
    (swarm.cwd / "raise").write_text(f"{forget}swarmctl budget top --tokens none 2>> told; echo $? >> told\n")
    script = "sh raise; swarmctl spawn --name below --wait -- sh raise; swarmctl budget below --tokens 5"
    agent = swarm.ended(script, "--name", "top", "--budget-tokens", "10")
    refused = "swarmctl: the budget of agent {} holds for {}, who asks; somebody above it can change it\n1\n"
    child = swarm.agent("below")["id"]
    told = (swarm.cwd / "told").read_text()
    assert told == refused.format(agent, f"agent {agent}") + refused.format(agent, f"agent {child}")
    assert (swarm.json("budget", "top")["tokens"], swarm.json("budget", "below")["tokens"]) == (10, 5)
    swarm.ok("budget", "top", "--tokens", "none")


def test_a_bad_budget_is_refused(swarm: Swarm, log: Log) -> None:
    """What is no amount changes nothing."""
    agent = hosted.spawn(log, "say hello")["id"]
    swarm.ok("wait", agent)
    for option, text in (("--usd", "five"), ("--tokens", "-3")):
        refused = swarm.run("budget", agent, option, text)
        assert refused.status == 2 and b"not a" in refused.err
    assert swarm.json("budget", agent)["usd"] is None
