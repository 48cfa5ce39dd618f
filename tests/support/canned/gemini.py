"""Gemini's generateContent: requests read, answers written. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from support.canned.dialogue import RESULT, USER, Asked, Piece, asked, text_of
from support.canned.ledger import Tokens
from support.canned.script import Reply

WRITES_CACHE = False
STOPS = {"end": "STOP", "tools": "STOP", "length": "MAX_TOKENS", "refusal": "SAFETY"}


def read(body: dict[str, Any], headers: dict[str, str]) -> Asked:
    """The model and whether it is streamed are in the path, which the server has put beside the body."""
    said = []
    for content in body.get("contents", []):
        if content.get("role", "user") != "user":
            continue
        for part in content["parts"]:
            if "functionResponse" in part:
                said.append((RESULT, json.dumps(part["functionResponse"].get("response"))))
            else:
                said.append((USER, text_of(part)))
    declared = [one for tool in body.get("tools") or () for one in tool.get("functionDeclarations", ())]
    return asked(
        said,
        conversation=None,
        model=body["model"],
        tools=[one["name"] for one in declared],
        stream=bool(body.get("stream")),
    )


def whole(reply: Reply, model: str, tokens: Tokens) -> dict[str, Any]:
    return _response(_parts(reply), model, tokens, STOPS[reply.stop])


def stream(reply: Reply, model: str, tokens: Tokens) -> Iterator[Piece]:
    if not reply.gated:
        yield Piece(whole(reply, model, tokens))
        return
    for number, chunk in enumerate(reply.chunks):
        yield Piece(_response([{"text": chunk}], model), waits=number > 0)
    yield Piece(_response([{"text": ""}], model, tokens, STOPS[reply.stop]))


def error(reply: Reply) -> dict[str, Any]:
    status = "RESOURCE_EXHAUSTED" if reply.status == 429 else "INTERNAL"
    said: dict[str, Any] = {"code": reply.status, "message": f"canned error {reply.status}", "status": status}
    if "retry-after" in reply.headers:
        delay = f"{reply.headers['retry-after']}s"
        said["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}]
    return {"error": said}


def _parts(reply: Reply) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    if reply.thought:
        parts.append({"text": reply.thought, "thought": True})
    if reply.text:
        parts.append({"text": reply.text})
    return parts + [{"functionCall": {"name": call.name, "args": call.input}} for call in reply.calls]


def _response(
    parts: list[dict[str, Any]], model: str, tokens: Tokens | None = None, finish: str | None = None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    made: dict[str, Any] = {"candidates": [candidate], "modelVersion": model}
    if tokens is not None:
        made["usageMetadata"] = _usage(tokens)
    return made


def _usage(tokens: Tokens) -> dict[str, int]:
    given = tokens.input + tokens.cache_read
    return {
        "promptTokenCount": given,
        "cachedContentTokenCount": tokens.cache_read,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "thoughtsTokenCount": tokens.reasoning,
        "totalTokenCount": given + tokens.output,
    }
