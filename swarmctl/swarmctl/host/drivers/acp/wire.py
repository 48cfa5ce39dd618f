"""The agent's stdin and stdout as messages, for the protocol library's connection, which asks for a transport.

Updates of a session are handed on here, each to its end, before the next line is read: so what the agent says stays in
order, and an agent that says more than the log takes waits in its own write. Lines that are no message become notices:
agents print banners and warnings.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

from acp.meta import CLIENT_METHODS

from ...driver import Room
from ...facts import Message

UPDATE = CLIENT_METHODS["session_update"]
DELTAS = ("agent_message_chunk", "agent_thought_chunk", "user_message_chunk")
PIECE = 1 << 16
NOTICES_MOST = 20  # of one process: one that logs to stdout would bury the conversation
NOTICE_MOST = 500  # characters


class Wire:
    """A transport. `trouble`: what the room raised, which has ended it."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        room: Room,
        update: Callable[[dict[str, Any]], Awaitable[None]],
    ) -> None:
        self._reader, self._writer, self._room, self._update = reader, writer, room, update
        self._read = bytearray()
        self._looked = 0  # so far there is no end of a line
        self._asked: set[int | str] = set()
        self._notices = 0
        self.trouble: BaseException | None = None

    async def send(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
        await self._writer.drain()

    async def receive(self) -> dict[str, Any] | None:
        """The next request, answer or notification, None at the end. Updates are handed on instead."""
        try:
            while (line := await self._line()) is not None:
                message = await self._take(line)
                if message is not None:
                    return message
        except Exception as error:
            self.trouble = error
        return None

    async def close(self) -> None:
        self._writer.close()

    async def _take(self, line: bytes) -> dict[str, Any] | None:
        if not line.strip():
            return None
        message = parse(line)
        if message is None:
            self._room.raw(line)
            await self._notice(line)
            return None
        if message.get("method") == UPDATE and "id" not in message:
            if not is_delta(message):
                self._room.raw(line)
            await self._update(message.get("params") or {})
            return None
        self._room.raw(line)
        if "method" in message and "id" in message:
            if message["id"] in self._asked:
                return None  # said twice; the first one is answered
            self._asked.add(message["id"])
        return message

    async def _notice(self, line: bytes) -> None:
        self._notices += 1
        if self._notices <= NOTICES_MOST:
            await self._room.say(Message("notice", line.decode(errors="replace").strip()[:NOTICE_MOST]))

    async def _line(self) -> bytes | None:
        while (end := self._read.find(b"\n", self._looked)) < 0:
            self._looked = len(self._read)
            piece = await self._reader.read(PIECE)
            if not piece:
                rest, self._read, self._looked = bytes(self._read), bytearray(), 0
                return rest or None
            self._read += piece
        line, self._looked = bytes(self._read[:end]), 0
        del self._read[: end + 1]
        return line


def parse(line: bytes) -> dict[str, Any] | None:
    """The message that a line is; None where it is none of JSON-RPC's."""
    try:
        message = json.loads(line, parse_float=_number, parse_constant=_number)
    except (ValueError, RecursionError):
        return None
    if not isinstance(message, dict) or not isinstance(message.get("id", 0), int | str):
        return None
    if "method" in message:
        return message if isinstance(message["method"], str) and _is_object(message.get("params")) else None
    return message if "id" in message and ("result" in message or isinstance(message.get("error"), dict)) else None


def _number(said: str) -> float | None:
    """What JSON has no number for, as NaN or 1e999, is unknown: the log could not say it again."""
    number = float(said)
    return number if math.isfinite(number) else None


def is_delta(message: dict[str, Any]) -> bool:
    """Whether it is a piece of a message, which will be said whole."""
    update = (message.get("params") or {}).get("update")
    return isinstance(update, dict) and update.get("sessionUpdate") in DELTAS


def _is_object(value: Any) -> bool:
    return value is None or isinstance(value, dict)
