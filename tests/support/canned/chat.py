"""OpenAI's Chat Completions, as most others speak it too: requests read, answers written. Pure."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

from support.canned.dialogue import RESULT, USER, Asked, Piece, asked, text_of
from support.canned.ledger import Tokens
from support.canned.script import Reply

WRITES_CACHE = False
STOPS = {"end": "stop", "tools": "tool_calls", "length": "length", "refusal": "content_filter"}
SESSIONS = ("x-session-affinity", "x-opencode-session", "x-session-id")


def read(body: dict[str, Any], headers: dict[str, str]) -> Asked:
    said = []
    for message in body["messages"]:
        if message["role"] == "user":
            content = message["content"]
            said += [(USER, text_of(block)) for block in (content if isinstance(content, list) else [content])]
        elif message["role"] == "tool":
            said.append((RESULT, text_of(message["content"])))
    return asked(
        said,
        conversation=next((headers[name] for name in SESSIONS if name in headers), body.get("user")),
        model=body["model"],
        tools=[tool["function"]["name"] for tool in body.get("tools") or ()],
        stream=bool(body.get("stream")),
    )


def whole(reply: Reply, model: str, tokens: Tokens) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.calls:
        message["tool_calls"] = _calls(reply)
    if reply.thought:
        message["reasoning_content"] = reply.thought
    choice = {"index": 0, "message": message, "finish_reason": STOPS[reply.stop]}
    head = {"id": _id(), "object": "chat.completion", "created": 0, "model": model}
    return {**head, "choices": [choice], "usage": _usage(tokens)}


def stream(reply: Reply, model: str, tokens: Tokens) -> Iterator[Piece]:
    head = {"id": _id(), "object": "chat.completion.chunk", "created": 0, "model": model}

    def chunk(finish: str | None = None, **delta: Any) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield Piece(chunk(role="assistant", content=""))
    if reply.thought:
        yield Piece(chunk(reasoning_content=reply.thought))
    for number, text in enumerate(reply.chunks):
        yield Piece(chunk(content=text), waits=reply.gated and number > 0)
    for index, call in enumerate(_calls(reply)):
        named = {"name": call["function"]["name"], "arguments": ""}
        given = call["function"]["arguments"]
        yield Piece(chunk(tool_calls=[{**call, "index": index, "function": named}]))
        for piece in (given[: len(given) // 2], given[len(given) // 2 :]):
            yield Piece(chunk(tool_calls=[{"index": index, "function": {"arguments": piece}}]))
    yield Piece(chunk(STOPS[reply.stop]))
    yield Piece({**head, "choices": [], "usage": _usage(tokens)})
    yield Piece("[DONE]")


def error(reply: Reply) -> dict[str, Any]:
    kind = "rate_limit_exceeded" if reply.status == 429 else "server_error"
    return {"error": {"type": kind, "code": kind, "message": f"canned error {reply.status}"}}


def _id() -> str:
    return f"chatcmpl-{uuid.uuid4().hex[:24]}"


def _calls(reply: Reply) -> list[dict[str, Any]]:
    return [
        {
            "id": f"call_{uuid.uuid4().hex[:24]}",
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.input)},
        }
        for call in reply.calls
    ]


def _usage(tokens: Tokens) -> dict[str, Any]:
    given = tokens.input + tokens.cache_read
    return {
        "prompt_tokens": given,
        "prompt_tokens_details": {"cached_tokens": tokens.cache_read},
        "completion_tokens": tokens.output,
        "completion_tokens_details": {"reasoning_tokens": tokens.reasoning},
        "total_tokens": given + tokens.output,
    }
