"""Every kind through all of swarmctl: hello, going on, approvals, interrupts, errors, and what is killed meanwhile."""

from __future__ import annotations

import re

import pytest

from agents.homes import DEADLINE
from agents.scene import KINDS, Agent
from support.canned import Canned, Tokens
from support.cli import Swarm
from support.looking import until

pytestmark = [pytest.mark.timeout(2 * DEADLINE), pytest.mark.parametrize("kind", KINDS)]

TOTAL = re.compile(rb'"(?:total_cost_usd|cost":\s*{"amount)":\s*([0-9.e-]+)')  # a counter over turns and resumes
# What makes each kind ask before it runs a command: codex only asks for what leaves its sandbox.
ASKING = {"codex": "ESC TOOL:{}"}


def asking(kind: str, command: str) -> str:
    """A prompt by which the kind asks whether it may run the command."""
    return ASKING.get(kind, "TOOL:{}").format(command)


def test_says_hello_and_goes_on(swarm: Swarm, canned: Canned, kind: str) -> None:
    """A turn is answered, and the agent ends with 0; one that is sent then is of the same session."""
    agent = Agent(swarm, canned, kind, "hello there")
    assert agent.wait() == 0, swarm.logs(agent.id)
    assert agent.says == ["HELLO users=1 last=hello there"]
    assert agent.send("and now?") == 0, swarm.logs(agent.id)
    assert agent.says[-1] == "HELLO users=2 last=and now?"
    assert agent.users == ("hello there", "and now?")
    started = agent.events("session:started")
    assert [one["resumed"] for one in started] == [False, True]
    assert started[0]["session"] == started[1]["session"] and started[0]["version"]
    assert agent.outcomes == ["completed", "completed"]


def test_does_what_is_approved(swarm: Swarm, canned: Canned, kind: str) -> None:
    """What it asks for is in the log; allowed, it is done, and the turn is completed."""
    made = swarm.cwd / "made"
    agent = Agent(swarm, canned, kind, asking(kind, f"touch {made}"))
    wish = agent.asks()
    assert swarm.agent(agent.id)["state"] == "waiting" and str(made) in str(wish)
    assert not made.exists()
    swarm.ok("approve", wish["id"])
    assert agent.wait() == 0, swarm.logs(agent.id)
    assert made.exists() and agent.outcomes == ["completed"]
    assert [one["status"] for one in agent.events("tool:finished")] == ["completed"]
    assert agent.served.requests == 2


def test_leaves_what_is_denied(swarm: Swarm, canned: Canned, kind: str) -> None:
    """Denied, it is not done, and the turn is no success."""
    made = swarm.cwd / "made"
    agent = Agent(swarm, canned, kind, asking(kind, f"touch {made}"))
    swarm.ok("deny", agent.asks()["id"], "--message", "not today")
    assert agent.wait() == 1, swarm.logs(agent.id)
    assert not made.exists() and set(agent.outcomes) <= {"denied", "refused", "interrupted"}
    assert len(agent.events("approval:denied")) == 1


def test_rules_answer_by_themselves(swarm: Swarm, canned: Canned, kind: str) -> None:
    """With --approve all nobody is asked; a rule that denies is before that."""
    made = swarm.cwd / "made"
    agent = Agent(swarm, canned, kind, asking(kind, f"touch {made}"), "--approve", "all")
    assert agent.wait() == 0, swarm.logs(agent.id)
    assert made.exists()
    other = swarm.cwd / "other"
    rules = ("--approve", "all", "--deny", "*")
    agent = Agent(swarm, canned, kind, asking(kind, f"touch {other}"), *rules)
    assert agent.wait() == 1, swarm.logs(agent.id)
    assert not other.exists()


def test_is_interrupted(swarm: Swarm, canned: Canned, kind: str) -> None:
    """interrupt ends the turn and keeps the session: the next turn is answered in it."""
    agent = Agent(swarm, canned, kind, "SLOW", "--stay")
    canned.wait_held("chunk")
    swarm.ok("interrupt", agent.id)
    until(lambda: agent.outcomes, "the end of the turn", seconds=DEADLINE)
    assert agent.outcomes == ["interrupted"]
    canned.flow()
    assert agent.send("still there?") == 0, swarm.logs(agent.id)
    assert agent.users[-1] == "still there?"
    swarm.ok("cancel", agent.id)


def test_an_error_of_the_api_is_a_failure(swarm: Swarm, canned: Canned, kind: str) -> None:
    """The turn has failed and says why, whatever status the agent's own program would end with."""
    agent = Agent(swarm, canned, kind, "FAIL:400")
    assert agent.wait() == 1, swarm.logs(agent.id)
    (completed,) = agent.events("turn:completed")
    assert completed["outcome"] == "failed" and "canned error 400" in completed["reason"]


def test_its_host_is_killed_while_the_model_answers(swarm: Swarm, canned: Canned, kind: str) -> None:
    """The next run goes on with the turn in the same session; it is not told twice."""
    agent = Agent(swarm, canned, kind, "HOLD:here\nSAY:it is done")
    canned.wait_held("here")
    agent.kill("child")
    canned.let_go("here")
    assert agent.restart() == 0, swarm.logs(agent.id)
    assert agent.outcomes == ["completed"]
    assert sum("it is done" in text for text in agent.users) == 1, agent.users


def test_its_host_is_killed_while_it_asks(swarm: Swarm, canned: Canned, kind: str) -> None:
    """What it asked for is void, or waits on; it asks again, and does once what is allowed then."""
    made = swarm.cwd / "made"
    agent = Agent(swarm, canned, kind, asking(kind, f"echo x >> {made}"))
    first = agent.asks()
    agent.kill("child")
    swarm.ok("restart", agent.id)
    again = agent.asks()
    if again["id"] != first["id"]:
        assert [one["approval"] for one in agent.events("approval:voided")] == [first["id"]]
    swarm.ok("approve", again["id"])
    assert agent.wait() == 0, swarm.logs(agent.id)
    assert made.read_text() == "x\n" and agent.outcomes == ["completed"]


def test_its_daemon_is_killed_while_it_asks(swarm: Swarm, canned: Canned, kind: str) -> None:
    """Nobody notices: the same approval is answered, and the same run ends well."""
    made = swarm.cwd / "made"
    agent = Agent(swarm, canned, kind, asking(kind, f"touch {made}"))
    wish = agent.asks()
    agent.kill("daemon")
    swarm.ok("approve", wish["id"])
    until(made.exists, "what was allowed", seconds=DEADLINE)
    swarm.ok("supervisor", "run", "--once")
    assert agent.wait() == 0, swarm.logs(agent.id)
    assert swarm.agent(agent.id)["run"] == 1 and agent.outcomes == ["completed"]


def test_counts_what_was_served(swarm: Swarm, canned: Canned, kind: str) -> None:
    """Tokens are those that were served, over tools, turns, runs and resumes; a request of its own may come on top.

    So is the cost, where the kind tells one: in all, by a counter that goes on, or by each token's price.
    """
    agent = Agent(swarm, canned, kind, asking(kind, "true"), "--approve", "all")
    assert agent.wait() == 0, swarm.logs(agent.id)
    assert agent.send("and now?") == 0
    assert agent.send(asking(kind, "false")) == 0
    served = agent.served
    (shown,) = swarm.json("usage", agent.id)
    used = Tokens(*(shown["own"][name] for name in Tokens._fields))
    assert used == agent.used and used in (served.tokens, served.tokens.plus(served.aside_tokens))
    assert shown["own"]["cost"] == cost(agent, used)


def cost(agent: Agent, used: Tokens) -> int | None:
    """What it must have cost, in millionths of a dollar; None where nobody says."""
    if agent.kind in ("claude", "claude-acp"):
        told = TOTAL.findall(agent.swarm.logs("--raw", agent.id))
        return round(float(told[-1]) * 1e6)
    if agent.kind == "opencode":
        return round(used.input * 1 + used.output * 2 + used.cache_read * 0.5)
    return None


def test_a_session_that_it_does_not_know(swarm: Swarm, canned: Canned, kind: str) -> None:
    """A clear failure, and no turn is taken anew in another session."""
    unknown = "0199a213-81c0-7800-8aa1-bbab2a035a53"
    agent = Agent(swarm, canned, kind, "hello", "--session", "ses_unknown" if kind == "opencode" else unknown)
    assert agent.wait() == 1
    (completed,) = agent.events("turn:completed")
    assert completed["outcome"] == "failed" and agent.served.requests == 0


def test_answers_when_it_is_checked(swarm: Swarm, canned: Canned, kind: str) -> None:
    """agents check opens a session of it; --ask takes a turn."""
    (checked,) = swarm.json("agents", "check", kind, "--ask", "--timeout", f"{DEADLINE:g}")
    assert checked["ok"] and checked["version"] and checked["text"].startswith("HELLO users=1"), checked
