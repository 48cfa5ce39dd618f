"""The driver of a model API, open on the canned one; and answers of a service that does not keep to the API."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from support.canned import Canned, chat
from support.canned.dialogue import Piece
from support.looking import DEADLINE
from support.rooms import Room, spec
from swarmctl.host.drivers.api.driver import ApiDriver
from swarmctl.host.facts import Opened

CANNED_PRICE = {"input": 2.0, "output": 10.0, "cached": 0.5}
USED = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


class Tried:
    """A driver that is open, its room, and what opening it gave."""

    def __init__(self, driver: ApiDriver, room: Room, opened: Opened) -> None:
        self.driver, self.room, self.opened = driver, room, opened


@asynccontextmanager
async def opened(
    place: Path, canned: Canned, session: str | None = None, *, room: Room | None = None, **given: Any
) -> AsyncIterator[Tried]:
    """A driver in `place`; `given` are options of the profile, or parts of its spec."""
    parts = {name: given.pop(name) for name in ("env", "model", "counted", "agent_id") if name in given}
    options = {"base_url": f"{canned.url}/v1", "price": CANNED_PRICE, "retries": 0, **given}
    room = room or Room()
    driver = ApiDriver(spec(place, options=options, **parts), room)
    try:
        yield Tried(driver, room, await asyncio.wait_for(driver.open(session), DEADLINE))
    finally:
        await driver.close()


def run(work: Any) -> None:
    asyncio.run(asyncio.wait_for(work, DEADLINE))


def chunk(finish: Any = None, usage: Any = None, **delta: Any) -> dict[str, Any]:
    """A piece of a streamed answer, as the API has it or not."""
    said = {"id": "x", "object": "chat.completion.chunk", "created": 0, "model": "canned-1", "usage": usage}
    return {**said, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def call(arguments: Any, id: str | None = "a", index: int | None = 0, name: str | None = "bash") -> dict[str, Any]:
    """A piece with a call, or a part of one."""
    said = {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return chunk(tool_calls=[said if index is None else {**said, "index": index}])


def next_answer(monkeypatch: pytest.MonkeyPatch, *pieces: dict[str, Any] | str) -> None:
    """Have the canned API answer once with these pieces, and then as always."""
    as_it_was, answers = chat.stream, [[Piece(piece) for piece in (*pieces, "[DONE]")]]

    def stream(*given: Any) -> Iterator[Piece]:
        return iter(answers.pop()) if answers else as_it_was(*given)

    monkeypatch.setattr(chat, "stream", stream)
