"""What a supervisor sleeps on: files, processes, timers and signals."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from swarm_supervisor.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A loop that is closed at the end, and the signals' handlers as they were."""
    before = {signum: signal.getsignal(signum) for signum in (signal.SIGUSR1, signal.SIGUSR2)}
    made = Loop()
    yield made
    made.close()
    for signum, handler in before.items():
        signal.signal(signum, handler)


def readable() -> int:
    """A pipe's reading end with a byte in it; nobody needs the other one."""
    reading, writing = os.pipe()
    os.write(writing, b"x")
    os.close(writing)
    return reading


def is_open(file: int) -> bool:
    try:
        os.fstat(file)
    except OSError:
        return False
    return True


def test_a_file_calls_as_long_as_it_is_readable(loop: Loop) -> None:
    """Each turn calls for it, until it is forgotten, which closes it."""
    file, called = readable(), []
    loop.watch(file, lambda: called.append(1))
    loop.turn()
    loop.turn()
    loop.forget(file)
    loop.after(0, lambda: None)
    loop.turn()
    assert called == [1, 1]
    assert not is_open(file)


def test_forgetting_what_is_not_watched_does_nothing(loop: Loop) -> None:
    """A file may be forgotten twice, and one that was never watched is not closed."""
    file, other = readable(), readable()
    loop.watch(file, lambda: None)
    loop.forget(file)
    loop.forget(file)
    loop.forget(other)
    assert is_open(other)
    os.close(other)


def test_a_process_calls_at_its_end(loop: Loop) -> None:
    """A pidfd calls when its process has ended, and not before."""
    process = subprocess.Popen(["sleep", "1000"])
    called: list[str] = []
    loop.watch(os.pidfd_open(process.pid), lambda: called.append("ended"))
    loop.after(0, lambda: called.append("timer"))
    loop.turn()
    process.kill()
    loop.turn()
    process.wait()
    assert called == ["timer", "ended"]


def test_timers_call_in_the_order_they_are_due(loop: Loop) -> None:
    """Each once; two of the same moment in the order they were set; one that is not due waits."""
    called: list[str] = []
    loop.after(0.02, lambda: called.append("second"))
    loop.after(0.0, lambda: called.append("first"))
    loop.after(0.0, lambda: called.append("first too"))
    loop.after(1000.0, lambda: called.append("never"))
    while len(called) < 3:
        loop.turn()
    assert called == ["first", "first too", "second"]


def test_a_timer_may_set_another(loop: Loop) -> None:
    """One that is due at once is done in the next turn at the latest."""
    called: list[int] = []
    loop.after(0, lambda: loop.after(0, lambda: called.append(1)))
    loop.turn()
    loop.after(0, lambda: None)
    loop.turn()
    assert called == [1]


def test_a_signal_calls_in_a_turn(loop: Loop) -> None:
    """Not in the middle of what is being done; two signals call each for its own."""
    called: list[str] = []
    loop.on_signal(signal.SIGUSR1, lambda: called.append("one"))
    loop.on_signal(signal.SIGUSR2, lambda: called.append("two"))
    os.kill(os.getpid(), signal.SIGUSR1)
    os.kill(os.getpid(), signal.SIGUSR2)
    assert called == []
    loop.turn()
    assert called == ["one", "two"]


def test_a_forgotten_file_of_the_same_turn_is_not_called(loop: Loop) -> None:
    """Of two that are readable at once, the first may forget the second: it is not called any more."""
    first, second = readable(), readable()
    called: list[int] = []

    def forget_others(me: int) -> None:
        called.append(me)
        for file in {first, second} - {me}:
            loop.forget(file)

    loop.watch(first, lambda: forget_others(first))
    loop.watch(second, lambda: forget_others(second))
    loop.turn()
    assert len(called) == 1


def test_a_number_that_is_used_again_in_a_turn_is_another_file(loop: Loop) -> None:
    """Where one of two readable files is forgotten and its number given to a new one, the new one is not called."""
    first, second = readable(), readable()
    quiet, writing = os.pipe()
    called: list[str] = []

    def replace(other: int) -> None:
        called.append("old")
        loop.forget(other)
        os.dup2(quiet, other)
        loop.watch(other, lambda: called.append("new"))

    loop.watch(first, lambda: replace(second))
    loop.watch(second, lambda: replace(first))
    loop.turn()
    assert called == ["old"]
    os.close(quiet)
    os.close(writing)


def test_closing_lets_go_of_everything() -> None:
    """What was watched is closed, and signals do what they do by default."""
    before = signal.getsignal(signal.SIGUSR1)
    loop, file = Loop(), readable()
    loop.watch(file, lambda: None)
    loop.on_signal(signal.SIGUSR1, lambda: None)
    loop.close()
    assert not is_open(file)
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
    assert signal.set_wakeup_fd(-1) == -1
    signal.signal(signal.SIGUSR1, before)
