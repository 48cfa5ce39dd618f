"""What the agent's messages say, as facts: texts, thoughts, tool calls and what became of them, notices. Pure.

In this protocol each block of a message comes as a message of its own, whole. Of a subagent's talk only its tool calls
are handed on: what it found comes as the result of the call it is.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ...facts import Message, Role, Said, ToolCalled, ToolFinished
from .asking import title
from .protocol import Json, kind

REMEMBERED = 4096  # uuids


class Reader:
    """Reads one session's messages in their order."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._open: set[str] = set()  # calls without an end
        self._parts: list[str] = []  # of the message that is being said
        self._role: Role = "assistant"

    def read(self, message: Json) -> list[Said]:
        """The facts of one message."""
        if kind(message) == "assistant":
            if not message.get("parent_tool_use_id"):
                self._parts = []
            return [fact for block in blocks(message) for fact in self._of_assistant(message, block)]
        if kind(message) == "user":
            return [fact for block in blocks(message) for fact in self._of_user(message, block)]
        return _of_system(message) if kind(message) == "system" else []

    def read_part(self, event: Json) -> tuple[Role, str] | None:
        """Who says what part of a message, which is to come whole; None where nobody says anything."""
        part = delta(event)
        if begins_message(event) or (part and part[0] != self._role):
            self._parts = []
        if part:
            self._role = part[0]
            self._parts.append(part[1])
        return part

    def cut_off(self, held: str | None = None) -> list[Said]:
        """What is to be said of a message, and of calls, that will have no end any more; `held` will."""
        whole, self._parts = "".join(self._parts), []
        left, self._open = sorted(self._open - {held}), set()
        said = [Message(self._role, whole)] if whole.strip() else []
        return [*said, *(ToolFinished(call, "interrupted", "") for call in left)]

    def is_double(self, message: Json) -> bool:
        """Whether it has come before; asked once of each."""
        uuid = message.get("uuid")
        if not isinstance(uuid, str):
            return False
        if uuid in self._seen:
            return True
        self._seen[uuid] = None
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        return False

    def _of_assistant(self, message: Json, block: Json) -> list[Said]:
        what, text = block.get("type"), _text(block.get("text"))
        if what == "tool_use":
            call, given = str(block.get("id")), block.get("input")
            given = given if isinstance(given, dict) else {}
            self._open.add(call)
            name = str(block.get("name"))
            return [ToolCalled(call, name, title(name, given), given)]
        if message.get("parent_tool_use_id"):
            return []
        if what == "text" and text.strip():
            return [Message("notice" if _is_synthetic(message) else "assistant", text)]
        thought = _text(block.get("thinking"))
        return [Message("thought", thought)] if what == "thinking" and thought.strip() else []

    def _of_user(self, message: Json, block: Json) -> list[Said]:
        call = block.get("tool_use_id")
        if block.get("type") != "tool_result" or not isinstance(call, str):
            return []
        self._open.discard(call)
        failed = bool(block.get("is_error"))
        return [ToolFinished(call, _status(message, call) if failed else "completed", _text(block.get("content")))]


def delta(message: Json) -> tuple[Role, str] | None:
    """Who says what part of a message, of a stream event; None where nobody says anything."""
    event = message.get("event")
    if not isinstance(event, dict) or message.get("parent_tool_use_id"):
        return None
    part = event.get("delta")
    if event.get("type") != "content_block_delta" or not isinstance(part, dict):
        return None
    if part.get("type") == "text_delta":
        return "assistant", _text(part.get("text"))
    return ("thought", _text(part.get("thinking"))) if part.get("type") == "thinking_delta" else None


def begins_message(message: Json) -> bool:
    """Whether with this stream event a message of the agent itself begins."""
    return _is_event(message, "message_start")


def ends_message(message: Json) -> bool:
    """Whether with this stream event the agent's own message is whole: all of its calls are known."""
    return _is_event(message, "message_stop")


def blocks(message: Json) -> list[Json]:
    """The blocks of a message's content."""
    inner = message.get("message")
    content = inner.get("content") if isinstance(inner, dict) else None
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []


def _is_event(message: Json, what: str) -> bool:
    event = message.get("event")
    return isinstance(event, dict) and event.get("type") == what and not message.get("parent_tool_use_id")


def _of_system(message: Json) -> list[Said]:
    what = message.get("subtype")
    if what == "api_retry":
        tried, most = message.get("attempt"), message.get("max_retries")
        why = " ".join(str(message[key]) for key in ("error_status", "error") if message.get(key))
        return [Message("notice", f"the API does not answer ({why or 'no connection'}): attempt {tried} of {most}")]
    if what == "compact_boundary":
        return [Message("notice", "the conversation was compacted")]
    text = _text(message.get("content"))
    return [Message("notice", text)] if what == "informational" and text.strip() else []


def _status(message: Json, call: str) -> Any:
    """How a call that did not end well ended."""
    meta = message.get("tool_result_meta")
    mine = [one for one in meta if isinstance(one, dict) and one.get("id") == call] if isinstance(meta, list) else []
    if any(one.get("non_execution_kind") in ("user-rejected", "cancelled") for one in mine):
        return "interrupted"
    for one in mine:
        decision = one.get("permission_decision")
        if isinstance(decision, dict) and decision.get("decision") == "reject":
            return "denied"
    return "failed"


def _is_synthetic(message: Json) -> bool:
    """Whether the program says it and not the model."""
    inner = message.get("message")
    return isinstance(inner, dict) and inner.get("model") == "<synthetic>"


def _text(value: Any) -> str:
    """A text, or the texts of the blocks that stand for one."""
    if isinstance(value, list):
        return "\n".join(_text(one.get("text")) or f"[{one.get('type')}]" for one in value if isinstance(one, dict))
    return value if isinstance(value, str) else ""
