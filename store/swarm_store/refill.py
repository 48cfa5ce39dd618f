"""A new log filled with what can be read of a damaged one, and made whole again.

Positions, offsets and times stay. Where a record was lost a `record:lost` stands, so that offsets are dense; a chunk of
output whose bytes were lost becomes `output:lost`. Stream heads and producers follow from the records that are left, so
that a daemon publishes again what its journal still has. The agents are folded anew. Cold.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

from . import client_projection, salvage, session_projection, subscription_projection
from .codec import decode, encode
from .events import (
    OUTPUT_LOST,
    OUTPUT_TYPES,
    RECORD_LOST,
    REGISTRY,
    STREAMS,
    SUBSCRIPTIONS,
    agent_stream,
    inbox_stream,
)
from .projection import rebuild
from .session_events import CONVERSATION_TYPES, INBOX_TYPES

COLUMNS = "position, stream_id, offset, time, type, key, producer, data"
CHUNKS = tuple(OUTPUT_TYPES.values())
STREAM_OF = {type: stream for stream, type in OUTPUT_TYPES.items()}


def refill(old: sqlite3.Connection, path: str, new: sqlite3.Connection) -> tuple[int, int, tuple[str, ...]]:
    """Fill the empty log `new` from the damaged `old` at `path`: records there, records lost, agents left out."""
    new.execute("PRAGMA synchronous=OFF")  # it is synced whole before it takes its place
    new.execute("BEGIN IMMEDIATE")
    last = salvage.bound(old, path)
    _copy_rows(new, "records", COLUMNS, filter(_is_record, salvage.by_rowid(old, "records", COLUMNS, last)))
    payloads = salvage.by_rowid(old, "payloads", "position, bytes", last)
    _copy_rows(new, "payloads", "position, bytes", (row for row in payloads if isinstance(row[1], bytes)))
    _copy_rows(new, "meta", "key, value", _facts(old))
    _copy_streams(old, new)
    cursors = salvage.both_ways(old, "name, stream_id, offset", "cursors", "name, stream_id")
    _copy_rows(new, "cursors", "name, stream_id, offset", cursors)
    producers = salvage.both_ways(old, "stream_id, producer, 0, sequence", "producers", "stream_id, producer")
    _copy_rows(new, "producers", "stream_id, producer, epoch, sequence", producers)
    lost = _mend_output(new) + _fill_holes(new)
    _mend_places(new, last)
    left_out = rebuild(new)
    client_projection.rebuild(new)
    subscription_projection.rebuild(new)
    session_projection.rebuild(new)
    count = new.execute("SELECT count(*) FROM records WHERE type <> ?", (RECORD_LOST,)).fetchone()[0]
    new.execute("COMMIT")
    new.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return count, lost, tuple(sorted(left_out))


def _copy_rows(new: sqlite3.Connection, table: str, columns: str, rows: Iterator[tuple[Any, ...]]) -> None:
    places = ", ".join("?" * len(columns.split(", ")))
    keep = "REPLACE" if table == "meta" else "IGNORE"  # a second row of the same place is what damage has made
    statement = f"INSERT OR {keep} INTO {table}({columns}) VALUES ({places})"
    for row in rows:
        try:
            new.execute(statement, row)
        except sqlite3.IntegrityError:
            continue


def _is_record(row: tuple[Any, ...]) -> bool:
    """Whether a row is one that we can have written."""
    position, stream_id, offset, time, type, key, producer, data = row
    if not all(isinstance(number, int) and number >= 0 for number in (position, stream_id, offset, time)):
        return False
    if not isinstance(type, str) or not all(text is None or isinstance(text, str) for text in (key, producer)):
        return False
    try:
        return isinstance(decode(data), dict)
    except (ValueError, TypeError):
        return False


def _facts(old: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    """What is known of the log itself: the same log, an epoch later."""
    epoch = 0
    for key, value in salvage.both_ways(old, "key, value", "meta", "key"):
        if key == "epoch" and str(value).isdigit():
            epoch = int(value)
        elif key in ("log", "created") and isinstance(value, str):
            yield key, value
    yield "epoch", str(epoch + 1)


def _copy_streams(old: sqlite3.Connection, new: sqlite3.Connection) -> None:
    most = new.execute("SELECT max(stream_id) FROM records").fetchone()[0] or 0
    rows = salvage.by_rowid(old, "streams", "id, name, head", most + 1000)
    _copy_rows(new, "streams", "id, name, head", (row for row in rows if isinstance(row[1], str)))
    # Its names stand in an index as well, on other pages.
    names = salvage.both_ways(old, "id, name, 0", "streams INDEXED BY sqlite_autoindex_streams_1", "name")
    _copy_rows(new, "streams", "id, name, head", names)
    unnamed = "SELECT DISTINCT stream_id FROM records WHERE stream_id NOT IN (SELECT id FROM streams)"
    for (stream_id,) in new.execute(unnamed).fetchall():
        name = _name_by_records(new, stream_id)
        if new.execute("SELECT 1 FROM streams WHERE name = ?", (name,)).fetchone():
            name = f"recovered/{stream_id}"
        new.execute("INSERT INTO streams(id, name, head) VALUES (?, ?, 0)", (stream_id, name))


def _name_by_records(new: sqlite3.Connection, stream_id: int) -> str:
    """What a stream must have been called, by a record in it that says whose it is."""
    statement = "SELECT type, key FROM records WHERE stream_id = ? AND key IS NOT NULL LIMIT 1"
    type, key = new.execute(statement, (stream_id,)).fetchone() or ("", "")
    makers = {"agent": lambda _: REGISTRY, "output": agent_stream, "cancel": inbox_stream, "signal": inbox_stream}
    makers |= {"stream": lambda _: STREAMS, "subscription": lambda _: SUBSCRIPTIONS}
    makers |= dict.fromkeys(CONVERSATION_TYPES, agent_stream) | dict.fromkeys(INBOX_TYPES, inbox_stream)
    maker = makers.get(type) or makers.get(type.partition(":")[0])
    return maker(key) if maker else f"recovered/{stream_id}"


def _mend_output(new: sqlite3.Connection) -> int:
    """Chunks whose bytes are not there, or not what they were, become `output:lost`; how many."""
    statement = (
        "SELECT r.position, r.type, r.data, p.bytes FROM records r LEFT JOIN payloads p ON p.position = r.position"
        " WHERE r.type IN (?, ?)"
    )
    read = ((position, type, decode(text), payload) for position, type, text, payload in new.execute(statement, CHUNKS))
    lost = [(position, type, data) for position, type, data, payload in read if not _is_whole(data, payload)]
    for position, type, data in lost:
        said = {key: data.get(key) for key in ("run", "start", "end")} | {"stream": STREAM_OF[type]}
        change = "UPDATE records SET type = ?, data = ? WHERE position = ?"
        new.execute(change, (OUTPUT_LOST, encode(said), position))
        new.execute("DELETE FROM payloads WHERE position = ?", (position,))
    new.execute("DELETE FROM payloads WHERE position NOT IN (SELECT position FROM records)")
    return len(lost)


def _is_whole(data: dict[str, Any], payload: bytes | None) -> bool:
    """Whether the bytes of a chunk are those that it was written with, as far as its record can tell."""
    if payload is None:
        return False
    try:
        return bool(len(payload) == data["end"] - data["start"] and payload.count(b"\n") == data["lines"])
    except (KeyError, TypeError):
        return False


def _fill_holes(new: sqlite3.Connection) -> int:
    """Put `record:lost` where offsets are missing, at positions between their neighbours'; how many."""
    statement = (
        "SELECT * FROM (SELECT stream_id, offset, position, time, lead(offset) OVER w, lead(position) OVER w AS after"
        " FROM records WINDOW w AS (PARTITION BY stream_id ORDER BY offset)) WHERE after IS NOT NULL"
    )
    rows = new.execute(statement).fetchall()
    holes = sorted((row for row in rows if row[4] > row[1] + 1), key=lambda row: int(row[5]))
    filled = 0
    for stream_id, offset, position, time, next_offset, next_position in holes:
        free = (one for one in range(position + 1, next_position) if not _is_taken(new, one))
        for missing, place in zip(range(offset + 1, next_offset), free, strict=False):
            row = (place, stream_id, missing, time, RECORD_LOST, None, None, "{}")
            new.execute(f"INSERT INTO records({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            filled += 1
    return filled


def _is_taken(new: sqlite3.Connection, position: int) -> bool:
    return new.execute("SELECT 1 FROM records WHERE position = ?", (position,)).fetchone() is not None


def _mend_places(new: sqlite3.Connection, last: int) -> None:
    """Heads, cursors and producers as the records say; positions go on after the last that was ever given."""
    new.execute(
        "UPDATE streams SET head = ifnull((SELECT max(offset) + 1 FROM records WHERE stream_id = streams.id), head)"
    )
    new.execute(
        "UPDATE cursors SET offset = min(offset, (SELECT head FROM streams WHERE id = stream_id))"
        " WHERE stream_id IN (SELECT id FROM streams)"
    )
    for table in ("cursors", "producers"):
        new.execute(f"DELETE FROM {table} WHERE stream_id NOT IN (SELECT id FROM streams)")
    new.execute("DELETE FROM producers WHERE producer LIKE 'run-%/std%'")
    new.execute(
        "INSERT INTO producers(stream_id, producer, epoch, sequence)"
        " SELECT stream_id, producer, 0, max(json_extract(data, '$.end')) FROM records"
        " WHERE type IN (?, ?) AND producer IS NOT NULL GROUP BY stream_id, producer",
        CHUNKS,
    )
    if new.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'records'", (last,)).rowcount == 0:
        new.execute("INSERT INTO sqlite_sequence(name, seq) VALUES ('records', ?)", (last,))
