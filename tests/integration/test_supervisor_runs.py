"""The supervisor as a process: its start, its end, and that there is one."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from support import agents
from support.looking import state, until
from support.programs import Program
from support.supervisors import Supervisor, done, supervising
from swarm_store import events, registry
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_supervisor import singleton


def _with_fifo(home: Home) -> str:
    os.mkfifo(os.path.join(home.path, "go"))
    return home.path


@pytest.mark.parametrize(("signum", "reason"), [(signal.SIGTERM, "terminated"), (signal.SIGINT, "asked to")])
def test_its_life_is_in_the_log(log: Log, signum: int, reason: str) -> None:
    """It says that it began, what it found, and why it ended, with status 0 and not a word; agents go on."""
    agent = agents.spawn(log, "sleep", "1000")
    with supervising(log.home) as supervisor:
        assert singleton.holder(log.home) is not None
        assert (supervisor.stop(signum), supervisor.complaints()) == (0, "")
    assert singleton.holder(log.home) is None
    started, found, stopped = log.read(events.SUPERVISOR)
    assert started.type == events.SUPERVISOR_STARTED
    assert started.data == {"supervisor": supervisor.who.as_data(), "host": os.uname().nodename, "version": "test"}
    assert found.data == {"cause": "start", "found": {"agents": 1, "live": 1, "daemons": 1, "foreign": 0}, "did": {}}
    assert (stopped.type, stopped.data) == (events.SUPERVISOR_STOPPED, {"reason": reason})
    assert agents.get(log, agent["id"]) == agent


def test_the_second_supervisor_is_refused(log: Log) -> None:
    """It says who holds the log, with status 1 and in one line, and leaves no trace in the log."""
    with supervising(log.home) as first:
        second = Supervisor(log.home)
        assert second.ended() == 1
        assert f"process {first.pid} " in second.complaints() and second.complaints().count("\n") == 1
        assert len(log.read(events.SUPERVISOR, types=[events.SUPERVISOR_STARTED])) == 1


def test_once_does_what_is_to_be_done_and_ends(log: Log) -> None:
    """With nothing to do it ends at once; with a run to finish when that is finished, and none is watched."""
    started = time.monotonic()
    assert Supervisor(log.home, '{"once":true}').ended() == 0
    assert time.monotonic() - started < 30, "it has waited for something"
    agent = agents.sh(log, "echo a; read line < $PWD/go; exit 3", cwd=_with_fifo(log.home))
    agents.kill(agent["daemon"]["pid"])
    Path(log.home.path, "go").write_text("go\n", encoding="ascii")
    until(lambda: state(agent["child"]["pid"]) == "Z", "the child's end")
    assert Supervisor(log.home, '{"once":true}').ended() == 0
    ended = agents.get(log, agent["id"])
    assert (ended["state"], ended["exit_code"], agents.output(log, agent["id"])) == ("failed", 3, b"a\n")
    assert [one.data["reason"] for one in log.read(events.SUPERVISOR, types=[events.SUPERVISOR_STOPPED])] == [
        "once"
    ] * 2


def test_after_kill_9_the_next_one_doubles_nothing(log: Log) -> None:
    """A supervisor that was killed leaves nothing behind: the next takes its place, and runs and events stay one."""
    living = agents.spawn(log, "sleep", "1000")
    lost = agents.spawn(log, "sleep", "1000")
    with supervising(log.home) as first:
        agents.kill(lost["daemon"]["pid"])
        until(lambda: agents.get(log, lost["id"])["epoch"] == 1, "the adoption")
        first.kill()
    before = registry.agents(log)
    with supervising(log.home):
        assert registry.agents(log) == before
    assert done(log, "adopt") == [lost["id"]]
    assert agents.get(log, living["id"]) == living


def test_what_it_is_told_is_not_lost_without_a_home(home: Home) -> None:
    """In a home where nothing has happened yet it makes the log, and supervises what comes."""
    with supervising(home), Log(home) as log:
        agent = agents.spawn(log, "sleep", "1000")
        agents.kill(agent["daemon"]["pid"])
        until(lambda: agents.get(log, agent["id"])["epoch"] == 1, "the adoption")
        agents.kill(agent["child"]["pid"])
        assert agents.ended(log, agent["id"])["signal"] == "SIGKILL"


REGISTER = """
import os, signal
from swarm_daemon import spawn
from swarm_store import transaction
transaction.ring = lambda *given: None  # dies between commit and ring
wish = spawn.request(home, ["sleep", "1000"])
log = Log(home)
spawn._prepare(home, [wish])
registry.publish(log, wish.event)
say(wish.agent_id)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_hangup_makes_it_look_at_all(log: Log) -> None:
    """HUP does not end it: it looks at every living agent, also at one of which no bell has told."""
    with supervising(log.home) as supervisor:
        with Program(log.home, REGISTER) as spawner:
            agent_id = spawner.line()
            spawner.process.wait(30)
        supervisor.send(signal.SIGHUP)
        until(lambda: agents.get(log, agent_id)["state"] == "running", "the start")
    assert done(log, "start") == [agent_id]
