"""A log that is corrupt, or was deleted under running agents, brought back as far as can be. Cold.

All happens under the write lock. A damaged file is never overwritten: it is renamed aside, what can be read of it goes
into a new log that is written aside and renamed into place, and then it stays as `swarm.db.damaged-<time>`. Killed at
any moment, it is taken up again where it was: `swarm.db.recovering` is the damaged file of a recovery under way.

A deleted file lives as long as a process has it open: daemons keep theirs, write no more, and it is copied from them.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from . import salvage, schema
from .bells import ring_all
from .errors import LogDamaged, LogUnusable
from .home import Home
from .lock import WriteLock
from .log import LOCK_TIMEOUT, Log
from .opening import has_runs, open_file
from .refill import refill
from .trouble import InWords

RECOVERED, RESTORED, NEW = "recovered", "restored", "new"
_BESIDE = ("", "-wal", "-shm")


class Report(namedtuple("Report", ("how", "aside", "records", "lost", "left_out"), defaults=(None, 0, 0, ()))):
    """What was done. `how`: recovered, restored, new; `aside`: where the damaged file is now.

    `records` there are now, at least `lost` could not be read; `left_out` are agents whose beginning was lost.
    """

    __slots__ = ()
    how: str
    aside: str | None
    records: int
    lost: int
    left_out: tuple[str, ...]

    def __str__(self) -> str:
        if self.how == RESTORED:
            return f"the deleted log was copied back from a process that had it open: {self.records} records"
        if self.how == NEW:
            return "a new log was made: nothing of the old one could be had"
        said = f"{self.records} records recovered, at least {self.lost} lost; the damaged file is {self.aside}"
        left_out = ", ".join(self.left_out)
        return f"{said}; agents left out, because their beginning was lost: {left_out}" if left_out else said


def recover_if_needed(home: Home, *, check: bool = False) -> Report | None:
    """Bring the log back where it is corrupt, or missing under running agents; None where there is no need.

    `check` reads all of it to find damage (seconds for a gigabyte); without, only what any opening would meet is found.
    Raises LogUnusable: LogBusy where the write lock is not to be had, others where there is no room.
    """
    if not os.path.exists(home.database) and not _is_known(home):
        return None
    home.prepare()
    with locked(home), InWords(home):
        report = _recover_if_needed(home, check=check or os.path.exists(home.suspect))
        salvage.discard(home.suspect)
        return report


def _recover_if_needed(home: Home, *, check: bool) -> Report | None:
    if os.path.exists(home.database + ".recovering"):
        return _recover(home)
    if not os.path.exists(home.database):
        return _restore(home) or (_make_new(home) if has_runs(home) else None)
    return _recover(home) if is_damaged(home, thoroughly=check) else None


def set_aside_and_recover(home: Home) -> Report:
    """Set the log aside as damaged, whatever it is, and make a new one of what can be read. Raises LogUnusable."""
    with locked(home), InWords(home):
        return _recover(home)


def restore_deleted(home: Home) -> Report | None:
    """Copy a deleted log back from a process that has it open; None where no process has. Raises LogUnusable."""
    home.prepare()
    with locked(home), InWords(home):
        return None if os.path.exists(home.database) else _restore(home)


def is_damaged(home: Home, *, thoroughly: bool) -> bool:
    """Whether the file is no database or, `thoroughly`, corrupt anywhere. What is another program's is not damaged."""
    try:
        with Log(home, write=False) as log:
            log.position()
            log.query("SELECT count(*) FROM sqlite_master")
            return thoroughly and log.query("PRAGMA quick_check(1)") != [("ok",)]
    except LogDamaged:
        return True
    except LogUnusable:  # empty, or another program's
        return os.path.getsize(home.database) == 0 and has_runs(home)


@contextmanager
def locked(home: Home) -> Iterator[None]:
    """Hold the write lock, of the file that is at its path."""
    while True:
        lock = WriteLock(home.lock, LOCK_TIMEOUT)
        try:
            with lock:
                if lock.is_current():
                    yield
                    return
        finally:
            lock.close()


def _is_known(home: Home) -> bool:
    """Whether a log that is not there has left traces: a recovery under way, runs, or processes that have it open."""
    if os.path.exists(home.database + ".recovering") or has_runs(home):
        return True
    return bool(_open_files(f"{home.database} (deleted)"))


# -- a deleted log


def _restore(home: Home) -> Report | None:
    holders = _open_files(f"{home.database} (deleted)")
    if not holders:
        return None
    newest = max(holders, key=lambda held: os.stat(held).st_mtime_ns)
    restoring = home.database + ".restoring"
    salvage.discard(restoring)
    with _old_lock(home):
        _copy(newest, restoring)
        wal = _wal_of(home, newest)
        if wal is not None:
            _copy(wal, restoring + "-wal")
    for beside in ("-wal", "-shm"):
        if os.path.exists(home.database + beside):  # of the deleted file: now in the copy
            os.unlink(home.database + beside)
    if not _is_sound(restoring):
        for beside in _BESIDE:
            if os.path.exists(restoring + beside):
                os.rename(restoring + beside, home.database + ".recovering" + beside)
        return _recover(home)
    _put_in_place(restoring, home)
    return Report(RESTORED, records=_count(home))


def _open_files(target: str) -> list[str]:
    """Paths in /proc by which files that processes of ours have open as `target` can be read."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        directory = f"/proc/{pid}/fd"
        try:
            for number in os.listdir(directory):
                if os.readlink(f"{directory}/{number}") == target:
                    found.append(f"{directory}/{number}")
        except OSError:
            continue  # it has ended, or is another user's
    return found


def _wal_of(home: Home, held: str) -> str | None:
    """The WAL of the open database `held`: the one that the same process has open."""
    process = os.path.dirname(held) + "/"
    for target in (f"{home.database}-wal (deleted)", f"{home.database}-wal"):
        for path in _open_files(target):
            if path.startswith(process):
                return path
    return None


@contextmanager
def _old_lock(home: Home) -> Iterator[None]:
    """Keep out a writer that holds a lock file which was deleted too: it is about to find out."""
    files = [os.open(path, os.O_RDWR | os.O_CLOEXEC) for path in _open_files(f"{home.lock} (deleted)")]
    try:
        for file in {os.fstat(file).st_ino: file for file in files}.values():
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        for file in files:
            os.close(file)


def _copy(source: str, path: str) -> None:
    with open(source, "rb") as held, open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while block := held.read(1 << 20):
            file.write(block)


def _is_sound(path: str) -> bool:
    """Whether the database at `path` has no fault; its WAL is in it then."""
    try:
        database = open_file(path, "rw")
        try:
            sound: bool = database.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            database.close()
    except sqlite3.DatabaseError:
        return False
    return sound


# -- a damaged log


def _recover(home: Home) -> Report:
    damaged = home.database + ".recovering"
    if os.path.exists(damaged) and os.path.exists(home.database):  # killed when the new one was in place already
        aside = _set_aside(home)
        return Report(RECOVERED, aside, records=_count(home))
    for beside in _BESIDE:
        if os.path.exists(home.database + beside) and not os.path.exists(damaged + beside):
            os.rename(home.database + beside, damaged + beside)
    try:
        report = _read_into_new(home, damaged)
    except BaseException:
        for beside in _BESIDE:  # no room for the new one, say: it stays as it was
            if os.path.exists(damaged + beside) and not os.path.exists(home.database + beside):
                os.rename(damaged + beside, home.database + beside)
        raise
    finally:
        for made in (".new", ".recovering.work", ".recovering.pristine"):
            salvage.discard(home.database + made)
    return report._replace(aside=_set_aside(home))


def _read_into_new(home: Home, damaged: str) -> Report:
    new = home.database + ".new"
    database = _empty(new)
    try:
        old = salvage.open_damaged(damaged)
        records = lost = 0
        left_out: tuple[str, ...] = ()
        if old is not None:
            try:
                records, lost, left_out = refill(old, damaged, database)
            finally:
                old.close()
    finally:
        database.close()
    _put_in_place(new, home)
    return Report(RECOVERED, None, records, lost, left_out)


def _make_new(home: Home) -> Report:
    new = home.database + ".new"
    _empty(new).close()
    _put_in_place(new, home)
    return Report(NEW)


def _empty(path: str) -> sqlite3.Connection:
    salvage.discard(path)
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    database = open_file(path, "rw")
    schema.create(database)
    return database


def _put_in_place(made: str, home: Home) -> None:
    """Rename a database that is whole and closed to where the log is, on disk before and after; wake everybody."""
    assert not os.path.exists(made + "-wal"), f"{made} is still open"
    _sync(made)
    os.rename(made, home.database)
    _sync(home.path)
    ring_all(home)


def _set_aside(home: Home) -> str:
    """Give the damaged file its last name; never one that is taken."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    aside, number = f"{home.database}.damaged-{stamp}", 1
    while any(os.path.exists(aside + beside) for beside in _BESIDE):
        number += 1
        aside = f"{home.database}.damaged-{stamp}-{number}"
    recovering = home.database + ".recovering"
    for beside, needless in (("-shm", True), ("-wal", _is_empty(recovering + "-wal"))):
        if needless and os.path.exists(recovering + beside):
            os.unlink(recovering + beside)  # the first is an index of the second, made anew by whoever opens it
    for beside in reversed(_BESIDE):  # the database last: as long as it is there, this is not done
        if os.path.exists(recovering + beside):
            os.rename(recovering + beside, aside + beside)
    return aside


def _is_empty(path: str) -> bool:
    return os.path.exists(path) and os.path.getsize(path) == 0


def _count(home: Home) -> int:
    with Log(home, write=False) as log:
        count: int = log.query("SELECT count(*) FROM records")[0][0]
        return count


def _sync(path: str) -> None:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
