"""What an agent asks to be allowed: rules and policies first, then whoever answers, the timeout among them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from support.agents import ended, get, kill
from support.looking import state, until
from support.sessions import answer, answers, asked, lines, messages, outcomes, restart, said, send, session, spawn
from support.supervisors import supervising
from swarm_daemon import control, conversing
from swarm_store import approvals, sessions
from swarm_store.clock import now
from swarm_store.errors import AlreadyAnswered, AnsweredLate
from swarm_store.log import Log
from swarmctl import aftermath

LS = "ask Bash ls"


def test_a_granted_approval_reaches_the_agent(log: Log, tmp_path: Path) -> None:
    """While it is pending the agent waits for it; granted, the agent has it once, and goes on."""
    agent = spawn(log, tmp_path, LS)
    approval = asked(log, agent)
    assert (approval["tool"], approval["title"], approval["input"]) == ("Bash", "ls", {"command": "ls"})
    until(lambda: get(log, agent["id"])["waiting_for"] == "approval", "it to wait")
    answer(log, agent)
    assert ended(log, agent["id"])["exit_code"] == 0
    assert lines(tmp_path, "answers") == ["ls: yes"]
    assert answers(log, agent) == [("granted", "tester", True)]
    assert [one.data["status"] for one in said(log, agent, "tool:finished")] == ["completed"]
    moved = log.read("registry", key=agent["id"], types=["agent:waiting", "agent:resumed"])
    assert [one.type for one in moved] == ["agent:waiting", "agent:resumed"]


def test_each_approval_is_told(log: Log, tmp_path: Path) -> None:
    """Who is to be told hears of each thing that an agent asks for, also of what it asks while it waits already."""
    told = tmp_path / "told"
    agent = spawn(log, tmp_path, "both one two", around=aftermath.around([f"cat >> {told}"]))
    until(lambda: told.exists() and len(told.read_text().splitlines()) == 2, "both to be told")
    for one in approvals.asked(log, agent_id=agent["id"]):
        assert f"waits for an approval ({one['id']}): {one['title']}\n" in told.read_text()
        approvals.answer(log, one["id"], granted=True, by="tester")
    assert ended(log, agent["id"])["exit_code"] == 0


def test_a_denied_approval_is_said_to_the_agent(log: Log, tmp_path: Path) -> None:
    """Denied, the agent is told so and why; its turn ends, and is no success."""
    agent = spawn(log, tmp_path, LS)
    answer(log, agent, granted=False, message="not today")
    assert ended(log, agent["id"])["exit_code"] == 1
    assert lines(tmp_path, "answers") == ["ls: no not today"]
    last = session(log, agent)["last"]
    assert (last["outcome"], last["denials"], last["reason"]) == ("denied", 1, "1 request was denied")


def test_an_approval_is_answered_once(log: Log, tmp_path: Path) -> None:
    """The second answer is told who was first."""
    agent = spawn(log, tmp_path, LS)
    approval = answer(log, agent)
    with pytest.raises(AlreadyAnswered, match="granted by tester"):
        approvals.answer(log, approval, granted=False, by="somebody")
    ended(log, agent["id"])
    assert lines(tmp_path, "answers") == ["ls: yes"]


@pytest.mark.parametrize(
    ("script", "given", "word", "by"),
    [
        ("ask Bash git status", {"allow": ["Bash(git *)"]}, "yes", "rule"),
        ("ask Bash git push", {"allow": ["Bash(git *)"], "deny": ["Bash(git push*)"]}, "no", "rule"),
        (LS, {"approve": "all"}, "yes", "policy"),
        (LS, {"approve": "never"}, "no", "policy"),
        ("ask Read notes", {"approve": "auto-read"}, "yes", "policy"),
    ],
    ids=["allow", "deny", "all", "never", "auto-read"],
)
def test_what_is_ruled_is_not_asked(
    log: Log, tmp_path: Path, script: str, given: dict[str, Any], word: str, by: str
) -> None:
    """A rule or a policy answers at once, and what it decided is recorded as its own."""
    agent = spawn(log, tmp_path, script, **given)
    ended(log, agent["id"])
    assert f": {word}" in lines(tmp_path, "answers")[0]
    assert answers(log, agent) == [("granted" if word == "yes" else "denied", by, True)]
    assert not [one for one in log.read("registry", key=agent["id"]) if one.type == "agent:waiting"]


def test_auto_read_asks_for_the_rest(log: Log, tmp_path: Path) -> None:
    """The policy auto-read grants what only reads; what does more is asked."""
    agent = spawn(log, tmp_path, LS, approve="auto-read")
    answer(log, agent)
    ended(log, agent["id"])
    assert answers(log, agent) == [("granted", "tester", True)]


@pytest.mark.parametrize("granted", [True, False])
def test_for_good_holds_in_later_runs(log: Log, tmp_path: Path, granted: bool) -> None:
    """What was answered for good is not asked again in the session, in this run or another; what differs is."""
    agent = spawn(log, tmp_path, f"{LS}\n{LS}")
    answer(log, agent, granted=granted, always=True)
    ended(log, agent["id"])
    send(log, agent, f"{LS}\nask Bash ls -l")
    restart(log, agent)
    answer(log, agent)
    ended(log, agent["id"])
    word, state = ("yes", "granted") if granted else ("no", "denied")
    assert [line.split()[:2] for line in lines(tmp_path, "answers")][:3] == [["ls:", word]] * 3
    assert answers(log, agent) == [
        (state, "tester", True),
        (state, "rule", True),
        (state, "rule", True),
        ("granted", "tester", True),
    ]


def test_what_nobody_answers_is_denied(log: Log, tmp_path: Path) -> None:
    """After its timeout an approval is denied by that, and the agent is told so."""
    agent = spawn(log, tmp_path, LS, approval_timeout=0.2)
    approval = asked(log, agent)
    assert approval["until"] is not None
    assert ended(log, agent["id"])["exit_code"] == 1
    assert answers(log, agent) == [("denied", "timeout", True)]
    assert lines(tmp_path, "answers") == ["ls: no nobody has answered in time"]


def test_an_interrupt_voids_what_is_asked(log: Log, tmp_path: Path) -> None:
    """An interrupted turn asks for nothing any more: its approval is void, and a later answer is told so."""
    agent = spawn(log, tmp_path, f"{LS}\nsay never")
    approval = asked(log, agent)["id"]
    sessions.interrupt(log, get(log, agent["id"]), by="tester")
    ended(log, agent["id"])
    assert outcomes(log, agent) == ["interrupted"] and not messages(log, agent)
    with pytest.raises(AlreadyAnswered, match=r"void .* the turn was interrupted"):
        approvals.answer(log, approval, granted=True, by="tester")


def test_what_a_cancelled_agent_asked_is_void_once(log: Log, tmp_path: Path) -> None:
    """Where an agent that asks is cancelled, the approval is void, and that is told once."""
    agent = spawn(log, tmp_path, LS)
    approval = asked(log, agent)["id"]
    control.ask_cancel(log, get(log, agent["id"]), grace=5)
    ended(log, agent["id"])
    assert [one.data["approval"] for one in said(log, agent, "approval:voided")] == [approval]


def test_another_input_is_handed_on(log: Log, tmp_path: Path) -> None:
    """Whoever grants may change what is done, where the agent can be told so."""
    agent = spawn(log, tmp_path, LS)
    approval = asked(log, agent)["id"]
    approvals.answer(log, approval, granted=True, by="tester", input={"command": "ls -l"})
    ended(log, agent["id"])
    assert approvals.resolve(log, approval)["answer_input"] == {"command": "ls -l"}
    assert lines(tmp_path, "answers") == ["ls: yes"]


@pytest.mark.parametrize("who", ["host", "agent"])
def test_what_a_dead_asker_asked_is_void(log: Log, tmp_path: Path, who: str) -> None:
    """An approval whose asker was killed is void with the next run at the latest, and the agent asks again."""
    agent = spawn(log, tmp_path, LS)
    first = asked(log, agent)["id"]
    _kill(log, agent["id"], who)
    ended(log, agent["id"])
    restart(log, agent)
    until(lambda: approvals.resolve(log, first)["state"] == "voided", "the first to be void")
    answer(log, agent)
    assert ended(log, agent["id"])["exit_code"] == 0
    assert answers(log, agent) == [("voided", None, False), ("granted", "tester", True)]
    assert lines(tmp_path, "answers") == ["ls: yes"] and outcomes(log, agent) == ["completed"]


def test_an_answer_that_reached_nobody_is_reported(log: Log, tmp_path: Path) -> None:
    """What was granted to who died before it had the answer is void as undeliverable, and asked again."""
    agent = spawn(log, tmp_path, LS)
    first = asked(log, agent)["id"]
    host = get(log, agent["id"])["child"]["pid"]
    control.ask_signal(log, get(log, agent["id"]), "STOP")
    until(lambda: state(host) == "T", "the host to be stopped")
    approvals.answer(log, first, granted=True, by="tester")
    _kill(log, agent["id"], "host")
    ended(log, agent["id"])
    restart(log, agent)
    until(lambda: approvals.resolve(log, first)["state"] == "voided", "the first to be void")
    answer(log, agent)
    ended(log, agent["id"])
    assert [state for state, _, _ in answers(log, agent)] == ["voided", "granted"]
    assert "undeliverable" in approvals.resolve(log, first)["reason"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_deferred_approval_outlives_its_host(log: Log, tmp_path: Path, when: str) -> None:
    """A deferred one can be answered while nobody holds it, or by the next run: either way the agent has it once."""
    agent = spawn(log, tmp_path, "defer Bash ls\nsay done")
    first = asked(log, agent)["id"]
    _kill(log, agent["id"], "host")
    ended(log, agent["id"])
    if when == "before":
        answer(log, agent)
    restart(log, agent)
    if when == "after":
        until(lambda: len(said(log, agent, "turn:started")) == 2, "the turn to come again")
        assert answer(log, agent) == first
    assert ended(log, agent["id"])["exit_code"] == 0
    assert answers(log, agent) == [("granted", "tester", True)]
    assert lines(tmp_path, "answers") == ["ls: yes"] and messages(log, agent) == ["done"]


def test_the_time_to_answer_runs_out_without_a_host(log: Log, tmp_path: Path) -> None:
    """Where a deferred approval has outlived its host, the supervisor denies it in time, and begins a run for that."""
    agent = spawn(log, tmp_path, "defer Bash ls\nsay done", approval_timeout=1.0)
    asked(log, agent)
    _kill(log, agent["id"], "host")
    ended(log, agent["id"])
    with supervising(log.home):
        until(lambda: outcomes(log, agent) == ["denied"], "the turn to go on")
    assert answers(log, agent) == [("denied", "timeout", True)]
    assert (get(log, agent["id"])["run"], lines(tmp_path, "answers")) == (2, ["ls: no nobody has answered in time"])


def test_an_answer_that_comes_too_late_is_none(log: Log, tmp_path: Path) -> None:
    """Where nobody was there to deny in time, whoever answers later is told so; the agent hears that it was denied."""
    agent = spawn(log, tmp_path, "defer Bash ls\nsay done", approval_timeout=0.5)
    approval = asked(log, agent)
    _kill(log, agent["id"], "host")
    ended(log, agent["id"])
    until(lambda: approvals.is_due(approval, now()), "its time to be over")
    with pytest.raises(AnsweredLate, match="was denied: nobody had answered by"):
        conversing.answer(log, approval["id"], granted=True, by="tester")
    until(lambda: outcomes(log, agent) == ["denied"], "the turn to go on")
    assert lines(tmp_path, "answers") == ["ls: no nobody has answered in time"]
    with pytest.raises(AlreadyAnswered, match="denied by timeout"):
        conversing.answer(log, approval["id"], granted=True, by="tester")


def _kill(log: Log, agent_id: str, who: str) -> None:
    host = get(log, agent_id)["child"]["pid"]
    children = Path(f"/proc/{host}/task/{host}/children").read_text().split()
    kill(host if who == "host" else int(children[0]))
