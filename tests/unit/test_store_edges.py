"""The edges of the pure parts and of bells, locks and homes: each was once wrong."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from support.facts import is_locked
from support.programs import Program
from swarm_store import codec
from swarm_store.bells import Bell, ring
from swarm_store.errors import LogBusy, SwarmError
from swarm_store.events import Record, output_written
from swarm_store.home import Home, mounted_type
from swarm_store.lock import WriteLock
from swarm_store.log import Log
from swarm_store.output import Lines, last_chunks
from swarm_store.trouble import InWords

ROOT = "1 0 0:1 / / rw - ext4 a rw\n"


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a":-Infinity}'])
def test_decoding_a_number_that_json_has_not_is_a_value_error(text: str) -> None:
    """decode raises ValueError for anything but JSON, as it says; it raises TypeError."""
    with pytest.raises(ValueError):
        codec.decode(text)


def test_a_mount_point_may_have_both_a_space_and_other_letters() -> None:
    """An escape in the name does not turn UTF-8 into Latin-1, or a network file system is taken for the root's."""
    mounts = ROOT + "2 1 0:2 / /mnt/caf\N{LATIN SMALL LETTER E WITH ACUTE}\\040x rw - nfs b rw\n"
    assert mounted_type("/mnt/caf\N{LATIN SMALL LETTER E WITH ACUTE} x/home", mounts) == "nfs"


@pytest.mark.parametrize("odd", ["\f", "\N{LINE SEPARATOR}", "\x85"])
def test_only_a_newline_ends_a_line_of_the_mount_table(odd: str) -> None:
    """Somebody's mount point with another line separator in its name stops nobody else's command."""
    mounts = ROOT + f"2 1 0:2 / /mnt/a{odd}b rw - nfs b rw\n"
    assert mounted_type("/home", mounts) == "ext4"


def test_a_home_may_begin_with_two_slashes(home: Home) -> None:
    """`//state` is `/state` on Linux; SQLite takes the first word for a host."""
    Log(Home("/" + home.path)).close()


def test_listening_while_another_listener_leaves(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bell's directory that is there, and gone when makedirs looks again, is made once more."""
    home.prepare()
    leaving = [Bell(home, "s")]
    mkdir = os.mkdir

    def racing(path: str, mode: int) -> None:
        try:
            mkdir(path, mode)
        finally:
            if leaving:
                leaving.pop().close()

    monkeypatch.setattr(os, "mkdir", racing)
    Bell(home, "s").close()


def test_ringing_writes_to_bells_alone(home: Home) -> None:
    """A stream's name never leads out of the bells' directory, least of all to the database's first byte."""
    Log(home).close()
    before = Path(home.database).read_bytes()
    ring(home, [".."])
    assert Path(home.database).read_bytes() == before


def test_a_wait_that_is_given_up_holds_no_lock(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the alarm comes just after the kernel has given the lock, LogBusy is raised and the lock is not kept."""
    waiting, other = WriteLock(home.lock, 30), WriteLock(home.lock, 30)
    flock = fcntl.flock

    def too_late(file: int, operation: int) -> None:
        if operation == fcntl.LOCK_EX:
            flock(other._file, fcntl.LOCK_UN)
            flock(file, operation)
            signal.raise_signal(signal.SIGALRM)
        else:
            flock(file, operation)

    other.acquire()
    monkeypatch.setattr(fcntl, "flock", too_late)
    try:
        with pytest.raises(LogBusy):
            waiting.acquire()
        assert not is_locked(home)
    finally:
        waiting.close()
        other.close()


def test_a_blocked_alarm_does_not_make_waiting_endless(home: Home) -> None:
    """Signal masks are inherited: with SIGALRM blocked by whoever started it, a process still gives up in time."""
    code = """
import signal
from swarm_store.errors import LogBusy
from swarm_store.lock import WriteLock
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
try:
    WriteLock(home.lock, 0.01).acquire()
except LogBusy:
    say("busy")
"""
    held = WriteLock(home.lock, 1)
    with held, Program(home, code) as program:
        try:
            program.process.wait(2)
        except subprocess.TimeoutExpired:
            pytest.fail("it waits for ever")
        assert program.line() == "busy"
    held.close()


def test_a_lock_file_that_cannot_be_opened_is_a_clear_error(home: Home) -> None:
    """Whatever keeps the lock's file from being opened comes as one of our errors, not as a bare OSError."""
    os.mkdir(home.lock)
    with pytest.raises(SwarmError):
        Log(home)


def test_the_last_lines_are_the_last_ones() -> None:
    """A last line whose beginning lies further back is one of the last lines; it is dropped for an older one."""
    written = [("stderr", b"begun"), ("stdout", b"1\n2\n3\n"), ("stderr", b" and ended\n")]
    ends = {"stdout": 0, "stderr": 0}
    records = []
    for n, (stream, payload) in enumerate(written):
        event = output_written(stream, 1, ends[stream], payload)
        ends[stream] += len(payload)
        records.append(Record(n + 1, "agents/a", n, n, event.type, None, event.data, payload))
    lines = Lines(cut=True)
    shown = [line.bytes for record in last_chunks(reversed(records), 1) for line in lines.feed(record)]
    assert shown[-1] == b"begun and ended"


def test_a_half_written_index_is_said_in_words(home: Home) -> None:
    """Where SQLite has tried for long enough to read what a stopped process is writing, it is said what to do."""
    error = sqlite3.OperationalError("locking protocol")
    error.sqlite_errorname = "SQLITE_PROTOCOL"
    with pytest.raises(LogBusy, match="a process is stopped in the middle of writing it") as said, InWords(home):
        raise error
    assert "kill -CONT" in said.value.hint
