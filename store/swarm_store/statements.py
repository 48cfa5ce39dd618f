"""Every SQL statement that is spoken on the log, with named parameters; the tables stand in schema.py."""

from __future__ import annotations

VERSION = 1  # of the schema: SQLite's user_version
APPLICATION = 0x73776D31  # "swm1": SQLite's application_id, by which an event log is told from other databases

FACT = "SELECT value FROM meta WHERE key = :key"

STREAM = "SELECT id, head FROM streams WHERE name = :name"
NEW_STREAM = "INSERT INTO streams(name, head) VALUES (:name, 0)"
MOVE_HEAD = "UPDATE streams SET head = :head WHERE id = :id"
BROKEN_STREAMS = (
    "SELECT s.name FROM streams s LEFT JOIN records r ON r.stream_id = s.id GROUP BY s.id"
    " HAVING count(r.offset) AND (max(r.offset) <> s.head - 1 OR count(r.offset) <> max(r.offset) - min(r.offset) + 1)"
)
LAST_POSITION = "SELECT seq FROM sqlite_sequence WHERE name = 'records'"
POSITION_AT = "SELECT position FROM records WHERE time <= :time AND key IS NOT NULL ORDER BY position DESC LIMIT 1"

INSERT_RECORD = (
    "INSERT INTO records(stream_id, offset, time, type, key, producer, data)"
    " VALUES (:stream_id, :offset, :time, :type, :key, :producer, :data)"
)
INSERT_PAYLOAD = "INSERT INTO payloads(position, bytes) VALUES (:position, :bytes)"

PRODUCER = "SELECT epoch, sequence FROM producers WHERE stream_id = :stream_id AND producer = :producer"
MOVE_PRODUCER = (
    "INSERT INTO producers(stream_id, producer, epoch, sequence)"
    " VALUES (:stream_id, :producer, :epoch, :sequence)"
    " ON CONFLICT(stream_id, producer) DO UPDATE SET epoch = :epoch, sequence = :sequence"
)

FORGET_PRODUCER = "DELETE FROM producers WHERE stream_id = :stream_id AND producer = :producer"

CURSOR = "SELECT offset FROM cursors WHERE name = :name AND stream_id = :stream_id"
MOVE_CURSOR = (
    "INSERT INTO cursors(name, stream_id, offset) VALUES (:name, :stream_id, :offset)"
    " ON CONFLICT(name, stream_id) DO UPDATE SET offset = :offset"
)

PUT_AGENT = (
    "INSERT INTO agents(id, name, state, live, spawned, position, agent)"
    " VALUES (:id, :name, :state, :live, :position, :position, :agent)"
    " ON CONFLICT(id) DO UPDATE SET state = :state, live = :live, position = :position, agent = :agent"
)
DROP_AGENTS = "DELETE FROM agents"
DROP_SNAPSHOTS = "DELETE FROM snapshots"
REGISTRY_EVENTS = (
    "SELECT position, offset, time, type, key, data FROM records"
    " WHERE stream_id = (SELECT id FROM streams WHERE name = :name) ORDER BY offset"
)
DROP_AGENT = "DELETE FROM agents WHERE id = :id"
AGENT = "SELECT agent FROM agents WHERE id = :id"
AGENTS = "SELECT agent FROM agents ORDER BY spawned"
LIVING = "SELECT agent FROM agents WHERE live = 1 ORDER BY spawned"
RUNS = "SELECT id, json_extract(agent, '$.run') FROM agents ORDER BY spawned"
LIVING_RUNS = "SELECT id, json_extract(agent, '$.run') FROM agents WHERE live = 1 ORDER BY spawned"
NAMED = "SELECT agent FROM agents WHERE name = :name ORDER BY live DESC, spawned DESC LIMIT 1"
ID_PREFIX = "SELECT id FROM agents WHERE id >= :prefix AND id < :prefix || 'zzzzzzzz~' ORDER BY spawned DESC LIMIT 6"

LAST_SNAPSHOT = "SELECT offset FROM snapshots ORDER BY position DESC LIMIT 1"
COUNT_AGENTS = "SELECT count(*) FROM agents"
TAKE_SNAPSHOT = (
    "INSERT INTO snapshots(position, offset, time, agents)"
    " SELECT :position, :offset, :time, json_group_array(json(agent)) FROM (SELECT agent FROM agents ORDER BY spawned)"
)
SNAPSHOT_BEFORE = "SELECT offset, agents FROM snapshots WHERE position <= :position ORDER BY position DESC LIMIT 1"

REMOVED = "SELECT 1 FROM records WHERE key = :id AND type = 'agent:removed' LIMIT 1"
REMOVED_SINCE = "SELECT key FROM records WHERE type = 'agent:removed' AND key IS NOT NULL AND position >= :position"
# Whole records for an export before position :until: of all streams but two by position, of one by offset.
_EXPORT = (
    "SELECT r.position, s.name, r.offset, r.time, r.type, r.key, r.producer, r.data, p.bytes FROM records r"
    " JOIN streams s ON s.id = r.stream_id LEFT JOIN payloads p ON p.position = r.position"
    " WHERE r.position >= :start AND r.position < :until AND "
)
EXPORT_OTHERS = _EXPORT + "s.name NOT IN (:registry, :imports) ORDER BY r.position LIMIT :limit"
EXPORT_STREAM = _EXPORT.replace("r.position >=", "r.offset >=") + "s.name = :stream ORDER BY r.offset LIMIT :limit"
# Streams agents/<id> and inbox/<id> of agents that are not there any more, because they were removed; but what an
# import that is under way has written is not left over.
HALF_REMOVED = (
    "SELECT DISTINCT id FROM (SELECT substr(name, instr(name, '/') + 1) AS id FROM streams"
    " WHERE name LIKE 'agents/%' OR name LIKE 'inbox/%')"
    " WHERE id NOT IN (SELECT id FROM agents)"
    " AND EXISTS (SELECT 1 FROM records WHERE key = id AND type = 'agent:removed')"
    " AND NOT EXISTS (SELECT 1 FROM producers p JOIN streams s ON s.id = p.stream_id WHERE s.name = 'imports')"
)

NEWEST_TIME = "SELECT max(time) FROM records WHERE key IS NOT NULL"

# Deleting an agent's streams, a step at a time.
SOME_POSITIONS = "SELECT position FROM records WHERE stream_id = :stream_id ORDER BY offset LIMIT :limit"
DELETE_PAYLOADS = "DELETE FROM payloads WHERE position IN (" + SOME_POSITIONS + ")"
DELETE_RECORDS = "DELETE FROM records WHERE position IN (" + SOME_POSITIONS + ")"
DELETE_PRODUCERS = "DELETE FROM producers WHERE stream_id = :stream_id"
DELETE_CURSORS = "DELETE FROM cursors WHERE stream_id = :stream_id"
DELETE_STREAM = "DELETE FROM streams WHERE id = :stream_id"


def select_records(
    *, stream: bool, types: int, key: bool, run: bool, lifecycle: bool, payloads: bool, backwards: bool
) -> str:
    """Records from :start up to :until (both offsets in :stream, or both positions), :since to :to in time.

    `lifecycle` leaves output out, which has no key; the index for that holds nothing else.
    """
    place = "r.offset" if stream else "r.position"
    where = [f"{place} >= :start", f"{place} < :until", "r.time >= :since", "r.time < :to"]
    if stream:
        where.append("r.stream_id = :stream_id")
    if types:
        where.append(f"r.type IN ({', '.join(f':type{n}' for n in range(types))})")
    if key:
        where.append("r.key = :key")
    elif lifecycle:
        where.append("r.key IS NOT NULL")
    if run:
        where.append("json_extract(r.data, '$.run') = :run")
    name = "NULL" if stream else "(SELECT s.name FROM streams s WHERE s.id = r.stream_id)"
    payload, join = ("p.bytes", " LEFT JOIN payloads p ON p.position = r.position") if payloads else ("NULL", "")
    return (
        f"SELECT r.position, {name}, r.offset, r.time, r.type, r.key, r.data, {payload}"
        f" FROM records r{join} WHERE {' AND '.join(where)}"
        f" ORDER BY {place} {'DESC' if backwards else 'ASC'} LIMIT :limit"
    )
