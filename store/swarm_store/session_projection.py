"""The tables of sessions, approvals and usage: written in the transaction that appends the event they follow from.

Folding all those events again gives the same rows. No daemon of a plain command comes here.
"""

from __future__ import annotations

from . import conversation
from . import session_events as said
from . import statements as sql
from .clock import rfc3339
from .codec import decode, encode
from .driver import sqlite3
from .events import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_ANSWERS = (said.APPROVAL_GRANTED, said.APPROVAL_DENIED, said.APPROVAL_VOIDED, said.APPROVAL_DELIVERED)


def stored(database: sqlite3.Connection, agent_id: str) -> conversation.Session | None:
    """The agent's session as its row has it; None where nothing has been said of one."""
    row = database.execute(sql.SESSION, {"agent_id": agent_id}).fetchone()
    return decode(row[0]) if row else None


def project(database: sqlite3.Connection, record: Record) -> None:
    """Bring the rows up to an event of an agent's own streams."""
    if record.type not in said.SESSION_TYPES or record.key is None:
        return
    session = conversation.apply(stored(database, record.key), record)
    facts = {"agent_id": record.key, "waiting": conversation.waits(session), "session": encode(session)}
    database.execute(sql.PUT_SESSION, facts)
    if record.type == said.APPROVAL_REQUESTED:
        _put(database, conversation.asked(record), record)
    elif record.type in _ANSWERS:
        found = database.execute(sql.APPROVAL, {"id": record.data["approval"]}).fetchone()
        if found is not None:
            _put(database, conversation.answered(decode(found[0]), record), record)
    elif record.type == said.USAGE_REPORTED:
        _count(database, record)


def project_past(database: sqlite3.Connection, record: Record) -> None:
    """As `project`, for what has happened already, perhaps in another log: what makes no sense is left out."""
    try:
        project(database, record)
    except (AttributeError, KeyError, TypeError, ValueError):
        return


def _put(database: sqlite3.Connection, approval: conversation.Approval, record: Record) -> None:
    row = {"id": approval["id"], "agent_id": record.key, "requested": record.position}
    row |= {"pending": int(approval["state"] == conversation.PENDING), "approval": encode(approval)}
    database.execute(sql.PUT_APPROVAL, row)


def _count(database: sqlite3.Connection, record: Record) -> None:
    row = {"agent_id": record.key, "day": rfc3339(record.time)[:10], "model": record.data.get("model") or ""}
    database.execute(sql.ADD_USAGE, row | conversation.added(None, record.data))


def rebuild(database: sqlite3.Connection) -> None:
    """Write all rows anew, from the events that are there."""
    for statement in sql.DROP_SESSIONS:
        database.execute(statement)
    for record in happened(database):
        project_past(database, record)


def happened(database: sqlite3.Connection) -> Iterator[Record]:
    """All events that the rows follow from, in order; one at a time, because they hold all that agents ever said."""
    types = sorted(said.SESSION_TYPES)
    rows = database.execute(sql.session_events(len(types)), {f"type{n}": type for n, type in enumerate(types)})
    for position, stream, offset, time, type, key, data in rows:
        yield Record(position, stream, offset, time, type, key, decode(data), None)


def folded(database: sqlite3.Connection) -> dict[str, conversation.Session]:
    """All sessions as their events alone make them: the proof of the rows."""
    sessions: dict[str, conversation.Session] = {}
    for record in happened(database):
        try:
            sessions[str(record.key)] = conversation.apply(sessions.get(str(record.key)), record)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return sessions
