"""Hooks of the fuzzer (schemathesis loads them by $SCHEMATHESIS_HOOKS): nothing is spawned but `true`, and agents that
are there are found by the names that it makes up."""

from __future__ import annotations

from itertools import count
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

NAMES = ("living", "ended")  # of agents that are there when the fuzzing begins
_calls = count()
schemathesis.serializer.alias("application/x-ndjson", "application/octet-stream")


@schemathesis.hook
def before_call(context: schemathesis.HookContext, case: schemathesis.Case[Any], kwargs: dict[str, Any]) -> None:
    """Make a request harmless, and one that is well-formed meet an agent."""
    if case.operation.path == "/v1/agents" and case.method == "POST":
        case.body = harmless(case.body)
    is_positive = case.meta is not None and case.meta.generation.mode is GenerationMode.POSITIVE
    if is_positive and "agent" in (case.path_parameters or {}):
        case.path_parameters["agent"] = NAMES[next(_calls) % len(NAMES)]


def harmless(body: Any) -> Any:
    """The same body with the command `true`, if it has one that could be executed, and no kind that is there."""
    if not isinstance(body, dict):
        return body
    if isinstance(body.get("agent"), str) and body["agent"]:
        body = {**body, "agent": f"none-{body['agent']}".replace(":", "-")}
    command = body.get("command")
    if isinstance(command, list) and command and all(isinstance(word, str) and "\0" not in word for word in command):
        return {**body, "command": ["true"]}
    return body
