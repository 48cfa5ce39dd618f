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

GONE = "gone/"


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
        database.execute(sql.RENAME_STREAM, {"id": stream.id, "name": GONE + stream.tag})
        if stream.source_id is None:
            return
        database.execute(sql.COUNT_FORK, {"id": stream.source_id, "by": -1})
        row = database.execute(sql.CLIENT_STREAM_BY_ID, {"id": stream.source_id}).fetchone()
        source = ClientStream(*row) if row else None
        stream = source if source and source.deleted else None


def rebuild(database: sqlite3.Connection) -> None:
    """Fill the empty table anew, of the streams that are there; deadlines and Stream-Seqs begin afresh."""
    last: dict[str, list[Record]] = {}
    for position, offset, time, type, key, data in database.execute(sql.STREAM_EVENTS).fetchall():
        record = Record(position, events.STREAMS, offset, time, type, key, decode(data), None)
        name = str(record.data.get("name"))
        if type == events.STREAM_DELETED:
            last.pop(name, None)  # its records went with its name
        else:
            last.setdefault(name, []).append(record)
    for record in sorted(one for records in last.values() for one in records):
        project(database, record)
