"""The session host: turns, one after the other, from the inbox to a real process, and what it says into the log."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from support.agents import ended, get, kill, output
from support.looking import state, until
from support.sessions import messages, notes, outcomes, restart, said, send, session, spawn
from support.supervisors import history
from swarm_daemon import control
from swarm_daemon.run import Run
from swarm_daemon.tree import children
from swarm_store import budgets, sessions
from swarm_store.events import AGENT_WAITING, inbox_stream
from swarm_store.log import Log
from swarm_store.session_events import session_stopped
from swarmctl.host.decide import CONTINUE
from swarmctl.host.live import connect


def test_a_prompt_is_one_turn(log: Log, tmp_path: Path) -> None:
    """A turn is begun, said in whole messages, completed and closed, and then its run ends well."""
    agent = spawn(log, tmp_path, "think Hm\nsay Hello")
    assert ended(log, agent["id"])["exit_code"] == 0, output(log, agent["id"], "stderr").decode()
    assert [record.type for record in said(log, agent)] == [
        "session:started",
        "turn:started",
        *("message", "message", "message"),
        "turn:completed",
        "session:closed",
    ]
    assert messages(log, agent, "user") == ["think Hm\nsay Hello"]
    assert messages(log, agent) == ["Hello"] and messages(log, agent, "thought") == ["Hm"]


def test_what_the_agent_says_is_kept_raw(log: Log, tmp_path: Path) -> None:
    """The lines of the agent's protocol are the run's stdout."""
    agent = spawn(log, tmp_path, "say Hello\nsay Bye")
    ended(log, agent["id"])
    lines = [json.loads(line) for line in output(log, agent["id"]).splitlines()]
    assert [line["say"] for line in lines if "say" in line] == ["Hello", "Bye"]


@pytest.mark.parametrize(
    ("script", "outcome"), [("fail no model", "failed"), ("ask Bash ls", "denied"), ("say x", "completed")]
)
def test_the_status_is_the_last_turns_outcome(log: Log, tmp_path: Path, script: str, outcome: str) -> None:
    """Only a turn that was completed, and was denied nothing, makes a run end with 0."""
    agent = spawn(log, tmp_path, script, approve="never")
    assert ended(log, agent["id"])["exit_code"] == (0 if outcome == "completed" else 1)
    assert outcomes(log, agent) == [outcome]


def test_turns_are_taken_in_order(log: Log, tmp_path: Path) -> None:
    """What is sent while a turn is under way waits for its end, and is then taken in the order sent, once each."""
    agent = spawn(log, tmp_path, "say 1\nwait go")
    until(lambda: messages(log, agent), "the first turn")
    for number in (2, 3, 4):
        send(log, agent, f"say {number}")
    assert session(log, agent)["waiting"] == [1, 2, 3]
    (tmp_path / "go").touch()
    assert ended(log, agent["id"])["exit_code"] == 0
    assert messages(log, agent) == ["1", "2", "3", "4"]
    assert [one.data["turn"] for one in said(log, agent, "turn:completed")] == [0, 1, 2, 3]
    assert len(said(log, agent, "session:started")) == 1


def test_a_run_that_stays_waits_for_turns(log: Log, tmp_path: Path) -> None:
    """With stay the agent waits for the next turn, takes it at once in the same process, and ends when cancelled."""
    agent = spawn(log, tmp_path, "say 1", stay=True)
    until(lambda: get(log, agent["id"])["waiting_for"] == "turn", "it to wait")
    assert get(log, agent["id"])["state"] == "waiting"
    send(log, agent, "say 2")
    until(lambda: outcomes(log, agent) == ["completed"] * 2, "the second turn")
    until(lambda: get(log, agent["id"])["waiting_for"] == "turn", "it to wait again")
    assert len(said(log, agent, "session:started")) == 1
    control.ask_cancel(log, agent)
    over = ended(log, agent["id"])
    assert (over["state"], over["exit_code"], over["left"]) == ("cancelled", 143, 0)


def test_a_session_goes_on_in_another_run(log: Log, tmp_path: Path) -> None:
    """Another run resumes the agent's own session, and takes only what was not taken before."""
    agent = spawn(log, tmp_path, "say 1")
    ended(log, agent["id"])
    send(log, agent, "say 2")
    restart(log, agent)
    ended(log, agent["id"])
    first, second = said(log, agent, "session:started")
    assert first.data["session"] == second.data["session"]
    assert (first.data["resumed"], second.data["resumed"]) == (False, True)
    assert messages(log, agent) == ["1", "2"] and outcomes(log, agent) == ["completed"] * 2


def test_a_run_with_nothing_to_do_starts_no_agent(log: Log, tmp_path: Path) -> None:
    """A restart of an agent whose turns are completed takes none again, and ends as they did."""
    agent = spawn(log, tmp_path, "say 1\nfail no luck")
    ended(log, agent["id"])
    restart(log, agent)
    assert ended(log, agent["id"])["exit_code"] == 1
    assert len(said(log, agent, "session:started")) == 1 and outcomes(log, agent) == ["failed"]


@pytest.mark.parametrize("options", [{}, {"unheard": True}], ids=["heard", "unheard"])
def test_a_turn_whose_agent_died_comes_again(log: Log, tmp_path: Path, options: dict[str, bool]) -> None:
    """The death of the agent's process ends the run; the next has it go on with the turn, and not begin it again."""
    agent = spawn(log, tmp_path, "note a\ndie\nnote b", options=options)
    over = ended(log, agent["id"])
    assert (over["exit_code"], outcomes(log, agent)) == (1, [])
    assert "process has ended" in messages(log, agent, "notice")[0]
    restart(log, agent)
    assert ended(log, agent["id"])["exit_code"] == 0
    assert notes(tmp_path) == ["a", "b"]
    assert [one.data["again"] for one in said(log, agent, "turn:started")] == [False, True]
    assert json.loads(next(tmp_path.glob("session-*")).read_text())["heard"][1:] == [CONTINUE]
    assert messages(log, agent, "user") == ["note a\ndie\nnote b"]


def test_an_agent_that_died_while_it_waited_is_started_again(log: Log, tmp_path: Path) -> None:
    """Where a staying agent's process is gone when a turn comes, it is resumed, and that turn is told once."""
    agent = spawn(log, tmp_path, "say 1", stay=True)
    until(lambda: get(log, agent["id"])["waiting_for"] == "turn", "it to wait")
    host = get(log, agent["id"])["child"]["pid"]
    children = Path(f"/proc/{host}/task/{host}/children").read_text().split()
    kill(int(children[0]))
    send(log, agent, "note a")
    until(lambda: outcomes(log, agent) == ["completed"] * 2, "the second turn")
    assert [one.data["resumed"] for one in said(log, agent, "session:started")] == [False, True]
    assert notes(tmp_path) == ["a"]


def test_a_session_that_is_gone_is_a_clear_failure(log: Log, tmp_path: Path) -> None:
    """Where the agent does not know the session any more, what waits fails and says so, and is not tried again."""
    agent = spawn(log, tmp_path, "say 1", session="no-such-session")
    assert ended(log, agent["id"])["exit_code"] == 1
    assert outcomes(log, agent) == ["failed"]
    assert "knows no session no-such-session" in session(log, agent)["last"]["reason"]
    assert not session(log, agent)["waiting"]


def test_a_session_that_was_lost_before_anything_was_said_is_begun_anew(log: Log, tmp_path: Path) -> None:
    """An agent that died with its first prompt may not have kept it: the turn is begun again, in another session."""
    agent = spawn(log, tmp_path, "wait go\nsay 1")
    until(lambda: said(log, agent, "turn:started"), "the turn to be under way")
    kill(get(log, agent["id"])["child"]["pid"])
    ended(log, agent["id"])
    next(tmp_path.glob("session-*")).unlink()
    (tmp_path / "go").touch()
    restart(log, agent)
    assert ended(log, agent["id"])["exit_code"] == 0
    assert (outcomes(log, agent), messages(log, agent)) == (["completed"], ["1"])
    assert [one.data["resumed"] for one in said(log, agent, "session:started")] == [False, False]


def test_without_its_driver_a_turn_waits(log: Log, tmp_path: Path) -> None:
    """Where the agent cannot be started its turn waits for a run that can, and the status says why."""
    agent = spawn(log, tmp_path, "say 1", driver="no-such")
    assert ended(log, agent["id"])["exit_code"] == 127
    assert b"no driver is called 'no-such'" in output(log, agent["id"], "stderr")
    assert session(log, agent)["waiting"] == [0] and not outcomes(log, agent)


def test_a_fault_of_the_driver_fails_the_turn(log: Log, tmp_path: Path) -> None:
    """Where the driver itself is at fault the turn is over, and the next is taken by another process of the agent."""
    agent = spawn(log, tmp_path, "wait go\nsay fault\nsay never")
    until(lambda: said(log, agent, "turn:started"), "the turn")
    send(log, agent, "say next")
    (tmp_path / "go").touch()
    assert ended(log, agent["id"])["exit_code"] == 0
    assert outcomes(log, agent) == ["failed", "completed"] and messages(log, agent) == ["next"]
    reason = said(log, agent, "turn:completed")[0].data["reason"]
    assert reason == "its driver has a fault: KeyError: 'fault'"
    assert b"Traceback" in output(log, agent["id"], "stderr")


def test_an_interrupt_ends_the_turn_alone(log: Log, tmp_path: Path) -> None:
    """An interrupted turn is over, the session is not, and what waits is taken next."""
    agent = spawn(log, tmp_path, "note a\nwait forever\nnote b")
    until(lambda: notes(tmp_path), "the turn to be under way")
    send(log, agent, "say next")
    sessions.interrupt(log, get(log, agent["id"]), by="tester")
    assert ended(log, agent["id"])["exit_code"] == 0
    assert outcomes(log, agent) == ["interrupted", "completed"]
    assert notes(tmp_path) == ["a"] and messages(log, agent) == ["next"]


def test_an_interrupt_is_heard_while_the_agent_is_started_again(log: Log, tmp_path: Path) -> None:
    """A turn that is interrupted before the agent has begun it, because that had died idle, is never begun."""
    agent = spawn(log, tmp_path, "say one", stay=True)
    until(lambda: get(log, agent["id"])["waiting_for"] == "turn", "it to wait")
    (tmp_path / "hold-open").touch()
    host = get(log, agent["id"])["child"]["pid"]
    (process,) = children(host)
    kill(process)
    send(log, agent, "note late")
    until(lambda: children(host) not in ([], [process]), "the agent to be started again")
    sessions.interrupt(log, get(log, agent["id"]), by="tester")
    until(lambda: session(log, agent)["interrupt"] is not None, "the interrupt")
    send(log, agent, "say on")
    (tmp_path / "hold-open").unlink()
    until(lambda: len(outcomes(log, agent)) == 3, "the turns to end")
    assert outcomes(log, agent) == ["completed", "interrupted", "completed"]
    assert notes(tmp_path) == [] and messages(log, agent) == ["one", "on"]


def test_an_interrupt_whose_host_died_holds(log: Log, tmp_path: Path) -> None:
    """A turn that was to be interrupted when its host died is not taken up again by the next run."""
    agent = spawn(log, tmp_path, "note a\nwait forever")
    until(lambda: notes(tmp_path), "the turn to be under way")
    host = get(log, agent["id"])["child"]["pid"]
    control.ask_signal(log, get(log, agent["id"]), "STOP")
    until(lambda: state(host) == "T", "the host to be stopped")
    sessions.interrupt(log, get(log, agent["id"]), by="tester")
    kill(host)
    ended(log, agent["id"])
    restart(log, agent)
    ended(log, agent["id"])
    assert outcomes(log, agent) == ["interrupted"] and notes(tmp_path) == ["a"]


def test_usage_is_what_the_agent_says(log: Log, tmp_path: Path) -> None:
    """Each report of usage is counted once, over turns and runs."""
    agent = spawn(log, tmp_path, "use 10 2\nuse 5 1")
    ended(log, agent["id"])
    send(log, agent, "use 100 20")
    restart(log, agent)
    ended(log, agent["id"])
    (row,) = budgets.usage(log, agent_ids={agent["id"]})
    assert (row["model"], row["input"], row["output"], row["cost"]) == ("script-1", 115, 23, 115)


def test_a_spent_budget_ends_after_the_turn(log: Log, tmp_path: Path) -> None:
    """The turn that spends a budget is completed; the next one is not begun, and the run says why."""
    agent = spawn(log, tmp_path, "wait go\nuse 100 10\nsay done")
    send(log, agent, "say more")
    budgets.change(log, get(log, agent["id"]), usd=None, tokens=50, by="tester")
    (tmp_path / "go").touch()
    assert ended(log, agent["id"])["exit_code"] == 1
    assert outcomes(log, agent) == ["completed"] and messages(log, agent) == ["done"]
    assert session(log, agent)["waiting"] == [1]
    assert "budget" in messages(log, agent, "notice")[0]


def test_a_budget_that_is_raised_in_time_ends_nothing(log: Log, tmp_path: Path) -> None:
    """Where a spent budget is raised before the turn is over, the same run takes the next one."""
    agent = spawn(log, tmp_path, "wait go\nuse 100 10\nwait on\nsay done")
    send(log, agent, "say more")
    budgets.change(log, get(log, agent["id"]), usd=None, tokens=50, by="tester")
    (tmp_path / "go").touch()
    until(lambda: session(log, agent)["exhausted"], "the budget to be spent")
    budgets.change(log, get(log, agent["id"]), usd=None, tokens=500, by="tester")
    (tmp_path / "on").touch()
    assert ended(log, agent["id"])["exit_code"] == 0
    assert messages(log, agent) == ["done", "more"]


def test_a_quota_ends_the_turn(log: Log, tmp_path: Path) -> None:
    """Where nobody asked to wait for it, a reached quota fails the turn."""
    agent = spawn(log, tmp_path, "quota 3600\nsay done")
    assert ended(log, agent["id"])["exit_code"] == 1
    assert outcomes(log, agent) == ["failed"] and session(log, agent)["last"]["reason"] == "out of quota"


def test_a_turn_goes_on_after_the_quota(log: Log, tmp_path: Path) -> None:
    """Where it was asked for, the agent waits until the quota allows more, and goes on with the same turn."""
    agent = spawn(log, tmp_path, "quota 0.3\nsay done", resume_after_quota=True)
    until(lambda: get(log, agent["id"])["waiting_for"] == "quota", "it to wait")
    assert ended(log, agent["id"])["exit_code"] == 0
    assert [one.data["reason"] for one in said(log, agent, "quota:reached")] == ["out of quota"]
    assert outcomes(log, agent) == ["completed"] and messages(log, agent) == ["done"]


def test_waiting_for_a_quota_can_be_interrupted(log: Log, tmp_path: Path) -> None:
    """An interrupt ends a turn that waits for its quota, without that."""
    agent = spawn(log, tmp_path, "quota 3600\nsay done", resume_after_quota=True)
    until(lambda: get(log, agent["id"])["waiting_for"] == "quota", "it to wait")
    sessions.interrupt(log, get(log, agent["id"]), by="tester")
    assert ended(log, agent["id"])["exit_code"] == 1
    assert outcomes(log, agent) == ["interrupted"]


@pytest.mark.parametrize("again", [False, True], ids=["in its run", "in the next"])
def test_a_spent_budget_ends_a_wait_for_a_quota(log: Log, tmp_path: Path, again: bool) -> None:
    """A turn that waits for its quota, in the run that met it or the next, is limited as soon as a budget is spent."""
    agent = spawn(log, tmp_path, "use 90 1\nquota 3600\nsay done", resume_after_quota=True)
    until(lambda: get(log, agent["id"])["waiting_for"] == "quota", "it to wait")
    if again:
        kill(get(log, agent["id"])["child"]["pid"])
        ended(log, agent["id"])
        restart(log, agent)
        until(lambda: get(log, agent["id"])["waiting_for"] == "quota", "it to wait again")
    budgets.change(log, get(log, agent["id"]), usd=None, tokens=50, by="tester")
    assert ended(log, agent["id"])["exit_code"] == 1
    assert outcomes(log, agent) == ["limited"] and messages(log, agent) == []
    assert session(log, agent)["last"]["reason"] == f"the budget of agent {agent['id']} is spent: tokens"


def test_a_budget_that_was_raised_does_not_end_a_wait_for_a_quota(log: Log, tmp_path: Path) -> None:
    """Whoever is told to stop, and may go on by the time it looks, waits on."""
    agent = spawn(log, tmp_path, "quota 3600\nsay done", resume_after_quota=True)
    until(lambda: get(log, agent["id"])["waiting_for"] == "quota", "it to wait")
    log.append(inbox_stream(agent["id"]), [session_stopped(agent["id"], reason="it was spent")])
    until(lambda: len(history(log, agent["id"], AGENT_WAITING)) == 2, "it to wait on")
    sessions.interrupt(log, get(log, agent["id"]), by="tester")
    ended(log, agent["id"])
    assert outcomes(log, agent) == ["interrupted"] and messages(log, agent) == []


def test_viewers_see_parts_of_messages(log: Log, tmp_path: Path) -> None:
    """Who is attached gets token deltas as JSON lines; several may be; none is kept in the log."""
    agent = spawn(log, tmp_path, "wait go\nsay Hello\nthink Hm")
    until(lambda: said(log, agent, "turn:started"), "the turn")
    place = Run(log.home, agent["id"], 1).path
    host = get(log, agent["id"])["child"]["pid"]
    before = _sockets(host)
    viewers = [connect(place) for _ in range(2)]
    until(lambda: _sockets(host) == before + 2, "the host to have accepted them")
    (tmp_path / "go").touch()
    for viewer in viewers:
        with viewer, viewer.makefile("rb") as lines:
            told = [json.loads(line) for line in lines]
        assert told == [{"role": "assistant", "text": "Hello"}, {"role": "thought", "text": "Hm"}]
    ended(log, agent["id"])


def _sockets(pid: int) -> int:
    found = [os.readlink(one) for one in Path(f"/proc/{pid}/fd").iterdir()]
    return sum(one.startswith("socket:") for one in found)
