"""Sessions of agents of a kind: what was said and done in them, further turns, and the end of one."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import Annotated, Any

from fastapi import Body, Query, Request, Response

from swarm_daemon import conversing
from swarm_store import conversation, events, registry, sessions
from swarm_store.errors import NotPossible
from swarm_store.fold import Agent
from swarm_store.follow import GATHER
from swarm_store.log import FOREVER, Log
from swarm_store.session_events import SESSION_TYPES
from swarm_store.transaction import Producer

from ... import agents
from ..hub import wait_for_any
from ..streams.own import message, weight
from . import bodies, models
from .answers import as_json, new_router, problems
from .queries import AgentWord, InputKey, ReadConversation
from .work import Here, by_whom

router = new_router("sessions")
# Beside what was said: where a run ended, and another began.
LIFE = (events.AGENT_EXITED, events.AGENT_LOST, events.AGENT_START_FAILED, events.AGENT_RESTARTED)
TYPES = sorted(SESSION_TYPES.union(LIFE))
PAGE = 64
MOST_BYTES = 4 << 20  # of what was said, on a page


@router.get("/agents/{agent}/session", response_model=models.Session, responses=problems(409))
async def show_session(here: Here, agent: AgentWord) -> Response:
    """The session of an agent: its turns, what it waits for, what it has used."""
    return await here.read(lambda log: as_json(_session(log, registry.resolve(log, agent))))


def _session(log: Log, agent: Agent) -> conversation.Session:
    found = sessions.get(log, agent["id"])
    if found is None and agent["kind"] is None:
        raise NotPossible(f"agent {agent['id']} is a command and has no session", "its output is what it has said")
    return found or conversation.new(agent["id"])


@router.get("/agents/{agent}/conversation", response_model=models.Conversation)
async def read_conversation(here: Here, agent: AgentWord, query: Annotated[ReadConversation, Query()]) -> Response:
    """What was said and done in an agent's session, and where its runs ended, without raw output, in the log's order.

    With `after` what came after that position, if need be after waiting for it; else the last ones, or the last before
    the position `before`.
    """
    known = await here.read(lambda log: registry.resolve(log, agent))
    if query.after is None:
        return as_json(await here.read(lambda log: _last(log, known["id"], query)))
    deadline = time.monotonic() + min(query.wait, here.settings.long_poll)
    streams = [events.agent_stream(known["id"]), events.inbox_stream(known["id"])]
    with here.hub.listen(streams[0]) as said, here.hub.listen(streams[1]) as asked:
        while True:
            seen = [(topic, topic.rings) for topic in (said, asked)]
            page = await here.read(lambda log: _next(log, known["id"], query))
            left = 0.0 if page["events"] or here.is_closing else deadline - time.monotonic()
            if left <= 0 or not await wait_for_any(seen, left):
                return as_json(page)
            await asyncio.sleep(GATHER)


def _next(log: Log, agent_id: str, query: ReadConversation) -> dict[str, Any]:
    """What comes after a position, the oldest first."""
    after = query.after or 0
    end = log.position()
    found, is_all = _read(log, agent_id, query.limit, after + 1, FOREVER, backwards=False)
    last = found[-1]["position"] if found else after
    return {"events": found, "next": max(last, end, after) if is_all else last, "before": None}


def _last(log: Log, agent_id: str, query: ReadConversation) -> dict[str, Any]:
    """The last events before a position, or before now, the oldest first."""
    end = log.position()
    until = end + 1 if query.before is None else query.before
    found, is_all = _read(log, agent_id, query.limit, 0, until, backwards=True)
    found.reverse()
    return {"events": found, "next": min(end, until - 1), "before": None if is_all else found[0]["position"]}


def _read(
    log: Log, agent_id: str, limit: int, start: int, until: int, *, backwards: bool
) -> tuple[list[dict[str, Any]], bool]:
    """Events of an agent's session between two positions, and whether these are all of them."""
    found: list[dict[str, Any]] = []
    size = 0
    while True:
        most = min(PAGE, limit + 1 - len(found))  # one more than is asked for tells whether there is more
        page = log.read(
            start=start, until=until, types=TYPES, key=agent_id, lifecycle=True, limit=most, backwards=backwards
        )
        for record in page:
            if len(found) == limit or (found and size >= MOST_BYTES):
                return found, False
            found.append(message(record))
            size += len(record.payload or b"") + weight(record.data)
        if len(page) < most:
            return found, True
        start, until = (start, page[-1].position) if backwards else (page[-1].position + 1, until)


@router.post("/agents/{agent}/turns", response_model=models.Turn, status_code=202, responses=problems(409))
async def send_turn(
    here: Here, request: Request, agent: AgentWord, body: bodies.SendTurn, key: InputKey = None
) -> Response:
    """Have an agent take another turn, after all that it was sent before; one that has ended goes on in a new run.

    It is in the log when this is answered, and the agent gets it once and in order, whoever is killed.
    """
    producer = None if key is None else Producer(f"http:{hashlib.sha256(key.encode()).hexdigest()}", 0, 1)
    by = by_whom(request, body.by)

    def send(log: Log) -> dict[str, Any]:
        known = registry.resolve(log, agent)
        turn = conversing.send_turn(log, known, body.text, by=by, producer=producer)
        return {"agent": known["id"], "turn": turn}

    return as_json(await here.labour(send), 202)


@router.post("/agents/{agent}/interrupt", response_model=models.Agent, status_code=202, responses=problems(409))
async def interrupt_agent(
    here: Here,
    request: Request,
    agent: AgentWord,
    body: Annotated[bodies.Interrupt, Body()] = bodies.Interrupt(),  # noqa: B008
) -> Response:
    """End the turn that an agent is at; its session stays. A command, which has no turns, is sent SIGINT."""
    by = by_whom(request, body.by)

    def interrupt(log: Log) -> Response:
        known = registry.resolve(log, agent)
        conversing.interrupt(log, known, by=by)
        return as_json(agents.found(log, known["id"]), 202)

    return await here.write(interrupt)
