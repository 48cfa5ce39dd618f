"""OpenAI's Responses: requests read, answers written. Pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from support.canned.dialogue import RESULT, USER, Asked, Piece, asked, text_of
from support.canned.ledger import Tokens
from support.canned.script import Reply

WRITES_CACHE = False

IN = "::"  # between a namespace of tools and the name of one in it


def read(body: dict[str, Any], headers: dict[str, str]) -> Asked:
    given = body.get("input", [])
    said = []
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        kind = item.get("type", "message")
        if kind == "message" and item.get("role") == "user":
            content = item["content"]
            said += [(USER, text_of(block)) for block in (content if isinstance(content, list) else [content])]
        elif kind.endswith("_output"):
            said.append((RESULT, text_of(item.get("output"))))
    return asked(
        said,
        conversation=body.get("prompt_cache_key") or headers.get("session_id"),
        model=body["model"],
        tools=list(_tools(body.get("tools") or [])),
        stream=bool(body.get("stream")),
    )


def _tools(given: list[dict[str, Any]]) -> Iterator[str]:
    for tool in given:
        if tool.get("type") == "namespace":
            yield from (f"{tool['name']}{IN}{inner['name']}" for inner in tool["tools"])
        else:
            yield tool.get("name") or tool["type"]


def whole(reply: Reply, model: str, tokens: Tokens) -> dict[str, Any]:
    return {
        "id": f"resp_{uuid.uuid4().hex[:24]}",
        "object": "response",
        "created_at": 0,
        "status": "incomplete" if reply.stop == "length" else "completed",
        "incomplete_details": {"reason": "max_output_tokens"} if reply.stop == "length" else None,
        "model": model,
        "output": _items(reply),
        "usage": _usage(tokens),
    }


def stream(reply: Reply, model: str, tokens: Tokens) -> Iterator[Piece]:
    response = whole(reply, model, tokens)
    yield _piece("response.created", response={"id": response["id"], "status": "in_progress"})
    for index, item in enumerate(response["output"]):
        begun = {**item, "content": [], "status": "in_progress"} if item["type"] == "message" else item
        yield _piece("response.output_item.added", output_index=index, item=begun)
        yield from _deltas(item, index, reply)
        yield _piece("response.output_item.done", output_index=index, item=item)
    yield _piece("response.completed" if reply.stop != "length" else "response.incomplete", response=response)


def error(reply: Reply) -> dict[str, Any]:
    kind = "rate_limit_exceeded" if reply.status == 429 else "server_error"
    return {"error": {"type": kind, "code": kind, "message": f"canned error {reply.status}"}}


def _items(reply: Reply) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if reply.thought:
        summary = [{"type": "summary_text", "text": reply.thought}]
        items.append({"type": "reasoning", "id": f"rs_{uuid.uuid4().hex[:24]}", "summary": summary})
    if reply.text:
        items.append(
            {
                "type": "message",
                "role": "assistant",
                "id": f"msg_{uuid.uuid4().hex[:24]}",
                "status": "completed",
                "content": [{"type": "output_text", "text": reply.text, "annotations": []}],
            }
        )
    for call in reply.calls:
        namespace, _, name = call.name.rpartition(IN)
        items.append(
            {
                **({"namespace": namespace} if namespace else {}),
                "type": "function_call",
                "id": f"fc_{uuid.uuid4().hex[:24]}",
                "call_id": f"call_{uuid.uuid4().hex[:24]}",
                "name": name,
                "arguments": json.dumps(call.input),
                "status": "completed",
            }
        )
    return items


def _deltas(item: dict[str, Any], index: int, reply: Reply) -> Iterator[Piece]:
    at = {"item_id": item["id"], "output_index": index}
    if item["type"] == "message":
        for number, chunk in enumerate(reply.chunks):
            waits = reply.gated and number > 0
            yield _piece("response.output_text.delta", **at, content_index=0, delta=chunk, waits=waits)
    elif item["type"] == "reasoning":
        yield _piece("response.reasoning_summary_text.delta", **at, summary_index=0, delta=reply.thought)


def _usage(tokens: Tokens) -> dict[str, Any]:
    given = tokens.input + tokens.cache_read
    return {
        "input_tokens": given,
        "input_tokens_details": {"cached_tokens": tokens.cache_read},
        "output_tokens": tokens.output,
        "output_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": given + tokens.output,
    }


def _piece(event: str, *, waits: bool = False, **said: Any) -> Piece:
    return Piece({"type": event, **said}, event, waits)
