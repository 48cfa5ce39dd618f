"""The care of the log: prune, export, import, backup."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Iterator
from itertools import takewhile
from typing import Annotated, Any, BinaryIO

from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from swarm_daemon import control
from swarm_store import registry
from swarm_store.backup import backup
from swarm_store.log import Log
from swarm_store.retention import Policy
from swarm_store.transfer import export, take_in

from ... import pruning
from . import bodies, models
from .answers import LINES, NO_STORE, as_json, new_router, of_bytes, problems
from .queries import ExportLog
from .work import Here, Work

router = new_router("log")
DATABASE = "application/vnd.sqlite3"
BLOCK = 256 << 10
IN_MEMORY = 1 << 20  # bytes of an import; more is kept in a file


@router.post("/prune", response_model=models.Pruned)
async def prune_agents(here: Here, body: bodies.PruneAgents) -> Response:
    """Delete ended agents with their output. What its policy may restart is not touched."""
    policy = Policy(body.older_than, body.keep, body.larger_than)
    labels = [f"{key}={value}" for key, value in body.labels.items()] if isinstance(body.labels, dict) else body.labels
    forget = pruning.due if body.dry_run else pruning.prune

    def prune(log: Log) -> list[str]:
        agents = forget(log, policy, labels)
        return [agent["id"] for agent in takewhile(lambda _: not here.is_closing, agents)]  # a server that stops, stops

    return as_json({"removed": await here.labour(prune, write=not body.dry_run)})


@router.get("/export", responses=of_bytes(LINES, "An export; whole if its last line says so.") | problems(409))
async def export_log(here: Here, query: Annotated[ExportLog, Query()]) -> Response:
    """The log, or some agents of it, as JSON lines: every record whole, bytes in base64. `import` takes it in."""

    def begin(log: Log) -> list[Any]:
        return list({agent["id"]: agent for agent in (registry.resolve(log, word) for word in query.agent)}.values())

    return StreamingResponse(_lines(here, await here.read(begin) or None), headers=NO_STORE, media_type=LINES)


def _lines(here: Work, chosen: list[Any] | None) -> Iterator[bytes]:
    gathered: list[str] = []
    size = 0
    with here.log() as log:
        for line in export(log, chosen):
            gathered.append(line)
            size += len(line)
            if size >= BLOCK:
                yield "".join(gathered).encode("ascii")
                gathered, size = [], 0
    yield "".join(gathered).encode("ascii")


@router.post(
    "/import",
    response_model=models.Imported,
    responses=problems(409),
    openapi_extra={
        "requestBody": {"required": True, "content": {LINES: {"schema": {"type": "string", "format": "binary"}}}}
    },
)
async def import_log(here: Here, request: Request) -> Response:
    """Take agents in that were exported, with all they wrote.

    All is checked first, and nothing is done where a line is bad (400) or an agent is in the log already (409). An
    agent that lived when it was exported comes in as lost. One that was broken off goes on when it is sent again.
    """
    with tempfile.SpooledTemporaryFile(IN_MEMORY) as lines:
        async for block in request.stream():
            await asyncio.to_thread(lines.write, block)
        lines.seek(0)
        return as_json({"imported": await here.labour(lambda log: _take_in(log, lines))})  # type: ignore[arg-type]


def _take_in(log: Log, lines: BinaryIO) -> list[str]:
    control.finish_removals(log)
    return take_in(log, lines)


@router.get("/backup", responses=of_bytes(DATABASE, "The file, a log itself."))
async def back_up_log(here: Here) -> Response:
    """The whole log as it is at this moment, as a file: swarm.db in a state directory of its own. Agents write on."""
    copy = await here.labour(_copy, write=False)
    headers = {"content-length": str(os.fstat(copy.fileno()).st_size), **NO_STORE}
    headers["content-disposition"] = 'attachment; filename="swarm.db"'
    return StreamingResponse(_blocks(copy), headers=headers, media_type=DATABASE)


def _copy(log: Log) -> BinaryIO:
    """A copy of the log that has no name any more: nothing is left of it, whatever becomes of who asked."""
    with tempfile.TemporaryDirectory(prefix="swarmctl-backup-") as directory:
        path = os.path.join(directory, "swarm.db")
        backup(log, path)
        return open(path, "rb")


def _blocks(copy: BinaryIO) -> Iterator[bytes]:
    with copy:
        while block := copy.read(BLOCK):
            yield block
