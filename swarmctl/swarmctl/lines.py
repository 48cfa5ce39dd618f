"""The last line that an agent has written, or said: what a list of many agents shows of each."""

from __future__ import annotations

from typing import Any

from swarm_store import events
from swarm_store.clock import rfc3339
from swarm_store.events import OUTPUT_TYPES, Record
from swarm_store.log import Log
from swarm_store.session_events import MESSAGE

MESSAGES = 16  # of the newest, in which one of the agent's own is looked for
CHUNKS = 4  # of the newest, in which a line is looked for
MOST_BYTES = 4096  # of the end of each
MOST_CHARACTERS = 400
_STREAMS = {type: name for name, type in OUTPUT_TYPES.items()}


def last_line(log: Log, agent_id: str, *, after: int = -1) -> dict[str, Any] | None:
    """The last line that is not blank, where it was written after that position; what is no UTF-8 is U+FFFD in it.

    Of an AI agent, whose output is its protocol, it is the beginning of what it has said last.
    """
    said = log.read(types=[MESSAGE], key=agent_id, lifecycle=True, limit=MESSAGES, backwards=True)
    if said:
        last = next((one for one in said if one.data["role"] == "assistant" and one.data["text"].strip()), None)
        if last is None or last.position <= after:
            return None
        text = last.data["text"].strip().splitlines()[0][:MOST_CHARACTERS]
        return {**_place(last), "stream": "stdout", "text": text}
    types = list(OUTPUT_TYPES.values())
    chunks = log.read(events.agent_stream(agent_id), types=types, limit=CHUNKS, backwards=True)
    for chunk in chunks:
        if chunk.position <= after:
            return None
        text = _last_of(chunk)
        if text:
            return {**_place(chunk), "stream": _STREAMS[chunk.type], "text": text}
    return None


def _place(record: Record) -> dict[str, Any]:
    return {"position": record.position, "offset": record.offset, "time": rfc3339(record.time)}


def _last_of(chunk: Record) -> str:
    """The last line of a chunk that is not blank, or nothing. Pure."""
    end = (chunk.payload or b"")[-MOST_BYTES:].replace(b"\r", b"\n")
    lines = [line for line in end.split(b"\n") if line.strip()]
    return lines[-1].decode("utf-8", "replace")[-MOST_CHARACTERS:] if lines else ""
