"""Checkpoints: under the lock alone, when due, so that the WAL stays small."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable

import pytest

from support.facts import is_locked, note
from support.programs import Program
from swarm_store import health
from swarm_store.errors import LogBusy
from swarm_store.events import output_written
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import CHECKPOINT_BYTES

CHUNK = output_written("stdout", 1, 0, bytes(range(256)) * 256)
WRITING = ("BEGIN", "INSERT", "UPDATE", "DELETE", "COMMIT", "PRAGMA wal_checkpoint", "PRAGMA incremental_vacuum")


def traced(open_log: Log, home: Home) -> Callable[[], list[tuple[str, bool]]]:
    """Note each statement that writes, and whether the write lock was held; the notes, when asked."""
    seen: list[tuple[str, bool]] = []

    def note_down(statement: str) -> None:
        if statement.startswith(WRITING):
            seen.append((statement.split("(")[0], is_locked(home)))

    open_log.database.set_trace_callback(note_down)
    return lambda: seen


def test_all_writing_happens_under_the_lock(home: Home, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """From BEGIN to the checkpoint, and in giving pages back, no other process can have the lock."""
    monkeypatch.setattr("swarm_store.transaction.CHECKPOINT_SECONDS", 0)
    seen = traced(log, home)
    for _ in range(20):
        log.append("s", [CHUNK] * 4)
    with log.transaction() as transaction:
        transaction.delete("s", 10)
    log.give_back()
    assert {statement for statement, _ in seen()} >= {"BEGIN IMMEDIATE", "COMMIT", "PRAGMA wal_checkpoint"}
    assert [statement for statement, locked in seen() if not locked] == []
    assert not is_locked(home)


def test_closing_happens_under_the_lock(home: Home) -> None:
    """SQLite checkpoints when the last connection closes, so a writer closes with the lock held."""
    opened = Log(home)
    real = opened.database

    class Closing:
        locked = False

        def close(self) -> None:
            self.locked = is_locked(home)
            real.close()

    spy = Closing()
    opened.database = spy  # type: ignore[assignment]
    opened.close()
    assert spy.locked
    assert not is_locked(home)


def test_the_wal_stays_bounded(home: Home, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as much as a checkpoint's worth is written, and the WAL is not much larger than one."""
    monkeypatch.setattr("swarm_store.transaction.CHECKPOINT_SECONDS", 0)
    largest = 0
    for _ in range(10 * CHECKPOINT_BYTES // (8 * 65536)):
        log.append("s", [CHUNK] * 8)
        largest = max(largest, os.path.getsize(home.database + "-wal"))
    assert CHECKPOINT_BYTES / 2 < largest < CHECKPOINT_BYTES * 1.5


def test_the_wal_stays_bounded_with_many_small_records(home: Home, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records without bytes count by the pages they land on."""
    monkeypatch.setattr("swarm_store.transaction.CHECKPOINT_SECONDS", 0)
    largest = 0
    for n in range(3000):
        log.append(f"s{n % 5}", [note(n)])
        largest = max(largest, os.path.getsize(home.database + "-wal"))
    assert largest < CHECKPOINT_BYTES * 8


def test_many_processes_keep_it_bounded_together(home: Home, log: Log) -> None:
    """The tally is shared: processes that each write too little for a checkpoint have one between them."""
    code = """
from swarm_store import transaction as module
module.CHECKPOINT_SECONDS = 0
with Log(home) as log:
    say("open")
    log.append("s", [output_written("stdout", 1, 0, bytes(65536))] * 16)
"""
    for _ in range(6):
        with Program(home, code) as program:
            program.end()
    assert log.lock is not None
    assert log.lock.tally()[0] < CHECKPOINT_BYTES
    assert os.path.getsize(home.database) > CHECKPOINT_BYTES / 2


def test_no_checkpoint_comes_before_its_time(home: Home, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Much writing a moment after a checkpoint, or little writing long after it, leaves the WAL to grow."""
    assert log.lock is not None
    seen = traced(log, home)
    log.lock.set_tally(0, time.monotonic())
    monkeypatch.setattr("swarm_store.transaction.CHECKPOINT_SECONDS", 3600)
    log.append("s", [CHUNK] * 80)
    log.lock.set_tally(0, 0.0)
    monkeypatch.setattr("swarm_store.transaction.CHECKPOINT_SECONDS", 0)
    log.append("s", [CHUNK])
    assert [statement for statement, _ in seen()].count("COMMIT") == 2
    assert "PRAGMA wal_checkpoint" not in [statement for statement, _ in seen()]


def test_a_reader_in_the_way_is_waited_for(home: Home, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a reader holds an old picture the checkpoint is tried again, and done once the reader has gone."""
    monkeypatch.setattr("swarm_store.transaction.CHECKPOINT_SECONDS", 0)
    assert log.lock is not None
    log.append("s", [note(1)])
    with Log(home, write=False) as reader:
        reader.database.execute("BEGIN")
        reader.database.execute("SELECT count(*) FROM records").fetchall()
        for _ in range(20):
            log.append("s", [CHUNK] * 8)
        assert log.lock.tally()[0] > CHECKPOINT_BYTES
        assert reader.query("SELECT count(*) FROM records") == [(1,)]
        reader.database.execute("COMMIT")
    log.append("s", [CHUNK])
    assert log.lock.tally()[0] == 0
    assert health.integrity(log) == []


def test_a_writer_gives_up_on_a_held_lock(home: Home, log: Log) -> None:
    """A transaction waits no longer than it was told to, nothing is written, and it works once the lock is free."""
    log.lock_timeout = 0.05
    with Log(home) as other, other.transaction():
        with pytest.raises(LogBusy, match=r"locked by process \d+"):
            log.append("s", [note(1)])
        assert log.lock_timeout == 0.05
    assert log.read() == []
    log.append("s", [note(2)])
    assert log.waited == 0


def test_a_foreign_programs_lock_is_told_apart(home: Home, log: Log) -> None:
    """A program that writes to the database without our lock is not taken for one of ours."""
    foreign = sqlite3.connect(home.database, isolation_level=None)
    foreign.execute("BEGIN IMMEDIATE")
    log.database.execute("PRAGMA busy_timeout=10")
    with pytest.raises(LogBusy, match="locked by a program that is not swarmctl"):
        log.append("s", [note(1)])
    assert not is_locked(home)
    foreign.execute("ROLLBACK")
    foreign.close()
    log.append("s", [note(1)])


def test_a_log_for_reading_takes_no_lock(home: Home, log: Log) -> None:
    """Readers read while a writer writes, and have no lock to wait for."""
    with log.transaction() as transaction:
        transaction.append("s", [note(1)])
        with Log(home, write=False) as reader:
            assert (reader.read(), reader.lock_timeout, reader.waited) == ([], 0.0, 0.0)
            reader.lock_timeout = 5
            assert reader.lock is None
