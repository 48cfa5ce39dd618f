"""A permission that an agent asks for, and the answer that it can be given. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...facts import Answer, Option

CANCELLED = {"outcome": {"outcome": "cancelled"}}
READS = ("read", "search")  # kinds of tools that change nothing
KINDS = ("allow_once", "allow_always", "reject_once", "reject_always")
NOT_EDITED = "this agent cannot be given another input than it asked for, so it was denied: answer without --edit"


def options(offered: Any) -> tuple[Option, ...]:
    """The answers that are offered, without what is none."""
    found = []
    for one in offered if isinstance(offered, list) else []:
        if isinstance(one, dict) and isinstance(one.get("optionId"), str) and one.get("kind") in KINDS:
            found.append(Option(one["optionId"], one["kind"], str(one.get("name") or one["optionId"])))
    return tuple(found)


def answered(answer: Answer, offered: Sequence[Option]) -> dict[str, Any]:
    """What the agent is told. By kind: the ids differ from agent to agent. Cancelled where nothing offered says it."""
    chosen = answer.option or _choice(answer.granted, offered)
    if chosen is None:
        return CANCELLED
    return {"outcome": {"outcome": "selected", "optionId": chosen}}


def _choice(granted: bool, offered: Sequence[Option]) -> str | None:
    wanted = ("allow_once", "allow_always") if granted else ("reject_once", "reject_always")
    return next((one.id for kind in wanted for one in offered if one.kind == kind), None)
