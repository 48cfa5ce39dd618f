"""What the driver of ACP does for each of the four agents beyond what all kinds do: see test_kinds.py for that."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agents.homes import DEADLINE
from agents.scene import Agent
from support.canned import Canned
from support.cli import Swarm
from support.looking import until

KINDS = ("codex", "opencode", "gemini", "claude-acp")
pytestmark = pytest.mark.timeout(3 * DEADLINE)


@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_again_and_again(swarm: Swarm, canned: Canned, kind: str) -> None:
    """A session is resumed as often as one likes, within its first minute too, and counts what was served once."""
    agent = Agent(swarm, canned, kind, "one")
    assert agent.wait() == 0, swarm.logs(agent.id)
    for text in ("two", "three", "four"):
        assert agent.send(text) == 0, swarm.logs(agent.id)
    assert agent.users == ("one", "two", "three", "four")
    assert len({one["session"] for one in agent.events("session:started")}) == 1
    served = agent.served
    assert agent.used in (served.tokens, served.tokens.plus(served.aside_tokens))


@pytest.mark.parametrize("kind", KINDS)
def test_is_interrupted_while_it_asks(swarm: Swarm, canned: Canned, kind: str, tmp_path: Path) -> None:
    """The approval is void, the turn interrupted, and the next turn is answered by the same process."""
    agent = Agent(swarm, canned, kind, f"ESC TOOL:touch {tmp_path}/made", "--stay")
    asked = agent.asks()
    swarm.ok("interrupt", agent.id)
    until(lambda: agent.outcomes == ["interrupted"], "it is interrupted", seconds=DEADLINE)
    assert [one["approval"] for one in agent.events("approval:voided")] == [asked["id"]]
    assert not (tmp_path / "made").exists()
    swarm.refused(4, "approve", asked["id"])
    assert agent.send("SAY:still here") == 0, swarm.logs(agent.id)
    assert agent.says[-1] == "still here" and len(agent.events("session:started")) == 1
    swarm.ok("cancel", agent.id)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_one_that_is_killed(swarm: Swarm, canned: Canned, kind: str) -> None:
    """With its host the agent's processes end, those that it has started too, once a supervisor has looked."""
    agent = Agent(swarm, canned, kind, "HOLD:here\nSAY:done", "--stay")
    canned.wait_held("here")
    assert _marked(agent.id)
    agent.kill("child")
    swarm.ok("supervisor", "run", "--once")
    until(lambda: not _marked(agent.id), "the end of all its processes", seconds=DEADLINE)
    canned.let_go("here")


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_prompt(swarm: Swarm, canned: Canned, kind: str) -> None:
    """A turn of half a megabyte reaches the model whole."""
    agent = Agent(swarm, canned, kind, "hello")
    assert agent.wait() == 0, swarm.logs(agent.id)
    text = "SAY:read it\n" + "word " * 100_000
    sent = swarm.run("send", "--wait", agent.id, "-", input=text.encode())
    assert sent.status == 0, sent
    assert agent.users[-1].count("word") == 100_000 and agent.says[-1] == "read it"


@pytest.mark.parametrize("kind", ["codex", "opencode", "claude-acp"])
def test_a_model_that_it_does_not_have(swarm: Swarm, canned: Canned, kind: str) -> None:
    """It is refused in one line before a turn is begun; gemini takes any name."""
    agent = Agent(swarm, canned, kind, "hello", "--model", "none/such")
    assert agent.wait() == 1
    assert any("has no model 'none/such'" in one["text"] for one in agent.events("message"))
    assert agent.served.requests == 0


def test_any_command_line_that_speaks_it(swarm: Swarm, canned: Canned) -> None:
    """acp:COMMAND is an agent without a profile."""
    agent = Agent(swarm, canned, "codex", "hello")
    other = swarm.spawn("--agent", "acp:opencode acp", "hello")
    assert agent.wait() == 0 and swarm.run("wait", other).status == 0
    assert b"HELLO users=1 last=hello" in swarm.logs(other)


def test_nobody_is_logged_in(swarm: Swarm, canned: Canned, tmp_path: Path) -> None:
    """The turn waits, and the conversation says what to do."""
    (tmp_path / "empty").mkdir()
    agent = Agent(swarm, canned, "codex", "hello", "--env", f"CODEX_HOME={tmp_path}/empty")
    assert agent.wait() == 1
    assert any("codex-acp is not logged in" in one["text"] for one in agent.events("message"))


def _marked(agent_id: str) -> list[int]:
    """The processes of its runs, by their environment."""
    found = []
    for name in os.listdir("/proc"):
        try:
            environment = Path(f"/proc/{name}/environ").read_bytes() if name.isdigit() else b""
        except OSError:
            continue
        found += [int(name)] if f"SWARM_RUN={agent_id}.".encode() in environment else []
    return found
