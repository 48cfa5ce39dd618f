"""Whether the log is sound: what `doctor` asks of the store."""

from __future__ import annotations

import os
import stat

from . import registry, session_projection, sessions
from . import statements as sql
from .driver import sqlite3

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .home import Home
    from .log import Log

# The WAL-reset bug: a checkpoint that races a writer can lose commits. Our write lock keeps both apart.
_TEMPORARY = tuple(f"swarm.db.{made}" for made in ("new", "restoring", "recovering.work", "recovering.pristine"))
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
    """Agents whose row, or whose session's, is not what their events fold to."""
    rows = {agent["id"]: agent for agent in registry.agents(log, ended=True)}
    events = registry.folded(log)
    wrong = {one for one in rows.keys() | events.keys() if rows.get(one) != events.get(one)}
    log.database.execute("BEGIN")  # one moment for both: sessions say much, all the time
    try:
        said, known = session_projection.folded(log.database), sessions.sessions(log)
    finally:
        log.database.execute("ROLLBACK")
    return sorted(wrong | {one for one in said.keys() | known.keys() if said.get(one) != known.get(one)})


def newest_time(log: Log) -> int:
    """The latest time that an event in the log has, output apart; microseconds, 0 in an empty log."""
    row = log.query(sql.NEWEST_TIME)
    return row[0][0] or 0


def loose_modes(home: Home) -> list[str]:
    """Files and directories of the log and of agents that others could open."""
    files = [
        home.database,
        home.database + "-wal",
        home.database + "-shm",
        home.lock,
        os.path.join(home.path, "webhook.key"),
    ]
    directories = [home.agents, home.bells, *(home.agent(one) for one in _names(home.agents))]
    runs = [os.path.join(path, name) for path in directories[2:] for name in _names(path)]
    return [path for path in (*files, *directories, *runs) if _mode(path) & 0o077]


def stale_files(home: Home) -> list[str]:
    """What recoveries and listeners that were killed have left; what is under way stands there too, for a moment."""
    found = []
    for name in _names(home.path):
        if name.startswith(_TEMPORARY):
            found.append(os.path.join(home.path, name))
    for bell in _names(home.bells):
        directory = os.path.join(home.bells, bell)
        for listener in _names(directory):
            pid = listener.lstrip(".").partition(".")[0]
            if not os.path.exists(f"/proc/{pid}"):
                found.append(os.path.join(directory, listener))
    return found


def set_aside(home: Home) -> list[str]:
    """Damaged logs that recoveries have kept."""
    return [name for name in _names(home.path) if ".damaged-" in name and not name.endswith("-wal")]


def _mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.lstat(path).st_mode)
    except OSError:
        return 0


def _names(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except OSError:
        return []
