"""Every error in one shape: RFC 9457's problem+json, with the hint and the exit status of the command line."""

from __future__ import annotations

import json
import re
from typing import Any

from swarm_store.errors import (
    CannotStart,
    ContentTypeConflict,
    HomeRefused,
    LogBusy,
    LogUnusable,
    NameTaken,
    NoSuchAgent,
    NoSuchApproval,
    NoSuchStream,
    NotPossible,
    OffsetConflict,
    ProducerFenced,
    ProducerGap,
    SequenceConflict,
    StreamClosed,
    StreamConflict,
    StreamGone,
    SwarmError,
    TooDeep,
    TreeRefused,
    WrongUsage,
)
from swarm_store.opening import NoLog
from swarm_store.tokens import BeyondToken, NoSuchToken

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 1  # seconds
_TITLES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    410: "Gone",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    503: "Service Unavailable",
}
# The first that an error is an instance of.
_STATUS: tuple[tuple[type[SwarmError], int], ...] = (
    (NoLog, 404),
    (NoSuchAgent, 404),
    (NoSuchApproval, 404),
    (NoSuchStream, 404),
    (NoSuchToken, 404),
    (StreamGone, 410),
    (StreamConflict, 409),
    (StreamClosed, 409),
    (ContentTypeConflict, 409),
    (SequenceConflict, 409),
    (ProducerGap, 409),
    (NotPossible, 409),
    (NameTaken, 409),
    (TooDeep, 409),
    (TreeRefused, 409),
    (OffsetConflict, 409),
    (ProducerFenced, 403),
    (BeyondToken, 403),
    (WrongUsage, 400),
    (CannotStart, 422),
    (LogBusy, 503),
    (LogUnusable, 503),
    (HomeRefused, 503),
)


def status_of(error: SwarmError) -> int:
    """The HTTP status of an error."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def problem(status: int, detail: str, hint: str = "", **more: Any) -> dict[str, Any]:
    """The members of a problem; `more` adds to them."""
    title = _TITLES.get(status, "Error")
    return {"type": "about:blank", "title": title, "status": status, "detail": detail, "hint": hint, **more}


def of_error(error: SwarmError) -> dict[str, Any]:
    """The problem that an error is; its `type` says the error's class."""
    name = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()
    kind = {"type": f"urn:swarmctl:{name}", "exit_code": error.exit_code}
    return problem(status_of(error), error.message, error.hint) | kind


def body(members: dict[str, Any]) -> bytes:
    """A problem as it is sent."""
    return json.dumps(members).encode()
