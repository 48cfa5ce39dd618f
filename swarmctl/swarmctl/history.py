"""Pages of the log's events, of one agent or of all: what `events` shares with the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swarm_store import events as vocabulary
from swarm_store import registry
from swarm_store.errors import NoSuchAgent, WrongUsage
from swarm_store.events import Record
from swarm_store.follow import PAGE
from swarm_store.log import Log


def agent_id(log: Log, word: str) -> str:
    """The id that `word` means; the whole id of an agent that was removed is known by its events."""
    try:
        return str(registry.resolve(log, word)["id"])
    except NoSuchAgent:
        if not registry.is_text(word) or not log.read(key=word, limit=1, payloads=False):
            raise
        return word


def output_types(types: Sequence[str]) -> set[str]:
    """Those of `types` that are output. Raises WrongUsage for what is no text."""
    if not all(map(registry.is_text, types)):
        raise WrongUsage("a type is no text", "swarmctl events shows what types there are")
    return set(types) & set(vocabulary.OUTPUT_TYPES.values())


def pages(log: Log, start: int, types: Sequence[str], key: str | None, *, page: int = PAGE) -> Iterator[list[Record]]:
    """What is there from position `start` on; output only where its type is asked for."""
    outputs = output_types(types)
    if key is not None and outputs:  # output has no key: it is found in its agent's own stream
        yield from _in_stream(log, vocabulary.agent_stream(key), start, types, page)
        return
    while found := log.read(start=start, types=types, key=key, lifecycle=not outputs, limit=page):
        yield found
        start = found[-1].position + 1


def _in_stream(log: Log, stream: str, start: int, types: Sequence[str], page: int) -> Iterator[list[Record]]:
    offset = _offset_at(log, stream, start)
    while found := log.read(stream, start=offset, types=types, limit=page):
        yield found
        offset = found[-1].offset + 1


def _offset_at(log: Log, stream: str, position: int) -> int:
    """The first offset in `stream` whose record is at `position` or later: both grow together."""
    low, high = 0, log.head(stream)
    while low < high:
        middle = (low + high) // 2
        found = log.read(stream, start=middle, limit=1, payloads=False)
        if found and found[0].position < position:
            low = found[0].offset + 1
        else:
            high = middle
    return low
