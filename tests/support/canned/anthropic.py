"""Anthropic's Messages: requests read, answers written. Pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from support.canned.dialogue import RESULT, USER, Asked, Piece, asked, text_of
from support.canned.ledger import Tokens
from support.canned.script import Reply

WRITES_CACHE = True
STOPS = {"end": "end_turn", "tools": "tool_use", "length": "max_tokens", "refusal": "refusal"}


def read(body: dict[str, Any], headers: dict[str, str]) -> Asked:
    said = []
    for message in body["messages"]:
        if message["role"] != "user":
            continue
        content = message["content"]
        for block in content if isinstance(content, list) else [{"type": "text", "text": content}]:
            who = RESULT if block["type"] == "tool_result" else USER
            said.append((who, text_of(block.get("content")) if who is RESULT else text_of(block)))
    return asked(
        said,
        conversation=_session(body),
        model=body["model"],
        tools=[tool["name"] for tool in body.get("tools") or ()],
        stream=bool(body.get("stream")),
    )


def _session(body: dict[str, Any]) -> str | None:
    """Claude Code says its session in the metadata's user id, as JSON."""
    try:
        return str(json.loads(body["metadata"]["user_id"])["session_id"])
    except (KeyError, TypeError, ValueError):
        return None


def whole(reply: Reply, model: str, tokens: Tokens) -> dict[str, Any]:
    return {
        **_message(model),
        "content": _blocks(reply),
        "stop_reason": STOPS[reply.stop],
        "usage": _usage(tokens),
    }


def stream(reply: Reply, model: str, tokens: Tokens) -> Iterator[Piece]:
    yield _piece("message_start", message={**_message(model), "usage": {**_usage(tokens), "output_tokens": 1}})
    for index, block in enumerate(_blocks(reply)):
        yield _piece("content_block_start", index=index, content_block=_empty(block))
        for number, delta in enumerate(_deltas(block, reply)):
            yield _piece("content_block_delta", index=index, delta=delta, waits=reply.gated and number > 0)
        yield _piece("content_block_stop", index=index)
    yield _piece("message_delta", delta={"stop_reason": STOPS[reply.stop], "stop_sequence": None}, usage=_usage(tokens))
    yield _piece("message_stop")


def error(reply: Reply) -> dict[str, Any]:
    kind = "rate_limit_error" if reply.status == 429 else "api_error"
    return {"type": "error", "error": {"type": kind, "message": f"canned error {reply.status}"}}


def _message(model: str) -> dict[str, Any]:
    return {
        "id": f"msg_{uuid.uuid4().hex[:24]}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(reply: Reply) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if reply.thought:
        blocks.append({"type": "thinking", "thinking": reply.thought, "signature": "canned"})
    if reply.text:
        blocks.append({"type": "text", "text": reply.text})
    for call in reply.calls:
        id = f"toolu_{uuid.uuid4().hex[:24]}"
        blocks.append({"type": "tool_use", "id": id, "name": call.name, "input": call.input})
    return blocks


def _empty(block: dict[str, Any]) -> dict[str, Any]:
    return block | {name: type(block[name])() for name in ("text", "thinking", "signature", "input") if name in block}


def _deltas(block: dict[str, Any], reply: Reply) -> list[dict[str, Any]]:
    if block["type"] == "text":
        return [{"type": "text_delta", "text": chunk} for chunk in reply.chunks]
    if block["type"] == "thinking":
        return [
            {"type": "thinking_delta", "thinking": block["thinking"]},
            {"type": "signature_delta", "signature": block["signature"]},
        ]
    return [{"type": "input_json_delta", "partial_json": json.dumps(block["input"])}]


def _usage(tokens: Tokens) -> dict[str, int]:
    return {
        "input_tokens": tokens.input,
        "cache_creation_input_tokens": tokens.cache_write,
        "cache_read_input_tokens": tokens.cache_read,
        "output_tokens": tokens.output,
    }


def _piece(event: str, *, waits: bool = False, **said: Any) -> Piece:
    return Piece({"type": event, **said}, event, waits)
