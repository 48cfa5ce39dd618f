"""The tables, declared once, and how one version becomes the next. Cold: only creation and migration come here.

`VERSION` is in the file's user_version. The schema expands first and contracts later: daemons outlive upgrades, so
`meta.oldest_writer` says the oldest schema version whose programs may still write here.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite as dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from .clock import now
from .statements import AGENTS_BY_PARENT, APPLICATION, VERSION

OLDEST_WRITER = 1
metadata = sa.MetaData()

meta = sa.Table(
    "meta",
    metadata,
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sqlite_with_rowid=False,
)

streams = sa.Table(
    "streams",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.Text, nullable=False, unique=True),
    sa.Column("head", sa.Integer, nullable=False),  # the offset that the next record gets
)

records = sa.Table(
    "records",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("stream_id", sa.Integer, nullable=False),
    sa.Column("offset", sa.Integer, nullable=False),
    sa.Column("time", sa.Integer, nullable=False),  # microseconds since 1970, UTC
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("key", sa.Text),  # the agent that it is about; none for output, which is found by its stream
    sa.Column("producer", sa.Text),
    sa.Column("data", sa.Text, nullable=False),  # JSON
    sa.UniqueConstraint("stream_id", "offset"),
    sqlite_autoincrement=True,  # positions never come back, whatever is deleted
)
lifecycle = sa.Index("records_lifecycle", records.c.position, sqlite_where=records.c.key.is_not(None))
by_key = sa.Index("records_by_key", records.c.key, records.c.position, sqlite_where=records.c.key.is_not(None))

# Bytes stand apart from their records: lifecycle scans do not page through output (measured: 3.6 times faster).
payloads = sa.Table(
    "payloads",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("bytes", sa.LargeBinary, nullable=False),
)

producers = sa.Table(
    "producers",
    metadata,
    sa.Column("stream_id", sa.Integer, primary_key=True),
    sa.Column("producer", sa.Text, primary_key=True),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("sequence", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

cursors = sa.Table(
    "cursors",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("stream_id", sa.Integer, primary_key=True),
    sa.Column("offset", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)

agents = sa.Table(
    "agents",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("name", sa.Text),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("live", sa.Integer, nullable=False),
    sa.Column("spawned", sa.Integer, nullable=False),  # the position of its first event: the order of lists
    sa.Column("position", sa.Integer, nullable=False),  # the position of its last
    sa.Column("agent", sa.Text, nullable=False),  # the whole of it, JSON
)
living = sa.Index("agents_living", agents.c.spawned, sqlite_where=agents.c.live == 1)
in_order = sa.Index("agents_in_order", agents.c.spawned)
by_name = sa.Index("agents_by_name", agents.c.name, agents.c.spawned, sqlite_where=agents.c.name.is_not(None))

# A snapshot is the agents table as it stood after the record at `position`.
snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("offset", sa.Integer, nullable=False),  # in the registry
    sa.Column("time", sa.Integer, nullable=False),
    sa.Column("agents", sa.Text, nullable=False),  # a JSON array, in the order of spawning
)

# Since version 2: the streams that clients made, as the events in the stream `streams` say, and how they stand.
client_streams = sa.Table(
    "client_streams",
    metadata,
    sa.Column("stream_id", sa.Integer, primary_key=True),
    sa.Column("tag", sa.Text, nullable=False),  # no other stream ever has it, whatever its name
    sa.Column("content_type", sa.Text, nullable=False),
    sa.Column("ttl", sa.Integer),  # seconds without a reader or writer
    sa.Column("expires_at", sa.Text),  # RFC 3339, as it was given
    sa.Column("deadline", sa.Integer),  # microseconds: when it expires, by one or the other
    sa.Column("closed", sa.Integer, nullable=False),
    sa.Column("closed_by", sa.Text),  # JSON: producer, epoch, sequence
    sa.Column("sequence", sa.Text),  # the last Stream-Seq
    sa.Column("source_id", sa.Integer),  # the stream that it was forked from,
    sa.Column("fork_offset", sa.Integer),  # of which it has what is before this offset
    sa.Column("fork", sa.Text),  # JSON: how the fork was asked for
    sa.Column("forks", sa.Integer, nullable=False),  # how many there are of it
    sa.Column("deleted", sa.Integer, nullable=False),  # kept for its forks alone
)
by_deadline = sa.Index(
    "client_streams_by_deadline", client_streams.c.deadline, sqlite_where=client_streams.c.deadline.is_not(None)
)

# Since version 2: subscriptions to streams, as the events in the stream `subscriptions` say, and how they stand.
subscriptions = sa.Table(
    "subscriptions",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("tag", sa.Text, nullable=False),  # no other one ever has it, whatever its id
    sa.Column("pattern", sa.Text),
    sa.Column("wake_stream", sa.Text),  # none where it is a webhook's
    sa.Column("config", sa.Text, nullable=False),  # JSON
    sa.Column("digest", sa.Text, nullable=False),  # of the configuration
    sa.Column("created", sa.Integer, nullable=False),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("wake_id", sa.Text),  # of the wake in flight
    sa.Column("holder", sa.Text),  # the worker that has claimed it
    sa.Column("lease_until", sa.Integer),  # microseconds
    sa.Column("retries", sa.Integer, nullable=False),
    sa.Column("attempt_at", sa.Integer),  # microseconds: when the next delivery is due
    sa.Column("attempts", sa.Integer, nullable=False),  # begun so far: a late answer to another is known by it
    sqlite_with_rowid=False,
)
subscription_links = sa.Table(
    "subscription_links",
    metadata,
    sa.Column("subscription", sa.Text, primary_key=True),
    sa.Column("path", sa.Text, primary_key=True),
    sa.Column("stream", sa.Text, nullable=False),  # the log's stream that it is read from
    sa.Column("tag", sa.Text, nullable=False),  # of the client stream that `acked` is an offset in
    sa.Column("acked", sa.Integer, nullable=False),
    sa.Column("explicit", sa.Integer, nullable=False),
    sa.Column("glob", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)
by_stream = sa.Index("subscription_links_by_stream", subscription_links.c.stream)
_SINCE_2 = [client_streams, subscriptions, subscription_links]

# Since version 3: the sessions of agents of a kind, what they ask to be allowed, and what they use.
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("agent_id", sa.Text, primary_key=True),
    sa.Column("waiting", sa.Integer, nullable=False),  # turns, and answers, that no run has taken
    sa.Column("session", sa.Text, nullable=False),  # the whole of it, JSON
    sqlite_with_rowid=False,
)
sessions_waiting = sa.Index("sessions_waiting", sessions.c.waiting, sqlite_where=sessions.c.waiting > 0)
approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("agent_id", sa.Text, nullable=False),
    sa.Column("pending", sa.Integer, nullable=False),
    sa.Column("requested", sa.Integer, nullable=False),  # the position of what asked
    sa.Column("approval", sa.Text, nullable=False),  # the whole of it, JSON
    sqlite_with_rowid=False,
)
approvals_pending = sa.Index("approvals_pending", approvals.c.requested, sqlite_where=approvals.c.pending == 1)
approvals_of = sa.Index("approvals_of", approvals.c.agent_id, approvals.c.requested)
usage = sa.Table(
    "usage",
    metadata,
    sa.Column("agent_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),  # in UTC
    sa.Column("model", sa.Text, primary_key=True),
    *(sa.Column(counted, sa.Integer, nullable=False) for counted in ("input", "output", "cache_read", "cache_write")),
    sa.Column("reasoning", sa.Integer, nullable=False),  # a part of the output
    sa.Column("cost", sa.Integer, nullable=False),  # millionths of a dollar, of the reports that said so
    sa.Column("unpriced", sa.Integer, nullable=False),  # reports that did not
    sqlite_with_rowid=False,
)
_SINCE_3 = [sessions, approvals, usage]


def _statements(tables: Sequence[sa.Table]) -> list[str]:
    """Tables as SQLite's DDL, from the declarations above."""
    sqlite = dialect.dialect()
    made: list[str] = []
    for table in tables:
        made.append(str(CreateTable(table).compile(dialect=sqlite)))
        made += [str(CreateIndex(index).compile(dialect=sqlite)) for index in sorted(table.indexes, key=str)]
    return made


def create(database: sqlite3.Connection, *, first_only: bool = False) -> None:
    """Make an empty log in `database`, under the write lock. All of it appears at once, or nothing.

    `first_only`: the tables of version 1 alone. The schema of those is the first page, whatever is added later.
    """
    database.execute("PRAGMA auto_vacuum=INCREMENTAL")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    database.execute("BEGIN IMMEDIATE")
    # A table's root page is the same in every log that was made whole: salvage.py counts on it. So what is new is last.
    first = [table for table in metadata.sorted_tables if table not in (*_SINCE_2, *_SINCE_3)]
    since = [] if first_only else [*_statements([*_SINCE_2, *_SINCE_3]), AGENTS_BY_PARENT]
    for statement in [*_statements(first), *since]:
        database.execute(statement)
    facts = {
        "log": str(uuid.uuid4()),
        "epoch": "0",
        "created": str(now()),
        "oldest_writer": str(OLDEST_WRITER),
    }
    database.executemany("INSERT INTO meta(key, value) VALUES (?, ?)", list(facts.items()))
    database.execute(f"PRAGMA application_id={APPLICATION}")
    database.execute(f"PRAGMA user_version={VERSION}")
    database.execute("COMMIT")


def _add_client_streams(database: sqlite3.Connection) -> None:
    for statement in _statements(_SINCE_2):
        database.execute(statement)


def _add_sessions(database: sqlite3.Connection) -> None:
    for statement in [*_statements(_SINCE_3), AGENTS_BY_PARENT]:
        database.execute(statement)


# From version N to N + 1. A step may only add; what it makes useless goes one version later.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {1: _add_client_streams, 2: _add_sessions}


def migrate(database: sqlite3.Connection, version: int) -> None:
    """Bring a log of an older `version` to VERSION, step by step, under the write lock; all or nothing."""
    database.execute("BEGIN IMMEDIATE")
    try:
        for step in range(version, VERSION):
            MIGRATIONS[step](database)
        database.execute(f"PRAGMA user_version={VERSION}")
        database.execute("COMMIT")
    except BaseException:
        database.execute("ROLLBACK")
        raise
