"""What an agent has said, a bounded piece at a time: its output, or of an agent of a kind its conversation.

A place is `OFFSET` in the agent's stream, or `OFFSET:BYTES` within a record. It stays good as long as the agent is
there, whatever comes after it, so that whoever asks for what is new says where they were.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from swarm_store import events
from swarm_store import session_events as said
from swarm_store.errors import WrongUsage
from swarm_store.events import Record
from swarm_store.log import Log

PAGE = 64
OUTPUT = tuple(events.OUTPUT_TYPES.values())
CONVERSATION = (said.MESSAGE, said.TOOL_CALLED, said.TOOL_FINISHED, said.APPROVAL_REQUESTED, said.TURN_COMPLETED)


class Place(NamedTuple):
    """Where reading goes on: a record's offset, and so many bytes of it that have been read."""

    offset: int
    bytes: int = 0

    def __str__(self) -> str:
        return f"{self.offset}:{self.bytes}" if self.bytes else str(self.offset)


class Piece(NamedTuple):
    """So much text; `after` is where to go on, and `is_all` whether nothing more was there."""

    text: str
    after: Place
    is_all: bool


def place(word: str | None) -> Place:
    """The place that was said, the beginning by default. Raises WrongUsage."""
    if word is None:
        return Place(0)
    words = word.split(":")
    if len(words) > 2 or not all(word.isascii() and word.isdigit() and len(word) < 18 for word in words):
        raise WrongUsage(f"no place in an agent's output: {word!r}", "give what `next` said before, or nothing")
    return Place(*map(int, words))


def read(log: Log, agent_id: str, start: Place, most: int, *, conversation: bool) -> Piece:
    """Up to `most` bytes from `start` on."""
    stream, types = events.agent_stream(agent_id), CONVERSATION if conversation else OUTPUT
    text, at, skip = bytearray(), start.offset, start.bytes
    while page := log.read(stream, start=at, types=types, limit=PAGE):
        for record in page:
            raw = _bytes(record)[skip:] if record.offset == start.offset else _bytes(record)
            room = most - len(text)
            if len(raw) > room:
                end = _whole(raw, room)
                if end == 0 and not text:
                    end = room  # no character is so long: these are no text
                before = skip if record.offset == start.offset else 0
                text += raw[:end]
                return Piece(_text(text), Place(record.offset, before + end), False)
            text += raw
        at = page[-1].offset + 1
    return Piece(_text(text), Place(max(at, start.offset)) if at > start.offset else start, True)


def last(log: Log, agent_id: str, most: int, *, conversation: bool) -> Place:
    """From where on the last `most` bytes are read."""
    stream, types = events.agent_stream(agent_id), CONVERSATION if conversation else OUTPUT
    left, until = most, log.head(stream)
    while page := log.read(stream, until=until, types=types, limit=PAGE, backwards=True):
        for record in page:
            size = len(_bytes(record))
            if size >= left:
                return Place(record.offset, size - left)
            left -= size
        until = page[-1].offset
    return Place(0)


def _text(raw: bytes | bytearray) -> str:
    return raw.decode("utf-8", "replace")


def _whole(raw: bytes, room: int) -> int:
    """How many of the first `room` bytes do not cut a character."""
    end = room
    while end > max(0, room - 4) and raw[end] & 0xC0 == 0x80:
        end -= 1
    return end


def _bytes(record: Record) -> bytes:
    """What a record says, as bytes to read."""
    if record.type in OUTPUT:
        return record.payload or b""
    return (_sentence(record.type, record.data) + "\n").encode("utf-8", "replace")


def _sentence(type: str, data: dict[str, Any]) -> str:
    if type == said.MESSAGE:
        return f"{data['role']}: {data['text']}"
    if type == said.TOOL_CALLED:
        return f"tool {data['name']}: {data.get('title') or ''} {json.dumps(data.get('input'), ensure_ascii=False)}"
    if type == said.TOOL_FINISHED:
        return f"tool {data['status']}: {data.get('output') or ''}"
    if type == said.APPROVAL_REQUESTED:
        return f"approval {data['approval']} is waited for: {data.get('title') or data.get('tool')}"
    reason = f": {data['reason']}" if data.get("reason") else ""
    return f"turn {data['outcome']}{reason}"
