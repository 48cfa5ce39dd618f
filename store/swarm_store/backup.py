"""A copy of the whole log, made while everybody writes on: one moment of it, consistent, and a log itself. Cold."""

from __future__ import annotations

import sqlite3

from .aside import written_aside
from .errors import LogUnusable
from .log import Log
from .opening import open_file
from .trouble import InWords

PAGES = 4096  # copied at a time: 16 MB


def backup(log: Log, path: str, *, force: bool = False) -> int:
    """Copy the log as it is now to `path`, and look whether the copy is sound; its bytes.

    Writers are not held up; checkpoints wait while it lasts (some seconds a gigabyte), so that the WAL grows by what is
    written meanwhile. Raises WrongUsage or SwarmError for a bad `path`,
    LogUnusable where the log cannot be read or the copy is not sound.
    """
    with written_aside(path, log.home, force=force) as aside, InWords(log.home):
        log.opening()
        copy = sqlite3.connect(aside, isolation_level=None)
        try:
            _copy(log, copy)
            faults = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)")]
            pages: int = copy.execute("PRAGMA page_count").fetchone()[0]
            size: int = copy.execute("PRAGMA page_size").fetchone()[0]
        finally:
            copy.close()
        if faults != ["ok"]:
            raise LogUnusable(f"the log is damaged, and so would be its copy: {faults[0]}", "swarmctl doctor --fix")
    return pages * size


def _copy(log: Log, copy: sqlite3.Connection) -> None:
    """Page by page within one read transaction: writers make no page of it change, and it need not start anew."""
    source = open_file(log.home.database, "ro")
    try:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchone()
        copy.execute("PRAGMA synchronous=OFF")  # it is synced whole before it takes its place
        source.backup(copy, pages=PAGES, sleep=0)
        source.execute("COMMIT")
    finally:
        source.close()
