"""The log itself: append, read, cursors, on SQLite through the standard library.

Every write transaction runs under the write lock and BEGIN IMMEDIATE; whoever holds the lock checkpoints. Lifecycle
is appended `durable` (synchronous FULL), output is not (NORMAL: safe against any process dying, not against the power
failing). Readers read pages and end their transaction, so that they never hold a checkpoint up.
"""

from __future__ import annotations

import os
import time
from collections import namedtuple

from . import statements as sql
from .bells import ALL, ring
from .clock import now
from .codec import decode, encode
from .driver import sqlite3
from .errors import LogBusy, LogUnusable, OffsetConflict, ProducerFenced
from .events import REGISTRY, Record
from .lock import WriteLock
from .projection import project

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .clock import Clock
    from .events import Event
    from .home import Home

FOREVER = 1 << 62
CHECKPOINT_BYTES = 4 << 20
CHECKPOINT_SECONDS = 1.0
_RECORD_COST = 4096  # bytes of WAL that a record takes beside its payload, roughly: the page it lands on
LOCK_TIMEOUT = 10.0
VACUUM_PAGES = 1000


class Producer(namedtuple("Producer", ("id", "epoch", "sequence"))):
    """Makes an append idempotent: it is dropped where `sequence` is not above the last one of this `id`.

    A higher `epoch` is a newer incarnation; appends of an older one raise ProducerFenced from then on.
    """

    __slots__ = ()
    id: str
    epoch: int
    sequence: int


class Appended(namedtuple("Appended", ("first", "next", "duplicate"))):
    """Where an append landed: offsets [first, next) of its stream; empty where it was a duplicate."""

    __slots__ = ()
    first: int
    next: int
    duplicate: bool


class Transaction:
    """Appends that become visible together. Only within `Log.transaction`."""

    __slots__ = ("_database", "_time", "rung", "size")

    def __init__(self, database: sqlite3.Connection, time: int) -> None:
        self._database = database
        self._time = time
        self.rung: set[str] = set()
        self.size = 0

    def append(
        self,
        stream: str,
        events: Sequence[Event],
        *,
        producer: Producer | None = None,
        expected: int | None = None,
    ) -> Appended:
        """Append `events` to `stream` in order, creating it if need be.

        `expected` is the offset that the first is to get: OffsetConflict where it would get another. `producer` makes
        the call idempotent (see Producer). Events of the registry are projected as well: see projection.project.
        """
        stream_id, head = self._stream(stream)
        if producer is not None and self._seen(stream_id, producer):
            return Appended(head, head, True)
        if expected is not None and expected != head:
            raise OffsetConflict(f"stream {stream} is at offset {head}, not at {expected}")
        for offset, event in enumerate(events, head):
            self._insert(stream, stream_id, offset, event, producer.id if producer else None)
        after = head + len(events)
        self._database.execute(sql.MOVE_HEAD, {"id": stream_id, "head": after})
        self.rung.add(stream)
        return Appended(head, after, False)

    def move_cursor(self, name: str, stream: str, offset: int) -> None:
        """Acknowledge, as the reader `name`, everything in `stream` before `offset`."""
        stream_id, head = self._stream(stream)
        if offset > head:
            raise OffsetConflict(f"stream {stream} ends at offset {head}: cursor {name} cannot be at {offset}")
        self._database.execute(sql.MOVE_CURSOR, {"name": name, "stream_id": stream_id, "offset": offset})

    def delete(self, stream: str, limit: int) -> bool:
        """Delete up to `limit` of the oldest records of `stream`; whether the stream is gone now."""
        row = self._database.execute(sql.STREAM, {"name": stream}).fetchone()
        if row is None:
            return True
        some = {"stream_id": row[0], "limit": limit}
        self._database.execute(sql.DELETE_PAYLOADS, some)
        gone = self._database.execute(sql.DELETE_RECORDS, some).rowcount
        self.size += gone * _RECORD_COST
        if gone == limit:
            return False
        for statement in (sql.DELETE_PRODUCERS, sql.DELETE_CURSORS, sql.DELETE_STREAM):
            self._database.execute(statement, {"stream_id": row[0]})
        return True

    def _stream(self, name: str) -> tuple[int, int]:
        row = self._database.execute(sql.STREAM, {"name": name}).fetchone()
        if row is not None:
            return row[0], row[1]
        made = self._database.execute(sql.NEW_STREAM, {"name": name}).lastrowid
        assert made is not None
        return made, 0

    def _seen(self, stream_id: int, producer: Producer) -> bool:
        """Whether the log has this append already; otherwise the producer's place is moved on."""
        place = {"stream_id": stream_id, "producer": producer.id}
        row = self._database.execute(sql.PRODUCER, place).fetchone()
        if row is not None:
            if producer.epoch < row[0]:
                raise ProducerFenced(
                    f"{producer.id} has been taken over (epoch {row[0]} is newer than {producer.epoch})"
                )
            if producer.sequence <= row[1]:
                return True
        place |= {"epoch": producer.epoch, "sequence": producer.sequence}
        self._database.execute(sql.MOVE_PRODUCER, place)
        return False

    def _insert(self, stream: str, stream_id: int, offset: int, event: Event, producer: str | None) -> None:
        row = {
            "stream_id": stream_id,
            "offset": offset,
            "time": self._time,
            "type": event.type,
            "key": event.key,
            "producer": producer,
            "data": encode(event.data),
        }
        position = self._database.execute(sql.INSERT_RECORD, row).lastrowid
        assert position is not None
        self.size += _RECORD_COST
        if event.payload is not None:
            self._database.execute(sql.INSERT_PAYLOAD, {"position": position, "bytes": event.payload})
            self.size += len(event.payload)
        if stream == REGISTRY:
            project(
                self._database,
                Record(position, stream, offset, self._time, event.type, event.key, event.data, None),
            )


class Writing:
    """One write transaction: the lock, BEGIN, the appends, COMMIT, a checkpoint if due; the bells after the lock."""

    __slots__ = ("_database", "_durable", "_home", "_lock", "_log", "_made")

    def __init__(self, log: Log, durable: bool) -> None:
        assert log.lock is not None, "this log was opened for reading"
        self._log = log
        self._home = log.home
        self._lock = log.lock
        self._database = log.database
        self._durable = durable

    def __enter__(self) -> Transaction:
        self._lock.acquire()
        try:
            with _InWords(self._home):
                self._log.set_durable(self._durable)
                self._database.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise
        self._made = Transaction(self._database, self._log.clock())
        return self._made

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            with _InWords(self._home):
                if error is None:
                    self._commit()
                elif isinstance(error, sqlite3.Error):
                    raise error
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            self._lock.release()
        if error is None and self._made.rung:
            ring(self._home, (*self._made.rung, ALL))

    def _commit(self) -> None:
        self._database.execute("COMMIT")
        self._checkpoint(self._made.size)

    def _checkpoint(self, size: int) -> None:
        """Copy the WAL back once it has grown, as the holder of the lock."""
        written, last = self._lock.tally()
        written += size
        moment = time.monotonic()
        if written >= CHECKPOINT_BYTES and moment - last >= CHECKPOINT_SECONDS:
            _, pages, copied = self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            written, last = (0 if pages == copied else written), moment
        self._lock.set_tally(written, last)


class Log:
    """An open log. One per process and thread; opened after any fork.

    `lock_timeout`: seconds a writer waits for the write lock before LogBusy. `clock` gives the records their times.
    """

    def __init__(self, home: Home, *, write: bool = True, lock_timeout: float = LOCK_TIMEOUT, clock: Clock = now):
        from .opening import connect  # the checks and the creation: needed once

        self.home = home
        self.clock = clock
        self.lock = WriteLock(home.lock, lock_timeout) if write and _prepared(home) else None
        try:
            with _InWords(home):
                self.database = connect(home, self.lock)
        except BaseException:
            if self.lock is not None:
                self.lock.close()
            raise
        self._durable = False

    def set_durable(self, durable: bool) -> None:
        """Whether the next transaction is to be on disk at its end: synchronous FULL instead of NORMAL."""
        if durable != self._durable:
            self.database.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
            self._durable = durable

    def close(self) -> None:
        """Close. The last writer to close checkpoints too, so a writer does it under the lock."""
        if self.lock is None:
            return self.database.close()
        try:
            with self.lock:
                self.database.close()
        except LogBusy:
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

        Raises LogBusy where the write lock is not to be had, LogUnusable where the file cannot be written.
        """
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
        lifecycle: bool = False,
        payloads: bool = True,
        backwards: bool = False,
    ) -> list[Record]:
        """At most `limit` records of `stream` by offset, or of the whole log by position where it is None.

        From `start` up to but not including `until`; `since` and `to` bound the time (microseconds) likewise; `types`
        and `key` (an agent's id) choose, `lifecycle` leaves output out. `backwards` takes the last ones, last first.
        """
        given: dict[str, Any] = {
            "start": start,
            "until": until,
            "since": since,
            "to": to,
            "limit": limit,
            "key": key,
        }
        given |= {f"type{n}": type for n, type in enumerate(types)}
        with _InWords(self.home):
            if stream is not None:
                row = self.database.execute(sql.STREAM, {"name": stream}).fetchone()
                if row is None:
                    return []
                given["stream_id"] = row[0]
            statement = sql.select_records(
                stream=stream is not None,
                types=len(types),
                key=key is not None,
                lifecycle=lifecycle,
                payloads=payloads,
                backwards=backwards,
            )
            return [_record(row, stream) for row in self.database.execute(statement, given)]

    def head(self, stream: str) -> int:
        """The offset that the next record of `stream` will get."""
        row = self.query(sql.STREAM, {"name": stream})
        return row[0][1] if row else 0

    def position(self) -> int:
        """The last position that was given out; 0 in an empty log."""
        row = self.query(sql.LAST_POSITION)
        return row[0][0] if row else 0

    def position_at(self, time: int) -> int:
        """The last position written at `time` (microseconds) or before."""
        return self.query(sql.POSITION_AT, {"time": time})[0][0] or 0

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
        with _InWords(self.home):
            return self.database.execute(statement, given or {}).fetchall()

    def give_back(self) -> None:
        """Give free pages back to the file system, in steps that hold the write lock for milliseconds."""
        assert self.lock is not None
        free = VACUUM_PAGES
        while free >= VACUUM_PAGES:
            with self.lock, _InWords(self.home):
                # executescript, because execute() frees one page only.
                self.database.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
                free = self.database.execute("PRAGMA freelist_count").fetchone()[0]
        with self.lock, _InWords(self.home):
            self.database.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _prepared(home: Home) -> bool:
    home.prepare()
    return True


def _record(row: tuple[Any, ...], stream: str | None) -> Record:
    position, name, offset, moment, type, key, data, payload = row
    return Record(position, stream or name, offset, moment, type, key, decode(data), payload)


class _InWords:
    """`with _InWords(home):` SQLite's errors in our words. A class, because contextlib costs each daemon 0.1 MB."""

    __slots__ = ("_home",)

    def __init__(self, home: Home) -> None:
        self._home = home

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise _in_words(self._home, error) from error


def _in_words(home: Home, error: sqlite3.Error) -> LogUnusable:
    code = getattr(error, "sqlite_errorname", "") or ""
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return LogBusy(f"the event log {home.database} is locked by a program that is not swarmctl", "close it")
    if code.startswith("SQLITE_FULL") or code == "SQLITE_IOERR_WRITE":
        return LogUnusable(f"no space is left for the event log {home.database}", "free some; agents go on meanwhile")
    if code.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
        why = "is not writable" if os.path.exists(home.database) else "is gone or cannot be opened"
        return LogUnusable(f"the event log {home.database} {why}", f"look at the permissions of {home.path}")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return LogUnusable(
            f"the event log {home.database} is damaged: {error}",
            "do not delete it; `swarmctl doctor` says more, and a copy can be recovered with `sqlite3 ... .recover`",
        )
    return LogUnusable(f"the event log {home.database}: {error}", "`swarmctl doctor` may say more")
