"""Reading a damaged database: whatever rows SQLite can still reach, around the pages that it cannot.

A table is read by rowid from both ends until either meets a bad page; what lies between is halved until nothing
readable is left in it. Where the first page is gone, and the schema with it, a new log's takes its place in a copy:
the tables of every log have their roots at the same pages. Cold.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from typing import Any

from . import schema
from . import statements as sql
from .opening import open_file

MOST_FAILURES = 20_000  # per table: each is a row, or a span of rows, that cannot be read
PAGE = 4096


def open_damaged(path: str) -> sqlite3.Connection | None:
    """A connection to what is left of the log at `path`, which is not changed; None where it is none at all."""
    if not os.path.exists(path):
        return None
    # Of an empty file SQLite would delete the WAL.
    database = _usable(path) if os.path.getsize(path) >= PAGE else None
    if database is not None:
        return database
    work = path + ".work"
    discard(work)
    shutil.copyfile(path, work)
    if os.path.exists(path + "-wal"):
        shutil.copyfile(path + "-wal", work + "-wal")
    with open(work, "r+b") as file:
        file.write(_first_page(path + ".pristine", os.path.getsize(path) // PAGE))
    return _usable(work)


def discard(path: str) -> None:
    """Remove a database of our own making, with what SQLite keeps beside it."""
    for name in (path, path + "-wal", path + "-shm"):
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass


def _usable(path: str) -> sqlite3.Connection | None:
    database: sqlite3.Connection | None = None
    try:
        database = open_file(path, "ro")
        database.execute("PRAGMA writable_schema=ON")  # SQLite then reads a file that is shorter than it should be
        database.execute("PRAGMA cell_size_check=ON")
        ours = database.execute("PRAGMA application_id").fetchone()[0] == sql.APPLICATION
        if ours and database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            return database
    except sqlite3.Error:
        pass
    if database is not None:
        database.close()
    return None


def _first_page(pristine: str, pages: int) -> bytes:
    """A new log's first page, made to say that the file has `pages` pages: the tables that records are in."""
    discard(pristine)
    database = sqlite3.connect(pristine, isolation_level=None)
    try:
        schema.create(database, first_only=True)
    finally:
        database.close()
    with open(pristine, "rb") as file:
        page = bytearray(file.read(PAGE))
    discard(pristine)
    page[28:32] = pages.to_bytes(4, "big")
    page[32:40] = bytes(8)  # what was free is not known
    page[92:96] = page[24:28]  # that the number of pages is to be believed
    return bytes(page)


def bound(database: sqlite3.Connection, path: str) -> int:
    """A position that no record is beyond."""
    for statement in (sql.LAST_POSITION, "SELECT max(position) FROM records", "SELECT max(position) FROM payloads"):
        try:
            row = database.execute(statement).fetchone()
        except sqlite3.Error:
            continue
        if row and isinstance(row[0], int):
            return max(row[0], 0)
    return os.path.getsize(path) // 64  # a record takes more


def by_rowid(database: sqlite3.Connection, table: str, columns: str, last: int) -> Iterator[tuple[Any, ...]]:
    """The rows of `table` from 1 to `last` that can be read, in no order; the first of `columns` is the rowid."""
    spans = [(1, last)]
    failures = 0
    while spans and failures < MOST_FAILURES:
        low, high = spans.pop()
        for descending in (False, True):
            if low > high:
                break
            order = "DESC" if descending else "ASC"
            statement = f"SELECT {columns} FROM {table} NOT INDEXED WHERE rowid BETWEEN ? AND ? ORDER BY rowid {order}"
            reading = _until_failure(database, statement, (low, high))
            for row in reading:
                if row is None:
                    failures += 1
                    break
                yield row
                low, high = (low, row[0] - 1) if descending else (row[0] + 1, high)
            else:
                low = high + 1  # it was read whole
        if low < high:
            middle = (low + high) // 2
            spans += [(low, middle), (middle + 1, high)]


def both_ways(database: sqlite3.Connection, columns: str, source: str, order: str) -> Iterator[tuple[Any, ...]]:
    """The rows that can be read from either end of an order, perhaps twice: for small tables without rowids."""
    for direction in ("ASC", "DESC"):
        keys = ", ".join(f"{key} {direction}" for key in order.split(", "))
        for row in _until_failure(database, f"SELECT {columns} FROM {source} ORDER BY {keys}", ()):
            if row is not None:
                yield row


def _until_failure(
    database: sqlite3.Connection, statement: str, given: tuple[int, ...]
) -> Iterator[tuple[Any, ...] | None]:
    """The rows of a query; None at last where it failed."""
    try:
        yield from database.execute(statement, given)
    except (sqlite3.Error, UnicodeError):
        yield None
