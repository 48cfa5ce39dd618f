"""The `agents` rows: written in the transaction that appends the event, so that `list` reads one table.

Folding the registry again gives the same rows; a snapshot of them is kept from time to time, so that folding to a
moment of the past need not start from zero.
"""

from __future__ import annotations

from . import statements as sql
from .codec import decode, encode
from .errors import IllegalTransition, NameTaken
from .events import AGENT_REMOVED, AGENT_RESTARTED, AGENT_SPAWNED, REGISTRY, Record
from .fold import apply, whole
from .lifecycle import LIVE, RECOVERED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .driver import sqlite3
    from .fold import Agent

# A snapshot is due after this many registry records, and after as many as there are agents in it: so what all
# snapshots cost stays in proportion to what has happened.
SNAPSHOT_EVERY = 1000


def project(database: sqlite3.Connection, record: Record) -> None:
    """Bring the rows up to the registry's `record`, within its transaction.

    Raises IllegalTransition, NameTaken where the name of one that begins to live belongs to a living one, and as
    trees.check_tree and check_restart, which are not asked of what lives already.
    """
    if record.key is None:
        return
    row = database.execute(sql.AGENT, {"id": record.key}).fetchone()
    before = decode(row[0]) if row else None
    after = apply(before, record)
    if after is None:
        _drop(database, record.key)
    else:
        if record.type in (AGENT_SPAWNED, AGENT_RESTARTED) and after["name"] is not None:
            _check_name(database, after)
        is_recovered = record.data.get("reason") == RECOVERED
        if record.type == AGENT_SPAWNED and after["parent"] is not None and not is_recovered:
            from .trees import check_tree  # no daemon spawns

            check_tree(database, after)
        if record.type == AGENT_RESTARTED and not is_recovered:
            from .trees import check_restart  # nor starts one again

            check_restart(database, whole(after))
        database.execute(sql.PUT_AGENT, _row(after, record.position))
    if record.offset % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1:
        _snapshot(database, record)


def rebuild(database: sqlite3.Connection) -> set[str]:
    """Write all rows and snapshots anew, from the registry's first event on, within a transaction.

    Gives the agents that are left out: their first events are missing, so what came after could not be applied.
    """
    for statement in (sql.DROP_AGENTS, sql.DROP_SNAPSHOTS):
        database.execute(statement)
    refused: set[str] = set()
    for position, offset, time, type, key, data in database.execute(sql.REGISTRY_EVENTS, {"name": REGISTRY}):
        record = Record(position, REGISTRY, offset, time, type, key, decode(data), None)
        if not project_past(database, record):
            refused.add(key)
    return {one for one in refused if database.execute(sql.AGENT, {"id": one}).fetchone() is None}


def project_past(database: sqlite3.Connection, record: Record) -> bool:
    """As `project`, for what has happened already, perhaps in another log: nothing is refused.

    What cannot follow is left out, as `fold` does; False says so.
    """
    follows = True
    if record.key is not None:
        row = database.execute(sql.AGENT, {"id": record.key}).fetchone()
        try:
            after = apply(decode(row[0]) if row else None, record)
        except IllegalTransition:
            follows = record.type == AGENT_REMOVED
        else:
            if after is None:
                _drop(database, record.key)
            else:
                database.execute(sql.PUT_AGENT, _row(after, record.position))
    if record.offset % SNAPSHOT_EVERY == SNAPSHOT_EVERY - 1:
        _snapshot(database, record)
    return follows


def _drop(database: sqlite3.Connection, agent_id: str) -> None:
    """Forget an agent, with its session."""
    database.execute(sql.DROP_AGENT, {"id": agent_id})
    for statement in sql.DROP_SESSION:
        database.execute(statement, {"agent_id": agent_id})


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
