"""One agent: what it is, its runs, and what has happened to it."""

from __future__ import annotations

from typing import Any

from rich.text import Text

from swarm_store.events import Record
from swarm_store.fold import Agent

from ..render import COLOURS, age, command_line, ending, printable, status
from . import picture
from .events import event_row
from .listing import Listing

FACTS = ("cwd", "parent", "restart", "timeout", "grace", "silence", "limits", "host", "limited_by")


class About(Listing):
    """Lines about one agent."""

    def __init__(self) -> None:
        super().__init__(id="about")
        self._lines: list[Text] = []

    def count(self) -> int:
        return len(self._lines)

    def row(self, index: int) -> Text:
        return self._lines[index]

    def show(self, agent: Agent | None, history: list[Record]) -> None:
        """Show this agent, if there is one."""
        self._lines = about(agent, history) if agent else []
        self.move_to(self.cursor)


def about(agent: Agent, history: list[Record]) -> list[Text]:
    """The lines; `history` is the agent's registry events. What is newest comes first."""
    lines = [_fact("id", agent["id"]), _fact("name", agent["name"]), _fact("command", command_line(agent))]
    lines += [_fact(key, value) for key, value in agent["labels"].items()]
    lines += [_fact(key, agent[key]) for key in FACTS if agent.get(key) not in (None, {}, [])]
    lines += [Text(), Text("RUN  STATE         STARTED                      AFTER    EXIT     WHY", "bold")]
    lines += [_run(run) for run in picture.runs(history)]
    lines += [Text(), Text("EVENTS", "bold"), *(event_row(record, "") for record in reversed(history))]
    return lines


def _fact(key: str, value: Any) -> Text:
    return Text.assemble((f"{printable(key):<11} ", "dim"), printable(str(value if value is not None else "-")))


def _run(run: Agent) -> Text:
    row = Text(f"{run['run']:<4} ")
    row.append(f"{picture.SIGNS.get(status(run), ' ')} {status(run):<11} ", COLOURS.get(status(run), ""))
    row.append(f"{run['started_at'] or '-':<28} {age(run['started_at'], run['ended_at']):<8} {ending(run):<8} ")
    row.append(printable(str(run["reason"] or "")))
    return row
