"""The tool calls of a session as they come, and which of them can be deferred.

Measured: of several calls that are deferred in one message all but the last are lost, without a word to the model; a
subagent's deferred call is lost with the subagent; and what runs in the background dies with the process. Where a call
is held back, the message's others still run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from . import reading
from .protocol import Call, Json, kind

WHOLE_SECONDS = 60.0  # that the rest of a message may take; a call that waited so long is asked about live
_SHELLS = ("local_bash", "shell")


class Calls:
    """What is known of the calls of the message that is being said, and of what runs beside."""

    def __init__(self) -> None:
        self._message: str | None = None
        self._calls: dict[str, tuple[str, Json]] = {}  # of the agent's own last message
        self._inputs: dict[str, Json] = {}
        self._done: set[str] = set()
        self._deferred: set[str] = set()
        self._whole = asyncio.Event()
        self._whole.set()
        self._tasks: list[Json] = []

    def agents_run(self) -> bool:
        """Whether an agent of its own runs in the background: its report will be a turn of its own."""
        return any(one.get("task_type") not in _SHELLS for one in self._tasks)

    def follow(self, message: Json) -> None:
        """Take in one more message."""
        what = kind(message)
        if what == "stream_event":
            self._follow_delta(message)
        elif what == "assistant":
            self._follow_assistant(message)
        elif what == "user":
            self._done |= {str(block.get("tool_use_id")) for block in reading.blocks(message)}
        elif what == "result":
            self._whole.set()
        elif message.get("subtype") == "background_tasks_changed":
            tasks = message.get("tasks")
            self._tasks = [one for one in tasks if isinstance(one, dict)] if isinstance(tasks, list) else []

    def settle(self, call: str) -> None:
        """It was answered whether a call may run: nothing is lost of that any more."""
        self._done.add(call)

    def shown(self, call: str, given: Json) -> Json:
        """A call's input as the model gave it, where the hook is given less."""
        return given or self._inputs.get(call, {})

    async def can_defer(self, call: Call, is_free: Callable[[str, str, Json, str], bool]) -> bool:
        """Whether the turn can end before this call, and no other of its message is lost. It is held back then."""
        if call.subagent or self._tasks:
            return False
        try:
            async with asyncio.timeout(WHOLE_SECONDS):
                await self._whole.wait()
        except TimeoutError:
            return False
        if self._deferred or self._tasks:
            return False
        others = ((id, *what) for id, what in self._calls.items() if id != call.id and id not in self._done)
        if not all(is_free(id, tool, given, call.mode) for id, tool, given in others):
            return False
        self._deferred.add(call.id)
        return True

    def _follow_delta(self, message: Json) -> None:
        if reading.begins_message(message):
            self._whole.clear()
        elif reading.ends_message(message):
            self._whole.set()

    def _follow_assistant(self, message: Json) -> None:
        said = message.get("message")
        if message.get("parent_tool_use_id") or not isinstance(said, dict):
            return
        if said.get("id") != self._message:
            self._message, self._calls = str(said.get("id")), {}
            self._deferred.clear()
        for block in reading.blocks(message):
            if block.get("type") == "tool_use":
                given = block.get("input")
                self._inputs[str(block.get("id"))] = given = given if isinstance(given, dict) else {}
                self._calls[str(block.get("id"))] = (str(block.get("name")), given)
