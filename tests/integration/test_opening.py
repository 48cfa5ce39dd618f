"""Opening a log: creation, versions, what is no log, who may see it, and what a reader leaves."""

from __future__ import annotations

import os
import sqlite3
import stat
from functools import partial
from pathlib import Path

import pytest

from support.facts import is_dense, life, note, notes
from support.programs import Program, run
from swarm_store import health, registry, schema, statements
from swarm_store.errors import LogUnusable
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.opening import NoLog

VERSION = statements.VERSION  # as it is without an upgrade


def test_a_new_log_is_set_up_as_designed(home: Home, log: Log) -> None:
    """WAL, incremental vacuum, no automatic checkpoint, no secure deletion, and synchronous as the transaction asks."""

    def setting(name: str) -> object:
        return log.query(f"PRAGMA {name}")[0][0]

    assert setting("journal_mode") == "wal"
    assert setting("auto_vacuum") == 2
    assert setting("wal_autocheckpoint") == 0
    assert setting("secure_delete") == 0
    assert setting("mmap_size") == 0
    assert setting("user_version") == statements.VERSION
    for durable, synchronous in ((False, 1), (True, 2), (False, 1)):
        log.append("s", [note(1)], durable=durable)
        assert setting("synchronous") == synchronous
    registry.publish(log, *life("a"))
    assert setting("synchronous") == 2


def test_sixteen_processes_make_one_log(home: Home) -> None:
    """Started at the same time in an empty home, all write to one log, and none fails."""
    code = "log = Log(home)\nlog.append('s', [note(int(sys.argv[1]))])\nsay(log.fact('log'))\nlog.close()"
    programs = [Program(home, code, n) for n in range(16)]
    uuids = {program.end() for program in programs}
    assert len(uuids) == 1
    with Log(home) as log:
        records = log.read("s")
        assert sorted(notes(records)) == list(range(16))
        assert is_dense(records)
        assert (log.query("PRAGMA auto_vacuum"), log.query("PRAGMA journal_mode")) == ([(2,)], [("wal",)])
        assert health.integrity(log) == []


def test_nobody_else_can_read_the_files(home: Home, tmp_path: Path) -> None:
    """Whatever the umask, directories are 0700 and files 0600, those that SQLite makes too."""
    fresh = Home(str(tmp_path / "fresh"))
    code = """
os.umask(0)
with Log(home) as log:
    log.append("s", [note(1)])
    for path, directories, files in os.walk(home.path):
        say(path, oct(os.stat(path).st_mode & 0o777))
        for file in files:
            say(file, oct(os.stat(os.path.join(path, file)).st_mode & 0o777))
"""
    said = dict(line.rsplit(" ", 1) for line in run(fresh, code).splitlines())
    modes = dict.fromkeys((fresh.path, fresh.bells, fresh.agents), "0o700")
    modes |= dict.fromkeys(("swarm.db", "swarm.db-wal", "swarm.db-shm", "swarm.db.lock"), "0o600")
    assert said == modes


def test_loose_modes_are_found(home: Home, log: Log) -> None:
    """A file of the log that others could open is named."""
    log.append("s", [note(1)])
    assert health.loose_modes(home) == []
    os.chmod(home.database + "-wal", 0o640)
    assert health.loose_modes(home) == [home.database + "-wal"]
    os.chmod(home.database + "-wal", 0o600)
    assert stat.S_IMODE(os.stat(home.lock).st_mode) == 0o600


@pytest.mark.parametrize("write", [True, False])
def test_a_newer_log_is_refused(home: Home, write: bool) -> None:
    """A log whose schema this program may not write any more is refused, in words that name both versions."""
    with Log(home) as log:
        log.database.execute("PRAGMA user_version=9")
        log.database.execute("UPDATE meta SET value = '9' WHERE key = 'oldest_writer'")
    with pytest.raises(LogUnusable, match=f"is of schema 9; this swarmctl knows {VERSION}") as refused:
        Log(home, write=write)
    assert refused.value.hint == "upgrade swarmctl"


@pytest.mark.parametrize("write", [True, False])
def test_a_newer_log_that_takes_older_writers_is_used(home: Home, write: bool) -> None:
    """A daemon that outlives an upgrade goes on while the newer schema says that it may."""
    with Log(home) as log:
        log.append("s", [note(1)])
        log.database.execute("PRAGMA user_version=9")
    with Log(home, write=write) as log:
        assert notes(log.read("s")) == [1]
        assert log.query("PRAGMA user_version") == [(9,)]


def upgrade(monkeypatch: pytest.MonkeyPatch, *steps: str) -> None:
    """Make this a later version of the program, with a migration for each SQL text of `steps`."""

    def take(step: str, database: sqlite3.Connection) -> None:
        database.execute(step)

    version = statements.VERSION
    for n, step in enumerate(steps):
        monkeypatch.setitem(schema.MIGRATIONS, version + n, partial(take, step))
    monkeypatch.setattr(statements, "VERSION", version + len(steps))
    monkeypatch.setattr(schema, "VERSION", version + len(steps))


def test_an_older_log_is_migrated(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening for writing takes every step in its order, once, and all records stay."""
    with Log(home) as log:
        log.append("s", [note(1)])
        uuid = log.fact("log")
    upgrade(monkeypatch, "CREATE TABLE new(a)", "ALTER TABLE new ADD COLUMN b")
    for _ in range(2):
        with Log(home) as log:
            assert log.query("PRAGMA user_version") == [(VERSION + 2,)]
            assert log.query("SELECT b FROM new") == []
            assert (notes(log.read("s")), log.fact("log")) == ([1], uuid)


def test_an_older_log_is_migrated_by_a_reader_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes first after an upgrade finds this version's tables, also to read; where that fails, what is there."""
    with Log(home) as log:
        log.append("s", [note(1)])
    with monkeypatch.context() as patch:
        upgrade(patch, "ALTER TABLE missing ADD COLUMN b")
        with Log(home, write=False) as log:
            assert notes(log.read("s")) == [1]
    upgrade(monkeypatch, "CREATE TABLE new(a)")
    with Log(home, write=False) as log:
        assert log.query("SELECT a FROM new") == []
        assert notes(log.read("s")) == [1]


def test_a_migration_that_fails_changes_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure in the second step the log is of its old version, without the first step's table."""
    with Log(home) as log:
        log.append("s", [note(1)])
    with monkeypatch.context() as patch:
        upgrade(patch, "CREATE TABLE new(a)", "ALTER TABLE missing ADD COLUMN b")
        with pytest.raises(LogUnusable, match="no such table: missing"):
            Log(home)
    with Log(home) as log:
        assert log.query("PRAGMA user_version") == [(VERSION,)]
        assert log.query("SELECT name FROM sqlite_schema WHERE name = 'new'") == []
        log.append("s", [note(2)])
        assert notes(log.read("s")) == [1, 2]


def test_a_foreign_database_is_refused(home: Home) -> None:
    """A database with tables that are not ours is left as it is."""
    with sqlite3.connect(home.database) as foreign:
        foreign.execute("CREATE TABLE theirs(a)")
    foreign.close()
    before = Path(home.database).read_bytes()
    with pytest.raises(LogUnusable, match="is not an event log"):
        Log(home)
    with pytest.raises(LogUnusable):
        Log(home, write=False)
    assert Path(home.database).read_bytes() == before


def test_a_log_that_is_being_made_is_not_there_yet(home: Home) -> None:
    """A reader that comes between the file and its tables is told to try again, and leaves the file empty."""
    with open(home.database, "w"):
        pass
    with pytest.raises(NoLog, match="still being made"):
        Log(home, write=False)
    assert os.path.getsize(home.database) == 0
    Log(home).close()
    Log(home, write=False).close()


def contents(home: Home) -> dict[str, bytes]:
    return {name: (Path(home.path) / name).read_bytes() for name in ("swarm.db", "swarm.db-wal", "swarm.db.lock")}


def test_a_reader_does_not_write(home: Home, log: Log) -> None:
    """Opening, reading and closing for reading leave database, WAL and lock as they were, and no new file."""
    log.append("s", [note(n) for n in range(100)])
    before, names = contents(home), sorted(os.listdir(home.path))
    with Log(home, write=False) as reader:
        assert len(reader.read("s")) == 100
        assert health.integrity(reader) == []
        for statement in ("DELETE FROM records", "PRAGMA user_version=5", "CREATE TABLE x(a)"):
            with pytest.raises(LogUnusable):
                reader.query(statement)
    assert (contents(home), sorted(os.listdir(home.path))) == (before, names)


def test_a_reader_of_a_closed_log_does_not_change_it(home: Home) -> None:
    """Where no writer is left, a reader changes no byte of the database, and the next writer goes on."""
    with Log(home) as log:
        log.append("s", [note(1)])
    before = Path(home.database).read_bytes()
    with Log(home, write=False) as reader:
        assert notes(reader.read("s")) == [1]
    assert Path(home.database).read_bytes() == before
    with Log(home) as log:
        log.append("s", [note(2)])
        assert notes(log.read("s")) == [1, 2]


def test_a_reader_sees_what_a_killed_writer_committed(home: Home) -> None:
    """A WAL that nobody has copied back is read all the same."""
    code = "log = Log(home)\nlog.append('s', [note(1)])\nsay('done')\nsys.stdin.readline()"
    with Program(home, code) as writer:
        assert writer.line() == "done"
        writer.kill()
    with Log(home, write=False) as reader:
        assert notes(reader.read("s")) == [1]


def test_sqlite_is_judged() -> None:
    """The SQLite in use is new enough for the tests to pass on it, and is named."""
    usable, found, _ = health.sqlite_version()
    assert usable
    assert sqlite3.sqlite_version in found
