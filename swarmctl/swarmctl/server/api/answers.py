"""Answers as they are sent, and as the document tells of them."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Response
from fastapi.routing import APIRoute

from .. import problem
from .models import Invalid, Problem

PREFIX = "/v1"
NO_STORE = {"cache-control": "no-store"}
BYTES = "application/octet-stream"
LINES = "application/x-ndjson"

_WHAT = {
    400: "What is asked for makes no sense.",
    401: "No token, or one that is not valid.",
    403: "The token does not allow it.",
    404: "There is none.",
    409: "Its state does not allow it, or somebody else has it.",
    413: "The body is too large.",
    421: "The Host header names another server.",
    422: "The request is not as it should be, or the command cannot be started.",
    431: "More than 32 KB, or 100 lines, of headers, path and query.",
    500: "A fault of the server's, which it has written down.",
    503: "The log cannot be used just now; try again.",
}
EVERYWHERE = (400, 401, 403, 404, 413, 421, 422, 431, 500, 503)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How the document tells of these errors."""
    return {
        status: {"model": Invalid if status == 422 else Problem, "description": _WHAT[status]} for status in statuses
    }


def new_router(tag: str) -> APIRouter:
    """A router on /v1 whose operations are named after their functions, and have the errors that every one can have."""
    return APIRouter(prefix=PREFIX, tags=[tag], responses=problems(*EVERYWHERE), generate_unique_id_function=_operation)


def _operation(route: APIRoute) -> str:
    return route.name


def of_bytes(media_type: str, description: str) -> dict[int | str, dict[str, Any]]:
    """How the document tells of an answer that is no JSON."""
    shape = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": description, "content": {media_type: shape}}}


def as_json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """One JSON document, in ASCII: a command line may hold bytes that no encoding knows."""
    body = json.dumps(value, separators=(",", ":")).encode("ascii")
    return Response(body, status, {**NO_STORE, **(headers or {})}, "application/json")


def as_problem(members: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    """An error."""
    return Response(problem.body(members), members["status"], {**NO_STORE, **(headers or {})}, problem.MEDIA_TYPE)
