"""The disk is full: the agent waits, nothing is lost, and all goes on by itself when there is room."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import agents
from support.looking import state, until
from support.small_disk import SmallDisk
from swarm_daemon import spawn as spawning
from swarm_daemon.run import Run
from swarm_store import registry
from swarm_store.errors import CannotStart, LogUnusable
from swarm_store.home import Home
from swarm_store.log import Log

MEGABYTES = 12
WRITER = f"import os\nfor n in range({MEGABYTES} * 10):\n    os.write(1, b'%07d\\n' % n * 12800)\nraise SystemExit(9)"


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDisk]:
    """A disk that is smaller than what is about to be written, with SWARM_HOME on it."""
    disk = SmallDisk(tmp_path / "disk", MEGABYTES)
    monkeypatch.setenv("SWARM_HOME", str(disk.path))
    yield disk
    disk.unmount()


def test_output_waits_for_room(disk: SmallDisk) -> None:
    """An agent that writes more than fits is neither ended nor robbed of a byte; with room it finishes."""
    with Log(Home(str(disk.path))) as log:
        agent = agents.spawn(log, sys.executable, "-S", "-c", WRITER)
        until(lambda: agents.is_blocked(log, agent["id"]), "the agent waits")
        assert agents.get(log, agent["id"])["state"] == "running"
        disk.resize(MEGABYTES * 10)
        ended = agents.ended(log, agent["id"])
        assert ended["exit_code"] == 9
        wanted = b"".join(b"%07d\n" % n * 12800 for n in range(MEGABYTES * 10))
        assert agents.output(log, agent["id"]) == wanted
        until(lambda: state(agent["daemon"]["pid"]) in (None, "Z"), "the daemon's end")


def test_spawn_on_a_full_disk_leaves_nothing(disk: SmallDisk) -> None:
    """Where an agent cannot be registered it is not half there, and the error says that the disk is full."""
    with Log(Home(str(disk.path))) as log:
        ballast = disk.path / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"\0" * 4096)
        with pytest.raises(LogUnusable, match="no space"):
            for _ in range(1000):
                agents.spawn(log, "true")
        ballast.unlink()
        assert [agent for agent in registry.agents(log) if agent["state"] == "spawned"] == []


def test_a_daemon_without_room_for_its_own_files_says_so(log: Log) -> None:
    """A start that fails for want of a file is recorded as failed, with the reason in words, and leaves nothing."""
    wish = spawning.request(log.home, ["true"])
    run = Run(log.home, wish.agent_id, 1)
    os.makedirs(run.who)  # in the way of the file of that name
    [(_, outcome)] = spawning.spawn(log, [wish])
    assert isinstance(outcome, CannotStart) and outcome.message == "the daemon could not start: Is a directory"
    agent = agents.get(log, wish.agent_id)
    assert (agent["state"], agent["reason"]) == ("failed", outcome.message)
    assert not os.path.exists(run.path)


def test_why_a_run_was_ended_needs_no_room(disk: SmallDisk) -> None:
    """A timeout on a full disk, whose daemon is killed before it could say so, is known as one."""
    with Log(Home(str(disk.path))) as log:
        agent = agents.spawn(log, "sleep", "1000", timeout=1.0)
        ballast = disk.path / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(b"\0" * 4096)
        until(lambda: state(agent["child"]["pid"]) == "Z", "the child's end")
        agents.kill(agent["daemon"]["pid"])
        ballast.unlink()
        assert agents.adopt(log, agent["id"]) == 0
        ended = agents.get(log, agent["id"])
        assert (ended["state"], ended["reason"], ended["signal"]) == ("failed", "timeout", "SIGTERM")
