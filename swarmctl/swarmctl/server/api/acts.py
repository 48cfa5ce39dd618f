"""What is done to an agent, and waiting for its end."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated, Any

from fastapi import Body, Query, Request, Response

from swarm_daemon import control
from swarm_daemon import spawn as spawning
from swarm_store import lifecycle, registry
from swarm_store.errors import NotPossible
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarm_store.transaction import Producer

from ... import agents, home
from . import bodies, models
from .answers import as_json, new_router, problems
from .endings import Endings
from .queries import AgentWord, InputKey, WaitAgent
from .work import Here, Work

router = new_router("agents")
MARGIN = 30.0  # seconds beyond the grace period in which a daemon must have ended a killed tree
_ACCEPTED: dict[int | str, dict[str, Any]] = {202: {"model": models.Agent, "description": "It has been asked to."}}


def _endings(request: Request) -> Endings:
    endings: Endings = request.app.state.endings
    return endings


@router.get(
    "/agents/{agent}/wait",
    response_model=models.Agent,
    responses={204: {"description": "It has not ended yet; ask again."}},
)
async def wait_agent(here: Here, request: Request, agent: AgentWord, query: Annotated[WaitAgent, Query()]) -> Response:
    """The agent, as soon as it has ended."""
    known = await here.read(lambda log: registry.resolve(log, agent))
    timeout = min(query.timeout, here.settings.long_poll)
    ended = await _endings(request).of(known, timeout, query.run)
    return Response(status_code=204) if ended is None else await _answer(here, ended)


@router.post(
    "/agents/{agent}/cancel",
    response_model=models.Agent,
    responses={**_ACCEPTED, 200: {"model": models.Agent, "description": "It has ended."}, **problems(409)},
)
async def cancel_agent(
    here: Here,
    request: Request,
    agent: AgentWord,
    body: Annotated[bodies.CancelAgent, Body()] = bodies.CancelAgent(),  # noqa: B008
) -> Response:
    """End an agent: a signal to all its processes, a grace period, KILL.

    One that has ended and waits for its restart is not restarted. With `wait` the answer comes when it has ended (200),
    or, as without, when it has been asked (202); `wait` below tells of its end.
    """
    known = await here.write(lambda log: _cancel(log, agent, body.signal, body.grace))
    if known["ended_at"]:
        return await _answer(here, await here.read(lambda log: registry.get(log, known["id"]) or known))
    ended = await _endings(request).of(known, here.settings.long_poll) if body.wait else None
    return await _answer(here, ended or known, 200 if ended else 202)


def _cancel(log: Log, word: str, signal: str, grace: float | None) -> Agent:
    agent = registry.resolve(log, word)
    if not agent["ended_at"]:
        control.ask_cancel(log, agent, signal=signal, grace=grace)
        control.have_ended_without_daemon(log, [agent])
    elif lifecycle.may_be_restarted(agent):
        control.withdraw_restart(log, agent)
    else:
        raise NotPossible(f"agent {agent['id']} has ended: it is {agent['state']}", "nothing was cancelled")
    return agent


@router.post("/agents/{agent}/signal", response_model=models.Agent, status_code=202, responses=problems(409))
async def signal_agent(here: Here, agent: AgentWord, body: bodies.SignalAgent) -> Response:
    """Send a signal to an agent's process group, and nothing more."""

    def ask(log: Log) -> Agent:
        known = registry.resolve(log, agent)
        control.ask_signal(log, known, body.signal)
        return known

    return await _answer(here, await here.write(ask), 202)


@router.post("/agents/{agent}/input", response_model=models.Agent, status_code=202, responses=problems(409))
async def send_input(here: Here, agent: AgentWord, body: bodies.SendInput, key: InputKey = None) -> Response:
    """Send an agent that was spawned with `input` what it is to read.

    It is in the log when this is answered, and reaches the agent's standard input once and in order, whoever is killed.
    """
    data = base64.b64decode(body.base64) if body.base64 is not None else (body.text or "").encode()
    producer = None if key is None else Producer(f"http:{hashlib.sha256(key.encode()).hexdigest()}", 0, 1)

    def send(log: Log) -> Agent:
        known = registry.resolve(log, agent)
        control.send_input(log, known, data, close=body.close, producer=producer)
        return known

    return await _answer(here, await here.write(send), 202)


@router.post("/agents/{agent}/restart", response_model=models.Agent, responses=problems(409))
async def restart_agent(
    here: Here,
    request: Request,
    agent: AgentWord,
    body: Annotated[bodies.RestartAgent, Body()] = bodies.RestartAgent(),  # noqa: B008
) -> Response:
    """Start an agent again, as a new run of the same agent; one that lives is ended first, which may take its grace.

    What it is started from, its environment and directory too, is what it was spawned with.
    """
    known = await here.read(lambda log: registry.resolve(log, agent))
    if known["state"] in lifecycle.LIVE:
        await here.write(lambda log: _cancel(log, known["id"], "TERM", body.grace))
        grace = body.grace if body.grace is not None else known["grace"] or 0.0
        if await _endings(request).of(known, grace + MARGIN) is None:
            raise NotPossible(f"agent {known['id']} has not ended yet", "nothing was restarted; ask again")

    def start(log: Log) -> Response:
        spawning.restart(log, registry.resolve(log, known["id"]))
        return as_json(agents.found(log, known["id"]))

    return await here.labour(start)


async def _answer(here: Work, agent: Agent, status: int = 200) -> Response:
    if agent["ended_at"]:  # which needs no look at the machine, and may be told to many at once
        return as_json({**agent, "status": agent["state"]}, status)
    return await here.read(lambda log: as_json(home.with_status(log, [agent])[0], status))
