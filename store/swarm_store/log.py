"""The log itself: append, read, cursors, on SQLite through the standard library.

Readers read pages and end their transaction with each, so that they never hold a checkpoint up.
"""

from __future__ import annotations

import time

from . import statements as sql
from .clock import now
from .codec import decode
from .errors import LogBusy, LogGone, LogUnusable, OffsetConflict
from .events import Record
from .lock import WriteLock, identity
from .opening import BUSY_SECONDS, connect
from .transaction import Writing
from .trouble import InWords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .clock import Clock
    from .events import Event
    from .home import Home
    from .transaction import Appended, Producer

FOREVER = 1 << 62
LOCK_TIMEOUT = 10.0
CLOSE_SECONDS = 1.0  # whoever is done does not wait long
VACUUM_PAGES = 250
PAUSE = 0.002


class Log:
    """An open log. One per process and thread; opened after any fork.

    `lock_timeout`: seconds a writer waits for the write lock before LogBusy. `clock` gives the records their times.
    With `create` a writer makes the log where there is none. Where the file is deleted or replaced while it is open,
    what is under way raises LogGone, and whatever comes next opens the one that is at its path then.
    """

    def __init__(
        self,
        home: Home,
        *,
        write: bool = True,
        create: bool = True,
        lock_timeout: float = LOCK_TIMEOUT,
        clock: Clock = now,
    ):
        self.home = home
        self.clock = clock
        # For a reader that waits: called, instead of raising, each time that the log cannot be read; sleeps, or raises.
        self.when_gone: Callable[[LogUnusable], None] | None = None
        if write and create:
            home.prepare()
        else:
            home.check()
        self._open(write, create, lock_timeout)
        self.openings = 0
        self._gone = False

    def _open(self, write: bool, create: bool, lock_timeout: float) -> None:
        lock = WriteLock(self.home.lock, lock_timeout) if write else None
        try:
            with InWords(self.home):
                database, self._identity = connect(self.home, lock, create=create)
        except BaseException:
            if lock is not None:
                lock.close()
            raise
        self.lock, self.database = lock, database
        self._durable = False

    def opening(self) -> int:
        """Which opening of the log this is, counted from 0; opens it anew where another file is at its path now.

        Raises LogUnusable where there is none that can be used; what was open stays so then, because as long as it
        does a deleted file can be brought back. What is known of the log's contents does not outlive an opening.
        """
        if not self._gone and self.is_current():
            return self.openings
        if identity(self.home.database) is None:
            self.check_current()
        lock, database = self.lock, self.database
        self._open(lock is not None, False, self.lock_timeout)
        self.openings += 1
        self._gone = False
        database.close()  # no checkpoint and no removal of a WAL: SQLite sees that the file has moved
        if lock is not None:
            lock.close()
        return self.openings

    def is_current(self) -> bool:
        """Whether the files at the log's paths are the ones that are open."""
        return identity(self.home.database) == self._identity and (self.lock is None or self.lock.is_current())

    def check_current(self) -> None:
        """Raises LogGone where is_current is false; asked under the write lock, before anything is written."""
        if not self.is_current():
            self._gone = True
            what = "replaced" if identity(self.home.database) else "deleted"
            raise LogGone(
                f"the event log {self.home.database} has been {what} while it was open",
                "`swarmctl doctor --fix` brings back what can be; agents go on meanwhile",
            )

    def set_durable(self, durable: bool) -> None:
        """Whether the next transaction is to be on disk at its end: synchronous FULL instead of NORMAL."""
        if durable != self._durable:
            self.database.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def close(self) -> None:
        """Close. The last writer to close checkpoints too, so a writer does it under the lock."""
        if self.lock is None or not self.is_current():
            self.database.close()
            return self.lock.close() if self.lock else None
        self.lock.timeout = min(self.lock.timeout, CLOSE_SECONDS)
        try:
            with self.lock:
                self.database.close()
        except LogBusy:  # its holder is not done, so we are not the last
            self.database.close()
        self.lock.close()
        return None

    def __enter__(self) -> Log:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def lock_timeout(self) -> float:
        """Seconds that a transaction may wait for the write lock."""
        return self.lock.timeout if self.lock else 0.0

    @lock_timeout.setter
    def lock_timeout(self, seconds: float) -> None:
        if self.lock:
            self.lock.timeout = seconds

    @property
    def waited(self) -> float:
        """Seconds that the last transaction waited for the write lock."""
        return self.lock.waited if self.lock else 0.0

    def transaction(self, *, durable: bool = False) -> Writing:
        """`with log.transaction() as t:` a write transaction: all appends in it or none. `durable`: on disk at its end.

        Raises LogBusy where the write lock is not to be had, LogGone where the file was deleted or replaced, other
        LogUnusable where it cannot be written.
        """
        if self._gone:
            self.opening()
        return Writing(self, durable)

    def append(
        self,
        stream: str,
        events: Sequence[Event],
        *,
        durable: bool = False,
        producer: Producer | None = None,
        expected: int | None = None,
    ) -> Appended:
        """One append in a transaction of its own: see Transaction.append."""
        with self.transaction(durable=durable) as transaction:
            return transaction.append(stream, events, producer=producer, expected=expected)

    def read(
        self,
        stream: str | None = None,
        *,
        start: int = 0,
        until: int = FOREVER,
        types: Sequence[str] = (),
        key: str | None = None,
        since: int = 0,
        to: int = FOREVER,
        limit: int = 1000,
        run: int | None = None,
        lifecycle: bool = False,
        payloads: bool = True,
        backwards: bool = False,
    ) -> list[Record]:
        """At most `limit` records of `stream` by offset, or of the whole log by position where it is None.

        From `start` up to but not including `until`; `since` and `to` bound the time (microseconds) likewise; `types`,
        `key` (an agent's id) and `run` choose, `lifecycle` leaves output out. `backwards` takes the last ones, last
        first.
        """
        given: dict[str, Any] = {
            "start": min(start, FOREVER),
            "until": until,
            "since": since,
            "to": to,
            "limit": limit,
            "key": key,
            "run": run,
        }
        given |= {f"type{n}": type for n, type in enumerate(types)}
        if stream is not None:
            found = self.query(sql.STREAM, {"name": stream})
            if not found:
                return []
            given["stream_id"] = found[0][0]
        statement = sql.select_records(
            stream=stream is not None,
            types=len(types),
            key=key is not None,
            run=run is not None,
            lifecycle=lifecycle,
            payloads=payloads,
            backwards=backwards,
        )
        return [_record(row, stream) for row in self.query(statement, given)]

    def head(self, stream: str) -> int:
        """The offset that the next record of `stream` will get."""
        row = self.query(sql.STREAM, {"name": stream})
        return row[0][1] if row else 0

    def position(self) -> int:
        """The last position that was given out; 0 in an empty log."""
        row = self.query(sql.LAST_POSITION)
        return row[0][0] if row else 0

    def position_at(self, time: int) -> int:
        """The position of the last record but output that was written at `time` (microseconds) or before."""
        row = self.query(sql.POSITION_AT, {"time": time})
        return row[0][0] if row else 0

    def cursor(self, name: str, stream: str) -> int:
        """The offset up to which the reader `name` has acknowledged `stream`; 0 for a new one.

        Raises OffsetConflict where it is past the stream's head: the log is an older copy than the reader knew.
        """
        found = self.query(sql.STREAM, {"name": stream})
        if not found:
            return 0
        stream_id, head = found[0]
        row = self.query(sql.CURSOR, {"name": name, "stream_id": stream_id})
        if row and row[0][0] > head:
            raise OffsetConflict(f"cursor {name} is at {row[0][0]}, but stream {stream} ends at {head}: an older copy")
        return row[0][0] if row else 0

    def sequence(self, stream: str, producer: str) -> int:
        """The last sequence that `producer` has in `stream`; 0 where it has none."""
        found = self.query(sql.STREAM, {"name": stream})
        row = found and self.query(sql.PRODUCER, {"stream_id": found[0][0], "producer": producer})
        return row[0][1] if row else 0

    def fact(self, key: str) -> str:
        """A fact about the log itself: `log` (its UUID), `epoch`, `created`, `oldest_writer`."""
        value: str = self.query(sql.FACT, {"key": key})[0][0]
        return value

    def query(self, statement: str, given: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        """All rows of a read, so that its transaction is over. For the store's own modules."""
        while True:
            try:
                self.opening()
                with InWords(self.home):
                    return self.database.execute(statement, given or {}).fetchall()
            except LogUnusable as error:
                if self.when_gone is None:
                    raise
                self.when_gone(error)

    def used_bytes(self) -> int:
        """Bytes of the database file that hold something; what is free in it, give_back returns."""
        pages: int = self.query("PRAGMA page_count")[0][0]
        size: int = self.query("PRAGMA page_size")[0][0]
        return (pages - self._free_pages()) * size

    def give_back(self) -> None:
        """Give free pages back to the file system, in steps that hold the write lock for milliseconds."""
        assert self.lock is not None
        free, before = self._free_pages(), -1
        while free and free != before:  # a copy that was made without auto_vacuum keeps its free pages
            time.sleep(PAUSE)  # whoever takes the lock again at once leaves nobody else a chance
            with self.lock, InWords(self.home):
                self.check_current()
                # executescript, because execute() frees one page only.
                self.database.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
                self.database.execute("PRAGMA wal_checkpoint(PASSIVE)")
            free, before = self._free_pages(), free
        with self.lock, InWords(self.home):
            self.check_current()
            self.database.execute("PRAGMA busy_timeout=0")  # no reader is worth holding the lock for
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.database.execute(f"PRAGMA busy_timeout={int(BUSY_SECONDS * 1000)}")

    def _free_pages(self) -> int:
        count: int = self.query("PRAGMA freelist_count")[0][0]
        return count


def _record(row: tuple[Any, ...], stream: str | None) -> Record:
    position, name, offset, moment, type, key, data, payload = row
    return Record(position, stream or name, offset, moment, type, key, decode(data), payload)
