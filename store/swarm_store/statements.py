"""Every SQL statement that is spoken on the log, with named parameters; the tables stand in schema.py."""

from __future__ import annotations

VERSION = 3  # of the schema: SQLite's user_version
APPLICATION = 0x73776D31  # "swm1": SQLite's application_id, by which an event log is told from other databases

SAVE, UNDO, RELEASE = "SAVEPOINT attempt", "ROLLBACK TO attempt", "RELEASE attempt"

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
AGENTS_AND_HEAD = (  # in one statement, so that both are of one moment
    "SELECT (SELECT head FROM streams WHERE name = :name), a.agent FROM (SELECT 1) LEFT JOIN agents a"
    " ORDER BY a.spawned"
)
LIVING = "SELECT agent FROM agents WHERE live = 1 ORDER BY spawned"
AGENTS_AFTER = "SELECT spawned, agent FROM agents WHERE spawned > :after ORDER BY spawned LIMIT :limit"
LIVING_AFTER = AGENTS_AFTER.replace("WHERE", "WHERE live = 1 AND")
RUNS = "SELECT id, json_extract(agent, '$.run') FROM agents ORDER BY spawned"
LIVING_RUNS = "SELECT id, json_extract(agent, '$.run') FROM agents WHERE live = 1 ORDER BY spawned"
NAMED = "SELECT agent FROM agents WHERE name = :name ORDER BY live DESC, spawned DESC LIMIT 1"
ID_PREFIX = "SELECT id FROM agents WHERE id >= :prefix AND id < :prefix || 'zzzzzzzz~' ORDER BY spawned DESC LIMIT 6"

LAST_SNAPSHOT = "SELECT offset FROM snapshots ORDER BY position DESC LIMIT 1"
COUNT_STATES = "SELECT state, count(*) FROM agents GROUP BY state"
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
EXPORT_OTHERS = _EXPORT + (
    "s.name NOT IN (:registry, :imports, :tokens, :subscriptions) AND s.name NOT GLOB 'gone/*'"
    " ORDER BY r.position LIMIT :limit"
)
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

# The streams that clients make.
_CLIENT_STREAM = (
    "SELECT s.id, s.name, s.head, c.tag, c.content_type, c.ttl, c.expires_at, c.deadline, c.closed, c.closed_by,"
    " c.sequence, c.source_id, c.fork_offset, c.fork, c.forks, c.deleted"
    " FROM client_streams c JOIN streams s ON s.id = c.stream_id WHERE "
)
CLIENT_STREAM = _CLIENT_STREAM + "s.name = :name"
CLIENT_STREAM_BY_ID = _CLIENT_STREAM + "s.id = :id"
CLIENT_STREAMS = _CLIENT_STREAM + "s.name > :after AND c.deleted = 0 ORDER BY s.name LIMIT :limit"
EXPIRED_STREAMS = _CLIENT_STREAM + "c.deadline <= :now LIMIT :limit"
NEXT_DEADLINE = "SELECT min(deadline) FROM client_streams WHERE deadline IS NOT NULL AND deleted = 0"
PUT_CLIENT_STREAM = (
    "INSERT OR REPLACE INTO client_streams(stream_id, tag, content_type, ttl, expires_at, deadline, closed,"
    " source_id, fork_offset, fork, forks, deleted) VALUES (:stream_id, :tag, :content_type, :ttl, :expires_at,"
    " :deadline, 0, :source_id, :fork_offset, :fork, 0, 0)"
)
CLOSE_CLIENT_STREAM = "UPDATE client_streams SET closed = 1, closed_by = :by WHERE stream_id = :id"
SET_DEADLINE = "UPDATE client_streams SET deadline = :deadline WHERE stream_id = :id"
SET_SEQUENCE = "UPDATE client_streams SET sequence = :sequence WHERE stream_id = :id"
COUNT_FORK = "UPDATE client_streams SET forks = max(0, forks + :by) WHERE stream_id = :id"
KEEP_FOR_FORKS = "UPDATE client_streams SET deleted = 1, deadline = NULL WHERE stream_id = :id"
DROP_CLIENT_STREAM = "DELETE FROM client_streams WHERE stream_id = :id"
RENAME_STREAM = "UPDATE streams SET name = :name WHERE id = :id"
LEFT_STREAMS = "SELECT name FROM streams WHERE name >= 'gone/' AND name < 'gone0' LIMIT 100"
CLIENT_PIECES = (
    "SELECT r.offset, r.time, p.bytes FROM records r JOIN payloads p ON p.position = r.position"
    " WHERE r.stream_id = :id AND r.offset >= :start AND r.offset < :until ORDER BY r.offset LIMIT :limit"
)
CLIENT_RECORD = (
    "SELECT r.data, p.bytes FROM records r JOIN payloads p ON p.position = r.position"
    " WHERE r.stream_id = :id AND r.offset = :offset"
)
STREAM_EVENTS = (
    "SELECT position, offset, time, type, key, data FROM records"
    " WHERE stream_id = (SELECT id FROM streams WHERE name = 'streams') ORDER BY offset"
)

# Subscriptions to streams.
_SUBSCRIPTION = (
    "SELECT id, tag, pattern, wake_stream, config, digest, created, generation, wake_id, holder, lease_until, retries,"
    " attempt_at, attempts FROM subscriptions"
)
SUBSCRIPTION = _SUBSCRIPTION + " WHERE id = :id"
PUT_SUBSCRIPTION = (
    "INSERT INTO subscriptions(id, tag, pattern, wake_stream, config, digest, created, generation, retries, attempts)"
    " VALUES (:id, :tag, :pattern, :wake_stream, :config, :digest, :created, 0, 0, 0)"
)
DROP_SUBSCRIPTION = "DELETE FROM subscriptions WHERE id = :id"
SUBSCRIPTIONS_DUE = (
    "SELECT count(*), min(ifnull(min(lease_until, attempt_at), ifnull(lease_until, attempt_at))) FROM subscriptions"
)
DUE_SUBSCRIPTIONS = "SELECT id FROM subscriptions WHERE lease_until <= :now OR attempt_at <= :now"
SUBSCRIBED = "SELECT id, pattern, wake_stream, wake_id IS NULL FROM subscriptions"
WAKE_SUBSCRIPTION = (
    "UPDATE subscriptions SET generation = :generation, wake_id = :wake_id, holder = NULL,"
    " lease_until = :lease_until, attempt_at = :attempt_at WHERE id = :id"
)
CLAIM_SUBSCRIPTION = "UPDATE subscriptions SET holder = :worker, lease_until = :lease_until WHERE id = :id"
EXTEND_LEASE = "UPDATE subscriptions SET lease_until = :lease_until WHERE id = :id"
RELEASE_SUBSCRIPTION = (
    "UPDATE subscriptions SET wake_id = NULL, holder = NULL, lease_until = NULL, retries = 0, attempt_at = NULL"
    " WHERE id = :id"
)
EXPIRE_SUBSCRIPTION = (  # a receiver that fails is tried again when it was to be
    "UPDATE subscriptions SET wake_id = NULL, holder = NULL, lease_until = NULL,"
    " attempt_at = CASE WHEN retries THEN attempt_at END WHERE id = :id"
)
BEGIN_ATTEMPT = (
    "UPDATE subscriptions SET attempts = attempts + 1, attempt_at = :attempt_at, lease_until = :lease_until"
    " WHERE id = :id"
)
DELIVERED_SUBSCRIPTION = "UPDATE subscriptions SET retries = :retries, attempt_at = :attempt_at WHERE id = :id"
CALM_SUBSCRIPTION = "UPDATE subscriptions SET retries = 0, attempt_at = NULL WHERE id = :id"
SUBSCRIPTION_LINKS = (
    "SELECT l.path, l.explicit, l.acked, l.tag, l.stream, s.head, c.tag, c.deleted, c.deadline, c.fork_offset"
    " FROM subscription_links l LEFT JOIN streams s ON s.name = l.stream"
    " LEFT JOIN client_streams c ON c.stream_id = s.id WHERE l.subscription = :id ORDER BY l.path"
)
PUT_LINK = (
    "INSERT INTO subscription_links(subscription, path, stream, tag, acked, explicit, glob)"
    " VALUES (:id, :path, :stream, :tag, :acked, :explicit, :glob) ON CONFLICT(subscription, path)"
    " DO UPDATE SET explicit = max(explicit, :explicit), glob = max(glob, :glob)"
)
GLOB_PATHS = "SELECT path FROM subscription_links WHERE subscription = :id AND glob = 1"
IS_IN_GLOB = "SELECT 1 FROM subscription_links WHERE subscription = :id AND path = :path AND glob = 1"
ACK_LINK = "UPDATE subscription_links SET tag = :tag, acked = :acked WHERE subscription = :id AND path = :path"
UNLINK = "UPDATE subscription_links SET explicit = 0 WHERE subscription = :id AND path = :path"
DROP_LINK = "DELETE FROM subscription_links WHERE subscription = :id AND path = :path AND glob = 0 AND explicit = 0"
DROP_LINKS = "DELETE FROM subscription_links WHERE subscription = :id"
DROP_STALE_LINKS = (
    "DELETE FROM subscription_links WHERE explicit = 0 AND NOT EXISTS (SELECT 1 FROM streams s"
    " LEFT JOIN client_streams c ON c.stream_id = s.id"
    " WHERE s.name = subscription_links.stream AND ifnull(c.tag, '') = subscription_links.tag)"
)
DROP_GLOB_LINKS = "DELETE FROM subscription_links WHERE stream = :stream AND explicit = 0"
LINKED_SUBSCRIPTIONS = "SELECT subscription FROM subscription_links WHERE stream = :stream"
_LINKABLE = (
    "SELECT s.name, s.head, c.tag, c.deleted, c.deadline, c.fork_offset FROM streams s"
    " LEFT JOIN client_streams c ON c.stream_id = s.id WHERE "
)
LINKABLE_STREAM = _LINKABLE + "s.name = :name"
LINKABLE = _LINKABLE + (
    "(s.name >= 'client/' AND s.name < 'client0') OR (s.name >= 'agents/' AND s.name < 'agents0')"
    " OR s.name = 'registry'"
)
WRITTEN_STREAMS = (
    "SELECT DISTINCT s.name FROM records r JOIN streams s ON s.id = r.stream_id"
    " WHERE r.position > :since AND r.position <= :until"
)
STREAMS_SPOKEN_OF = (
    "SELECT DISTINCT json_extract(data, '$.name') FROM records WHERE position > :since AND position <= :until"
    " AND stream_id = (SELECT id FROM streams WHERE name = 'streams')"
)

# Sessions: what agents of a kind are told and say, folded (session_projection.py).
SENT_BY = (
    "SELECT offset FROM records WHERE stream_id = (SELECT id FROM streams WHERE name = :name)"
    " AND producer = :producer AND type = :type ORDER BY offset LIMIT 1"
)
SESSION = "SELECT session FROM sessions WHERE agent_id = :agent_id"
PUT_SESSION = (
    "INSERT INTO sessions(agent_id, waiting, session) VALUES (:agent_id, :waiting, :session)"
    " ON CONFLICT(agent_id) DO UPDATE SET waiting = :waiting, session = :session"
)
SESSIONS = "SELECT session FROM sessions"
SESSIONS_WAITING = (  # of ended agents that a turn waits for
    "SELECT s.session, a.agent FROM sessions s JOIN agents a ON a.id = s.agent_id WHERE s.waiting > 0 AND a.live = 0"
)
APPROVAL = "SELECT approval FROM approvals WHERE id = :id"
APPROVAL_PREFIX = (
    "SELECT id FROM approvals WHERE id >= :prefix AND id < :prefix || 'zzzzzzzz~' ORDER BY requested DESC LIMIT 6"
)
PUT_APPROVAL = (
    "INSERT INTO approvals(id, agent_id, pending, requested, approval)"
    " VALUES (:id, :agent_id, :pending, :requested, :approval)"
    " ON CONFLICT(id) DO UPDATE SET pending = :pending, approval = :approval"
)
_APPROVALS = "SELECT approval FROM approvals WHERE "
APPROVALS_PENDING = _APPROVALS + "pending = 1 ORDER BY requested"
APPROVALS_OF = _APPROVALS + "agent_id = :agent_id ORDER BY requested"
APPROVALS = "SELECT approval FROM approvals ORDER BY requested"
ADD_USAGE = (
    "INSERT INTO usage(agent_id, day, model, input, output, cache_read, cache_write, reasoning, cost, unpriced)"
    " VALUES (:agent_id, :day, :model, :input, :output, :cache_read, :cache_write, :reasoning, :cost, :unpriced)"
    " ON CONFLICT(agent_id, day, model) DO UPDATE SET input = input + :input, output = output + :output,"
    " cache_read = cache_read + :cache_read, cache_write = cache_write + :cache_write,"
    " reasoning = reasoning + :reasoning, cost = cost + :cost, unpriced = unpriced + :unpriced"
)
USAGE = (
    "SELECT agent_id, day, model, input, output, cache_read, cache_write, reasoning, cost, unpriced FROM usage"
    " ORDER BY day, agent_id, model"
)
USED = (
    "SELECT "
    + ", ".join(
        f"ifnull(sum({name}), 0)"
        for name in ("input", "output", "cache_read", "cache_write", "reasoning", "cost", "unpriced")
    )
    + " FROM usage"
)
DROP_SESSION = tuple(f"DELETE FROM {table} WHERE agent_id = :agent_id" for table in ("sessions", "approvals", "usage"))
DROP_SESSIONS = tuple(f"DELETE FROM {table}" for table in ("sessions", "approvals", "usage"))

# Trees: an agent, and those whose parent is in it. The index on parents is on this very expression.
_PARENT = "json_extract(agent, '$.parent')"
_TREE = (
    "WITH RECURSIVE tree(id) AS (SELECT :id UNION SELECT a.id FROM agents a JOIN tree t"
    f" ON {_PARENT.replace('agent,', 'a.agent,')} = t.id)"
)
TREE = _TREE + " SELECT a.agent FROM agents a JOIN tree t ON a.id = t.id ORDER BY a.spawned"
LIVING_BELOW = _TREE + " SELECT count(*) FROM agents a JOIN tree t ON a.id = t.id WHERE a.live = 1 AND a.id <> :id"
TREE_USAGE = _TREE + (
    " SELECT ifnull(sum(cost), 0), ifnull(sum(input + output + cache_read + cache_write), 0), ifnull(sum(unpriced), 0)"
    " FROM usage WHERE agent_id IN (SELECT id FROM tree)"
)
AGENTS_BY_PARENT = f"CREATE INDEX agents_by_parent ON agents({_PARENT}) WHERE {_PARENT} IS NOT NULL"


def session_events(types: int) -> str:
    """All events of so many types, :type0 and on, by position; of who was removed what came later: an import."""
    return (
        "SELECT r.position, s.name, r.offset, r.time, r.type, r.key, r.data FROM records r"
        " JOIN streams s ON s.id = r.stream_id LEFT JOIN (SELECT key, max(position) AS last FROM records"
        " WHERE key IS NOT NULL AND type = 'agent:removed' GROUP BY key) gone ON gone.key = r.key"
        " WHERE r.key IS NOT NULL AND r.position > ifnull(gone.last, -1)"
        f" AND r.type IN ({', '.join(f':type{n}' for n in range(types))}) ORDER BY r.position"
    )


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
