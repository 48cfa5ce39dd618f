"""One supervisor for each state directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support.programs import Program
from swarm_daemon.process import myself
from swarm_store.codec import encode
from swarm_store.home import Home
from swarm_supervisor import singleton
from swarm_supervisor.singleton import AlreadyRunning, Singleton

FULL = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))  # no file may hold a byte, as on a full disk
"""
ROOM = """
say("full")
sys.stdin.readline()
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
held.check(home)
say("told")
sys.stdin.readline()
"""
HOLD = """
from swarm_supervisor.singleton import Singleton
held = Singleton(home)
say("held")
sys.stdin.readline()
"""


def test_the_second_is_told_who_the_first_is(home: Home) -> None:
    """Another process cannot be the supervisor too, and hears whose turn it is and since when."""
    with Program(home, HOLD) as first:
        assert first.line() == "held"
        with pytest.raises(AlreadyRunning, match=f"process {first.pid} on {os.uname().nodename}, since 20") as refused:
            Singleton(home)
        assert refused.value.exit_code == 1 and "supervisor stop" in refused.value.hint
        known = singleton.holder(home)
        assert known is not None and known["pid"] == first.pid


def test_the_kernel_frees_it_with_its_holder(home: Home) -> None:
    """A supervisor that was killed is nobody, and the next one takes its place at once."""
    with Program(home, HOLD) as first:
        first.line()
        first.kill()
    assert singleton.holder(home) is None
    mine = Singleton(home)
    assert singleton.holder(home) == mine.who
    mine.release()
    assert singleton.holder(home) is None


def test_nobody_is_the_supervisor_of_what_is_not_there(tmp_path: Path) -> None:
    """Asking makes nothing."""
    assert singleton.holder(Home(str(tmp_path / "none"))) is None
    assert not (tmp_path / "none").exists()


def test_it_knows_when_its_lock_keeps_nobody_out(home: Home) -> None:
    """Where the lock's file has been removed, or replaced, it is not ours any more."""
    mine = Singleton(home)
    assert mine.is_ours(home)
    os.unlink(os.path.join(home.path, "supervisor.lock"))
    assert not mine.is_ours(home)
    other = Singleton(home)
    assert other.is_ours(home) and not mine.is_ours(home)
    other.release()
    mine.release()


@pytest.mark.parametrize("words", [b"", b"{", b"\xff\xfe"])
def test_a_file_that_says_nothing_is_nobody(home: Home, words: bytes) -> None:
    """What is not whole, or not written by a supervisor, names none, for whoever asks and for whoever is refused."""
    Path(home.path, "supervisor.lock").write_bytes(words)
    assert singleton.holder(home) is None
    mine = Singleton(home)
    Path(home.path, "supervisor.lock").write_bytes(words)
    with pytest.raises(AlreadyRunning):
        Singleton(home)
    mine.release()


def test_a_stranger_with_the_pid_is_not_the_holder(home: Home) -> None:
    """A PID that belongs to another process by now, or is of another boot, is no supervisor."""
    mine = Singleton(home)
    for wrong in ({"start": 1}, {"boot": "another"}):
        Path(home.path, "supervisor.lock").write_text(encode({**mine.who, **myself(), **wrong}), encoding="ascii")
        assert singleton.holder(home) is None
    mine.release()


def test_without_room_it_is_still_the_only_one(home: Home) -> None:
    """The lock is what counts: where its holder cannot be written down, it is held all the same."""
    with Program(home, FULL + HOLD) as first:
        assert first.line() == "held"
        with pytest.raises(AlreadyRunning, match="another process"):
            Singleton(home)


def test_once_there_is_room_it_says_who_it_is(home: Home) -> None:
    """A supervisor that began on a full disk is known, and can be stopped, as soon as it has looked again."""
    begin = FULL + HOLD.replace("sys.stdin.readline()", "")
    with Program(home, begin + ROOM) as first:
        assert (first.line(), first.line()) == ("held", "full")
        assert singleton.holder(home) is None
        first.tell("")
        assert first.line() == "told"
        known = singleton.holder(home)
        assert known is not None and known["pid"] == first.pid


def test_the_next_needs_no_room(home: Home) -> None:
    """Where there has been a supervisor, the next one finds room for who it is on a full disk too."""
    Singleton(home).release()
    assert singleton.holder(home) is None
    before = Path(home.path, "supervisor.lock").stat().st_size
    mine = Singleton(home)
    assert Path(home.path, "supervisor.lock").stat().st_size == before >= len(encode(mine.who))
    mine.release()
