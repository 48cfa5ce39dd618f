"""What an agent's errors mean. Pure: they are told apart by their codes, and by what agents of these versions say.

An error of the model's API comes as an error of the protocol (opencode, gemini, claude-agent-acp) or in a turn that
says that it ended well (codex-acp).
"""

from __future__ import annotations

import json
import re
from typing import Any

from acp.exceptions import RequestError

from ...driver import DriverError, NotLoggedIn, SessionGone
from ...facts import Completed, Outcome

AUTH_REQUIRED, NOT_FOUND = -32000, -32002
OUTCOMES: dict[str, Outcome] = {
    "end_turn": "completed",
    "max_tokens": "limited",
    "max_turn_requests": "limited",
    "refusal": "refused",
    "cancelled": "interrupted",
}
GONE = re.compile(
    r"no rollout found|invalid session id|no previous sessions|session not found|no conversation found"
    r"|--resume requires a valid session|resource not found|thread not found",
    re.IGNORECASE,
)
QUOTA = re.compile(r"\b429\b|rate.?limit|usage limit|quota|too many requests|RESOURCE_EXHAUSTED", re.IGNORECASE)
EPOCH = re.compile(r"\|(1\d{9})\b")  # claude: Claude AI usage limit reached|1760000000
WAIT = re.compile(
    r"(?:again|reset\w*|retry|wait)\D{0,20}? (?:in|after) ((?:\d+(?:\.\d+)? ?[a-z]+[ ,and]*)+)", re.IGNORECASE
)
SPAN = re.compile(r"(\d+(?:\.\d+)?) ?(d|h|m(?!s)|s)", re.IGNORECASE)
SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
REASON_MOST = 500  # characters


def opening(error: RequestError, name: str, session: str | None) -> DriverError:
    """Why a session cannot be opened."""
    why = reason(error)
    if error.code == AUTH_REQUIRED:
        return NotLoggedIn(f"{name} is not logged in: {why}", "sign in with its own command line, or set its API key")
    if session is not None and _is_gone(error, why):
        return SessionGone(f"{name} does not know the session {session}: {why}", "spawn another agent")
    return DriverError(f"{name} cannot open a session: {why}")


def _is_gone(error: RequestError, why: str) -> bool:
    if error.code == NOT_FOUND or GONE.search(why):
        return True
    # opencode says no more than that; its other errors have a name
    return isinstance(error.data, dict) and error.data.get("service") == "session" and "errorName" not in error.data


def failed(error: RequestError, now: float) -> Completed:
    """What a turn came to that was answered by an error. `now`: seconds of the Unix clock."""
    why = reason(error)
    if error.code == AUTH_REQUIRED:
        why = f"nobody is logged in: {why}"
    kind = error.data.get("errorKind") if isinstance(error.data, dict) else None
    is_quota = error.code == 429 or kind == "rate_limit"
    return Completed("failed", None, why, retry_at(why, now, is_quota=is_quota))


def ended(stop_reason: Any, *, is_failing: bool, has_denied: bool, notice: str | None, now: float) -> Completed:
    """What a turn came to that was answered by a stop reason."""
    stop = stop_reason if isinstance(stop_reason, str) else None
    if is_failing and stop == "end_turn":
        why = plain(notice or "the model's API failed")
        return Completed("failed", stop, why, retry_at(why, now))
    outcome = OUTCOMES.get(stop or "")
    if outcome is None:
        return Completed("failed", stop, f"the turn ended for an unknown reason: {stop_reason!r}")
    if outcome == "interrupted" and has_denied:
        return Completed("denied", stop, "a request was denied, and the agent ended its turn for it")
    return Completed(outcome, stop)


def reason(error: RequestError) -> str:
    """What an error says, in one line."""
    said = plain(str(error))
    details = error.data.get("details") if isinstance(error.data, dict) else None
    if isinstance(details, str):
        said = plain(details) if said == "Internal error" else f"{said}: {plain(details)}"
    return said


def plain(text: str) -> str:
    """The message in a text that may be JSON of an API, in one line."""
    found: Any = text.strip().removeprefix("Internal error: ")
    try:
        found = json.loads(found)
    except ValueError:
        pass
    while isinstance(found, dict):
        found = found.get("error") or found.get("message") or text
    return " ".join(str(found).split())[:REASON_MOST]


def retry_at(text: str, now: float, *, is_quota: bool = False) -> float | None:
    """From when on a quota allows more: 0.0 where the error does not say, None where it is of no quota."""
    if not is_quota and not QUOTA.search(text):
        return None
    if moment := EPOCH.search(text):
        return float(moment[1])
    wait = WAIT.search(text)
    spans = SPAN.findall(wait[1]) if wait else []
    return now + sum(float(count) * SECONDS[unit.lower()] for count, unit in spans) if spans else 0.0
