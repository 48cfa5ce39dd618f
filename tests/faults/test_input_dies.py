"""kill -9 of whoever has to do with input, at any moment: the child reads each byte once, in order."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

from support import agents
from support.looking import state, until
from support.programs import Program
from support.supervisors import supervising
from swarm_daemon import control, holder
from swarm_daemon import input as input_module
from swarm_daemon.input import PIECE, Input
from swarm_daemon.run import Run
from swarm_store import events
from swarm_store.errors import NotPossible
from swarm_store.log import Log

SUPPORT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")
SENT = [random.Random(7).randbytes(2 * PIECE + 5), b"x", random.Random(8).randbytes(PIECE), b"last\n"]
STEPS = [
    "swarm_daemon.input:Input:before",
    "swarm_daemon.input:os.pwrite:before:3",
    "swarm_daemon.input:Input._write_down:before:2",
    "swarm_daemon.input:Input._write_down:after",
    "swarm_daemon.input:Input._write_down:after:4",
    "swarm_daemon.input:Input._fill:after",
    "swarm_daemon.input:Input._fill:after:3",
    "swarm_daemon.input:Input._move:after:2",
    "swarm_daemon.input:Input._move:after:3",
    "swarm_daemon.input:Input._close:before",
    "swarm_daemon.input:holder.let_go:before",
    "swarm_daemon.input:holder.let_go:after",
    "swarm_daemon.input:Input._close:after",
]


class Killed(BaseException):
    """Stands for kill -9: nothing after it is done."""


class Deadly:
    """The module `os`, whose `count`-th call of those that input is moved by is the last, not done or done."""

    def __init__(self, count: int, *, done: bool) -> None:
        self.left = count
        self._done = done

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._deadly(real) if name in ("read", "write", "pwrite", "splice") else real

    def _deadly(self, real: Any) -> Any:
        def call(*given: Any, **named: Any) -> Any:
            self.left -= 1
            if self.left == 0 and not self._done:
                raise Killed
            try:
                return real(*given, **named)
            finally:
                if self.left == 0:
                    raise Killed

        return call


@pytest.fixture
def run(log: Log) -> Iterator[Run]:
    """A run that has a holder and something in its inbox, and no daemon."""
    run = Run(log.home, "agentid2", 1)
    run.make()
    holder.fork(run)
    log.append(events.inbox_stream(run.agent_id), [events.input_sent(run.agent_id, 1, one) for one in SENT])
    yield run
    holder.let_go(run)
    until(lambda: not holder.is_there(run), "the holder's end")
    os.wait()


def life(run: Run, log: Log, child: int, killer: Deadly | None, patch: pytest.MonkeyPatch) -> tuple[bytes, bool]:
    """A daemon's life, as far as input goes, while the child reads; what was read, and whether nobody was killed."""
    got = b""
    fed = Input(run, log)
    try:
        if killer is not None:
            patch.setattr(input_module, "os", killer)
        while fed.due_in() is not None or fed.writable():
            fed.feed()
            got += drain(child)
    except Killed:
        return got + drain(child), False
    finally:
        patch.setattr(input_module, "os", os)
        fed.close()
    return got + drain(child), True


def drain(child: int) -> bytes:
    try:
        return os.read(child, 1 << 20)
    except BlockingIOError:
        return b""


@pytest.mark.parametrize("done", [False, True], ids=["not-done", "done"])
def test_after_any_system_call(log: Log, run: Run, done: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed before or after any system call, and its successor after as many, input arrives once and in order."""
    child = os.open(run.fifo("stdin"), os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(child, fcntl.F_SETPIPE_SZ, 4096)  # so that it is often full
    place = run.fifo("stdin.place")
    count, survived = 0, False
    while not survived:
        count += 1
        got, survived = life(run, log, child, Deadly(count, done=done), monkeypatch)
        if not survived:
            again, _ = life(run, log, child, Deadly(count, done=done), monkeypatch)
            rest, _ = life(run, log, child, None, monkeypatch)
            got += again + rest
        assert got == b"".join(SENT), f"killed at call {count}"
        os.unlink(place)
        for name in holder.STAGES:
            with open(os.open(run.fifo(name), os.O_RDWR | os.O_NONBLOCK), "rb", buffering=0) as stage:
                stage.read()
    os.close(child)
    assert count > 20


@pytest.mark.parametrize("step", STEPS)
def test_at_each_step(log: Log, step: str) -> None:
    """A daemon that dies at any step of feeding costs no byte, doubles none, and the end of the input comes."""
    agent = agents.sh(log, "sleep 0.1; exec cat", input=True)
    agents.kill(agent["daemon"]["pid"])
    for one in SENT:
        control.send_input(log, agent, one)
    control.send_input(log, agent, b"", close=True)
    dying = [sys.executable, os.path.join(SUPPORT, "dying_daemon.py"), "--adopt", agent["id"]]
    died = subprocess.run(dying, env={**os.environ, "SWARM_DIE": step}, check=False)
    assert died.returncode == -signal.SIGKILL
    assert agents.adopt(log, agent["id"]) == 0
    assert agents.output(log, agent["id"]) == b"".join(SENT)
    assert agents.get(log, agent["id"])["exit_code"] == 0


def test_daemons_are_killed_while_megabytes_are_sent(log: Log) -> None:
    """However often the daemon is killed at any moment while much is sent and read, each byte arrives once."""
    agent = agents.spawn(log, "cat", input=True)
    dice, sent = random.Random(), b""
    with supervising(log.home):
        for epoch in range(25):
            block = b"".join(b"%d %d\n" % (epoch, n) for n in range(40_000))
            control.send_input(log, agent, block)
            sent += block
            time.sleep(dice.random() / 50)  # any moment
            agents.kill(agents.get(log, agent["id"])["daemon"]["pid"])
            until(lambda: agents.get(log, agent["id"])["epoch"] == epoch + 1, "the successor")  # noqa: B023
        control.send_input(log, agent, b"", close=True)
        agents.ended(log, agent["id"])
    assert agents.output(log, agent["id"]) == sent


def test_a_killed_sender_leaves_a_whole_beginning(log: Log) -> None:
    """Whoever sends and is killed has sent what was committed, in order, and the input is still open."""
    agent = agents.spawn(log, "cat", input=True)
    code = """
from swarm_daemon import control
with Log(home) as log:
    agent = registry.resolve(log, sys.argv[1])
    for n in range(1 << 30):
        control.send_input(log, agent, b"%d\\n" % n)
"""
    with Program(log.home, code, agent["id"]) as sender:
        until(lambda: agents.output(log, agent["id"]).count(b"\n") > 20)
        sender.kill()
    control.send_input(log, agent, b"and on", close=True)
    agents.ended(log, agent["id"])
    *lines, last = agents.output(log, agent["id"]).split(b"\n")
    assert lines == [b"%d" % n for n in range(len(lines))] and last == b"and on"


def test_without_a_daemon_the_input_stays_open(log: Log) -> None:
    """A child whose daemon is killed waits for input that comes with the successor: it reads no end of the file."""
    agent = agents.spawn(log, "cat", input=True)
    control.send_input(log, agent, b"before\n")
    until(lambda: agents.output(log, agent["id"]))
    agents.kill(agent["daemon"]["pid"])
    assert state(agent["child"]["pid"]) == "S"
    control.send_input(log, agent, b"after\n", close=True)
    assert agents.adopt(log, agent["id"]) == 0
    assert agents.output(log, agent["id"]) == b"before\nafter\n"


def test_with_daemon_and_keeper_dead_the_input_ends(log: Log) -> None:
    """Nobody was left to hold it open: the child has read its end, nothing is sent twice, and more is refused."""
    agent = agents.sh(log, "cat; exec sleep 1000", input=True)
    control.send_input(log, agent, b"before\n")
    until(lambda: agents.output(log, agent["id"]))
    agents.kill(agent["keeper"]["pid"])
    agents.kill(agent["daemon"]["pid"])
    with supervising(log.home):
        inbox = events.inbox_stream(agent["id"])
        until(lambda: log.read(inbox, types=[events.INPUT_CLOSED]), "the successor says so")
        with pytest.raises(NotPossible, match="closed"):
            control.send_input(log, agent, b"after\n")
        control.ask_cancel(log, agent)
        assert agents.ended(log, agent["id"])["state"] == "cancelled"
    assert agents.output(log, agent["id"]) == b"before\n"


def test_without_its_keeper_a_daemon_goes_on_feeding(log: Log) -> None:
    """The keeper and the holder are only needed when the daemon dies."""
    agent = agents.spawn(log, "cat", input=True)
    agents.kill(agent["keeper"]["pid"])
    until(lambda: not holder.is_there(Run(log.home, agent["id"], 1)), "the holder ends with the keeper")
    control.send_input(log, agent, b"on\n", close=True)
    assert agents.ended(log, agent["id"])["exit_code"] == 0
    assert agents.output(log, agent["id"]) == b"on\n"
