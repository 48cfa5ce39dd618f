"""The tables of subscriptions, folded from the events in the stream `subscriptions`.

What is said of one names its tag: it does not concern a later one of the same id.
"""

from __future__ import annotations

from typing import Any

from . import events
from . import statements as sql
from .codec import decode, encode
from .driver import sqlite3
from .events import Record


def project(database: sqlite3.Connection, record: Record) -> None:
    """Bring the tables up to an event of the stream `subscriptions`, in its transaction."""
    said = record.data
    if not isinstance(said.get("id"), str):
        return  # a record:lost
    row = database.execute(sql.SUBSCRIPTION, {"id": said["id"]}).fetchone()
    if record.type == events.SUBSCRIPTION_CREATED:
        if row is None:
            _project_created(database, record)
    elif row is not None and row[1] == said.get("tag"):
        change = _CHANGES.get(record.type)
        if change is not None:  # a later version's
            change(database, said, record.time)


def _project_created(database: sqlite3.Connection, record: Record) -> None:
    said = record.data
    config = said["config"]
    row = {"id": said["id"], "tag": said["tag"], "digest": said["digest"], "created": record.time}
    row |= {"pattern": config["pattern"], "wake_stream": config["wake_stream"], "config": encode(config)}
    database.execute(sql.PUT_SUBSCRIPTION, row)
    _link(database, said, record.time)


def _link(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    for path, stream, tag, acked, by in said["links"]:
        row = {"id": said["id"], "path": path, "stream": stream, "tag": tag, "acked": acked}
        database.execute(sql.PUT_LINK, row | {"explicit": int(by == "explicit"), "glob": int(by == "glob")})


def _unlink(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    database.execute(sql.UNLINK, {"id": said["id"], "path": said["path"]})
    database.execute(sql.DROP_LINK, {"id": said["id"], "path": said["path"]})


def _delete(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    for statement in (sql.DROP_LINKS, sql.DROP_SUBSCRIPTION):
        database.execute(statement, {"id": said["id"]})


def _wake(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    row = {name: said[name] for name in ("id", "generation", "wake_id", "lease_until")}
    database.execute(sql.WAKE_SUBSCRIPTION, row | {"attempt_at": None if said["lease_until"] is None else time})


def _claim(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    row = {name: said[name] for name in ("id", "worker", "lease_until")}
    database.execute(sql.CLAIM_SUBSCRIPTION, row)


def _ack(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    for path, tag, offset in said["acks"]:
        database.execute(sql.ACK_LINK, {"id": said["id"], "path": path, "tag": tag, "acked": offset})


def _release(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    statement = sql.EXPIRE_SUBSCRIPTION if said["reason"] == events.LEASE_RAN_OUT else sql.RELEASE_SUBSCRIPTION
    database.execute(statement, {"id": said["id"]})


def _deliver(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    database.execute(sql.DELIVERED_SUBSCRIPTION, {"id": said["id"], "retries": 0, "attempt_at": None})


def _fail(database: sqlite3.Connection, said: dict[str, Any], time: int) -> None:
    row = {"id": said["id"], "retries": said["retries"], "attempt_at": said["next_attempt_at"]}
    database.execute(sql.DELIVERED_SUBSCRIPTION, row)


_CHANGES = {
    events.SUBSCRIPTION_DELETED: _delete,
    events.SUBSCRIPTION_LINKED: _link,
    events.SUBSCRIPTION_UNLINKED: _unlink,
    events.SUBSCRIPTION_WOKEN: _wake,
    events.SUBSCRIPTION_CLAIMED: _claim,
    events.SUBSCRIPTION_ACKED: _ack,
    events.SUBSCRIPTION_RELEASED: _release,
    events.SUBSCRIPTION_DELIVERED: _deliver,
    events.SUBSCRIPTION_DELIVERY_FAILED: _fail,
}


def rebuild(database: sqlite3.Connection) -> None:
    """Fill the empty tables anew; heartbeats and deliveries under way are forgotten. After the streams' own table."""
    name = {"name": events.SUBSCRIPTIONS}
    for position, offset, time, type, key, data in database.execute(sql.REGISTRY_EVENTS, name).fetchall():
        project(database, Record(position, events.SUBSCRIPTIONS, offset, time, type, key, decode(data), None))
    database.execute(sql.DROP_STALE_LINKS)
