"""The timeline: what happens to whom, newest last."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.text import Text

from swarm_store.clock import SECOND
from swarm_store.events import Record

from ..render import printable
from ..streams import event_facts
from .listing import Listing

MOST = 5000  # events that are held
COLOURS = {
    "agent:spawned": "cyan",
    "agent:started": "green",
    "agent:exited": "bold",
    "agent:start_failed": "red",
    "agent:lost": "red",
    "agent:crash_looped": "red",
    "agent:restarted": "yellow",
    "agent:fell_silent": "yellow",
}


class Timeline(Listing):
    """Events of the registry. At its end, it follows."""

    def __init__(self, name_of: Callable[[str], str]) -> None:
        super().__init__(id="events")
        self._name_of = name_of
        self._events: list[Record] = []

    def count(self) -> int:
        return len(self._events)

    def row(self, index: int) -> Text:
        return event_row(self._events[index], self._name_of(self._events[index].key or ""))

    def learn(self, events: list[Record], *, whole: bool) -> None:
        """Take up what has happened; `whole`: that is all."""
        follows = whole or self.cursor >= self.count() - 1
        kept = [] if whole else self._events
        extra = max(0, len(kept) + len(events) - MOST)
        self._events = [*kept, *events][extra:]
        self.move_to(self.count() - 1 if follows else self.cursor - extra)


def event_row(record: Record, name: str) -> Text:
    """An event as a line: when by the clock here, who, what, and what is said of it."""
    clock = datetime.fromtimestamp(record.time / SECOND).strftime("%H:%M:%S")
    row = Text(end="")
    row.append(f"{clock} ", "dim")
    row.append(f"{name[:14]:<14} " if name else "")
    row.append(f"{printable(record.type):<18} ", COLOURS.get(record.type, ""))
    row.append(event_facts(record), "dim")
    return row
