"""What happened, and what agents have written."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain, islice
from typing import Annotated, Any

from fastapi import Query, Response
from fastapi.responses import StreamingResponse

from swarm_store import events as vocabulary
from swarm_store import registry
from swarm_store.bells import ALL
from swarm_store.events import Record
from swarm_store.exported import record_as_data
from swarm_store.follow import GATHER
from swarm_store.log import FOREVER, Log

from ... import history, values
from ...lines import last_line
from ...output import Chosen, last_of, print_so_far
from ...streams import Printer
from ..hub import wait_for_any
from ..streams import offsets
from ..streams.own import weight
from . import models
from .answers import BYTES, NO_STORE, as_json, new_router, of_bytes
from .queries import AgentWord, ListEvents, ListLastLines, ReadLastOutput, ReadOutput
from .work import Here, Work

router = new_router("log")
MOST_BYTES = 4 << 20  # of output, and what agents have said, on a page of events


@router.get("/events", response_model=models.Events)
async def list_events(here: Here, query: Annotated[ListEvents, Query()]) -> Response:
    """The log itself, what happened to whom and when, from a position on; output only where its type is asked for."""
    found, next = await here.read(lambda log: _page(log, query, query.after))
    deadline = time.monotonic() + min(query.wait, here.settings.long_poll)
    if not found and query.wait:
        with here.hub.listen(ALL) as topic:
            while not found and not here.is_closing and (left := deadline - time.monotonic()) > 0:
                seen = topic.rings
                found, next = await here.read(lambda log: _page(log, query, next))  # noqa: B023
                if not found and await topic.wait(seen, left):
                    await asyncio.sleep(GATHER)
    return as_json({"events": found, "next": next})


def _page(log: Log, query: ListEvents, after: int) -> tuple[list[dict[str, Any]], int]:
    """The records after a position, and the position up to which that is all."""
    key = history.agent_id(log, query.agent) if query.agent is not None else None
    end = log.position()
    pages = history.pages(log, after + 1, query.type, key, page=min(query.limit, 64))
    found: list[Record] = []
    size = 0
    for record in islice(chain.from_iterable(pages), query.limit):
        found.append(record)
        size += len(record.payload or b"") + weight(record.data)
        if size >= MOST_BYTES:
            break
    is_all = len(found) < query.limit and size < MOST_BYTES
    last = found[-1].position if found else after
    return [record_as_data(record) for record in found], max(last, end, after) if is_all else last


@router.get("/last", response_model=models.LastLines)
async def list_last_lines(here: Here, query: Annotated[ListLastLines, Query()]) -> Response:
    """The last line of each of some agents, as a list of them shows it; waits until one writes, if it is told to."""
    deadline = time.monotonic() + min(query.wait, here.settings.long_poll)
    with ExitStack() as stack:
        streams = [vocabulary.agent_stream(one) for one in query.agent] if query.wait else []
        topics = [stack.enter_context(here.hub.listen(stream)) for stream in streams]
        while True:
            seen = [(topic, topic.rings) for topic in topics]
            found, next = await here.read(lambda log: _last_lines(log, query))
            left = 0.0 if found or here.is_closing else deadline - time.monotonic()
            if not await wait_for_any(seen, left) or left <= 0:
                return as_json({"last": found, "next": next})


def _last_lines(log: Log, query: ListLastLines) -> tuple[dict[str, Any], int]:
    lines = {one: last_line(log, one, after=query.after) for one in query.agent}
    found = {one: line for one, line in lines.items() if line is not None}
    return found, max((line["position"] for line in found.values()), default=query.after)


class _Body:
    """What a printer has written since it was last taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, bytes: bytes) -> None:
        self._parts.append(bytes)

    def flush(self) -> None: ...

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


@router.get("/agents/{agent}/output", responses=of_bytes(BYTES, "The bytes as they came."))
async def read_output(here: Here, agent: AgentWord, query: Annotated[ReadOutput, Query()]) -> Response:
    """What an agent has written so far, of all its runs: its bytes, or lines from a time on, or the last lines."""
    known = await here.read(lambda log: registry.resolve(log, agent))
    body = _output(here, vocabulary.agent_stream(known["id"]), _chosen(query), query.lines)
    return StreamingResponse(body, headers=NO_STORE, media_type=BYTES)


def _chosen(query: ReadOutput) -> Chosen:
    types = list(vocabulary.OUTPUT_TYPES.values()) if query.stream is None else [vocabulary.OUTPUT_TYPES[query.stream]]
    since = 0 if query.since is None else values.moment(query.since)
    until = FOREVER if query.until is None else values.moment(query.until)
    return Chosen(types, query.run, since, until)


@router.get("/agents/{agent}/output/last", response_model=models.LastOutput)
async def read_last_output(here: Here, agent: AgentWord, query: Annotated[ReadLastOutput, Query()]) -> Response:
    """The chunks that hold the last lines of an agent's output, and where its stream goes on after them.

    For who shows lines with their times, or follows: `agents/ID` of the streams, from `next` on.
    """
    return await here.read(lambda log: as_json(_last_output(log, agent, query)))


def _last_output(log: Log, word: str, query: ReadLastOutput) -> dict[str, Any]:
    stream = vocabulary.agent_stream(registry.resolve(log, word)["id"])
    head = log.head(stream)
    before, chunks = last_of(log, stream, _chosen(query), query.lines, head)
    shown = {"before": list(map(record_as_data, before)), "chunks": list(map(record_as_data, chunks))}
    return {**shown, "next": offsets.token(head)}


def _output(here: Work, stream: str, chosen: Chosen, last: int | None) -> Iterator[bytes]:
    body = _Body()
    printer = Printer({stream: ""}, cut=last is not None or chosen.since > 0, out=body)
    with here.log() as log:
        for _ in print_so_far(log, printer, stream, chosen, last, log.head(stream)):
            if part := body.taken():
                yield part
    printer.rest()
    yield body.taken()
