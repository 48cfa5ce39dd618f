"""SQLite's errors in our words: what is wrong, and what to do."""

from __future__ import annotations

import os

from .bells import ring
from .driver import sqlite3
from .errors import LogBusy, LogDamaged, LogUnusable
from .events import REGISTRY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .home import Home


class InWords:
    """`with InWords(home):` SQLite's errors in our words. A class, because contextlib costs each daemon 0.1 MB."""

    __slots__ = ("_home",)

    def __init__(self, home: Home) -> None:
        self._home = home

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            said = _in_words(self._home, error)
            if isinstance(said, LogDamaged):
                _leave_word(self._home)
            raise said from error


def _leave_word(home: Home) -> None:
    """The file is damaged: say so to whoever can bring it back, and wake the supervisor."""
    try:
        os.close(os.open(home.suspect, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError:
        return  # no room: the next one that meets it tries again
    ring(home, [REGISTRY])


def _in_words(home: Home, error: sqlite3.Error) -> LogUnusable:
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LogBusy(f"the event log {home.database} is locked by a program that is not swarmctl", "close it")
    if code == "SQLITE_PROTOCOL":  # tried for ten seconds: the index of the WAL is half written
        return LogBusy(
            f"the event log {home.database} cannot be read: a process is stopped in the middle of writing it",
            "continue it (kill -CONT) or end it; nothing is lost by either",
        )
    if code.startswith("SQLITE_FULL") or code == "SQLITE_IOERR_WRITE":
        return LogUnusable(f"no space is left for the event log {home.database}", "free some; agents go on meanwhile")
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        why = "is not writable" if os.path.exists(home.database) else "is gone or cannot be opened"
        return LogUnusable(f"the event log {home.database} {why}", f"look at the permissions of {home.path}")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return LogDamaged(
            f"the event log {home.database} is damaged: {error}",
            "do not delete it: `swarmctl doctor --fix` sets it aside and recovers what can be read",
        )
    return LogUnusable(f"the event log {home.database}: {error}", "`swarmctl doctor` may say more")
