"""How a turn ended, and what it cost, of the `result` that ends it. Pure.

A status of 0 is not success: what counts is `is_error`, `terminal_reason`, the stop reason and the denials. The
counters of tokens and dollars go on over the turns of a session, and over its resumes where the process had time to
save them; so they start from what the session's own history has saved (see transcript.py).
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any, NamedTuple

from ...facts import Completed, Outcome, Usage
from .protocol import Json

DEFERRED = "tool_deferred"
_ABORTED = ("aborted_streaming", "aborted_tools")
_LIMITED = ("max_turns", "budget_exhausted", "error_max_turns", "error_max_budget_usd", "max_tokens")
_RESET = re.compile(r"limit reached\|(\d{9,11})\b")
_GONE = ("No conversation found", "does not match any session title")


class Deferred(NamedTuple):
    """The call that a turn was ended before."""

    call: str
    tool: str
    input: Json


def deferred(result: Json) -> Deferred | None:
    """What the process ended for, to ask again when it is resumed. Deferred again, the stop reason alone says so."""
    found = result.get("deferred_tool_use")
    if DEFERRED not in (result.get("terminal_reason"), result.get("stop_reason")) or not isinstance(found, dict):
        return None
    given = found.get("input")
    return Deferred(str(found.get("id")), str(found.get("name")), given if isinstance(given, dict) else {})


def completed(
    result: Json, *, interrupted: bool = False, reset: float | None = None, not_denied: Container[str] = ()
) -> Completed:
    """The end of the turn.

    `reset`: when a quota that was reached allows more, in seconds of the Unix clock. `not_denied`: calls that are
    among the denials, but were only not answered.
    """
    denials = [one for one in _objects(result.get("permission_denials")) if one.get("tool_use_id") not in not_denied]
    result = {**result, "permission_denials": denials}
    stop = _word(result.get("stop_reason")) or _word(result.get("terminal_reason"))
    outcome = _outcome(result, interrupted)
    reason = None if outcome in ("completed", "interrupted") else _reason(result, outcome)
    return Completed(outcome, stop, reason, _retry_at(result, reset) if outcome == "failed" else None)


def is_session_gone(result: Json) -> bool:
    """Whether it could not be resumed because nobody knows the session."""
    return any(one in error for error in _errors(result) for one in _GONE)


def startup_error(result: Json) -> str:
    """Why the process ends at once, in one line."""
    return _line("; ".join(_errors(result))) or "it ended at once"


def _outcome(result: Json, interrupted: bool) -> Outcome:
    ended, stop = result.get("terminal_reason"), result.get("stop_reason")
    if ended in _ABORTED and interrupted:
        return "interrupted"
    if any(one in _LIMITED for one in (ended, stop, result.get("subtype"))):
        return "limited"
    if stop == "refusal":
        return "refused"
    is_well = result.get("subtype") == "success" and ended in (None, "completed") and stop != DEFERRED
    if result.get("is_error") or not is_well:
        return "failed"
    return "denied" if result.get("permission_denials") else "completed"


def _reason(result: Json, outcome: str) -> str:
    if outcome == "denied":
        return "denied: " + ", ".join(sorted({str(one.get("tool_name")) for one in result["permission_denials"]}))
    said = _line(_word(result.get("result")) or "") if result.get("is_error") else ""
    told = [_line(one) for one in _errors(result) if not one.startswith("[")]
    words = [result.get("terminal_reason"), result.get("stop_reason"), result.get("subtype")]
    word = next((str(one) for one in words if one and one != "success"), "it did not end well")
    return said or "; ".join(told) or word


def _retry_at(result: Json, reset: float | None) -> float | None:
    said = _RESET.search(_word(result.get("result")) or "")
    if said:
        return float(said[1])
    if result.get("api_error_status") == 429 or reset is not None:
        return reset or 0.0
    return None


def quota_reset(message: Json) -> float | None:
    """When a quota that is used up allows more, 0.0 where that is not said, of a `rate_limit_event`; else None."""
    info = message.get("rate_limit_info")
    if message.get("type") != "rate_limit_event" or not isinstance(info, dict) or info.get("status") != "rejected":
        return None
    at = info.get("resetsAt")
    return float(at) if isinstance(at, (int, float)) else 0.0


_COUNTERS = {
    "input": "inputTokens",
    "output": "outputTokens",
    "cache_read": "cacheReadInputTokens",
    "cache_write": "cacheCreationInputTokens",
    "reasoning": "thinkingTokens",
}


class Meter:
    """Makes deltas of counters that go on. `before`: what they stand at, by model."""

    def __init__(self, before: dict[str, Usage] | None = None) -> None:
        self._before = dict(before or {})

    def read(self, models: Any) -> list[Usage]:
        """What has come since the last reading, of a `modelUsage`."""
        totals = counted(models)
        found = [_since(total, self._before.get(model)) for model, total in totals.items()]
        if any(total != _NOTHING._replace(model=total.model, cost=total.cost) for total in totals.values()):
            self._before |= totals  # all zero: of a process that could not start, not of the session
        return [one for one in found if one != _NOTHING._replace(model=one.model, cost=one.cost) or one.cost]


def counted(models: Any) -> dict[str, Usage]:
    """Counters by model, of a `modelUsage`."""
    known = models.items() if isinstance(models, dict) else ()
    return {str(model): _usage(str(model), counters) for model, counters in known if isinstance(counters, dict)}


_NOTHING = Usage(None)


def _usage(model: str, counters: Json) -> Usage:
    tokens = {ours: _number(counters.get(theirs)) for ours, theirs in _COUNTERS.items()}
    cost = counters.get("costUSD")
    return Usage(model, **tokens, cost=round(cost * 1e6) if isinstance(cost, (int, float)) else None)


def _since(total: Usage, before: Usage | None) -> Usage:
    if before is None or total.input < before.input or total.output < before.output:
        return total  # counted from nothing again
    cost = None if total.cost is None else max(0, total.cost - (before.cost or 0))
    numbers = {name: max(0, getattr(total, name) - getattr(before, name)) for name in _COUNTERS}
    return Usage(total.model, **numbers, cost=cost)


def _number(value: Any) -> int:
    return int(value) if isinstance(value, (int, float)) else 0


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _errors(result: Json) -> list[str]:
    errors = result.get("errors")
    return [one for one in errors if isinstance(one, str)] if isinstance(errors, list) else []


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _line(text: str) -> str:
    return " ".join(text.split())[:500]
