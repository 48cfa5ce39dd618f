"""What was registered and never launched, and what only looks like a run of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from support import agents
from support.facts import IDENTITY
from support.looking import is_running, until
from support.programs import Program
from support.supervisors import adopted, done, history, supervising
from swarm_daemon import control, spawn
from swarm_daemon.launch import Launch
from swarm_daemon.process import identify
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.errors import CannotStart
from swarm_store.fold import Agent
from swarm_store.log import Log

# A spawner that dies where it is told to; its first argument says where.
SPAWNER = """
import signal, shutil
from swarm_daemon import spawn
from swarm_daemon.launch import Launch
wish = spawn.request(home, ["sh", "-c", "echo $SWARM_AGENT_ID; sleep 1000"], restart="no")
log = Log(home)
spawn._prepare(home, [wish])
registry.publish(log, wish.event)
say(wish.agent_id)
if sys.argv[1] == "after the launch":
    Launch(home, wish.agent_id, 1)
if sys.argv[1] == "without a spec":
    shutil.rmtree(home.agent(wish.agent_id))
if sys.argv[1] == "lives":
    sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def died(log: Log, where: str) -> str:
    """The agent of a spawner that has died there."""
    with Program(log.home, SPAWNER, where) as spawner:
        agent_id = spawner.line()
        assert spawner.process.wait(30) == -signal.SIGKILL
    return agent_id


@pytest.mark.parametrize("when", ["before", "after"])
def test_what_a_dead_spawner_has_registered_is_started(log: Log, when: str) -> None:
    """A registration is a promise: whether the spawner dies before there is a supervisor or after."""
    first = died(log, "before the launch") if when == "before" else ""
    with supervising(log.home):
        agent_id = first or died(log, "before the launch")
        until(lambda: agents.get(log, agent_id)["state"] == "running", "the start")
        until(lambda: agents.output(log, agent_id) == agent_id.encode() + b"\n", "its output")
    assert done(log, "start") == [agent_id]
    assert len(history(log, agent_id, events.AGENT_STARTED)) == 1


def test_a_spawner_that_dies_after_the_launch_costs_nothing(log: Log) -> None:
    """The daemon is on its way: whoever is first, there is one start, one child, and no failure."""
    with supervising(log.home):
        ids = [died(log, "after the launch") for _ in range(4)]
        for one in ids:
            until(lambda: agents.output(log, one) == one.encode() + b"\n", f"the output of {one}")  # noqa: B023
    for one in ids:
        assert agents.get(log, one)["state"] == "running"
        assert len(history(log, one, events.AGENT_STARTING)) == 1


def test_a_start_that_meets_a_daemon_is_no_failure(log: Log) -> None:
    """Where two launch the same run, the daemon that is late leaves it alone, and nobody says that it has failed."""
    agent_id = died(log, "before the launch")
    run = Run(log.home, agent_id, 1)
    run.make()
    assert run.acquire()  # the daemon that is first, and has not registered itself yet
    late = Launch(log.home, agent_id, 1)
    with pytest.raises(CannotStart, match="has a daemon already") as refused:
        late.wait()
    spawn.start_failed(log, agent_id, 1, refused.value, late)
    assert agents.get(log, agent_id)["state"] == "spawned"
    assert os.path.isdir(run.path)
    run.release()


def test_a_spawner_that_lives_is_not_helped(log: Log) -> None:
    """It launches what it has registered itself, when its turn comes."""
    with supervising(log.home) as supervisor, Program(log.home, SPAWNER, "lives") as spawner:
        agent_id = spawner.line()
        supervisor.send(signal.SIGHUP)
        other = agents.spawn(log, "sleep", "1000")
        agents.kill(other["daemon"]["pid"])
        adopted(log, other["id"])  # it has looked at both
        assert agents.get(log, agent_id)["state"] == "spawned"
        os.kill(spawner.pid, signal.SIGKILL)
        until(lambda: agents.get(log, agent_id)["state"] == "running", "the start")


def test_without_a_spec_nothing_can_be_started(log: Log) -> None:
    """It has failed, in words that say why, and no process is started for it."""
    agent_id = died(log, "without a spec")
    with supervising(log.home):
        agent = agents.ended(log, agent_id)
    assert (agent["state"], agent["exit_code"], agent["started_at"]) == ("failed", None, None)
    assert "never started" in agent["reason"]
    assert done(log, "fail") == [agent_id]


def test_what_cannot_be_executed_any_more_fails(log: Log) -> None:
    """Where its directory is gone by then, the start fails as it would have failed for the spawner."""
    place = os.path.join(log.home.path, "place")
    os.mkdir(place)
    wish = spawn.request(log.home, ["sleep", "1000"], cwd=place)
    spawn._prepare(log.home, [wish])
    spawned = wish.event._replace(data=wish.event.data | {"spawner": IDENTITY})
    os.rmdir(place)
    registry.publish(log, spawned)
    with supervising(log.home):
        agent = agents.ended(log, wish.agent_id)
    assert agent["state"] == "failed" and "cannot" in agent["reason"]


# -- by hand: runs of other machines and other boots, and PIDs that others have by now


@pytest.fixture
def innocent() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is nobody's run; it must live at the end of the test."""
    with subprocess.Popen(["sleep", "1000"], start_new_session=True) as process:
        yield process
        assert is_running(process.pid), "it was ended"
        process.kill()


def by_hand(log: Log, who: dict[str, Any], *, host: str, files: bool, **options: Any) -> Agent:
    """A run that the registry knows as running, all of its processes being `who`; its journal holds a line."""
    wish = spawn.request(log.home, ["sleep", "1000"], **options)
    spawn._prepare(log.home, [wish])
    run = Run(log.home, wish.agent_id, 1)
    if files:
        run.make()
        run.make_fifos()
        with open(f"{run.path}/stdout.0", "wb") as journal:
            journal.write(b"before\n")
    registry.publish(
        log,
        wish.event._replace(data=wish.event.data | {"host": host, "spawner": who}),
        events.agent_starting(wish.agent_id, 1, daemon=who, keeper=who, child=who),
        events.agent_started(wish.agent_id, 1, monotonic=1.0),
    )
    return agents.get(log, wish.agent_id)


HERE = os.uname().nodename


@pytest.mark.parametrize("files", [True, False])
def test_a_run_of_another_boot_is_lost_and_its_policy_kept(log: Log, files: bool) -> None:
    """After a reboot nobody knows how it ended; what its journal has is in the log, and it is restarted by policy."""
    other_boot = {"pid": os.getpid(), "start": 1, "boot": "another-boot"}
    agent = by_hand(log, other_boot, host=HERE, files=files, restart="on-failure")
    with supervising(log.home):
        until(lambda: agents.get(log, agent["id"])["state"] == "running" and agents.get(log, agent["id"])["run"] == 2)
    (lost,) = history(log, agent["id"], events.AGENT_LOST)
    assert lost.data["run"] == 1
    assert agents.output(log, agent["id"]) == (b"before\n" if files else b"")
    assert not os.path.exists(Run(log.home, agent["id"], 1).path)


@pytest.mark.parametrize("ended", [False, True])
def test_another_hosts_run_is_not_touched(log: Log, ended: bool) -> None:
    """Whether it lives or has ended: nothing is written about it, started for it or removed."""
    elsewhere = {"pid": os.getpid(), "start": 1, "boot": "another-boot"}
    agent = by_hand(log, elsewhere, host="elsewhere.example", files=True, restart="always")
    if ended:
        registry.publish(log, events.agent_exited(agent["id"], 1, outcome="failed", exit_code=1, left=3))
    before = agents.get(log, agent["id"])
    with supervising(log.home) as supervisor:
        supervisor.send(signal.SIGHUP)
        mine = agents.spawn(log, "sleep", "1000")
        agents.kill(mine["daemon"]["pid"])
        adopted(log, mine["id"])  # it has looked at all
        assert agents.get(log, agent["id"]) == before
        assert os.path.exists(Run(log.home, agent["id"], 1).path + "/stdout.0")
    if not ended:
        registry.publish(log, events.agent_lost(agent["id"], 1, reason="the test is over"))


@pytest.mark.parametrize("files", [True, False])
def test_a_reused_pid_is_never_signalled(log: Log, innocent: subprocess.Popen[bytes], files: bool) -> None:
    """Where another process has the PID of daemon, keeper and child by now, it is not taken for them, and lives on."""
    who = identify(innocent.pid)
    assert who is not None
    agent = by_hand(log, {**who.as_data(), "start": who.start - 1}, host=HERE, files=files)
    with supervising(log.home):
        ended = agents.ended(log, agent["id"])
        until(lambda: not os.path.exists(Run(log.home, agent["id"], 1).path), "it is cleared up")
    assert (ended["state"], ended["exit_code"], ended["signal"]) == ("lost", None, None)
    assert done(log, "adopt") == []


def test_cancel_does_not_signal_a_reused_pid_either(log: Log, innocent: subprocess.Popen[bytes]) -> None:
    """Without a supervisor: what is cancelled is the run, and not who has its PIDs."""
    who = identify(innocent.pid)
    assert who is not None
    agent = by_hand(log, {**who.as_data(), "start": who.start - 1}, host=HERE, files=True)
    control.ask_cancel(log, agent, signal="KILL", grace=0)
    control.end_without_daemon(log, agent)
    assert agents.get(log, agent["id"])["ended_at"]
    shutil.rmtree(Run(log.home, agent["id"], 1).path, ignore_errors=True)
