"""The log is locked, full or gone while a supervisor supervises: it says so once, and goes on by itself afterwards."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import agents
from support.looking import is_running, until
from support.programs import Program
from support.small_disk import SmallDisk
from support.supervisors import IMPATIENT, Supervisor, supervising
from swarm_daemon import control
from swarm_store import events
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_supervisor import singleton

HOLD = """
import fcntl
file = os.open(home.lock, os.O_RDWR)
fcntl.flock(file, fcntl.LOCK_EX)
say("locked")
sys.stdin.readline()
"""


@contextmanager
def locked(home: Home) -> Iterator[Program]:
    """A stopped process holds the write lock."""
    with Program(home, HOLD) as holder:
        assert holder.line() == "locked"
        os.kill(holder.pid, signal.SIGSTOP)
        until(lambda: holder.state() == "T", "it is stopped")
        yield holder
        os.kill(holder.pid, signal.SIGCONT)


def retries(supervisor: Supervisor, count: int) -> None:
    """Wait until it has tried so many more times."""
    first = until(supervisor.sessions)
    until(lambda: supervisor.sessions() >= first + count, "another try")


def test_a_locked_log_is_named_once_and_waited_for(log: Log) -> None:
    """It says who holds the lock, keeps its place, gathers no files, and supervises again when the lock is free."""
    agent = agents.spawn(log, "sleep", "1000")
    with supervising(log.home, program=IMPATIENT) as supervisor:
        with locked(log.home) as holder:
            agents.kill(agent["daemon"]["pid"])
            retries(supervisor, 2)
            before = supervisor.open_files()
            retries(supervisor, 6)
            assert supervisor.open_files() < before + 10
            known = singleton.holder(log.home)
            assert known is not None and known["pid"] == supervisor.pid
        adopted = until(lambda: agents.get(log, agent["id"])["epoch"] and agents.get(log, agent["id"]), "the adoption")
        agents.kill(adopted["daemon"]["pid"])
        until(lambda: agents.get(log, agent["id"])["epoch"] == 2, "the second adoption")
        assert supervisor.stop() == 0
        assert supervisor.complaints().count("\n") == 1
        assert f"locked by stopped process {holder.pid} " in supervisor.complaints()


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_it_can_be_stopped_while_the_log_is_locked(log: Log, signum: int) -> None:
    """What it is told while it waits for the lock is not lost: it ends with status 0, and without a traceback."""
    agent = agents.spawn(log, "sleep", "1000")
    with supervising(log.home, program=IMPATIENT) as supervisor, locked(log.home):
        agents.kill(agent["daemon"]["pid"])
        retries(supervisor, 1)
        supervisor.send(signal.SIGHUP)
        assert supervisor.stop(signum) == 0
        assert supervisor.complaints().count("\n") == 1


def test_nobody_need_read_its_complaints(log: Log) -> None:
    """Where its stderr is closed on the other side it says nothing, and goes on."""
    agent = agents.spawn(log, "sleep", "1000")
    with supervising(log.home, program=IMPATIENT) as supervisor:
        assert supervisor.process.stderr is not None
        supervisor.process.stderr.close()
        supervisor.process.stderr = None
        with locked(log.home):
            agents.kill(agent["daemon"]["pid"])
            retries(supervisor, 2)
        until(lambda: agents.get(log, agent["id"])["epoch"], "the adoption")


def test_the_same_trouble_is_said_again_when_it_comes_again(log: Log) -> None:
    """Once for each time that the log could not be used."""
    with supervising(log.home, program=IMPATIENT) as supervisor:
        for count in (1, 2):
            agent = agents.spawn(log, "sleep", "1000")
            with locked(log.home):
                agents.kill(agent["daemon"]["pid"])
                retries(supervisor, 1)
            until(lambda: agents.get(log, agent["id"])["epoch"], "the adoption")  # noqa: B023
            until(lambda: len(log.read(events.SUPERVISOR, types=[events.SUPERVISOR_STARTED])) > count)  # noqa: B023
        assert supervisor.stop() == 0
        assert supervisor.complaints().count("locked by") == 2


def test_with_its_lock_removed_it_is_the_supervisor_no_more(log: Log) -> None:
    """Where the lock's file was deleted and another supervisor has begun, the older one ends and says who it is."""
    agent = agents.spawn(log, "sleep", "1000")
    with supervising(log.home, program=IMPATIENT) as older:
        os.unlink(os.path.join(log.home.path, "supervisor.lock"))
        with supervising(log.home) as newer:
            with locked(log.home):
                agents.kill(agent["daemon"]["pid"])
                until(lambda: not is_running(older.pid), "the end of the older one")
            assert older.ended() == 1
            assert f"has a supervisor: process {newer.pid} " in older.complaints()


def test_a_removed_home_is_not_made_again(home: Home) -> None:
    """Where the state directory is gone it waits, and goes on in the one that is made in its place."""
    with supervising(home, program=IMPATIENT) as supervisor:
        shutil.rmtree(home.path)
        supervisor.send(signal.SIGHUP)
        assert supervisor.process.stderr is not None
        assert b"deleted" in supervisor.process.stderr.readline()
        assert b"cannot open" in supervisor.process.stderr.readline()
        before = supervisor.wake_ups()
        until(lambda: supervisor.wake_ups() > before + 10, "some more tries")
        assert not os.path.exists(home.path)
        with Log(home) as new:
            agent = agents.spawn(new, "sleep", "1000")
            supervisor.up()
            agents.kill(agent["daemon"]["pid"])
            until(lambda: agents.get(new, agent["id"])["epoch"], "the adoption")
            known = singleton.holder(home)
            assert known is not None and known["pid"] == supervisor.pid
            agents.kill(agent["child"]["pid"])
            assert agents.ended(new, agent["id"])["signal"] == "SIGKILL"
        assert supervisor.stop() == 0


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that is started on a full disk says so and waits, and with room it adopts what lost its daemon."""
    disk = SmallDisk(tmp_path / "disk", 4)
    monkeypatch.setenv("SWARM_HOME", str(disk.path))
    try:
        with Log(Home(str(disk.path))) as log:
            agent = agents.spawn(log, "sleep", "1000")
            agents.kill(agent["daemon"]["pid"])
            subprocess.run(["dd", "if=/dev/zero", f"of={disk.path}/fill", "bs=4k"], check=False, capture_output=True)
            supervisor = Supervisor(log.home, program=IMPATIENT)
            assert supervisor.process.stderr is not None
            assert b"no space" in supervisor.process.stderr.readline().lower()
            (disk.path / "fill").unlink()
            supervisor.up()
            until(lambda: agents.get(log, agent["id"])["epoch"], "the adoption")
            agents.kill(agent["child"]["pid"])
            assert agents.ended(log, agent["id"])["signal"] == "SIGKILL"
            until(lambda: not os.path.exists(log.home.agent(agent["id"]) + "/run-1"), "the files are gone")
            assert supervisor.stop() == 0
    finally:
        disk.unmount()


def test_with_fewer_files_than_agents_it_goes_on(log: Log) -> None:
    """Where it may not open a file for each daemon it does without some, and is up and silent all the same."""
    for _ in range(8):
        agents.spawn(log, "sleep", "1000")
    limited = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))\n" + IMPATIENT
    with supervising(log.home, program=limited) as supervisor:
        assert supervisor.open_files() < 20


def test_what_cannot_be_opened_is_no_dead_daemon(log: Log) -> None:
    """A process that may open no file does not take a run whose daemon lives for one whose daemon is dead."""
    agent = agents.spawn(log, "sleep", "1000")
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            control.may_have_daemon(log.home, agent)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert control.may_have_daemon(log.home, agent) and len(os.listdir("/proc/self/fd")) == used


def test_while_the_log_is_mended_it_hears_and_is_heard(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes (here a writer never lets go), systemd is told that it is well, and it can be stopped."""
    address = os.path.join(log.home.path, "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        with supervising(log.home) as supervisor:
            with Program(log.home, HOLD) as holder:
                assert holder.line() == "locked"
                for name in os.listdir(log.home.path):
                    if name.startswith("swarm.db"):
                        os.unlink(os.path.join(log.home.path, name))
                supervisor.send(signal.SIGHUP)
                while b"deleted" not in systemd.recv(4096):
                    pass
                for _ in range(4):
                    assert systemd.recv(4096) == b"WATCHDOG=1"
                supervisor.send(signal.SIGTERM)
                until(lambda: not is_running(supervisor.pid), "its end")
            assert supervisor.stop() == 0
    until(lambda: os.path.exists(log.home.database), "the mending has gone on alone")
