"""The `agents` rows: written in the transaction that appends the event, so that `list` reads one table.

Folding the registry again gives the same rows; a snapshot of them is kept from time to time, so that folding to a
moment of the past need not start from zero.
"""

from __future__ import annotations

from . import statements as sql
from .codec import decode, encode
from .errors import NameTaken
from .events import AGENT_RESTARTED, AGENT_SPAWNED
from .fold import apply
from .lifecycle import LIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .driver import sqlite3
    from .events import Record
    from .fold import Agent

# A snapshot is due after this many registry records, and after as many as there are agents in it: so what all
# snapshots cost stays in proportion to what has happened.
SNAPSHOT_EVERY = 1000


def project(database: sqlite3.Connection, record: Record) -> None:
    """Bring the rows up to the registry's `record`, within its transaction.

    Raises IllegalTransition, and NameTaken where the name of one that begins to live belongs to a living one.
    """
    if record.key is None:
        return
    row = database.execute(sql.AGENT, {"id": record.key}).fetchone()
    before = decode(row[0]) if row else None
    after = apply(before, record)
    if after is None:
        database.execute(sql.DROP_AGENT, {"id": record.key})
    else:
        if record.type in (AGENT_SPAWNED, AGENT_RESTARTED) and after["name"] is not None:
            _check_name(database, after)
        database.execute(sql.PUT_AGENT, _row(after, record.position))
    if record.offset % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1:
        _snapshot(database, record)


def _row(agent: Agent, position: int) -> dict[str, object]:
    return {
        "id": agent["id"],
        "name": agent["name"],
        "state": agent["state"],
        "live": int(agent["state"] in LIVE),
        "position": position,
        "agent": encode(agent),
    }


def _check_name(database: sqlite3.Connection, agent: Agent) -> None:
    row = database.execute(sql.NAMED, {"name": agent["name"]}).fetchone()
    if row is None:
        return
    other = decode(row[0])
    if other["state"] in LIVE:
        raise NameTaken(
            f"the name {agent['name']!r} belongs to agent {other['id']}, which is {other['state']}",
            f"choose another name, or end that one: swarmctl cancel {other['id']}",
        )


def _snapshot(database: sqlite3.Connection, record: Record) -> None:
    last = database.execute(sql.LAST_SNAPSHOT).fetchone()
    held = database.execute(sql.COUNT_AGENTS).fetchone()[0]
    if record.offset - (last[0] if last else -1) >= held:
        facts = {"position": record.position, "offset": record.offset, "time": record.time}
        database.execute(sql.TAKE_SNAPSHOT, facts)
