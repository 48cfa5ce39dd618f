"""The log as JSON lines, and back: whole, or some agents of it. Cold.

The first line says what it is, the last how many records it has. In between a line is a record, whole: first what
agents wrote and were told, by position, then the registry's events. Positions, and offsets in the registry and in other
streams that are nobody's alone, are new in the log that takes them in; everything else stays as it is.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from . import client_projection, registry
from . import statements as sql
from .clock import rfc3339
from .errors import IllegalTransition, NotPossible, WrongUsage
from .events import (
    CLIENT_STREAMS,
    RECORD_LOST,
    REGISTRY,
    STREAMS,
    SUBSCRIPTIONS,
    TOKENS,
    Record,
    agent_lost,
    agent_restart_withdrawn,
    agent_stream,
    client_stream,
    inbox_stream,
)
from .exported import FORMAT, IMPORTS, OWN_STREAM, VERSION, Bad, Whole, as_data, check_header, line, parse, read_json
from .fold import Agent, apply
from .lifecycle import LIVE
from .log import Log
from .retention import is_over
from .transaction import Producer, Transaction

PAGE = 64
BATCH_RECORDS, BATCH_BYTES = 200, 1 << 20
REMOVE = "nothing was imported; swarmctl rm removes agents"
# A subscription is this log's alone: what takes an export in must not wake somebody else's workers.
_NOT_OTHERS = {"registry": REGISTRY, "imports": IMPORTS, "tokens": TOKENS, "subscriptions": SUBSCRIPTIONS}
LOST = "it lived when it was exported: what became of it is not known here"


# -- out


def export(log: Log, agents: Sequence[Agent] | None = None) -> Iterator[str]:
    """The lines of the log as it is now, or of `agents` only. Raises NotPossible where one is removed meanwhile."""
    until = log.position() + 1
    names = [agent["id"] for agent in agents or ()]
    header = {"format": FORMAT, "version": VERSION, "log": log.fact("log"), "epoch": int(log.fact("epoch"))}
    header |= {
        "created": rfc3339(int(log.fact("created"))),
        "agents": None if agents is None else names,
    }
    yield line(header)
    count = 0
    for record in _records(log, None if agents is None else names, until):
        count += 1
        yield line(as_data(record))
    gone = [one for one in names if registry.get(log, one) is None]
    if agents is None:
        gone = [str(row[0]) for row in log.query(sql.REMOVED_SINCE, {"position": until})]
    if gone:
        raise NotPossible(f"removed while it was exported: {', '.join(gone)}", "export again")
    yield line({"end": True, "records": count})


def _records(log: Log, agents: list[str] | None, until: int) -> Iterator[Whole]:
    if agents is None:
        yield from _pages(log, sql.EXPORT_OTHERS, _NOT_OTHERS, until)
        yield from _pages(log, sql.EXPORT_STREAM, {"stream": REGISTRY}, until)
        return
    streams = [stream(one) for one in agents for stream in (agent_stream, inbox_stream)]
    yield from heapq.merge(*(_pages(log, sql.EXPORT_STREAM, {"stream": stream}, until) for stream in streams))
    chosen = set(agents)
    yield from (one for one in _pages(log, sql.EXPORT_STREAM, {"stream": REGISTRY}, until) if one.key in chosen)


def _pages(log: Log, statement: str, given: dict[str, Any], until: int) -> Iterator[Whole]:
    start = 0
    while rows := log.query(statement, {**given, "start": start, "until": until, "limit": PAGE}):
        for row in rows:
            yield Whole(*row)._replace(data=json.loads(row[7]))
        start = rows[-1][0 if statement == sql.EXPORT_OTHERS else 2] + 1


# -- in


def take_in(log: Log, lines: BinaryIO) -> list[str]:
    """Import an export from a file that can be read twice; the ids of the agents that are there now.

    All of it is checked before anything is written. The streams are then written in steps, and last, in one
    transaction, the registry's events: agents appear all at once. One that lived is lost; what its policy would restart
    stays ended. An import that was killed goes on where it was when it is run again with the same file.

    Raises WrongUsage for the first bad line, NotPossible where an agent is in the log already.
    """
    first = lines.tell()
    checked = _Check()
    for number, raw in enumerate(lines, 1):
        checked.line(number, raw)
    checked.end()
    done = log.sequence(IMPORTS, checked.digest)
    if not done:
        _check_free(log, checked)
    lines.seek(first)
    next(lines)
    _write(log, lines, checked, done)
    return sorted(one for one in checked.agents if registry.get(log, one) is not None)


class _Check:
    """Everything that can be said of an export by reading it, and what is needed to import it."""

    def __init__(self) -> None:
        self.agents: set[str] = set()
        self.streams: set[str] = set()
        self.made: set[str] = set()  # clients' streams
        self.others = self.count = 0  # records that are not the registry's; all
        self._offsets: dict[str, int] = {}
        self._folded: dict[str, Agent | None] = {}
        self._hash = hashlib.sha256()
        self._ended: int | None = None

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    def line(self, number: int, raw: bytes) -> None:
        self._hash.update(raw)
        data = read_json(number, raw)
        if number == 1:
            return check_header(data)
        if self._ended is not None:
            raise Bad(number, "there is more after the end")
        if "end" in data:
            self._ended = data.get("records")
            if self._ended != self.count:
                raise Bad(number, f"there should be {self._ended} records before the end, and there are {self.count}")
            return None
        return self._record(number, parse(number, data))

    def _record(self, number: int, record: Whole) -> None:
        if record.offset <= self._offsets.get(record.stream, -1):
            raise Bad(number, f"offset {record.offset} of stream {record.stream} is not after the one before")
        self._offsets[record.stream] = record.offset
        self.count += 1
        if record.stream == REGISTRY:
            if record.key is not None:
                self.agents.add(record.key)
                self._apply(number, record, record.key)
            return
        if self.others < self.count - 1:
            raise Bad(number, "a stream's record after the registry's")
        self.others += 1
        self.streams.add(record.stream)
        if record.stream == STREAMS and record.type != RECORD_LOST:
            if not client_projection.is_whole(record.type, record.data):
                raise Bad(number, f"{record.type} without what it should say")
            self.made.add(client_stream(record.data["name"]))

    def _apply(self, number: int, record: Whole, agent_id: str) -> None:
        """See that an event says what the registry reads in it; what cannot follow is left out, as by a fold."""
        event = Record(0, REGISTRY, 0, record.time, record.type, agent_id, record.data, None)
        try:
            self._folded[agent_id] = apply(self._folded.get(agent_id), event)
        except IllegalTransition:
            pass
        except (KeyError, TypeError, ValueError) as error:
            raise Bad(number, f"{record.type} without what it should say: {error}") from None

    def end(self) -> None:
        if self._ended is None:
            raise WrongUsage("it ends before its end: the export was cut short", "nothing was imported; export again")


def _check_free(log: Log, checked: _Check) -> None:
    there = sorted(one for one in checked.agents if registry.get(log, one) is not None)
    there += sorted(one for one in checked.streams if OWN_STREAM.fullmatch(one) and log.head(one))
    for one in sorted(checked.made | {one for one in checked.streams if one.startswith(CLIENT_STREAMS)}):
        if log.query(sql.STREAM, {"name": one}):
            name = one.removeprefix(CLIENT_STREAMS)
            raise NotPossible(f"there is a stream {name!r} in the log already", "nothing was imported; delete it first")
    if there:
        raise NotPossible(
            f"in the log already: {', '.join(there[:5])}", "nothing was imported; swarmctl rm removes agents"
        )


def _write(log: Log, lines: BinaryIO, checked: _Check, done: int) -> None:
    """Write the records after the first `done`, in transactions that each also say how far it has come."""
    batch: list[Whole] = []
    size = 0
    for number in range(1, checked.others + 1):
        record = parse(number + 1, json.loads(next(lines)))
        if number <= done:
            continue
        batch.append(record)
        size += len(record.payload or b"")
        if len(batch) == BATCH_RECORDS or size >= BATCH_BYTES or number == checked.others:
            with log.transaction() as transaction:
                for one in batch:
                    transaction.put(one)
                transaction.advance(IMPORTS, Producer(checked.digest, 0, number))
            batch, size = [], 0
    with log.transaction(durable=True) as transaction:
        for number in range(checked.others + 1, checked.count + 1):
            transaction.put(parse(number + 1, json.loads(next(lines))))
        for agent_id in sorted(checked.agents):
            _end(transaction, agent_id)
        transaction.forget(IMPORTS, checked.digest)


def _end(transaction: Transaction, agent_id: str) -> None:
    """Nobody here knows of an imported agent that lives, and no policy is to start one here."""
    agent = transaction.agent(agent_id)
    if agent is not None and agent["state"] in LIVE:
        transaction.append(REGISTRY, [agent_lost(agent_id, agent["run"], reason=LOST)])
        agent = transaction.agent(agent_id)
    if agent is not None and not is_over(agent):
        transaction.append(REGISTRY, [agent_restart_withdrawn(agent_id, agent["run"])])
