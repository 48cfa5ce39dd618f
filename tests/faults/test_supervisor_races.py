"""Several want the same run at the same moment: a run has one daemon, one end, and every line once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from support import agents
from support.looking import until
from support.programs import Program
from support.supervisors import Supervisor, adopted, history, supervising
from swarm_daemon import control, spawn
from swarm_store import events, registry
from swarm_store.fold import Agent
from swarm_store.log import Log

CANCEL = """
from swarm_daemon import control
log = Log(home)
agent = registry.get(log, sys.argv[1])
sys.stdin.readline()
control.ask_cancel(log, agent, signal="TERM", grace=5)
control.end_without_daemon(log, agent)
"""
RESTART = """
from swarm_daemon import spawn
from swarm_store.errors import NotPossible
log = Log(home)
agent = registry.get(log, sys.argv[1])
sys.stdin.readline()
try:
    spawn.restart(log, agent)
    say("started")
except NotPossible:
    say("refused")
"""
WRITER = "trap 'exit 5' TERM; i=0; while :; do i=$((i+1)); echo line $i; done"


def is_whole(log: Log, agent: Agent) -> bool:
    """Whether the log has the lines from the first to a last one, each once and in order; the last may be cut short."""
    lines = agents.output(log, agent["id"]).split(b"\n")
    return lines[:-1] == [b"line %d" % n for n in range(1, len(lines))]


@pytest.mark.parametrize("supervised", [True, False])
def test_adopters_a_supervisor_and_a_cancel(log: Log, supervised: bool) -> None:
    """Whoever is first, the run is adopted once, cancelled once, and nothing of its output is lost or doubled."""
    agent = agents.sh(log, WRITER)
    until(lambda: agents.output(log, agent["id"]), "it writes")
    supervisor = Supervisor(log.home).up() if supervised else None
    with Program(log.home, CANCEL, agent["id"]) as canceller:
        agents.kill(agent["daemon"]["pid"])
        command = [sys.executable, "-m", "swarm_daemon", "--adopt", agent["id"]]
        adopters = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(2)]
        canceller.tell("now")
        canceller.end()
        assert {one.wait(30) for one in adopters} <= {0, 4}
    ended = agents.ended(log, agent["id"])
    if supervisor is not None:
        assert (supervisor.stop(), supervisor.complaints()) == (0, "")
    assert (ended["state"], ended["exit_code"], ended["epoch"]) == ("cancelled", 5, 1)
    for type in (events.AGENT_ADOPTED, events.AGENT_EXITED):
        assert len(history(log, agent["id"], type)) == 1
    assert is_whole(log, agent)


def test_of_two_restarts_one_wins(log: Log) -> None:
    """The other one is refused; there is one new run."""
    agent = agents.sh(log, "[ -e seen ] && exec sleep 1000; touch seen", cwd=log.home.path)
    agents.ended(log, agent["id"])
    with Program(log.home, RESTART, agent["id"]) as one, Program(log.home, RESTART, agent["id"]) as other:
        for program in (one, other):
            program.tell("now")
        assert sorted(program.line() for program in (one, other)) == ["refused", "started"]
    assert agents.get(log, agent["id"])["run"] == 2
    assert len(history(log, agent["id"], events.AGENT_RESTARTED)) == 1


def test_a_cancel_that_is_late_cancels_what_lives(log: Log) -> None:
    """Where an agent was started, and lost its daemon, while somebody cancels what it was before, it is cancelled."""
    wish = spawn.request(log.home, ["sleep", "1000"])
    for _ in spawn.spawn(log, [wish]):
        pass
    now = agents.get(log, wish.agent_id)
    agents.kill(now["daemon"]["pid"])
    gone = {"pid": now["daemon"]["pid"], "start": 1, "boot": "another"}
    before = {**now, "state": "spawned", "daemon": None, "child": None, "spawner": gone}
    control.ask_cancel(log, before)
    control.end_without_daemon(log, before)
    assert agents.get(log, wish.agent_id)["state"] == "cancelled"


@pytest.mark.parametrize("victim", [lambda a, s: a["daemon"]["pid"], lambda a, s: s.pid], ids=["daemon", "supervisor"])
def test_kills_in_a_row(log: Log, victim: Callable[[Agent, Supervisor], int]) -> None:
    """Daemon and supervisor killed again and again while the agent writes: every line is there, and one end."""
    agent = agents.sh(log, WRITER)
    supervisors = []
    for epoch in range(1, 5):
        supervisor = Supervisor(log.home)
        supervisors.append(supervisor)
        first = victim(agents.get(log, agent["id"]), supervisor)
        for pid in sorted(
            {agents.get(log, agent["id"])["daemon"]["pid"], supervisor.pid}, key=lambda pid: pid != first
        ):
            os.kill(pid, signal.SIGKILL)
        supervisor.ended()
        with supervising(log.home):
            adopted(log, agent["id"], epoch)
    control.ask_cancel(log, agents.get(log, agent["id"]))
    ended = agents.ended(log, agent["id"])
    assert (ended["exit_code"], ended["epoch"]) == (5, 4)
    assert is_whole(log, agent)
    assert len(history(log, agent["id"], events.AGENT_EXITED)) == 1
    assert registry.folded(log)[agent["id"]] == ended
