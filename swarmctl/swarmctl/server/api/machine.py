"""The server, its log, and the machine that it is on."""

from __future__ import annotations

import os
from typing import Any

from fastapi import Request, Response

from swarm_store.log import Log
from swarm_store.tokens import CONTROL, Token

from ... import __version__
from ...condition import examined, supervision
from ..wire import TOKEN
from . import models
from .answers import as_json, new_router
from .work import Here

router = new_router("machine")


@router.get("/info", response_model=models.Info)
async def show_info(here: Here, request: Request) -> Response:
    """Which log this is, who serves it, and what the token that asks may do."""
    token: Token | None = request.scope.get(TOKEN)
    rights = token.scope if token is not None else CONTROL
    return await here.read(lambda log: as_json({**_info(log), "rights": rights}))


def _info(log: Log) -> dict[str, Any]:
    which = {"log": log.fact("log"), "epoch": int(log.fact("epoch")), "position": log.position()}
    return {"version": __version__, **which, "host": os.uname().nodename}


@router.get("/doctor", response_model=models.Report)
async def examine(here: Here) -> Response:
    """What is wrong with the state directory, the log and what runs. What can be done about it is done there."""
    found = await here.labour(lambda log: examined(log.home), write=False)
    findings = [finding._asdict() for finding in found]
    return as_json({"ok": all(finding.ok for finding in found), "findings": findings})


@router.get("/supervisor", response_model=models.Supervisor)
async def show_supervisor(here: Here) -> Response:
    """Whether a supervisor runs, since when, and what it did last."""
    return as_json(await here.read(lambda log: supervision(log.home)))
