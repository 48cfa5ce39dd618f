"""Turns for agents of a kind: who lives gets them, who has ended is started again, whoever is killed in between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support import agents, hosted
from support.looking import until
from support.supervisors import done, history, supervising
from swarm_daemon import control, conversing
from swarm_store import budgets, events, registry
from swarm_store import session_events as said
from swarm_store.clock import SECOND, now
from swarm_store.errors import CannotStart, NameTaken, NoSuchAgent, NotPossible
from swarm_store.log import Log
from swarm_store.transaction import Producer

SENDER = """
import os, signal, sys
from swarm_daemon import conversing, launch
from swarm_store import registry
from swarm_store.home import locate
from swarm_store.log import Log
def die(*args): os.kill(os.getpid(), signal.SIGKILL)
launch.Launch.__init__ = die
with Log(locate()) as log:
    conversing.send_turn(log, registry.get(log, sys.argv[1]), "say after", by="me")
"""


def send(log: Log, agent_id: str, text: str) -> int:
    return conversing.send_turn(log, agents.get(log, agent_id), text, by="me@here")


def test_a_living_session_gets_its_turn_at_once(log: Log) -> None:
    """A session that waits for its next turn takes what is sent, in the same run."""
    agent = hosted.spawn(log, "say one", stay=True)
    send(log, agent["id"], "say two")
    hosted.completed(log, agent["id"], 2)
    assert hosted.answers(log, agent["id"]) == ["one", "two"]
    assert agents.get(log, agent["id"])["run"] == 1


def test_an_ended_session_is_started_again(log: Log) -> None:
    """A turn for an agent that has ended opens a new run of it, which says so, and takes the turn."""
    agent = hosted.spawn(log, "say one")
    agents.ended(log, agent["id"])
    turn = send(log, agent["id"], "say two")
    assert agents.ended(log, agent["id"])["run"] == 2
    assert hosted.answers(log, agent["id"]) == ["one", "two"]
    assert hosted.session(log, agent["id"])["last"]["turn"] == turn
    (again,) = history(log, agent["id"], events.AGENT_RESTARTED)
    assert (again.data["reason"], again.data["run"]) == ("turn", 2)


def test_turns_queue_while_one_is_under_way(log: Log, tmp_path: Path) -> None:
    """What is sent while a turn is under way is taken after it, each once and in the order sent."""
    os.mkfifo(tmp_path / "go")
    agent = hosted.spawn(log, f"hold {tmp_path / 'go'}")
    for number in range(3):
        send(log, agent["id"], f"say {number}")
    (tmp_path / "go").write_text("go")
    agents.ended(log, agent["id"])
    assert hosted.answers(log, agent["id"]) == ["0", "1", "2"]
    assert agents.get(log, agent["id"])["run"] == 1


def test_a_session_that_is_closed_is_waited_for(log: Log, tmp_path: Path) -> None:
    """Between its last turn and its end a run takes no more: what is sent then is taken by the next run."""
    os.mkfifo(tmp_path / "go")
    agent = hosted.spawn(log, "say one", linger=str(tmp_path / "go"))
    until(lambda: hosted.session(log, agent["id"])["closed"] == 1)
    sender = threading.Thread(target=_send_alone, args=(log, agent["id"], "say two"))
    sender.start()
    until(lambda: hosted.session(log, agent["id"])["waiting"])
    (tmp_path / "go").write_text("go")
    until(lambda: agents.get(log, agent["id"])["run"] == 2)
    (tmp_path / "go").write_text("go")
    sender.join(30)
    agents.ended(log, agent["id"])
    assert hosted.answers(log, agent["id"]) == ["one", "two"]


def _send_alone(log: Log, agent_id: str, text: str) -> None:
    with Log(log.home) as own:
        send(own, agent_id, text)


def test_of_many_senders_one_starts_it(log: Log) -> None:
    """Eight who send to an ended agent at once: every turn is taken, once, and no run is begun for nothing."""
    agent = hosted.spawn(log, "say first")
    agents.ended(log, agent["id"])
    senders = [threading.Thread(target=_send_alone, args=(log, agent["id"], f"say {n}")) for n in range(8)]
    for one in senders:
        one.start()
    for one in senders:
        one.join(60)
    hosted.completed(log, agent["id"], 9)
    ended = agents.ended(log, agent["id"])
    assert sorted(hosted.answers(log, agent["id"])) == [*"01234567", "first"]
    begun = {record.data["run"] for record in hosted.told(log, agent["id"], said.TURN_STARTED)}
    assert begun == set(range(1, ended["run"] + 1))


def test_a_sender_that_is_killed_before_the_launch(log: Log) -> None:
    """Turn and run are one transaction: killed after it, a supervisor launches the run, and the turn is taken once."""
    agent = hosted.spawn(log, "say before")
    agents.ended(log, agent["id"])
    killed = subprocess.run([sys.executable, "-c", SENDER, agent["id"]], timeout=30, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert agents.get(log, agent["id"])["state"] == "spawned"
    with supervising(log.home):
        hosted.completed(log, agent["id"], 2)
        agents.ended(log, agent["id"])
    assert hosted.answers(log, agent["id"]) == ["before", "after"]


def test_a_turn_that_waits_when_the_host_is_killed(log: Log, tmp_path: Path) -> None:
    """A turn that was queued when its run died is begun in a new one by the supervisor, once, whatever the policy."""
    os.mkfifo(tmp_path / "go")
    with supervising(log.home):
        agent = hosted.spawn(log, f"hold {tmp_path / 'go'}")
        until(lambda: hosted.session(log, agent["id"])["current"])
        send(log, agent["id"], "say queued")
        agents.kill(agents.get(log, agent["id"])["child"]["pid"])
        until(lambda: agents.get(log, agent["id"])["run"] == 2)
        (tmp_path / "go").write_text("go")
        hosted.completed(log, agent["id"], 2)
        agents.ended(log, agent["id"])
        assert done(log, "resume") == [agent["id"]]
    assert hosted.answers(log, agent["id"]) == ["queued"]
    assert [one.data["again"] for one in hosted.told(log, agent["id"], said.TURN_STARTED)] == [False, True, False]


@pytest.mark.parametrize("hours", [-1, 1])
def test_no_clock_says_for_what_a_run_is_begun(log: Log, tmp_path: Path, hours: int) -> None:
    """A turn that was sent while the clock was wrong has one run begun for it as well, and not one after the other."""
    os.mkfifo(tmp_path / "go")
    with supervising(log.home):
        agent = hosted.spawn(log, f"hold {tmp_path / 'go'}")
        until(lambda: hosted.session(log, agent["id"])["current"])
        with Log(log.home, clock=lambda: now() + hours * 3600 * SECOND) as wrong:
            send(wrong, agent["id"], "say queued")
        agents.kill(agents.get(log, agent["id"])["child"]["pid"])
        until(lambda: len(hosted.told(log, agent["id"], said.TURN_STARTED)) == 2, "the turn to come again")
        agents.kill(agents.get(log, agent["id"])["child"]["pid"])
        agents.ended(log, agent["id"])
        hosted.spawn(log, "say another", name="another")
        until(lambda: registry.resolve(log, "another")["ended_at"])
        assert agents.get(log, agent["id"])["run"] == 2
        assert done(log, "resume") == [agent["id"]]


def test_a_run_that_dies_for_its_turn_is_not_begun_again_and_again(log: Log) -> None:
    """For a turn that kills its host one run is begun by who sends it, and none by the supervisor."""
    agent = hosted.spawn(log, "say one")
    agents.ended(log, agent["id"])
    with supervising(log.home):
        send(log, agent["id"], "die")
        ended = agents.ended(log, agent["id"])
        hosted.spawn(log, "say another", name="another")
        until(lambda: registry.resolve(log, "another")["ended_at"])
        assert (agents.get(log, agent["id"])["run"], ended["signal"]) == (2, "SIGKILL")
        assert done(log, "resume") == []


def test_a_policy_goes_on_with_what_is_open_alone(log: Log) -> None:
    """A policy restarts a session whose turn was cut off, or that was to stay; never one that has nothing to do."""
    with supervising(log.home):
        idle = hosted.spawn(log, "say one", restart="always")
        agents.ended(log, idle["id"])
        cut = hosted.spawn(log, "die", restart="on-failure", max_restarts=1)
        stays = hosted.spawn(log, stay=True, restart="on-failure")
        agents.kill(stays["child"]["pid"])
        until(lambda: {agents.get(log, one["id"])["run"] for one in (cut, stays)} == {2})
        until(lambda: history(log, cut["id"], events.AGENT_CRASH_LOOPED))
        assert agents.get(log, idle["id"])["run"] == 1
    assert [one.data["again"] for one in hosted.told(log, cut["id"], said.TURN_STARTED)] == [False, True]


def test_what_was_sent_before_a_cancel_is_not_taken_after_it(log: Log, tmp_path: Path) -> None:
    """A cancelled agent stays so though a turn waits; the next turn that is sent starts it, and both are taken."""
    os.mkfifo(tmp_path / "go")
    agent = hosted.spawn(log, f"hold {tmp_path / 'go'}")
    until(lambda: hosted.session(log, agent["id"])["current"])
    send(log, agent["id"], "say queued")
    control.ask_cancel(log, agents.get(log, agent["id"]), grace=0)
    agents.ended(log, agent["id"])
    with supervising(log.home):
        assert agents.get(log, agent["id"])["run"] == 1
    send(log, agent["id"], "say more")
    (tmp_path / "go").write_text("go")
    agents.ended(log, agent["id"])
    assert hosted.answers(log, agent["id"]) == ["queued", "more"]


def test_an_agent_that_cannot_be_started_takes_no_turn(log: Log) -> None:
    """Where a new run cannot be registered nothing is sent: its name is another's, or its spec is gone."""
    agent = hosted.spawn(log, "say one", name="same")
    agents.ended(log, agent["id"])
    agents.spawn(log, "sleep", "60", name="same")
    with pytest.raises(NameTaken):
        send(log, agent["id"], "say two")
    other = hosted.spawn(log, "say one")
    agents.ended(log, other["id"])
    os.unlink(os.path.join(log.home.agent(other["id"]), "spec.json"))
    with pytest.raises(NotPossible, match="nothing is left to start"):
        send(log, other["id"], "say two")
    assert [hosted.session(log, one["id"])["sent"] for one in (agent, other)] == [1, 1]


def test_a_turn_is_refused_where_the_tree_is_full(log: Log) -> None:
    """An ended agent takes no turn where as many live below its parent as may; it does when one of them has ended."""
    top = agents.spawn(log, "sleep", "60", caps={"depth": None, "children": 1})
    caller = {**os.environ, "SWARM_AGENT_ID": top["id"]}
    agent = hosted.spawn(log, "say one", caller=caller)
    agents.ended(log, agent["id"])
    other = agents.spawn(log, "sleep", "60", caller=caller)
    with pytest.raises(NotPossible, match=f"1 agents live below {top['id']}, and 1 is the most"):
        send(log, agent["id"], "say two")
    assert (hosted.session(log, agent["id"])["sent"], agents.get(log, agent["id"])["run"]) == (1, 1)
    control.ask_cancel(log, other, grace=0)
    agents.ended(log, other["id"])
    send(log, agent["id"], "say two")
    agents.ended(log, agent["id"])
    assert hosted.answers(log, agent["id"]) == ["one", "two"]


def test_a_turn_waits_where_the_run_cannot_start(log: Log, tmp_path: Path) -> None:
    """Where the command of the new run cannot be executed that is said, and the turn waits for the next run."""
    place = tmp_path / "work"
    place.mkdir()
    agent = hosted.spawn(log, "say one", cwd=str(place))
    agents.ended(log, agent["id"])
    place.rmdir()
    with pytest.raises(CannotStart):
        send(log, agent["id"], "say two")
    assert hosted.session(log, agent["id"])["waiting"]
    place.mkdir()
    send(log, agent["id"], "say three")
    agents.ended(log, agent["id"])
    assert hosted.answers(log, agent["id"]) == ["one", "two", "three"]


def test_a_turn_that_is_sent_again_is_the_same(log: Log) -> None:
    """Who repeats a turn that was sent, by the same producer, gets its name, and starts nothing for it."""
    agent = hosted.spawn(log, "say one")
    turns = []
    for _ in range(3):
        known = agents.ended(log, agent["id"])
        turns.append(conversing.send_turn(log, known, "say two", by="me", producer=Producer("p", 0, 1)))
    assert agents.ended(log, agent["id"])["run"] == 2
    assert len(set(turns)) == 1 and hosted.answers(log, agent["id"]) == ["one", "two"]


def test_of_many_who_repeat_a_turn_at_once_all_have_sent_it(log: Log) -> None:
    """Eight with the same turn of the same producer, at once: it is taken once, in one run, and nobody is refused."""
    agent = hosted.spawn(log, "say one")
    known = agents.ended(log, agent["id"])
    sent: list[int] = []

    def send_alone() -> None:
        with Log(log.home) as own:
            sent.append(conversing.send_turn(own, known, "say two", by="me", producer=Producer("p", 0, 1)))

    senders = [threading.Thread(target=send_alone) for _ in range(8)]
    for one in senders:
        one.start()
    for one in senders:
        one.join(60)
    hosted.completed(log, agent["id"], 2)
    assert agents.ended(log, agent["id"])["run"] == 2
    assert len(sent) == 8 and len(set(sent)) == 1 and hosted.answers(log, agent["id"]) == ["one", "two"]


def test_a_removed_agent_is_sent_nothing(log: Log) -> None:
    """Where the agent was removed a moment ago, its inbox stays gone."""
    agent = hosted.spawn(log, "say one")
    known = agents.ended(log, agent["id"])
    registry.remove(log, known)
    with pytest.raises(NoSuchAgent):
        conversing.send_turn(log, known, "say two", by="me@here")
    assert log.head(events.inbox_stream(agent["id"])) == 0


def test_a_turn_is_refused_where_the_budget_is_spent(log: Log) -> None:
    """An agent whose budget is spent takes no turn, and one that waits is started by nobody; a larger budget helps."""
    agent = hosted.spawn(log, "use 100 5 0", stay=True)
    hosted.completed(log, agent["id"], 1)
    budgets.change(log, agents.get(log, agent["id"]), usd=None, tokens=50, by="me")
    with pytest.raises(NotPossible, match="budget"):
        send(log, agent["id"], "say two")
    assert hosted.session(log, agent["id"])["sent"] == 1
    budgets.change(log, agents.get(log, agent["id"]), usd=None, tokens=5000, by="me")
    send(log, agent["id"], "say two")
    hosted.completed(log, agent["id"], 2)


def test_a_command_takes_no_turn(log: Log) -> None:
    """A plain command has no turns, and what it is interrupted by is SIGINT."""
    agent = agents.spawn(log, "sleep", "60")
    with pytest.raises(NotPossible, match="has no turns"):
        send(log, agent["id"], "x")
    conversing.interrupt(log, agent, by="me")
    assert agents.ended(log, agent["id"])["signal"] == "SIGINT"


def test_an_interrupt_ends_the_turn_and_not_the_session(log: Log) -> None:
    """The turn is interrupted, the run goes on and takes the next; where no turn is under way, that is said."""
    agent = hosted.spawn(log, "wait", stay=True)
    until(lambda: hosted.session(log, agent["id"])["current"])
    conversing.interrupt(log, agents.get(log, agent["id"]), by="me")
    assert hosted.completed(log, agent["id"], 1)["last"]["outcome"] == "interrupted"
    with pytest.raises(NotPossible, match="no turn under way"):
        conversing.interrupt(log, agents.get(log, agent["id"]), by="me")
    send(log, agent["id"], "say on")
    hosted.completed(log, agent["id"], 2)
    assert (hosted.answers(log, agent["id"]), agents.get(log, agent["id"])["run"]) == (["on"], 1)
