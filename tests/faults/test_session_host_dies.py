"""The session host dies at each step: the next run goes on rightly, and nothing is done, said or answered twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.agents import adopt, ended, get, is_blocked, kill, output
from support.looking import is_running, until
from support.sessions import (
    answer,
    answers,
    asked,
    messages,
    notes,
    outcomes,
    restart,
    said,
    send,
    session,
    spawn,
)
from support.supervisors import supervising
from swarm_daemon import conversing
from swarm_store import approvals, budgets, registry, session_events, sessions
from swarm_store.errors import AlreadyAnswered
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.lifecycle import TERMINAL
from swarm_store.log import Log
from swarm_store.transaction import Producer
from swarmctl.host.decide import CONTINUE

SCRIPT = "note a\nsay Hello\nask Bash ls\nnote b\nuse 10 1\nsay Bye"
PUBLISH = "swarmctl.host.publisher:Publisher._append"  # whatever is said, one call a time
STEPS = [
    "swarmctl.host.inbox:Inbox.open:before",
    "swarmctl.host.finding:find:before",
    "swarm_store.sessions:begin:before",
    "swarm_store.sessions:begin:after",
    *(f"{PUBLISH}:{when}:{count}" for count in range(1, 10) for when in ("before", "after")),
    "swarm_store.sessions:close:before",
    "swarm_store.sessions:close:after",
]


@pytest.mark.parametrize("script", [SCRIPT, SCRIPT.replace("ask", "defer")], ids=["held", "deferred"])
@pytest.mark.parametrize("step", STEPS)
def test_a_turn_outlives_its_host(log: Log, tmp_path: Path, step: str, script: str) -> None:
    """Whichever step was the host's last, its turn is completed once, by the same session, and told once."""
    agent = spawn(log, tmp_path, script, env={"SWARM_DIE": step})
    answer_until_ended(log, agent)
    first = get(log, agent["id"])
    assert first["state"] == "failed" and first["signal"] == "SIGKILL", "it was to die"
    restart(log, agent)
    answer_until_ended(log, agent)
    assert get(log, agent["id"])["exit_code"] == 0
    assert outcomes(log, agent) == ["completed"] and notes(tmp_path) == ["a", "b"]
    assert messages(log, agent, "user") == [script]
    assert all(told == CONTINUE for told in heard(tmp_path)[1:])
    assert not session(log, agent)["pending"] and not session(log, agent)["undelivered"]
    assert all(state == "voided" or delivered for state, _, delivered in answers(log, agent))
    usage = budgets.usage(log, agent_ids={agent["id"]})
    assert sum(row["input"] for row in usage) <= 10  # what was not said when it died is not known


def answer_until_ended(log: Log, agent: Agent) -> None:
    """Grant whatever is asked, until the run is over."""

    def look() -> bool:
        for one in approvals.asked(log, agent_id=agent["id"]):
            try:
                approvals.answer(log, one["id"], granted=True, by="tester")
            except AlreadyAnswered:
                pass  # it died just before
        return get(log, agent["id"])["state"] in TERMINAL

    until(look, "the end of the run")


def heard(place: Path) -> list[str]:
    """What the agent was told in its session, which must be one."""
    found = [json.loads(path.read_text())["heard"] for path in place.glob("session-*")]
    told: list[str] = next(one for one in found if one)
    assert sum(bool(one) for one in found) == 1
    return told


def test_an_answer_goes_on_with_who_has_died(log: Log, tmp_path: Path) -> None:
    """A deferred approval of a host that was killed is answered, and the answer begins the run that takes it."""
    agent = spawn(log, tmp_path, "defer Bash ls\nnote b")
    approval = asked(log, agent)["id"]
    kill(agent["child"]["pid"])
    ended(log, agent["id"])
    conversing.answer(log, approval, granted=True, by="tester")
    assert ended(log, agent["id"])["run"] == 2
    assert outcomes(log, agent) == ["completed"] and notes(tmp_path) == ["b"]
    assert answers(log, agent) == [("granted", "tester", True)]


def test_a_supervisor_goes_on_with_what_was_answered(log: Log, tmp_path: Path) -> None:
    """Whoever answers is killed before it has begun a run: a supervisor begins it, whatever the policy."""
    agent = spawn(log, tmp_path, "defer Bash ls\nnote b")
    approval = asked(log, agent)["id"]
    kill(agent["child"]["pid"])
    ended(log, agent["id"])
    approvals.answer(log, approval, granted=True, by="tester")
    with supervising(log.home):
        until(lambda: outcomes(log, agent) == ["completed"], "the turn to be completed")
        assert ended(log, agent["id"])["run"] == 2


@pytest.mark.parametrize("who", ["host", "agent"])
def test_turns_that_wait_outlive_it(log: Log, tmp_path: Path, who: str) -> None:
    """What was sent during a turn whose host or agent was killed is taken after it by the next run, in order."""
    agent = spawn(log, tmp_path, "note 1\nwait go\nnote 2")
    until(lambda: notes(tmp_path), "the turn to be under way")
    send(log, agent, "note 3")
    send(log, agent, "note 4")
    host = get(log, agent["id"])["child"]["pid"]
    children = Path(f"/proc/{host}/task/{host}/children").read_text().split()
    kill(host if who == "host" else int(children[0]))
    ended(log, agent["id"])
    (tmp_path / "go").touch()
    restart(log, agent)
    assert ended(log, agent["id"])["exit_code"] == 0
    assert notes(tmp_path) == ["1", "2", "3", "4"] and outcomes(log, agent) == ["completed"] * 3


def test_a_turn_with_the_same_text_is_not_lost(log: Log, tmp_path: Path) -> None:
    """A turn that was begun, and not told before the host died, is told though the one before it had its text."""
    same = "wait go\nnote a"
    agent = spawn(log, tmp_path, same, env={"SWARM_DIE": "swarm_store.sessions:begin:after:2"})
    send(log, agent, same)
    (tmp_path / "go").touch()
    ended(log, agent["id"])
    restart(log, agent)
    assert ended(log, agent["id"])["exit_code"] == 0
    assert notes(tmp_path) == ["a", "a"] and outcomes(log, agent) == ["completed"] * 2


def test_the_agent_dies_with_its_host(log: Log, tmp_path: Path) -> None:
    """Where the host is killed, the agent's process is too: nobody goes on unheard."""
    agent = spawn(log, tmp_path, "note 1\nwait forever")
    until(lambda: notes(tmp_path), "the turn to be under way")
    host = get(log, agent["id"])["child"]["pid"]
    children = Path(f"/proc/{host}/task/{host}/children").read_text().split()
    kill(host)
    until(lambda: not Path(f"/proc/{children[0]}/exe").exists(), "the agent's end")
    assert ended(log, agent["id"])["state"] == "failed"


@pytest.mark.parametrize("when", ["adopted", "not yet"])
def test_a_pending_approval_outlives_the_daemon(log: Log, tmp_path: Path, when: str) -> None:
    """The daemon is killed while an approval is pending: it stays, and its answer reaches the agent, adopted or not."""
    agent = spawn(log, tmp_path, "say Hello\nask Bash ls\nsay Bye")
    approval = asked(log, agent)["id"]
    kill(agent["daemon"]["pid"])
    if when == "adopted":
        answer(log, agent)
        assert adopt(log, agent["id"]) == 0
    else:
        answer(log, agent)
        until(lambda: outcomes(log, agent), "the turn's end, without a daemon")
        assert adopt(log, agent["id"]) == 0
    assert ended(log, agent["id"])["exit_code"] == 0
    assert approvals.resolve(log, approval)["delivered"] and messages(log, agent) == ["Hello", "Bye"]


def test_an_unread_pipe_makes_the_agent_wait(log: Log, tmp_path: Path) -> None:
    """While nobody reads the run's stdout the agent waits, for a daemon to be there again; then nothing is missing."""
    says = [f"{number:03} {'x' * 20_000}" for number in range(200)]
    agent = spawn(log, tmp_path, "wait go\n" + "\n".join(f"say {one}" for one in says))
    until(lambda: said(log, agent, "turn:started"), "the turn")
    kill(agent["daemon"]["pid"])
    (tmp_path / "go").touch()
    host = get(log, agent["id"])["child"]["pid"]
    until(lambda: len(messages(log, agent)) >= 50 and is_blocked(log, agent["id"]), "its stdout to be full")
    assert is_running(host)
    assert len(messages(log, agent)) < len(says)
    assert adopt(log, agent["id"]) == 0
    assert ended(log, agent["id"])["exit_code"] == 0
    assert messages(log, agent) == says
    raw = [json.loads(line) for line in output(log, agent["id"]).splitlines()]
    assert [line["say"] for line in raw if "say" in line] == says


def test_a_locked_log_makes_it_wait(log: Log, tmp_path: Path) -> None:
    """While somebody holds the write lock the host waits, and tries again; nothing is lost, doubled or out of order."""
    agent = spawn(log, tmp_path, "wait go\n" + "\n".join(f"say {number}" for number in range(20)))
    until(lambda: said(log, agent, "turn:started"), "the turn")
    with log.transaction():
        (tmp_path / "go").touch()
        until(lambda: b"trying again" in _stderr(agent, log), "the host to have tried")
    assert ended(log, agent["id"])["exit_code"] == 0
    assert messages(log, agent) == [str(number) for number in range(20)]


def _stderr(agent: Agent, log: Log) -> bytes:
    """What is in the journal of the run's stderr: its daemon cannot write to the log either."""
    place = Path(log.home.agent(agent["id"])) / "run-1"
    return b"".join(path.read_bytes() for path in place.glob("stderr.*"))


def test_a_log_that_is_gone_makes_it_wait(log: Log, tmp_path: Path) -> None:
    """While there is no log the host waits for its return; what it has to say is there then, once."""
    agent = spawn(log, tmp_path, "say before\nwait go\nsay after")
    until(lambda: messages(log, agent), "the turn")
    place = Path(log.home.database)
    aside = place.with_name("aside")
    place.rename(aside)
    (tmp_path / "go").touch()
    until(lambda: b"trying again" in _stderr(agent, log), "the host to have tried")
    aside.rename(place)
    assert ended(log, agent["id"])["exit_code"] == 0
    assert messages(log, agent) == ["before", "after"]


def test_what_is_asked_is_asked_in_another_log_too(log: Log, tmp_path: Path) -> None:
    """Where another log takes the place of the one that an approval was asked for in, it is asked for there."""
    agent = spawn(log, tmp_path, "say before\nask Bash ls\nsay after")
    approval = asked(log, agent)["id"]
    with Log(Home(str(tmp_path / "other"))) as other:
        another = Path(other.home.database)
    for name in ("-wal", "-shm"):
        Path(log.home.database + name).unlink(missing_ok=True)
    another.rename(log.home.database)
    with Log(log.home) as other:
        assert answer(other, agent) == approval
        until(lambda: registry.get(other, agent["id"]), "its daemon to tell of it")
        assert ended(other, agent["id"])["exit_code"] == 0
        assert messages(other, agent) == ["after"] and outcomes(other, agent) == ["completed"]


def test_a_stale_host_is_fenced(log: Log, tmp_path: Path) -> None:
    """A host that wakes up after the next run has begun says nothing more, and ends."""
    agent = spawn(log, tmp_path, "say 1", stay=True)
    until(lambda: get(log, agent["id"])["waiting_for"] == "turn", "it to wait")
    later = Producer("host", 2, log.sequence(f"agents/{agent['id']}", "host") + 1)
    notice = session_events.message(agent["id"], 2, None, role="notice", text="of the next run")
    sessions.say(log, agent["id"], notice, producer=later)
    send(log, agent, "say 2")
    over = ended(log, agent["id"])
    assert over["exit_code"] == 1 and messages(log, agent) == ["1"]
