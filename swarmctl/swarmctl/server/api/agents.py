"""Agents: list, show, spawn, remove."""

from __future__ import annotations

import base64
import json
import os
from itertools import islice
from typing import Annotated, Any

from fastapi import Query, Request, Response

from swarm_daemon import control
from swarm_daemon import spawn as spawning
from swarm_store import registry
from swarm_store.errors import CannotStart, NotPossible, OffsetConflict
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarm_store.requests import Once

from ... import agents, beside, home
from . import bodies, models
from .answers import as_json, new_router, problems
from .queries import AgentWord, IdempotencyKey, ListAgents, ShowAgent
from .work import Here, by_whom

router = new_router("agents")
# What an agent need not know of the server: its tokens, and what systemd tells its own service.
NOT_PASSED_ON = frozenset(
    [
        *("SWARM_TOKEN", "SWARM_TOKEN_FILE", "SWARM_SERVER"),
        *("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "INVOCATION_ID", "JOURNAL_STREAM", "SYSTEMD_EXEC_PID"),
        "SWARM_SERVE",
        *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "MAINPID", "MEMORY_PRESSURE_WATCH", "MEMORY_PRESSURE_WRITE"),
        *("CREDENTIALS_DIRECTORY", "RUNTIME_DIRECTORY", "STATE_DIRECTORY", "LOGS_DIRECTORY", "CONFIGURATION_DIRECTORY"),
    ]
)


@router.get("/agents", response_model=models.Agents)
async def list_agents(here: Here, query: Annotated[ListAgents, Query()]) -> Response:
    """The living agents, or with `all` the ended ones too, in the order in which they were spawned."""
    return await here.read(lambda log: as_json(_page(log, query)))


def _page(log: Log, query: ListAgents) -> dict[str, Any]:
    wanted = agents.Wanted(query.all, frozenset(query.state), tuple(query.label), query.name, query.q)
    after = int(query.after or 0)
    if query.at is not None:  # positions there are none in the past: its agents are counted
        found = enumerate(agents.listed(log, wanted, query.at), 1)
        rows = [(place, agent) for place, agent in found if place > after][: query.limit + 1]
    else:
        spawned = registry.spawned_after(log, after, ended=wanted.has_ended)
        rows = list(islice((row for row in spawned if wanted.fits(row[1])), query.limit + 1))
    page = [agent for _, agent in rows[: query.limit]]
    if query.at is None:
        page = home.with_status(log, page)
    return {"agents": page, "next": str(rows[query.limit - 1][0]) if len(rows) > query.limit else None}


@router.post(
    "/agents",
    response_model=models.Agent,
    status_code=201,
    responses={
        200: {"model": models.Agent, "description": "The agent that this key has made before."},
        **problems(409),
    },
)
async def spawn_agent(here: Here, request: Request, body: bodies.SpawnAgent, key: IdempotencyKey = None) -> Response:
    """Spawn a command, or an AI agent with its prompt; answers once its command, or its session's host, is executed.

    It does not end with the server. Its environment is the server's own, less what concerns the server alone, and
    `env`. Where the command is not found (exit_code 127) or not executable (126), nothing is spawned.
    """
    once = (
        None if key is None else Once(key, json.dumps(body.model_dump(exclude_defaults=True), sort_keys=True).encode())
    )
    by = by_whom(request, body.by)
    return await here.labour(lambda log: _spawn(log, body, once, by))


def _spawn(log: Log, body: bodies.SpawnAgent, once: Once | None, by: str | None) -> Response:
    known = _earlier(log, once)
    if known is not None:
        return known
    wish = _request(log, body, by)
    try:
        for _, outcome in spawning.spawn(log, [wish], once):
            if isinstance(outcome, CannotStart):
                raise outcome
    except OffsetConflict:  # the same request, over another server or another connection, was faster
        known = _earlier(log, once)
        assert known is not None
        return known
    return as_json(_shown(log, wish.agent_id), 201, {"location": f"/v1/agents/{wish.agent_id}"})


def _earlier(log: Log, once: Once | None) -> Response | None:
    """The answer to a request that was made before; None where it was not."""
    earlier = once.earlier(log) if once is not None else None
    if earlier is None:
        return None
    agent_id, is_same = earlier
    if not is_same:
        raise NotPossible(
            "this Idempotency-Key was used for another request",
            "a key of its own for each request; nothing was spawned",
        )
    if registry.get(log, agent_id) is None:
        raise NotPossible(f"agent {agent_id}, which this request has made, has been removed", "nothing was spawned")
    return as_json(_shown(log, agent_id), 200, {"location": f"/v1/agents/{agent_id}"})


def _request(log: Log, body: bodies.SpawnAgent, by: str | None) -> spawning.Request:
    """The wish, checked and completed. Raises WrongUsage, CannotStart, NoSuchAgent."""
    options = body.options()
    options["cwd"] = options["cwd"] or os.path.expanduser("~")
    stdin = base64.b64decode(body.stdin_base64) if body.stdin_base64 is not None else body.stdin
    if isinstance(stdin, str):
        stdin = stdin.encode()
    caller = {name: value for name, value in os.environ.items() if name not in NOT_PASSED_ON}
    if body.parent is not None:
        parent = registry.resolve(log, body.parent)
        caller |= {"SWARM_AGENT_ID": parent["id"], "SWARM_DEPTH": str(parent["depth"])}
    return beside.request(log.home, options, by=by, stdin=stdin, caller=caller)


def _shown(log: Log, agent_id: str) -> Agent:
    return agents.found(log, agent_id)


@router.get("/agents/{agent}", response_model=models.Agent)
async def show_agent(here: Here, agent: AgentWord, query: Annotated[ShowAgent, Query()]) -> Response:
    """All that is known of one agent."""
    return await here.read(lambda log: as_json(agents.found(log, agent, query.at)))


@router.delete("/agents/{agent}", status_code=204, responses=problems(409))
async def remove_agent(here: Here, agent: AgentWord) -> Response:
    """Delete an ended agent with its output. Its lifecycle events stay in the log."""
    await here.labour(lambda log: control.forget(log, registry.resolve(log, agent)))
    return Response(status_code=204)
