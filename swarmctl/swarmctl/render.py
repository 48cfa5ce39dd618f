"""Agents as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import shlex
import sys
from typing import Any, Literal

from swarm_store.clock import SECOND, now
from swarm_store.fold import Agent

from .values import moment

COLUMNS = ("ID", "NAME", "STATE", "AGE", "EXIT", "COMMAND")
COLOURS = {
    "running": "green",
    "waiting": "yellow",
    "spawned": "cyan",
    "starting": "cyan",
    "failed": "red",
    "lost": "red",
    "lost?": "red",
    "silent": "yellow",
    "cancelled": "magenta",
}
MOST_RICH_ROWS = 500  # laying out more takes rich longer than a person waits


def as_json(value: Any) -> str:
    """One JSON document."""
    return json.dumps(value, indent=2 if sys.stdout.isatty() else None)


def printable(text: str) -> str:
    """`text` with everything that could steer a terminal made visible."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def command_line(agent: Agent) -> str:
    return printable(shlex.join(agent["command"]))


def age(since: str | None, until: str | None = None) -> str:
    """The time between two RFC 3339 times (or now), in one or two units."""
    if since is None:
        return "-"
    seconds = max(0, (moment(until) if until else now()) - moment(since)) // SECOND
    for unit, size, small in (("d", 86400, "h"), ("h", 3600, "m"), ("m", 60, "s")):
        if seconds >= size:
            rest = seconds % size // {"h": 3600, "m": 60, "s": 1}[small]
            return f"{seconds // size}{unit}{rest}{small}" if rest else f"{seconds // size}{unit}"
    return f"{seconds}s"


def ending(agent: Agent) -> str:
    """The exit status, or the signal, or nothing yet."""
    if agent["signal"]:
        return str(agent["signal"])
    if agent["exit_code"] is not None:
        return str(agent["exit_code"])
    return "?" if agent["ended_at"] else "-"


def status(agent: Agent) -> str:
    """What is to be seen of the agent now, else (of the past) its state."""
    return str(agent.get("status", agent["state"]))


def status_in_words(agent: Agent) -> str:
    """The same, with what a waiting agent waits for."""
    waits_for = agent["waiting_for"] if status(agent) == "waiting" else None
    return f"waiting ({waits_for})" if waits_for else status(agent)


def row(agent: Agent) -> list[str]:
    return [
        agent["id"],
        agent["name"] or "-",
        printable(status_in_words(agent)),
        age(agent["created_at"], agent["ended_at"]),
        ending(agent),
        command_line(agent),
    ]


def table(agents: list[Agent]) -> None:
    """Print agents: with colours and fitted to the width on a terminal, plain columns elsewhere."""
    styles = [COLOURS.get(status(agent), "") for agent in agents]
    columns(COLUMNS, [row(agent) for agent in agents], stretched="COMMAND", styled="STATE", styles=styles)


def columns(
    names: tuple[str, ...],
    cells: list[list[str]],
    *,
    stretched: str = "",
    styled: str = "",
    styles: list[str] | None = None,
    right: tuple[str, ...] = (),
) -> None:
    """Print a table: with colours and fitted to the width on a terminal, plain columns elsewhere.

    `stretched`: the column that takes what room is left; `styled`: the one that has the `styles`, one for each row;
    `right`: those whose cells stand at their right edge.
    """
    if not (sys.stdout.isatty() and os.environ.get("TERM") != "dumb" and len(cells) <= MOST_RICH_ROWS):
        return plain(names, cells, right)
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold", expand=bool(stretched))
    for name in names:
        justify: Literal["left", "right"] = "right" if name in right else "left"
        ratio = 1 if name == stretched else None
        made.add_column(name, no_wrap=True, overflow="ellipsis", ratio=ratio, justify=justify)
    for number, line in enumerate(cells):
        shown = [Text(cell) for cell in line]
        if styled:
            shown[names.index(styled)].stylize(styles[number] if styles else "")
        made.add_row(*shown)
    Console(highlight=False).print(made)
    return None


def plain(names: tuple[str, ...], cells: list[list[str]], right: tuple[str, ...] = ()) -> None:
    """Print columns that are as wide as they must be."""
    rows = [list(names), *cells]
    widths = [max(len(line[column]) for line in rows) for column in range(len(names))]
    for line in rows:
        padded = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for name, cell, width in zip(names, line, widths, strict=True)
        ]
        print("  ".join(padded).rstrip())
