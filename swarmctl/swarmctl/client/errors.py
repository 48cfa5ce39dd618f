"""What can go wrong at a distance: the errors of the log itself, made anew from what the server says, and two more."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from swarm_store import errors
from swarm_store.errors import SwarmError, WrongUsage

PREFIX = "urn:swarmctl:"


class Unreachable(SwarmError):
    """The server does not answer. `was_sent`: it may have got the request, and done what was asked."""

    def __init__(self, message: str, hint: str = "", *, was_sent: bool = False) -> None:
        super().__init__(message, hint)
        self.was_sent = was_sent


class NotAllowed(SwarmError):
    """The server does not know the token, or the token does not allow that."""


class NotFound(SwarmError):
    """There is nothing at that place on the server."""


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


# The classes of the store by the names that problems have; those that the store keeps elsewhere count as their bases.
_KINDS: dict[str, type[SwarmError]] = {
    _kebab(kind.__name__): kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SwarmError)
}
_KINDS["no-log"] = errors.LogUnusable
_BY_STATUS: dict[int, type[SwarmError]] = {400: WrongUsage, 401: NotAllowed, 403: NotAllowed, 404: NotFound}
_BY_STATUS |= {410: NotFound, 422: WrongUsage}


def error_of(status: int, body: bytes, *, server: str) -> SwarmError:
    """The error that an answer of `status` with this body tells of."""
    problem = _problem(body)
    if problem is None:
        return SwarmError(f"{server} answered {status}, and not as swarmctl serve does", "look what is at that URL")
    message, hint = str(problem.get("detail") or problem.get("title") or status), str(problem.get("hint") or "")
    kind = _KINDS.get(str(problem.get("type", "")).removeprefix(PREFIX)) or _BY_STATUS.get(status, SwarmError)
    error = SwarmError.__new__(kind)  # some of the family take more to be made than they keep
    SwarmError.__init__(error, message, hint)
    error.exit_code = int(problem.get("exit_code") or kind.exit_code)
    return error


def _problem(body: bytes) -> Mapping[str, Any] | None:
    try:
        members = json.loads(body)
    except ValueError:
        return None
    return members if isinstance(members, dict) and "status" in members else None
