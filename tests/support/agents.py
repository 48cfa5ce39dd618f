"""Agents for tests, spawned in this process: the product's own calls, with real daemons and real children."""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import termios
from typing import Any, TypeVar

from support.looking import state, until
from swarm_daemon import spawn as spawning
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.errors import CannotStart
from swarm_store.fold import Agent
from swarm_store.lifecycle import TERMINAL
from swarm_store.log import Log

DEADLINE = 30.0  # seconds; far more than anything here takes
T = TypeVar("T")


def spawn(log: Log, *command: str, **options: Any) -> Agent:
    """Spawn one agent and return it as running. Raises CannotStart."""
    wish = spawning.request(log.home, command, **options)
    for _, outcome in spawning.spawn(log, [wish]):
        if isinstance(outcome, CannotStart):
            raise outcome
    return get(log, wish.agent_id)


def sh(log: Log, script: str, **options: Any) -> Agent:
    """Spawn a shell script."""
    return spawn(log, "sh", "-c", script, **options)


def get(log: Log, agent_id: str) -> Agent:
    agent = registry.get(log, agent_id)
    assert agent is not None
    return agent


def ended(log: Log, agent_id: str) -> Agent:
    """The agent, once it has ended."""

    def look() -> Agent | None:
        agent = get(log, agent_id)
        return agent if agent["state"] in TERMINAL else None

    found = until(look, f"the end of {agent_id}")
    assert found is not None
    return found


def output(log: Log, agent_id: str, stream: str = "stdout") -> bytes:
    """Everything that the log has of one stream of the agent."""
    chunks = log.read(events.agent_stream(agent_id), types=[events.OUTPUT_TYPES[stream]], limit=1 << 20)
    return b"".join(chunk.payload or b"" for chunk in chunks)


def adopt(log: Log, agent_id: str) -> int:
    """Run a successor daemon to its end; its exit status."""
    command = [sys.executable, "-m", "swarm_daemon", "--adopt", agent_id]
    environment = {**os.environ, "SWARM_HOME": log.home.path}
    return subprocess.run(command, env=environment, check=False, timeout=DEADLINE, capture_output=True).returncode


def kill(pid: int) -> None:
    """SIGKILL a process that the test started, and see it gone or a zombie."""
    os.kill(pid, 9)
    until(lambda: state(pid) in (None, "Z"), f"the death of {pid}")


def stop(log: Log, pid: int) -> None:
    """SIGSTOP a process that may write to the log, so that it does not hold the write lock until it is continued."""
    assert log.lock is not None
    with log.lock:
        os.kill(pid, signal.SIGSTOP)
        until(lambda: state(pid) in ("T", "Z"), f"{pid} to stop")


def is_blocked(log: Log, agent_id: str) -> bool:
    """Whether the child's stdout is full, so that it waits in its write."""
    path = Run(log.home, agent_id, 1).fifo("stdout")
    with open(os.open(path, os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0) as fifo:
        count: int = struct.unpack("i", fcntl.ioctl(fifo, termios.FIONREAD, b"\0\0\0\0"))[0]
    return count > 60_000  # of 65,536: a page whose rest is too small for a line stays partly empty
