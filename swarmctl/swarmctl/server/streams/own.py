"""Our own streams as the protocol's clients see them: to be read, not written."""

from __future__ import annotations

import json
from typing import Any

from swarm_store import events, registry
from swarm_store.client_streams import JSON
from swarm_store.errors import NoSuchAgent, NoSuchStream
from swarm_store.events import OUTPUT_TYPES, REGISTRY, Record
from swarm_store.exported import record_as_data
from swarm_store.fold import Agent
from swarm_store.log import Log

from .sources import ClientSource, Facts, Page, Source

# The first parts of names that the log has for streams of its own, or will have.
RESERVED = (
    *("registry", "agents", "inbox", "supervisor", "tokens", "imports", "requests", "subscriptions"),
    *("streams", "client", "gone", "recovered", "state", "__ds"),
)
BYTES = "application/octet-stream"
RECORDS = 64  # read at once


def source(name: str) -> tuple[Source, bool]:
    """The stream that a client means by `name`, and whether it is ours. Raises NoSuchStream for a reserved name."""
    first, _, rest = name.partition("/")
    if first not in RESERVED:
        return ClientSource(name), False
    if name == REGISTRY:
        return Records(REGISTRY), True
    if name == "state/agents":
        return AgentStates(), True
    agent_id, _, output = rest.partition("/")
    if first == "agents" and agent_id and output in ("", *OUTPUT_TYPES):
        return (Output(agent_id, output) if output else Records(events.agent_stream(agent_id), agent_id)), True
    raise NoSuchStream(f"there is no stream {name!r}", f"{first} is a name that the log keeps for itself")


class Records:
    """The registry, or all that one agent has written and that has happened to it: a JSON message for each record."""

    def __init__(self, stream: str, agent_id: str | None = None) -> None:
        self.bell = self.key = stream
        self._agent_id = agent_id

    def facts(self, log: Log) -> Facts:
        if self._agent_id is not None:
            _check(log, self._agent_id)
        return Facts(JSON, log.head(self.bell), f"{log.fact('log')}.{log.fact('epoch')}.{self.bell}")

    def read(self, log: Log, facts: Facts, start: int, most: int) -> Page:
        records, after = _records(log, self.bell, facts.head, start, most)
        return Page(after, b",".join(_json(message(record)) for record in records), _time(records))


class Output:
    """The bytes of an agent's stdout or stderr, of all its runs."""

    def __init__(self, agent_id: str, output: str) -> None:
        self.bell = events.agent_stream(agent_id)
        self.key = f"{self.bell}/{output}"
        self._agent_id = agent_id
        self._type = OUTPUT_TYPES[output]

    def facts(self, log: Log) -> Facts:
        _check(log, self._agent_id)
        return Facts(BYTES, log.head(self.bell), f"{log.fact('log')}.{log.fact('epoch')}.{self.bell}.{self._type}")

    def read(self, log: Log, facts: Facts, start: int, most: int) -> Page:
        records, after = _records(log, self.bell, facts.head, start, most, types=[self._type])
        return Page(after, b"".join(record.payload or b"" for record in records), _time(records))


class AgentStates:
    """Every agent as rows that change, of the State Protocol: from the beginning all that are there, then changes.

    A change gives the row as it is now, which may be later than the change: whoever has read to the end has every row
    as it is. (STATE-PROTOCOL.md of the same project.)
    """

    bell = REGISTRY
    key = "state/agents"

    def facts(self, log: Log) -> Facts:
        tag = f"{log.fact('log')}.{log.fact('epoch')}.state"
        return Facts(JSON, log.head(REGISTRY), tag, cacheable=False)

    def read(self, log: Log, facts: Facts, start: int, most: int) -> Page:
        if start <= 0:
            agents, head = registry.agents_and_head(log)
            return Page(head, b",".join(_json(_change("insert", one["id"], one)) for one in agents))
        records = log.read(REGISTRY, start=start, until=facts.head, limit=10 * RECORDS, payloads=False)
        changed = {record.key: record for record in reversed(records) if record.key is not None}
        changes = [_changed(log, record) for record in sorted(changed.values())]
        after = records[-1].offset + 1 if records else facts.head
        return Page(after, b",".join(_json(change) for change in changes if change), _time(records))


def _time(records: list[Record]) -> int | None:
    return records[-1].time if records else None


def _changed(log: Log, first: Record) -> dict[str, Any] | None:
    """What has become of an agent since an event, the first of those that are read."""
    assert first.key is not None
    agent = registry.get(log, first.key)
    if first.type == events.AGENT_SPAWNED:
        return _change("insert", first.key, agent) if agent else None
    return _change("update", first.key, agent) if agent else _change("delete", first.key, None)


def _change(operation: str, agent_id: str, agent: Agent | None) -> dict[str, Any]:
    value = {} if agent is None else {"value": agent}
    return {"type": "agent", "key": agent_id, **value, "headers": {"operation": operation}}


def _check(log: Log, agent_id: str) -> None:
    if registry.get(log, agent_id) is None:
        raise NoSuchAgent(f"there is no agent {agent_id!r}", "a stream is named by the whole id")


def _records(
    log: Log, stream: str, head: int, start: int, most: int, types: list[str] | None = None
) -> tuple[list[Record], int]:
    """Records before `head` until there are `most` bytes of payload, and the offset to go on at."""
    found: list[Record] = []
    size = 0
    while start < head:
        page = log.read(stream, start=start, until=head, types=types or (), limit=RECORDS)
        for record in page:
            found.append(record)
            size += len(record.payload or b"") + (100 if record.key is None else 100 + weight(record.data))
            if size >= most:
                return found, record.offset + 1
        start = page[-1].offset + 1 if len(page) == RECORDS else head
    return found, max(start, head)


def weight(data: object) -> int:
    """About how many bytes what was said takes: what an agent has said may be long, and its tools' inputs too."""
    if isinstance(data, dict):
        return sum(len(key) + weight(value) for key, value in data.items())
    if isinstance(data, list):
        return sum(map(weight, data))
    return len(data) if isinstance(data, str) else 8


def message(record: Record) -> dict[str, Any]:
    """A record for programs: output as `text` where it is UTF-8 by itself, else in `base64`."""
    if record.payload is None:
        return record_as_data(record)
    try:
        text = record.payload.decode("utf-8")
    except UnicodeDecodeError:
        return record_as_data(record)
    return {**record_as_data(record._replace(payload=None)), "text": text}


def _json(value: dict[str, Any]) -> bytes:
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:  # bytes of a command that are no UTF-8: as surrogates they can be said in ASCII alone
        return json.dumps(value, separators=(",", ":")).encode()
