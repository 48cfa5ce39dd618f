"""What a session that is loaded tells of itself again: it is not said again, but tells what the agent knows. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .calls import text, text_of

USER, AGENT = "user_message_chunk", "agent_message_chunk"


class History:
    """The updates of a history, in their order: of them the user's turns are kept, and the agent's last message."""

    def __init__(self) -> None:
        self._turns: list[str] = []
        self._last = ""
        self._before: tuple[str | None, str | None] = (None, None)

    def hear(self, update: dict[str, Any]) -> None:
        """One more."""
        what, name = text(update.get("sessionUpdate")), text(update.get("messageId"))
        piece = text_of(update.get("content"))
        goes_on = (what, name) == self._before
        if what == USER and goes_on and name is not None:
            self._turns[-1] += piece
        elif what == USER:
            self._turns.append(piece)
        elif what == AGENT:
            self._last = self._last + piece if goes_on else piece
        self._before = (what, name)

    def turns(self, is_said: Callable[[str], bool]) -> list[str]:
        """The user's turns."""
        return [turn for turn in self._turns if is_said(turn)]

    def ends_with(self, said: str | None) -> bool:
        """Whether the agent's last message in it begins with that."""
        return bool(said and said.strip()) and self._last.strip().startswith((said or "").strip())
