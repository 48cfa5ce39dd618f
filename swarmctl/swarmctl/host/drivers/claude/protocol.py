"""Claude Code's stream-json, both ways: what its lines are, and the lines that we write. Pure.

One JSON object a line. Besides messages (`system`, `assistant`, `user`, `stream_event`, `result`) there are requests
for control, each with one answer: ours begin and interrupt, its own ask the hook that runs before each tool
(`hook_callback`) and for permission (`can_use_tool`).
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

Json = dict[str, Any]

BEGIN, RULES, INTERRUPT = "begin", "rules", "interrupt"
HOOK = "before-tool"
HOOK_SECONDS = 2_000_000  # what the hook may take: a person may be asked. Its timer knows no more than 2^31 ms


def read(line: bytes) -> Json | None:
    """What a line says; None where it is no JSON object."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def kind(message: Json) -> str:
    """What a message is, in one word."""
    return str(message.get("type"))


def is_delta(message: Json) -> bool:
    """Whether it is a part of what will come whole."""
    return kind(message) == "stream_event"


class Call(NamedTuple):
    """A tool call that the agent asks us about. `subagent`: which of its own agents makes it, None for itself."""

    request: str
    id: str
    tool: str
    input: Json
    subagent: str | None
    mode: str  # of its permissions: default, acceptEdits, plan, auto, dontAsk, bypassPermissions
    description: str


def hooked(message: Json) -> Call | None:
    """The call that the hook before tools is asked about."""
    asked = _asked(message, "hook_callback")
    if asked is None:
        return None
    given = _object(asked.get("input"))
    call = str(given.get("tool_use_id") or asked.get("tool_use_id") or "")
    mode = str(given.get("permission_mode") or "default")
    return _call(message, call, given.get("tool_name"), given.get("tool_input"), given.get("agent_id"), mode, asked)


def wanted(message: Json) -> Call | None:
    """The call that permission is asked for."""
    asked = _asked(message, "can_use_tool")
    if asked is None:
        return None
    call = str(asked.get("tool_use_id") or "")
    return _call(message, call, asked.get("tool_name"), asked.get("input"), asked.get("agent_id"), "default", asked)


def unknown_request(message: Json) -> str | None:
    """The id of a request that we have no answer to."""
    if kind(message) != "control_request" or hooked(message) or wanted(message):
        return None
    return str(message.get("request_id"))


def withdrawn(message: Json) -> str | None:
    """The id of a request of its own that it no longer wants an answer to."""
    return str(message.get("request_id")) if kind(message) == "control_cancel_request" else None


def session(message: Json) -> str | None:
    """The session that its next turn is in: after /clear it is another."""
    said = message.get("session_id") if message.get("subtype") == "init" else None
    return said if isinstance(said, str) else None


def mode(message: Json) -> str | None:
    """The permission mode that it says it is in."""
    said = message.get("permissionMode")
    return said if kind(message) == "system" and isinstance(said, str) else None


def answered(message: Json) -> tuple[str, Json] | None:
    """Its answer to a request of ours: which, and what."""
    if kind(message) != "control_response":
        return None
    response = _object(message.get("response"))
    return str(response.get("request_id")), _object(response.get("response"))


def begin() -> Json:
    """Open the conversation: before each tool we want to be asked."""
    hook = {"matcher": "", "hookCallbackIds": [HOOK], "timeout": HOOK_SECONDS}
    return _request(BEGIN, subtype="initialize", hooks={"PreToolUse": [hook]})


def list_rules() -> Json:
    """What do the user's own settings allow?"""
    return _request(RULES, subtype="list_permission_rules")


def interrupt() -> Json:
    """End the turn."""
    return _request(INTERRUPT, subtype="interrupt")


def user(text: str, uuid: str) -> Json:
    """A turn. Its result names the uuid."""
    return {"type": "user", "uuid": uuid, "message": {"role": "user", "content": text}}


def no_decision(call: Call) -> Json:
    """To the hook: decide as if we were not here, and ask for permission where that says so."""
    return _response(call, {})


def defer(call: Call) -> Json:
    """To the hook: end here, and ask again when the session is resumed."""
    return _response(call, _decision("defer"))


def let(call: Call, changed: Json | None) -> Json:
    """To the hook: it may run, with another input where that is given."""
    return _response(call, _decision("allow", **({} if changed is None else {"updatedInput": changed})))


def forbid(call: Call, why: str) -> Json:
    """To the hook: it may not run. The model is told why."""
    return _response(call, _decision("deny", permissionDecisionReason=why))


def grant(call: Call, changed: Json | None) -> Json:
    """To the request for permission: yes."""
    return _response(call, {"behavior": "allow", "updatedInput": call.input if changed is None else changed})


def refuse(call: Call, why: str) -> Json:
    """To the request for permission: no. The model is told why."""
    return _response(call, {"behavior": "deny", "message": why})


def cannot(request: str) -> Json:
    """To a request that we do not know: it need not wait."""
    return {
        "type": "control_response",
        "response": {"subtype": "error", "request_id": request, "error": "swarmctl has no answer to this request"},
    }


def line(message: Json) -> bytes:
    """A message as it is written."""
    return json.dumps(message).encode() + b"\n"


def _asked(message: Json, subtype: str) -> Json | None:
    if kind(message) != "control_request":
        return None
    asked = _object(message.get("request"))
    return asked if asked.get("subtype") == subtype else None


def _call(message: Json, call: str, tool: Any, given: Any, subagent: Any, mode: str, asked: Json) -> Call:
    said = asked.get("description")
    return Call(
        request=str(message.get("request_id")),
        id=call,
        tool=str(tool or "?"),
        input=_object(given),
        subagent=str(subagent) if subagent else None,
        mode=mode,
        description=said if isinstance(said, str) else "",
    )


def _request(name: str, **request: Any) -> Json:
    return {"type": "control_request", "request_id": name, "request": request}


def _response(call: Call, response: Json) -> Json:
    return {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": call.request, "response": response},
    }


def _decision(decision: str, **more: Any) -> Json:
    return {"hookSpecificOutput": {"hookEventName": "PreToolUse", "permissionDecision": decision, **more}}


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}
