"""Fixtures for all tests: a state directory of their own, and nothing left of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.looking import processes_of, until
from swarm_daemon import control
from swarm_store import registry
from swarm_store.home import Home
from swarm_store.log import Log

# A shell that starts the tests in its background has them ignore these, and so would all that they start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A state directory that is named by SWARM_HOME."""
    path = tmp_path / "home"
    path.mkdir(mode=0o700)
    monkeypatch.setenv("SWARM_HOME", str(path))
    for name in ("SWARM_AGENT_ID", "SWARM_DEPTH", "SWARM_PARENT_ID", "SWARM_RUN"):
        monkeypatch.delenv(name, raising=False)
    return Home(str(path))


@pytest.fixture
def log(home: Home) -> Iterator[Log]:
    """An open log; agents that the test has left running are ended, and no process of theirs is left."""
    with Log(home) as log:
        yield log
        for agent in registry.agents(log):
            control.ask_cancel(log, agent, signal="KILL", grace=0)
            control.end_without_daemon(log, agent)
        until(lambda: not registry.agents(log), "the end of all agents")
        until(lambda: not processes_of(home.path), f"processes left: {processes_of(home.path)}")


@pytest.fixture
def fifo(tmp_path: Path) -> Iterator[Path]:
    """Whoever reads it does so until the test is over."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    yield path
    os.close(file)
