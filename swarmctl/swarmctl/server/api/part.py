"""The FastAPI application on /v1/: its routers, its errors as problems, its OpenAPI document."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.routing import Route

from swarm_daemon import launch
from swarm_store.errors import SwarmError

from ... import __version__
from .. import problem
from ..hub import Hub
from ..settings import Settings
from ..wire import Receive, Scope, Send
from . import acts, agents, approvals, history, machine, money, sessions, tokens, upkeep
from .answers import as_json, as_problem
from .endings import Endings
from .work import Work

PARTS = (agents, acts, sessions, approvals, money, history, upkeep, machine, tokens)
DOCUMENT = "/v1/openapi.json"
REAP_SECONDS = 5.0  # uvloop has SIGCHLD to itself
MOST_ERRORS = 20  # that are said of one request


class Api:
    """The control API of one server. Made in the event loop, and closed there."""

    def __init__(self, settings: Settings, hub: Hub) -> None:
        self._work = Work(settings, hub)
        self._endings = Endings(self._work)
        self._app = application(needs_token=settings.needs_token)
        self._app.state.work, self._app.state.endings = self._work, self._endings
        self._reaping = asyncio.create_task(_reap(self._work))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

    def end_live(self) -> None:
        """Let nobody wait any longer; whoever did asks again."""
        self._work.is_closing = True
        self._endings.end_live()

    async def close(self) -> None:
        """Close what was opened. Agents go on."""
        self._reaping.cancel()
        await self._endings.close()
        self._work.close()


async def _reap(work: Work) -> None:
    """Keepers of agents that were spawned here are this process's children until they end: look while there are any."""
    while True:
        await work.has_launched.wait()
        work.has_launched.clear()
        await asyncio.sleep(REAP_SECONDS)
        launch.reap()
        if launch.has_launched():
            work.has_launched.set()


def application(*, needs_token: bool = True) -> FastAPI:
    """The application without what it works with."""
    app = FastAPI(
        title="swarmctl",
        version=__version__,
        description="Run AI agents, or any commands, for hours: detached, logged, nothing lost whoever dies. "
        "Times are RFC 3339, durations seconds, sizes bytes; errors are RFC 9457's problems.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        exception_handlers={
            SwarmError: _of_error,
            RequestValidationError: _of_invalid,
            HTTPException: _of_http,
            Exception: _of_fault,
        },
    )
    for part in PARTS:
        app.router.routes += part.router.routes  # as they are: included ones are made again at the first request
    app.openapi = lambda: _document(app, needs_token)  # type: ignore[method-assign]
    app.add_route(DOCUMENT, _show_document, methods=["GET"], include_in_schema=False)
    return app


async def _show_document(request: Request) -> Response:
    """The OpenAPI document, which takes a tenth of a second to make, once."""
    return await asyncio.to_thread(lambda: as_json(request.app.openapi()))


def _document(app: FastAPI, needs_token: bool) -> dict[str, Any]:
    """The OpenAPI document: errors are problems by their media type too, and what asks for a token says so."""
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        for path in made["paths"].values():
            for operation in path.values():
                for status, answer in operation["responses"].items():
                    if int(status) >= 400:
                        answer["content"] = {problem.MEDIA_TYPE: next(iter(answer["content"].values()))}
        if needs_token:
            made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            made["security"] = [{"token": []}]
        app.openapi_schema = made
    return app.openapi_schema


async def _of_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, SwarmError)
    members = problem.of_error(error)
    again = {"retry-after": str(problem.RETRY_AFTER)} if members["status"] == 503 else None
    return as_problem(members, again)


async def _of_invalid(_: Request, error: Exception) -> Response:
    """Which part of the request is wrong, and how; not what was sent there, which may be a secret."""
    assert isinstance(error, RequestValidationError)
    faults = [{"where": list(one["loc"]), "what": one["msg"]} for one in error.errors()[:MOST_ERRORS]]
    first = f"{'.'.join(map(str, faults[0]['where']))}: {faults[0]['what']}" if faults else "it is not as it should be"
    members = problem.problem(422, first, f"see {DOCUMENT}", errors=faults, exit_code=2)
    return as_problem(members | {"type": "urn:swarmctl:invalid"})


async def _of_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = f"there is nothing at {request.url.path}" if error.status_code == 404 else str(error.detail)
    headers = {"allow": _allowed(request)} if error.status_code == 405 else dict(error.headers or {})
    return as_problem(problem.problem(error.status_code, detail, f"see {DOCUMENT}"), headers)


def _allowed(request: Request) -> str:
    """The methods of a path; the framework names those of one route alone."""
    path = request.url.path
    routes = [one for one in request.app.routes if isinstance(one, Route)]
    return ", ".join(sorted({method for one in routes if one.path_regex.match(path) for method in one.methods or ()}))


async def _of_fault(_: Request, error: Exception) -> Response:
    """Nothing of the inside: what it was stands in the server's own log."""
    return as_problem(problem.problem(500, "a fault of the server's", "its log says more"))
