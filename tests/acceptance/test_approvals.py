"""`swarmctl approvals`, `approve` and `deny`: from any shell, whoever answers first."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import pytest

from support import hosted
from support.cli import Swarm, output_of, read_until
from support.looking import until
from support.terminal import on_terminal
from swarm_store import approvals, sessions
from swarm_store import session_events as said
from swarm_store.home import Home
from swarm_store.log import Log

HERE = os.uname().nodename


@pytest.fixture
def log(swarm: Swarm) -> Iterator[Log]:
    """The log of the command line's home."""
    with Log(Home(str(swarm.home))) as log:
        yield log


def asking(log: Log, *commands: str, **given: Any) -> tuple[str, str]:
    """An agent that asks to be allowed these, one after the other; its id, and that of the first approval."""
    agent = hosted.spawn(log, "\n".join(f"ask {one}" for one in commands), **given)["id"]
    return agent, hosted.asked(log, agent)["id"]


def test_what_is_asked_is_listed(swarm: Swarm, log: Log) -> None:
    """`approvals` has who asks what, of all or of one; with nothing to show it prints nothing."""
    assert swarm.ok("approvals") == "" and swarm.json("approvals") == []
    agent, approval = asking(log, "git push", name="a")
    asking(log, "rm x", name="b")
    head, first, second = swarm.ok("approvals").splitlines()
    assert head.split() == ["ID", "AGENT", "AGE", "STATE", "TOOL", "WHAT"]
    assert first.split()[:2] == [approval, "a"] and first.endswith("pending  Bash  git push")
    assert second.endswith("Bash  rm x")
    (one,) = swarm.json("approvals", "a")
    assert (one["id"], one["agent"], one["name"], one["input"]) == (approval, agent, "a", {"command": "git push"})
    assert (one["editable"], [option["kind"] for option in one["options"]]) == (True, ["allow_once", "reject_once"])


def test_yes(swarm: Swarm, log: Log) -> None:
    """`approve` prints nothing; the agent goes on, and the log says who."""
    agent, approval = asking(log, "git push")
    assert swarm.agent(agent)["waiting_for"] == "approval"
    assert swarm.ok("approve", approval[:4]) == ""
    assert swarm.run("wait", agent).status == 0
    assert hosted.told(log, agent, said.TOOL_FINISHED)[0].data["output"] == "ran git push\n"
    (answered,) = swarm.json("approvals", "--all")
    assert (answered["state"], answered["delivered"], answered["always"]) == ("granted", True, False)
    assert answered["by"].endswith(f"@{HERE}")


def test_no(swarm: Swarm, log: Log) -> None:
    """`deny` tells the agent why; its turn was denied then, and its status is 1."""
    agent, approval = asking(log, "git push")
    told = json.loads(swarm.ok("deny", approval, "--message", "not now", "--json"))
    assert (told["state"], told["message"]) == ("denied", "not now")
    assert swarm.run("wait", agent).status == 1
    assert hosted.told(log, agent, said.TOOL_FINISHED)[0].data["output"] == "denied: not now"


def test_another_input(swarm: Swarm, log: Log) -> None:
    """--edit has it done with another input, from the command line or stdin."""
    agent, approval = asking(log, "git push --force")
    swarm.ok("approve", approval, "--always", "--edit", '{"command": "git push"}')
    swarm.run("wait", agent)
    assert hosted.told(log, agent, said.TOOL_FINISHED)[0].data["output"] == "ran git push\n"
    agent, approval = asking(log, "x")
    swarm.ok("approve", approval, "--edit", "-", input=b'{"command": "y"}')
    swarm.run("wait", agent)
    assert hosted.told(log, agent, said.TOOL_FINISHED)[0].data["output"] == "ran y\n"


@pytest.mark.parametrize("edit", ["no json", "[]", "1", "null", '{"a": NaN}', '{"a": 1e999}', "[" * 10_000])
def test_what_is_no_input(swarm: Swarm, log: Log, edit: str) -> None:
    """An --edit that is no JSON object is wrong usage, and answers nothing."""
    _, approval = asking(log, "x")
    assert "--edit is no" in swarm.refused(2, "approve", approval, "--edit", edit)
    assert len(swarm.json("approvals")) == 1


def test_an_agent_that_takes_no_other_input(swarm: Swarm, log: Log) -> None:
    """Where the agent's protocol has no such answer, --edit is refused with status 4, and nothing is answered."""
    agent = hosted.spawn(log, "ask x", kind="codex")["id"]
    approval = hosted.asked(log, agent)["id"]
    assert "cannot be given another input" in swarm.refused(4, "approve", approval, "--edit", "{}")
    swarm.ok("approve", approval)


def test_the_second_answer_is_told_of_the_first(swarm: Swarm, log: Log) -> None:
    """Whoever comes second has status 4, and reads who answered what and when; nothing changes."""
    agent, approval = asking(log, "x")
    swarm.ok("deny", approval)
    for verb in ("approve", "deny"):
        line = swarm.refused(4, verb, approval)
        assert "was denied by" in line and f"@{HERE} at 20" in line
    assert swarm.run("wait", agent).status == 1


def test_of_many_who_answer_one_is_first(swarm: Swarm, log: Log) -> None:
    """Of eight at once one has status 0, and seven have 4."""
    _, approval = asking(log, "x")
    answers = [swarm.start("approve" if n % 2 else "deny", approval) for n in range(8)]
    assert sorted(output_of(one).status for one in answers) == [0, *[4] * 7]


def test_what_nobody_asks_any_more(swarm: Swarm, log: Log) -> None:
    """An approval that is void is status 4 and says why; one that never was, 3; the start of several, 2."""
    agent, approval = asking(log, "x", "y")
    approvals.answer(log, approval, granted=True, by="ann@desk")
    sessions.say(log, agent, said.approval_voided(agent, 1, approval, reason="its agent's process has died"))
    assert "void: its agent's process has died" in swarm.ok("approvals", "--all")
    assert "is void since 20" in swarm.refused(4, "approve", approval)
    assert "its agent's process has died" in swarm.refused(4, "deny", approval)
    swarm.refused(3, "approve", "zzzzzzzz")
    swarm.refused(3, "deny", "")


def test_following(swarm: Swarm, log: Log) -> None:
    """`approvals -f` shows what is pending, what is asked, and each answer, as it comes; as JSON an object a line."""
    agent, first = asking(log, "one", "two", name="a")
    people, programs = swarm.start("approvals", "-f"), swarm.start("approvals", "a", "-f", "--json")
    assert read_until(people.stdout, b"\n").decode() == f"{first}  a  Bash  one  (pending)\n"
    read_until(programs.stdout, b"\n")
    swarm.ok("approve", first)
    later = until(lambda: [one["id"] for one in approvals.asked(log, agent_id=agent) if one["id"] != first])
    second = str(later[0])
    seen = read_until(people.stdout, f"{second}  a  Bash  two  (pending)\n".encode()).decode()
    assert f"{first}  a  Bash  one  (granted by" in seen
    swarm.ok("deny", second, "-m", "no more")
    assert ": no more)" in read_until(people.stdout, b"no more)\n").decode()
    lines = read_until(programs.stdout, b'"state": "denied"').decode().splitlines()
    assert all(json.loads(line)["name"] == "a" for line in lines[:-1])


def test_on_a_terminal(swarm: Swarm, log: Log) -> None:
    """A table is coloured there, and nothing that an agent wants done can steer it."""
    asking(log, "echo \x1b[2J", name="a")
    shown = on_terminal(swarm, "approvals", columns=120).out
    assert b"\x1b[33mpending" in shown and b"\\x1b[2J" in shown and b"\x1b[2J" not in shown


def test_completion(swarm: Swarm, log: Log) -> None:
    """A shell offers the ids of what is pending."""
    _, approval = asking(log, "x")
    line = "swarmctl approve "
    asked = {"_SWARMCTL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": "2"}
    assert swarm.command(["swarmctl"], input=None, cwd=None, **asked).lines == [approval]


def test_an_empty_home_has_no_approvals(fresh: Swarm) -> None:
    """Where nothing was ever spawned there is nothing to approve, and nothing is made."""
    assert fresh.ok("approvals") == "" and fresh.json("approvals") == []
    assert not fresh.home.exists()
