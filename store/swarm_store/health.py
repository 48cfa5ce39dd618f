"""Whether the log is sound: what `doctor` asks of the store."""

from __future__ import annotations

import os
import stat

from . import registry
from . import statements as sql
from .driver import sqlite3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .home import Home
    from .log import Log

# The WAL-reset bug: a checkpoint that races a writer can lose commits. Our write lock keeps both apart.
BUG_FIRST, BUG_LAST = (3, 7, 0), (3, 51, 2)


def sqlite_version() -> tuple[bool, str, str]:
    """Whether SQLite can be used, which it is with its known faults, and what to do."""
    version = tuple(int(part) for part in sqlite3.sqlite_version.split("."))
    found = f"SQLite {sqlite3.sqlite_version}"
    if BUG_FIRST <= version <= BUG_LAST:
        found += " has the WAL-reset bug; swarmctl's write lock keeps it from happening, so let no other program write"
    return version >= (3, 38, 0), found, "use a Python with SQLite 3.38 or newer"


def integrity(log: Log) -> list[str]:
    """What SQLite finds wrong with the file, and streams whose offsets are not dense; empty when sound."""
    said = [str(row[0]) for row in log.query("PRAGMA quick_check(5)")]
    if said != ["ok"]:
        return said
    return [f"stream {row[0]} has a hole in its offsets" for row in log.query(sql.BROKEN_STREAMS)]


def differing(log: Log) -> list[str]:
    """Agents whose row is not what their events fold to."""
    rows = {agent["id"]: agent for agent in registry.agents(log, ended=True)}
    events = registry.folded(log)
    return sorted(one for one in rows.keys() | events.keys() if rows.get(one) != events.get(one))


def loose_modes(home: Home) -> list[str]:
    """Files of the log that others could open."""
    paths = [home.database, home.database + "-wal", home.database + "-shm", home.lock]
    return [path for path in paths if os.path.exists(path) and stat.S_IMODE(os.stat(path).st_mode) & 0o077]
