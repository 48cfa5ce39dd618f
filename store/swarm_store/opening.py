"""Opening the database: checks, the connection's settings, and creation or migration where it is due."""

from __future__ import annotations

import os

from . import statements as sql
from .driver import sqlite3
from .errors import LogGone, LogUnusable, NoSuchAgent
from .lock import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .home import Home
    from .lock import WriteLock

BUSY_SECONDS = 10.0  # only another program than ours, or a recovery, can make us wait for SQLite's own locks
CACHE_KIB = 512
WAL_KEPT = 64 << 20


class NoLog(LogUnusable):
    """There is no log yet: nothing has ever been spawned here."""

    exit_code = NoSuchAgent.exit_code  # who asks for an agent has the answer: there is none


def connect(home: Home, lock: WriteLock | None, *, create: bool) -> tuple[sqlite3.Connection, tuple[int, int]]:
    """A connection to the log of `home`, and which file it is; with the `lock` for writing.

    With `create` it is made if it is not there. Raises NoLog where there has never been one, LogGone where there is
    none but has been, LogUnusable for a newer or foreign database.
    """
    while True:
        if lock is not None and create and not os.path.exists(home.database):
            _make(home, lock)
        there = identity(home.database)
        if there is None:
            raise none_there(home)
        database = _connect(home, lock, create)
        if identity(home.database) == there:  # otherwise nobody knows which of the two it has opened
            return database, there
        database.close()


def none_there(home: Home) -> LogUnusable:
    """Why there is no log: nothing has happened here yet, or it has been deleted under what runs."""
    if has_runs(home):
        return LogGone(
            f"the event log {home.database} is gone",
            "`swarmctl doctor --fix` brings back what can be; agents go on meanwhile",
        )
    return NoLog(f"there is no event log in {home.path} yet", "swarmctl spawn makes one")


def has_runs(home: Home) -> bool:
    """Whether an agent has the files of a run, which it has while it lives: then there has been a log."""
    try:
        return any(name.startswith("run-") for one in os.listdir(home.agents) for name in os.listdir(home.agent(one)))
    except OSError:
        return False


def _connect(home: Home, lock: WriteLock | None, create: bool) -> sqlite3.Connection:
    database = open_file(home.database, "ro" if lock is None else "rw")
    try:
        version = _version(database, home)
        if lock is not None:
            if version < sql.VERSION and (version or create):
                version = _bring_up(database, home, lock)
            _settings(database)
        elif 0 < version < sql.VERSION:
            version = _bring_up_for_reader(database, home)
        _check_version(database, home, version)
    except BaseException:
        database.close()
        raise
    return database


def _make(home: Home, lock: WriteLock) -> None:
    """Make the file, empty; but where runs go on without their log, bring theirs back as far as can be."""
    if has_runs(home) or os.path.exists(home.database + ".recovering"):
        from . import recovery  # cold

        recovery.recover_if_needed(home)
    with lock:
        if not os.path.exists(home.database):
            os.close(os.open(home.database, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))


def open_file(path: str, mode: str) -> sqlite3.Connection:
    """A connection to the database at `path` as it is; `mode` is SQLite's: ro, rw, rwc."""
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(
        f"file:{quoted}?mode={mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,
        cached_statements=32,
        check_same_thread=False,
    )


def _settings(database: sqlite3.Connection) -> None:
    for setting in (
        "wal_autocheckpoint=0",  # the lock's holder checkpoints, nobody else
        "synchronous=NORMAL",
        "secure_delete=OFF",
        f"cache_size=-{CACHE_KIB}",
        f"journal_size_limit={WAL_KEPT}",
    ):
        database.execute(f"PRAGMA {setting}")


def _version(database: sqlite3.Connection, home: Home) -> int:
    """The schema's version; 0 for a database that is still empty. Raises LogUnusable for what is no event log."""
    version: int = database.execute("PRAGMA user_version").fetchone()[0]
    application = database.execute("PRAGMA application_id").fetchone()[0]
    if application == sql.APPLICATION:
        return version
    if version or application or database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise LogUnusable(f"{home.database} is not an event log", "name another state directory in SWARM_HOME")
    return 0


def _bring_up(database: sqlite3.Connection, home: Home, lock: WriteLock) -> int:
    from . import schema  # SQLAlchemy: only the first user of a log pays for it

    with lock:
        version = _version(database, home)  # somebody may have been faster
        if version == 0:
            schema.create(database)
        elif version < sql.VERSION:
            schema.migrate(database, version)
    return _version(database, home)


def _bring_up_for_reader(database: sqlite3.Connection, home: Home) -> int:
    """After an upgrade whoever comes first may be a reader, who looks for the tables of this version too.

    Where nobody can write there (a disk that is read-only), what an earlier version has is all there is to read.
    """
    from .lock import WriteLock

    try:
        lock = WriteLock(home.lock, BUSY_SECONDS)
    except LogUnusable:
        return _version(database, home)
    try:
        writer = open_file(home.database, "rw")
        try:
            return _bring_up(writer, home, lock)
        finally:
            writer.close()
    except (LogUnusable, sqlite3.Error):
        return _version(database, home)
    finally:
        lock.close()


def _check_version(database: sqlite3.Connection, home: Home, version: int) -> None:
    if version == 0:
        raise NoLog(f"the event log in {home.path} is still being made", "try again")
    if version > sql.VERSION:
        oldest = int(database.execute(sql.FACT, {"key": "oldest_writer"}).fetchone()[0])
        if oldest > sql.VERSION:
            raise LogUnusable(
                f"the event log {home.database} is of schema {version}; this swarmctl knows {sql.VERSION}",
                "upgrade swarmctl",
            )
