"""The last line that an agent has written: what a list of many agents shows of each."""

from __future__ import annotations

from typing import Any

from swarm_store import events
from swarm_store.clock import rfc3339
from swarm_store.events import OUTPUT_TYPES, Record
from swarm_store.log import Log

CHUNKS = 4  # of the newest, in which a line is looked for
MOST_BYTES = 4096  # of the end of each
MOST_CHARACTERS = 400
_STREAMS = {type: name for name, type in OUTPUT_TYPES.items()}


def last_line(log: Log, agent_id: str, *, after: int = -1) -> dict[str, Any] | None:
    """The last line that is not blank, where it was written after that position; what is no UTF-8 is U+FFFD in it."""
    types = list(OUTPUT_TYPES.values())
    chunks = log.read(events.agent_stream(agent_id), types=types, limit=CHUNKS, backwards=True)
    for chunk in chunks:
        if chunk.position <= after:
            return None
        text = _last_of(chunk)
        if text:
            place = {"position": chunk.position, "offset": chunk.offset, "time": rfc3339(chunk.time)}
            return {**place, "stream": _STREAMS[chunk.type], "text": text}
    return None


def _last_of(chunk: Record) -> str:
    """The last line of a chunk that is not blank, or nothing. Pure."""
    end = (chunk.payload or b"")[-MOST_BYTES:].replace(b"\r", b"\n")
    lines = [line for line in end.split(b"\n") if line.strip()]
    return lines[-1].decode("utf-8", "replace")[-MOST_CHARACTERS:] if lines else ""
