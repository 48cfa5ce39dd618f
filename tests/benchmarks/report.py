"""What was measured, as rows with ratios and bars; the machine it was measured on; the table; docs/benchmarks.md.

A ratio is ours ÷ theirs, of medians. A bar that is missed is shown as MISSED; a row without a bar is for comparison.
"""

from __future__ import annotations

import os
import platform
import sqlite3
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import install

OURS = "swarmctl"
TOOLS = (OURS, "supervisord", "circus", "pm2")
REFERENCE = "reference"  # the protocol's own server, beside which ours is measured in a table of its own
SERVERS = (OURS, REFERENCE)
DOCUMENT = install.ROOT / "docs" / "benchmarks.md"


@dataclass(frozen=True)
class Row:
    """One figure for each tool that has one, in `unit`; `met` is None where there is no bar.

    `ratios`, where it was measured in rounds: the median of the rounds' ratios, and the worst of them.
    """

    what: str
    unit: str
    figures: dict[str, float]
    bar: str = "-"
    met: bool | None = None
    tools: tuple[str, ...] = TOOLS
    ratios: tuple[float, float] | None = None

    def head(self) -> list[str]:
        return ["what", "unit", *self.tools, f"{OURS} ÷ each", "bar", "verdict"]

    def cells(self) -> list[str]:
        verdict = {None: "-", True: "met", False: "MISSED"}[self.met]
        return [self.what, self.unit, *map(self._figure, self.tools), self._ratios(), self.bar, verdict]

    def _figure(self, tool: str) -> str:
        if tool in self.figures:
            return shown(self.figures[tool])
        return "not there" if tool == "pm2" and install.pm2() is None else "-"

    def _ratios(self) -> str:
        if self.ratios is not None:
            return f"{shown(self.ratios[0])} (worst {shown(self.ratios[1])})"
        ours = self.figures[OURS]
        theirs = [self.figures.get(tool) for tool in self.tools[1:]]
        return " / ".join(shown(ours / one) if one else "-" for one in theirs) if any(theirs) else "-"


def shown(figure: float) -> str:
    """Three digits that count, without an exponent."""
    if figure == 0 or abs(figure) >= 100:
        return f"{figure:.0f}"
    return f"{figure:.2f}" if abs(figure) < 10 else f"{figure:.1f}"


def ahead_of_all(figures: dict[str, float]) -> bool:
    """Whether ours is the lowest."""
    return all(figures[OURS] < figure for tool, figure in figures.items() if tool != OURS)


def machine() -> dict[str, str]:
    """The facts that figures depend on."""
    peers = {
        **install.PYTHON_PEERS,
        "pm2": install.PM2 if install.pm2() else "not there",
        "@durable-streams/server": install.REFERENCE if install.reference() else "not there",
    }
    return {
        "CPU": f"{_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "files on": subprocess.run(
            ["stat", "-f", "-c", "%T", tempfile.gettempdir()], capture_output=True, text=True
        ).stdout.strip(),
        "Python": platform.python_version(),
        "SQLite": sqlite3.sqlite_version,
        "Node": install.node_version(),
        "peers": ", ".join(f"{name} {version}" for name, version in peers.items()),
        "load before": " ".join(f"{load:.2f}" for load in os.getloadavg()),
    }


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def text(facts: dict[str, str], rows: list[Row], command: str) -> str:
    """Everything in plain columns, for a terminal."""
    head = [f"{name}: {fact}" for name, fact in {**facts, "command": command}.items()]
    return "\n".join([*head, "", *(line for table in tables(rows) for line in _columns(table)), summary(rows)])


def tables(rows: list[Row]) -> list[list[list[str]]]:
    """A table for each set of tools, its head first."""
    sets = dict.fromkeys(row.tools for row in rows)
    chosen = [[row for row in rows if row.tools == tools] for tools in sets]
    return [[some[0].head(), *(row.cells() for row in some)] for some in chosen]


def _columns(table: list[list[str]]) -> list[str]:
    """The lines of a table, and an empty one."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    return [*lines, ""]


def summary(rows: list[Row]) -> str:
    missed = [row.what for row in rows if row.met is False]
    bars = sum(row.met is not None for row in rows)
    return f"{bars - len(missed)} of {bars} bars met" + (f"; missed: {'; '.join(missed)}" if missed else "")


def write(facts: dict[str, str], rows: list[Row], command: str, sections: list[tuple[str, str]]) -> None:
    """docs/benchmarks.md: the figures as measured, and how each was measured."""
    body = ["# Benchmarks", "", "Written by the benchmarks themselves; do not edit. Ratios travel, times do not.", ""]
    body += [f"- {name}: {fact}" for name, fact in facts.items()] + [f"- command: `{command}`", ""]
    for head, *cells in tables(rows):
        body += ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
        body += [*("| " + " | ".join(line) + " |" for line in cells), ""]
    body += [f"{summary(rows)}.", "", "## How it was measured", ""]
    for title, how in sections:
        body += [f"**{title}.** {how}", ""]
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text("\n".join(body).rstrip() + "\n")
