"""One write transaction: the lock, BEGIN IMMEDIATE, the appends, COMMIT, a checkpoint if it is due, then the bells.

Lifecycle is written `durable` (synchronous FULL), output is not (NORMAL: safe against any process dying, not against
the power failing). Whoever holds the lock checkpoints, and nobody else does.
"""

from __future__ import annotations

import time
from collections import namedtuple

from . import statements as sql
from .bells import ALL, ring
from .codec import decode, encode
from .driver import sqlite3
from .errors import LogUnusable, OffsetConflict, ProducerFenced
from .events import (
    CANCEL_REQUESTED,
    INPUT_TYPES,
    OUTPUT_CLOSED,
    REGISTRY,
    SIGNAL_REQUESTED,
    STREAMS,
    SUBSCRIPTIONS,
    Event,
    Record,
)
from .projection import project, project_past, rebuild
from .trouble import InWords

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from .exported import Whole
    from .fold import Agent
    from .log import Log

    T = TypeVar("T")

OWN_STREAMS = ("agents/", "inbox/")  # of one agent alone
# What daemons of plain commands write and read there: nothing of a session follows from it.
_OF_DAEMONS = (OUTPUT_CLOSED, CANCEL_REQUESTED, SIGNAL_REQUESTED, *INPUT_TYPES)
CHECKPOINT_BYTES = 4 << 20
CHECKPOINT_SECONDS = 1.0
# Bytes of WAL that things take, roughly, beside payloads: the pages of tables and indexes that they touch (measured).
_TRANSACTION_COST = 6 * 4096
_RECORD_COST = 4096
_PROJECTION_COST = 8 * 4096


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

    __slots__ = ("_database", "_past", "_time", "is_broken", "rung", "size")

    def __init__(self, database: sqlite3.Connection, time: int) -> None:
        self._database = database
        self._time = time
        self._past = False  # what is inserted has happened already: see put
        self.rung: set[str] = set()
        self.size = _TRANSACTION_COST
        self.is_broken = False  # an append raised: what it had done of its work must not be committed

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
        was_broken, self.is_broken = self.is_broken, True
        appended = self._append(stream, events, producer, expected)
        self.is_broken = was_broken
        return appended

    def _append(
        self, stream: str, events: Sequence[Event], producer: Producer | None, expected: int | None
    ) -> Appended:
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

    def put(self, record: Whole) -> None:
        """Append a record of another log as it was: its time, its producer, and its offset where that is free.

        In the registry and in streams that go on here, it gets the next offset.
        """
        stream_id, head = self._stream(record.stream)
        offset = max(head, record.offset) if record.stream.startswith(OWN_STREAMS) or not head else head
        before, self._time, self._past = self._time, record.time, True
        try:
            event = Event(record.type, record.data, record.key, record.payload)
            self._insert(record.stream, stream_id, offset, event, record.producer)
        finally:
            self._time, self._past = before, False
        self._database.execute(sql.MOVE_HEAD, {"id": stream_id, "head": offset + 1})
        self.rung.add(record.stream)

    def advance(self, stream: str, producer: Producer) -> None:
        """Remember how far `producer` has come in `stream`, without a record: see Log.sequence."""
        self._seen(self._stream(stream)[0], producer)

    def forget(self, stream: str, producer_id: str) -> None:
        """Forget how far a producer has come."""
        place = {"stream_id": self._stream(stream)[0], "producer": producer_id}
        self._database.execute(sql.FORGET_PRODUCER, place)

    def agent(self, agent_id: str) -> Agent | None:
        """The agent as it is after what this transaction has done."""
        row = self._database.execute(sql.AGENT, {"id": agent_id}).fetchone()
        return decode(row[0]) if row else None

    def attempt(self, work: Callable[[Transaction], T]) -> T:
        """What `work` gives: where it raises, nothing of it is written, and the rest of the transaction stands.

        But where SQLite itself fails, the whole transaction does.
        """
        rung = set(self.rung)
        self._database.execute(sql.SAVE)
        try:
            done = work(self)
        except sqlite3.Error:
            raise
        except BaseException:
            self._database.execute(sql.UNDO)
            self._database.execute(sql.RELEASE)
            self.rung, self.is_broken = rung, False
            raise
        self._database.execute(sql.RELEASE)
        return done

    @property
    def time(self) -> int:
        """When it all happens: microseconds."""
        return self._time

    @property
    def database(self) -> sqlite3.Connection:
        """What it is written to, for the store's own modules that read within it."""
        return self._database

    def execute(self, statement: str, given: dict[str, Any]) -> sqlite3.Cursor:
        """A statement of statements.py, within the transaction. For the store's own modules."""
        return self._database.execute(statement, given)

    def insert(self, stream: str, stream_id: int, head: int, event: Event, producer: str | None = None) -> None:
        """Append one event to a stream that the caller has just read: its id, and its head. As execute."""
        self._insert(stream, stream_id, head, event, producer)
        self._database.execute(sql.MOVE_HEAD, {"id": stream_id, "head": head + 1})
        self.rung.add(stream)

    def rebuild(self) -> None:
        """Write the projections of agents and sessions anew, from the first event on."""
        from . import session_projection

        rebuild(self._database)
        session_projection.rebuild(self._database)

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
        self._database.execute(sql.DROP_GLOB_LINKS, {"stream": stream})
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
        if row is not None and producer.epoch < row[0]:
            raise ProducerFenced(f"{producer.id} has been taken over (epoch {row[0]} is newer than {producer.epoch})")
        seen = row is not None and producer.sequence <= row[1]
        if not seen or producer.epoch > row[0]:  # a newer epoch fences the older ones, even where it repeats
            place |= {"epoch": producer.epoch, "sequence": row[1] if seen else producer.sequence}
            self._database.execute(sql.MOVE_PRODUCER, place)
        return seen

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
            self.size += _PROJECTION_COST
            happened = Record(position, stream, offset, self._time, event.type, event.key, event.data, None)
            (project_past if self._past else project)(self._database, happened)
        elif stream == STREAMS:
            from . import client_projection  # no daemon comes here

            happened = Record(position, stream, offset, self._time, event.type, event.key, event.data, None)
            client_projection.project(self._database, happened)
        elif stream == SUBSCRIPTIONS:
            from . import subscription_projection  # nor here

            happened = Record(position, stream, offset, self._time, event.type, event.key, event.data, None)
            subscription_projection.project(self._database, happened)
        elif event.key is not None and event.type not in _OF_DAEMONS and stream.startswith(OWN_STREAMS):
            from . import session_projection  # nor here

            happened = Record(position, stream, offset, self._time, event.type, event.key, event.data, None)
            (session_projection.project_past if self._past else session_projection.project)(self._database, happened)


class Writing:
    """One write transaction: the lock, BEGIN, the appends, COMMIT, a checkpoint if due; the bells after the lock."""

    __slots__ = ("_database", "_durable", "_home", "_lock", "_log", "_made")

    def __init__(self, log: Log, durable: bool) -> None:
        assert log.lock is not None, "this log was opened for reading"
        assert not log.database.in_transaction, "a transaction within a transaction would release its lock"
        self._log = log
        self._home = log.home
        self._lock = log.lock
        self._database = log.database
        self._durable = durable

    def __enter__(self) -> Transaction:
        self._lock.acquire()
        try:
            self._log.check_current()
            time = self._log.clock()
            with InWords(self._home):
                self._log.set_durable(self._durable)
                self._database.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._roll_back()
            raise
        self._made = Transaction(self._database, time)
        return self._made

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            with InWords(self._home):
                if error is None and self._made.is_broken:
                    raise LogUnusable("an append in this transaction has failed, so nothing of it is written")
                if error is None:
                    self._database.execute("COMMIT")
                    self._checkpoint(self._made.size)
                elif isinstance(error, sqlite3.Error):
                    raise error
        finally:
            self._roll_back()
        if error is None and self._made.rung:
            ring(self._home, (*self._made.rung, ALL))

    def _roll_back(self) -> None:
        """Undo what is not committed, and release the lock."""
        try:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        finally:
            self._lock.release()

    def _checkpoint(self, size: int) -> None:
        """Copy the WAL back once it has grown, as the holder of the lock. Never raises: the commit has happened."""
        try:
            written, last = self._lock.tally()
            written += size
            moment = time.monotonic()
            if written >= CHECKPOINT_BYTES and moment - last >= CHECKPOINT_SECONDS:
                _, pages, copied = self._database.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                written, last = (0 if pages == copied else written), moment
            self._lock.set_tally(written, last)
        except (OSError, sqlite3.Error):
            pass  # a full disk: the next commit tries again
