"""Claude Code itself, through all of swarmctl: turns, approvals that outlive what dies, and each step killed."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from agents.homes import DEADLINE
from support.canned import Canned
from support.cli import Swarm
from support.looking import until
from support.supervisors import supervising
from swarm_store.home import Home

pytestmark = pytest.mark.timeout(DEADLINE)


class Claude:
    """One agent, and what is known of it."""

    def __init__(self, swarm: Swarm, prompt: str, *options: str) -> None:
        self.swarm = swarm
        self.id = swarm.spawn("--agent", "claude", *options, prompt)

    def events(self, type: str) -> list[dict[str, Any]]:
        """The data of its events of one type."""
        return [one["data"] for one in self.swarm.json("events", self.id) if one["type"] == type]

    def outcomes(self) -> list[str]:
        return [one["outcome"] for one in self.events("turn:completed")]

    def says(self) -> list[str]:
        return [one["text"] for one in self.events("message") if one["role"] == "assistant"]

    def wait(self) -> int:
        return self.swarm.run("wait", self.id).status

    def asks(self) -> dict[str, Any]:
        """The approval it waits for, once there is one."""

        def pending() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = self.swarm.json("approvals", self.id)
            return found

        until(pending, f"{self.id} asks", seconds=DEADLINE)
        return pending()[0]

    def kill(self, who: str = "child") -> None:
        """Kill its daemon, or its host and with that Claude Code."""
        os.kill(self.swarm.agent(self.id)[who]["pid"], signal.SIGKILL)
        if who == "child":
            self.wait()

    def again(self) -> int:
        """Start it again, as a restart policy would; the status it ends with."""
        self.swarm.ok("restart", self.id)
        return self.wait()


def test_turns_are_of_one_session(swarm: Swarm, canned: Canned) -> None:
    """An agent that has ended goes on when it is sent a turn, and what it has used is what was served."""
    agent = Claude(swarm, "hello")
    assert agent.wait() == 0
    swarm.ok("send", agent.id, "and now?")
    assert agent.wait() == 0
    assert canned.served("anthropic").only.users == ("hello", "and now?")
    assert (agent.outcomes(), agent.says()[-1]) == (["completed"] * 2, "HELLO users=2 last=and now?")
    _counts_what_was_served(agent, canned)


def test_what_needs_no_permission_runs_at_once(swarm: Swarm) -> None:
    """By Claude Code's own judgement: a command that reads."""
    agent = Claude(swarm, "TOOL:pwd")
    assert (agent.wait(), agent.events("approval:requested")) == (0, [])
    assert [one["status"] for one in agent.events("tool:finished")] == ["completed"]


def test_a_rule_or_the_policy_answers_at_once(swarm: Swarm, tmp_path: Path) -> None:
    """Nobody is asked, the process stays, and the rule is recorded."""
    ruled = Claude(swarm, f"TOOL:touch {tmp_path}/ruled", "--allow", "Bash(touch *)")
    policed = Claude(swarm, f"TOOL:touch {tmp_path}/policed", "--approve", "all")
    denied = Claude(swarm, f"TOOL:touch {tmp_path}/denied", "--deny", "Bash(touch *)")
    assert [one.wait() for one in (ruled, policed, denied)] == [0, 0, 1]
    assert [one["rule"] for one in ruled.events("approval:granted")] == ["Bash(touch *)"]
    assert [one["by"] for one in policed.events("approval:granted")] == ["policy"]
    assert denied.outcomes() == ["denied"]
    assert sorted(path.name for path in tmp_path.glob("*ed")) == ["policed", "ruled"]
    assert ruled.events("approval:requested")[0]["deferred"] is False


def test_a_daemon_that_dies_while_a_person_is_asked(swarm: Swarm, tmp_path: Path, canned: Canned) -> None:
    """The approval stays, no Claude Code runs meanwhile, and with the answer the agent goes on."""
    made = tmp_path / "made"
    agent = Claude(swarm, f"TOOL:echo x >> {made}\nSAY:after it")
    approval = agent.asks()
    assert not _descendants(swarm.agent(agent.id)["child"]["pid"])
    agent.kill("daemon")
    with supervising(Home(str(swarm.home))):
        swarm.ok("approve", approval["id"])
        assert agent.wait() == 0
    assert (made.read_text(), agent.says()) == ("x\n", ["after it"])
    assert len(agent.events("approval:delivered")) == 1
    _counts_what_was_served(agent, canned)


@pytest.mark.parametrize("when", ["before it is answered", "after it was answered"])
def test_a_host_that_dies_while_a_person_is_asked(when: str, swarm: Swarm, tmp_path: Path, canned: Canned) -> None:
    """The next run asks the same, and has the answer once, whenever that was given; the tool runs once."""
    made = tmp_path / "made"
    agent = Claude(swarm, f"TOOL:echo x >> {made}\nSAY:after it")
    approval = agent.asks()
    agent.kill()
    if when == "before it is answered":
        swarm.ok("restart", agent.id)
        until(lambda: len(agent.events("session:started")) == 2, "it is resumed", seconds=DEADLINE)
    swarm.ok("approve", approval["id"])
    assert (agent.again() if when == "after it was answered" else agent.wait()) == 0
    assert (made.read_text(), agent.says(), agent.outcomes()) == ("x\n", ["after it"], ["completed"])
    assert len(agent.events("approval:requested")) == len(agent.events("approval:delivered")) == 1
    assert len(canned.served("anthropic").only.users) == 1
    _counts_what_was_served(agent, canned)


def test_a_denial_is_told_to_the_model(swarm: Swarm, tmp_path: Path) -> None:
    """With the message, and the turn is not completed well."""
    agent = Claude(swarm, f"TOOL:touch {tmp_path}/made")
    swarm.ok("deny", agent.asks()["id"], "--message", "not on a Friday")
    assert (agent.wait(), agent.outcomes()) == (1, ["denied"])
    assert "not on a Friday" in agent.says()[-1]
    assert not (tmp_path / "made").exists()


def test_an_edited_call_runs_as_it_was_edited(swarm: Swarm, tmp_path: Path) -> None:
    """What was approved runs, and not what was asked for."""
    agent = Claude(swarm, f"TOOL:touch {tmp_path}/asked")
    swarm.ok("approve", agent.asks()["id"], "--edit", json.dumps({"command": f"touch {tmp_path}/edited"}))
    assert agent.wait() == 0
    assert (tmp_path / "edited").exists() and not (tmp_path / "asked").exists()


def test_several_calls_of_one_message_are_all_asked_about(swarm: Swarm, tmp_path: Path) -> None:
    """None is lost: all but the last are asked about live."""
    agent = Claude(swarm, f"TOOLS:touch {tmp_path}/one && touch {tmp_path}/two")
    first = agent.asks()
    swarm.ok("approve", first["id"])
    until(lambda: agent.asks()["id"] != first["id"], "the second is asked about", seconds=DEADLINE)
    swarm.ok("approve", agent.asks()["id"])
    assert agent.wait() == 0
    assert [one["deferred"] for one in agent.events("approval:requested")] == [False, True]
    assert (tmp_path / "one").exists() and (tmp_path / "two").exists()


def test_a_live_approval_whose_host_dies_is_void(swarm: Swarm, tmp_path: Path) -> None:
    """It cannot be answered any more; the next run asks anew for what is then to be done."""
    agent = Claude(swarm, f"TOOLS:touch {tmp_path}/one && touch {tmp_path}/two")
    approval = agent.asks()
    agent.kill()
    swarm.ok("restart", agent.id)
    until(lambda: agent.events("approval:voided"), "it is voided", seconds=DEADLINE)
    swarm.refused(4, "approve", approval["id"])
    swarm.run("wait", agent.id)


def test_an_interrupt_ends_the_turn_and_keeps_the_session(swarm: Swarm, canned: Canned) -> None:
    """In the midst of a text, and while a person is asked."""
    agent = Claude(swarm, "SLOW", "--stay")
    canned.wait_held("chunk")
    swarm.ok("interrupt", agent.id)
    until(lambda: agent.outcomes() == ["interrupted"], "it is interrupted", seconds=DEADLINE)
    swarm.ok("send", agent.id, "TOOL:touch it")
    agent.asks()
    swarm.ok("interrupt", agent.id)
    until(lambda: agent.outcomes() == ["interrupted"] * 2, "it is interrupted again", seconds=DEADLINE)
    assert agent.events("approval:voided")
    swarm.ok("send", agent.id, "SAY:still here")
    until(lambda: len(agent.outcomes()) == 3, "it goes on", seconds=DEADLINE)
    assert (agent.outcomes()[-1], agent.says()[-1]) == ("completed", "still here")
    assert canned.served("anthropic").only.users == ("SLOW", "TOOL:touch it", "SAY:still here")


@pytest.mark.parametrize("status", [400, 500, 429])
def test_an_error_of_the_api_is_no_success(status: int, swarm: Swarm) -> None:
    """The turn fails, with its words, and so does the run."""
    agent = Claude(swarm, f"FAIL:{status}")
    assert (agent.wait(), agent.outcomes()) == (1, ["failed"])
    assert str(status) in agent.events("turn:completed")[0]["reason"]


def test_an_error_that_passes_is_told_and_passed_over(swarm: Swarm) -> None:
    """Claude Code tries again, and says so."""
    agent = Claude(swarm, "FAIL:500*1\nSAY:at last")
    assert (agent.wait(), agent.says()) == (0, ["at last"])
    assert any("500" in one["text"] for one in agent.events("message") if one["role"] == "notice")


@pytest.mark.parametrize("step", ["before the first answer", "while a tool runs", "before the second answer"])
def test_a_host_that_is_killed_at_any_step(step: str, swarm: Swarm, tmp_path: Path, canned: Canned) -> None:
    """The next run goes on in the session, or in another where Claude Code had not kept that: the user's turn is in it
    once, and no tool that had ended runs again."""
    made, gate = tmp_path / "made", tmp_path / "gate"
    tool = f"TOOL:echo x >> {made}; until test -e {gate}; do sleep 0.1; done"
    agent = Claude(swarm, _held(step, tool), "--approve", "all")
    if step == "while a tool runs":
        until(made.exists, "the tool runs", seconds=DEADLINE)
    else:
        gate.touch()
        canned.wait_held()
    agent.kill()
    canned.let_go()
    gate.touch()
    assert agent.again() == 0
    assert agent.outcomes() == ["completed"]
    *lost, last = canned.served("anthropic").conversations.values()
    assert len(last.users) == 1 and "TOOL" in last.users[0], last.users
    assert not lost or step == "before the first answer"
    if step == "before the second answer":
        assert made.read_text() == "x\n"


def test_a_host_that_is_killed_as_the_turn_begins(swarm: Swarm, canned: Canned) -> None:
    """Whether Claude Code has kept the turn or not, the next run takes it; no answer comes before that."""
    agent = Claude(swarm, "HOLD:here\nSAY:hello")
    until(lambda: agent.events("turn:started"), "the turn begins", seconds=DEADLINE)
    agent.kill()
    canned.let_go("here")
    assert (agent.again(), agent.outcomes()) == (0, ["completed"])
    assert agent.says() == ["hello"]


def test_an_unknown_session_is_a_clear_failure(swarm: Swarm) -> None:
    """It is said that it is not known, and no turn is left waiting."""
    unknown = "99999999-9999-4999-8999-999999999999"
    agent = Claude(swarm, "hello", "--session", unknown)
    assert agent.wait() != 0
    (ended,) = agent.events("turn:completed")
    assert ended["outcome"] == "failed" and unknown in ended["reason"]


def test_without_a_login_it_says_so(swarm: Swarm) -> None:
    """And how to sign in."""
    swarm.env["ANTHROPIC_API_KEY"] = ""
    agent = Claude(swarm, "hello")
    assert agent.wait() != 0
    assert any("signed in" in one["text"] for one in agent.events("message") if one["role"] == "notice")


def _held(step: str, tool: str) -> str:
    if step == "before the first answer":
        return f"HOLD\n{tool}"
    return tool if step == "while a tool runs" else f"{tool}\nHOLD\nSAY:done"


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def _counts_what_was_served(agent: Claude, canned: Canned) -> None:
    """What was reported of an agent is what the API served, to the token."""
    said = agent.events("usage:reported")
    served = canned.served("anthropic").tokens._asdict()
    assert {name: sum(one[name] for one in said) for name in served} == served
