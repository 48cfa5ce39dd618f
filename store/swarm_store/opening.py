"""Opening the database: checks, the connection's settings, and creation or migration where it is due."""

from __future__ import annotations

import os

from . import statements as sql
from .driver import sqlite3
from .errors import LogUnusable, NoSuchAgent

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


def connect(home: Home, lock: WriteLock | None) -> sqlite3.Connection:
    """A connection to the log of `home`; with the `lock` for writing, and then created if it is not there.

    Raises NoLog for a reader where there is none, LogUnusable for a newer or foreign database.
    """
    if lock is None:
        home.check()
        if not os.path.exists(home.database):
            raise NoLog(f"there is no event log in {home.path} yet", "swarmctl spawn makes one")
    database = _open(home, "ro" if lock is None else "rwc", lock)
    try:
        version = _version(database, home)
        if lock is not None:
            if version < sql.VERSION:
                version = _bring_up(database, home, lock)
            _settings(database)
        _check_version(database, home, version)
    except BaseException:
        database.close()
        raise
    return database


def _open(home: Home, mode: str, lock: WriteLock | None) -> sqlite3.Connection:
    path = home.database.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    if lock is not None and not os.path.exists(home.database):
        with lock:
            if not os.path.exists(home.database):
                os.close(os.open(home.database, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    return sqlite3.connect(
        f"file:{path}?mode={mode}",
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
