"""The edges of transactions, checkpoints and foreign files: each was once wrong."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from support.facts import happened, is_dense, is_locked, life, note, notes
from support.programs import run
from swarm_store import follow, health, registry
from swarm_store.bells import Bell, wait
from swarm_store.errors import IllegalTransition, LogUnusable, NoSuchAgent, OffsetConflict, ProducerFenced, SwarmError
from swarm_store.events import output_written
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import CHECKPOINT_BYTES, Producer

CHUNK = output_written("stdout", 1, 0, bytes(65536))


def test_an_append_that_raises_is_not_in_the_log(home: Home) -> None:
    """A checkpoint that fails after the commit, on a full disk, does not turn the commit into a failure.

    The daemon publishes such a chunk again, by then a longer one with a higher sequence: its bytes are doubled.
    """
    code = """
import resource, signal
from swarm_store import transaction as module
from swarm_store.errors import LogUnusable
module.CHECKPOINT_BYTES, module.CHECKPOINT_SECONDS = 1 << 20, 0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = Log(home)
resource.setrlimit(resource.RLIMIT_FSIZE, (1800 << 10, 1800 << 10))
refused = []
for n in range(40):
    try:
        log.append("s", [note(n), output_written("stdout", 1, 0, bytes(1 << 17))])
    except LogUnusable:
        refused.append(n)
say([n for n in refused if n in [one.data["n"] for one in log.read("s", types=["note:taken"])]])
"""
    assert run(home, code) == "[]\n"


def test_an_error_that_is_caught_within_a_transaction_leaves_no_half(log: Log) -> None:
    """After a conflict that the writer catches, the same sequence can still be written: nothing was, until now."""
    try:
        with log.transaction() as transaction:
            transaction.append("s", [note(0)])
            with pytest.raises(OffsetConflict):
                transaction.append("s", [note(1)], producer=Producer("p", 0, 1), expected=0)
    except SwarmError:
        pass  # refusing the whole transaction would do
    assert not log.append("s", [note(1)], producer=Producer("p", 0, 1)).duplicate


def test_an_illegal_event_that_is_caught_within_a_transaction_leaves_no_half(log: Log) -> None:
    """A record whose projection was refused is not committed beside a head that does not count it."""
    try:
        with log.transaction() as transaction, pytest.raises(IllegalTransition):
            transaction.append("registry", [happened("a", "agent:started")])
    except SwarmError:
        pass  # refusing the whole transaction would do
    registry.publish(log, *life("a"))
    assert is_dense(log.read("registry"))


def test_a_newer_epoch_fences_even_if_its_append_is_a_repeat(log: Log) -> None:
    """A successor that first repeats what its predecessor wrote has taken over from then on."""
    log.append("s", [note(1)], producer=Producer("p", 0, 1))
    assert log.append("s", [note(1)], producer=Producer("p", 1, 1)).duplicate
    with pytest.raises(ProducerFenced):
        log.append("s", [note(2)], producer=Producer("p", 0, 2))


def test_a_clock_that_fails_leaves_no_lock(home: Home) -> None:
    """Whatever ends the entering of a transaction after its BEGIN, an interrupt too, releases the lock."""

    def interrupted() -> int:
        raise KeyboardInterrupt

    with Log(home, clock=interrupted) as log:
        with pytest.raises(KeyboardInterrupt):
            log.append("s", [note(1)])
        assert not is_locked(home)


class Counting:
    """Stands before the database and ends what would go on for ever."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self.database = database
        self.steps = 0

    def executescript(self, script: str) -> object:
        self.steps += 1
        assert self.steps < 50, "this does not end"
        return self.database.executescript(script)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.database, name)


def test_giving_back_ends_where_nothing_can_be_given(home: Home) -> None:
    """In a copy without incremental vacuum, as `sqlite3 .recover` makes it, free pages stay and the call returns."""
    Log(home).close()
    copy = sqlite3.connect(home.database, isolation_level=None)
    for statement in ("journal_mode=DELETE", "auto_vacuum=NONE"):
        copy.execute(f"PRAGMA {statement}").fetchall()
    copy.execute("VACUUM")
    copy.execute("PRAGMA journal_mode=WAL").fetchall()
    copy.close()
    with Log(home) as log:
        log.append("s", [CHUNK] * 100)
        with log.transaction() as transaction:
            transaction.delete("s", 1000)
        log.database = Counting(log.database)  # type: ignore[assignment]
        log.give_back()


def test_giving_back_gives_all(log: Log) -> None:
    """After it no free page is left; it stops at fewer than a step's, up to 4 MB."""
    log.append("s", [CHUNK] * 100)
    with log.transaction() as transaction:
        transaction.delete("s", 1000)
    log.give_back()
    assert log.query("PRAGMA freelist_count") == [(0,)]


def test_the_wal_stays_bounded_by_lifecycle_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Registry events count for what they write: a page of each table and index, about 12 times the estimate."""
    monkeypatch.setattr("swarm_store.transaction.CHECKPOINT_SECONDS", 0)
    with Log(home) as log:
        for n in range(600):
            registry.publish(log, happened(f"a{n:05}", "agent:spawned", name=f"n{n}"))
        assert os.path.getsize(home.database + "-wal") < 2 * CHECKPOINT_BYTES


def test_missing_records_are_found(log: Log) -> None:
    """A stream with a hole in its offsets, or a head that is not its end, is named by the integrity check."""
    log.append("s", [note(n) for n in range(3)])
    log.database.execute("DELETE FROM records WHERE offset = 1")
    assert health.integrity(log) != []


@pytest.mark.parametrize("write", [True, False])
def test_a_foreign_database_with_a_version_is_refused(home: Home, write: bool) -> None:
    """user_version is everybody's; that it is 1 does not make a database ours."""
    foreign = sqlite3.connect(home.database)
    foreign.execute("CREATE TABLE theirs(a)")
    foreign.execute("PRAGMA user_version=1")
    foreign.close()
    with pytest.raises(LogUnusable, match="is not an event log"):
        Log(home, write=write)


def test_nothing_is_left_of_a_follower_that_could_not_begin(home: Home, log: Log) -> None:
    """When one of several bells cannot be hung, those before it are taken down."""
    (Path(home.bells) / "taken").touch()  # where a bell's directory would be
    with pytest.raises(LogUnusable):
        next(follow.follow(log, {"s": 0, "taken": 0}))
    assert os.listdir(home.bells) == ["taken"]


def test_a_stream_with_a_very_long_name_can_be_followed(home: Home, log: Log) -> None:
    """A name that is longer than a file's may be, or is no ASCII, has a bell all the same, and one of its own."""
    names = ["x" * 300, "x" * 301, "é/%00" * 60]
    bells = [Bell(home, name) for name in names]
    for name, bell in zip(names, bells, strict=True):
        log.append(name, [])
        assert wait([bell], 10) and not wait([other for other in bells if other is not bell], 0)
    for bell in bells:
        bell.close()
    assert os.listdir(home.bells) == []


def test_a_word_that_is_no_text_is_no_agent(log: Log) -> None:
    """Bytes of a command line that are not UTF-8 name no agent; they end in a traceback."""
    with pytest.raises(NoSuchAgent):
        registry.resolve(log, "\udcff")


def test_a_number_beyond_sqlite_is_beyond_the_log(log: Log) -> None:
    """`events --after` a number of 20 digits shows nothing; it ends in a traceback."""
    log.append("s", [note(1)])
    assert notes(log.read(start=10**20)) == []
