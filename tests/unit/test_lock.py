"""The write lock, against real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time

import pytest

from support.facts import is_locked
from support.looking import until
from support.programs import Program
from swarm_store.errors import LogBusy
from swarm_store.home import Home
from swarm_store.lock import WriteLock

HOLDER = """
from swarm_store.lock import WriteLock
with WriteLock(home.lock, 10):
    say("held")
    sys.stdin.readline()
say("released")
sys.stdin.readline()
"""


def test_a_stopped_holder_is_named(home: Home) -> None:
    """Whoever waits in vain learns which process holds the lock, that it is stopped, and what to do."""
    lock = WriteLock(home.lock, 0.1)
    with Program(home, HOLDER) as holder:
        assert holder.line() == "held"
        os.kill(holder.pid, signal.SIGSTOP)
        until(lambda: holder.state() == "T", "the stop")
        with pytest.raises(LogBusy, match=rf"locked by stopped process {holder.pid} \(.+\) for over 0.1 s") as busy:
            lock.acquire()
        assert "kill -CONT" in busy.value.hint
        os.kill(holder.pid, signal.SIGCONT)
        holder.tell("")
        assert holder.line() == "released"
        with lock:
            assert is_locked(home)
    lock.close()


def test_a_running_holder_is_not_called_stopped(home: Home) -> None:
    """A holder that runs is named as a process like any other."""
    lock = WriteLock(home.lock, 0.05)
    with Program(home, HOLDER) as holder:
        assert holder.line() == "held"
        with pytest.raises(LogBusy, match=rf"locked by process {holder.pid} "):
            lock.acquire()
    lock.close()


def test_a_thread_waits_in_vain_as_clearly(home: Home) -> None:
    """Outside the main thread, where no timer can call back, the wait ends in the same words."""
    lock = WriteLock(home.lock, 0.05)
    caught: list[str] = []

    def wait() -> None:
        try:
            lock.acquire()
        except LogBusy as busy:
            caught.append(busy.message)

    with Program(home, HOLDER) as holder:
        assert holder.line() == "held"
        thread = threading.Thread(target=wait)
        thread.start()
        thread.join(30)
        assert f"process {holder.pid}" in caught[0]
    lock.close()


def test_the_wait_ends_when_the_lock_is_free(home: Home) -> None:
    """A waiting thread and a waiting main thread both get the lock once it is released, and know that they waited."""
    lock, other = WriteLock(home.lock, 30), WriteLock(home.lock, 30)
    lock.acquire()
    thread = threading.Thread(target=other.acquire)
    thread.start()
    lock.release()
    thread.join(30)
    assert is_locked(home)
    timer = threading.Timer(0.01, other.release)
    timer.start()
    lock.acquire()
    assert lock.waited > 0
    lock.release()
    lock.acquire()
    assert lock.waited == 0
    timer.join()
    lock.close()
    other.close()


def test_a_dead_holder_holds_nothing(home: Home) -> None:
    """The kernel gives the lock of a killed process to the next."""
    lock = WriteLock(home.lock, 30)
    with Program(home, HOLDER) as holder:
        assert holder.line() == "held"
        assert is_locked(home)
        holder.kill()
        lock.acquire()
    lock.close()


def test_no_child_inherits_the_lock(home: Home) -> None:
    """A child that is given all files of its parent does not keep the lock when the parent closes it."""
    lock = WriteLock(home.lock, 30)
    lock.acquire()
    child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
    try:
        lock.close()
        assert not is_locked(home)
    finally:
        child.communicate()


def test_the_alarm_is_given_back(home: Home) -> None:
    """After waiting, in vain or not, the process's own handler of SIGALRM is in place and no timer runs."""

    def mine(signum: int, frame: object) -> None: ...

    before = signal.signal(signal.SIGALRM, mine)
    lock, other = WriteLock(home.lock, 0.01), WriteLock(home.lock, 0.01)
    try:
        other.acquire()
        with pytest.raises(LogBusy):
            lock.acquire()
        assert signal.getsignal(signal.SIGALRM) is mine
        assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    finally:
        signal.signal(signal.SIGALRM, before)
        lock.close()
        other.close()


def test_the_lock_is_released_by_an_error(home: Home) -> None:
    """`with lock` gives the lock back however its block ends."""
    lock = WriteLock(home.lock, 1)
    with pytest.raises(RuntimeError), lock:
        assert is_locked(home)
        raise RuntimeError
    assert not is_locked(home)
    lock.close()


def test_the_tally_is_shared_and_survives(home: Home) -> None:
    """What one holder notes the next one reads, in another process or another life; a new lock's tally is nothing."""
    lock = WriteLock(home.lock, 1)
    assert lock.tally() == (0, 0.0)
    moment = time.monotonic()
    lock.set_tally(123, moment)
    lock.close()
    again = WriteLock(home.lock, 1)
    assert again.tally() == (123, moment)
    again.close()


def test_a_tally_of_another_boot_does_not_stop_checkpoints(home: Home) -> None:
    """A time that is past this boot's clock counts as now, so that a checkpoint is due again a second later."""
    lock = WriteLock(home.lock, 1)
    lock.set_tally(5, time.monotonic() + 1e9)
    assert lock.tally()[1] <= time.monotonic()
    lock.close()
