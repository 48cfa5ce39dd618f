"""The table of client streams, folded from the events in the stream `streams`.

A stream that is deleted while it has forks is kept for them; one that is gone is renamed at once, and its records are
deleted in steps (client_writes.clear).
"""

from __future__ import annotations

from typing import Any

from . import events
from . import statements as sql
from .client_streams import ClientStream, moment
from .clock import SECOND
from .codec import decode, encode
from .driver import sqlite3
from .events import Record


def project(database: sqlite3.Connection, record: Record) -> None:
    """Bring the table up to an event of the stream `streams`, in its transaction; what cannot follow is left out."""
    name = record.data.get("name")
    if not isinstance(name, str):
        return
    row = database.execute(sql.CLIENT_STREAM, {"name": events.client_stream(name)}).fetchone()
    if record.type == events.STREAM_CREATED:
        if row is None:
            _project_created(database, name, record)
    elif row is None:
        return
    elif record.type == events.STREAM_CLOSED:
        by = record.data.get("by")
        database.execute(sql.CLOSE_CLIENT_STREAM, {"id": row[0], "by": encode(by) if by else None})
    elif record.type == events.STREAM_DELETED:
        _project_deleted(database, ClientStream(*row))


def _project_created(database: sqlite3.Connection, name: str, record: Record) -> None:
    said = record.data
    fork = said.get("fork")
    source = fork and database.execute(sql.CLIENT_STREAM, {"name": events.client_stream(fork["source"])}).fetchone()
    log_name = events.client_stream(name)
    there = database.execute(sql.STREAM, {"name": log_name}).fetchone()
    stream_id = there[0] if there else database.execute(sql.NEW_STREAM, {"name": log_name}).lastrowid
    offset = fork["offset"] if fork and source else None
    if offset and (there is None or there[1] < offset):
        database.execute(sql.MOVE_HEAD, {"id": stream_id, "head": offset})
    row = {"stream_id": stream_id, "tag": said["tag"], "content_type": said["content_type"], "ttl": said["ttl"]}
    row |= {"expires_at": said["expires_at"], "deadline": _deadline(said, record.time)}
    row |= {"source_id": source[0] if source else None, "fork_offset": offset, "fork": encode(fork) if fork else None}
    database.execute(sql.PUT_CLIENT_STREAM, row)
    if source:
        database.execute(sql.COUNT_FORK, {"id": source[0], "by": 1})


def _deadline(said: dict[str, Any], time: int) -> int | None:
    if said["expires_at"] is not None:
        return moment(said["expires_at"])
    return None if said["ttl"] is None else time + said["ttl"] * SECOND


def _project_deleted(database: sqlite3.Connection, stream: ClientStream | None) -> None:
    """Keep it for its forks, or let it go, and its source too where that was kept for it alone."""
    if stream is not None:
        database.execute(sql.DROP_GLOB_LINKS, {"stream": stream.log_name})
    while stream is not None:
        if stream.forks:
            database.execute(sql.KEEP_FOR_FORKS, {"id": stream.id})
            return
        database.execute(sql.DROP_CLIENT_STREAM, {"id": stream.id})
        database.execute(sql.RENAME_STREAM, {"id": stream.id, "name": events.GONE_STREAMS + stream.tag})
        if stream.source_id is None:
            return
        database.execute(sql.COUNT_FORK, {"id": stream.source_id, "by": -1})
        row = database.execute(sql.CLIENT_STREAM_BY_ID, {"id": stream.source_id}).fetchone()
        source = ClientStream(*row) if row else None
        stream = source if source and source.deleted else None


class _Life:
    """One incarnation of a stream, as its events tell it: what it was forked from, and what still needs it."""

    def __init__(self, source: _Life | None) -> None:
        self.source = source
        self.events: list[Record] = []
        self.forks = 0
        self.is_deleted = False


def rebuild(database: sqlite3.Connection) -> None:
    """Fill the empty table anew, of the streams that are there; deadlines and Stream-Seqs begin afresh."""
    there: dict[str, _Life] = {}
    for position, offset, time, type, key, data in database.execute(sql.STREAM_EVENTS).fetchall():
        record = Record(position, events.STREAMS, offset, time, type, key, decode(data), None)
        name = record.data.get("name")
        if isinstance(name, str) and is_whole(record.type, record.data) and not _is_gone(database, record):
            _live(there, name, record)
    for record in sorted(one for life in there.values() for one in life.events):
        project(database, record)


def _is_gone(database: sqlite3.Connection, record: Record) -> bool:
    """Whether a stream is known to be gone, though the event that says so may be lost."""
    gone = {"name": events.GONE_STREAMS + str(record.data.get("tag"))}
    return database.execute(sql.STREAM, gone).fetchone() is not None


def _live(there: dict[str, _Life], name: str, record: Record) -> None:
    """Bring the streams that are there up to an event; those that go take along what was kept for them alone."""
    life = there.get(name)
    if record.type == events.STREAM_CREATED and life is None:
        fork = record.data["fork"]
        life = there[name] = _Life(there.get(fork["source"]) if fork else None)
        if life.source is not None:
            life.source.forks += 1
    if life is None:
        return
    life.events.append(record)
    if record.type != events.STREAM_DELETED:
        return
    life.is_deleted = True
    while life is not None and life.is_deleted and not life.forks:
        there.pop(next(known for known, one in there.items() if one is life))
        life = life.source
        if life is not None:
            life.forks -= 1


def is_whole(type: str, said: dict[str, Any]) -> bool:
    """Whether an event of the stream `streams` says all that is folded of it, as one of an import may not."""
    if not isinstance(said.get("name"), str):
        return False
    if type != events.STREAM_CREATED:
        return True
    ttl, expires_at, fork = (said.get(key, 0.0) for key in ("ttl", "expires_at", "fork"))
    return (
        isinstance(said.get("content_type"), str)
        and isinstance(said.get("tag"), str)
        and (ttl is None or isinstance(ttl, int))
        and (expires_at is None or _is_moment(expires_at))
        and (fork is None or _is_fork(fork))
    )


def _is_moment(text: object) -> bool:
    try:
        return isinstance(text, str) and moment(text) is not None
    except (ValueError, OverflowError):
        return False


def _is_fork(fork: object) -> bool:
    if not isinstance(fork, dict) or not isinstance(fork.get("source"), str):
        return False
    return all(isinstance(fork.get(key), int) for key in ("offset", "beyond"))
