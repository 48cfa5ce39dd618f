"""What was done, what was checked, what was wrong."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Report:
    """Counted as it happens; printed at the end."""

    seed: int
    faults: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)  # of commands
    ends: Counter[str] = field(default_factory=Counter)
    excused: Counter[str] = field(default_factory=Counter)  # what was not checked in full, and why
    checked: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    agents: int = 0
    runs: int = 0
    lines: int = 0
    bytes: int = 0
    backups: int = 0

    def problem(self, what: str) -> None:
        """Something is wrong: said at once, because a long run may be interrupted, and once more at the end."""
        self.problems.append(what)
        print(f"PROBLEM: {what}", file=sys.stderr)

    def lines_of_text(self) -> list[str]:
        """The report, line by line."""
        return [
            f"seed {self.seed}: {self.agents} agents, {self.runs} runs, {self.lines} lines, {self.bytes} bytes,"
            f" {sum(self.faults.values())} faults",
            *_table("faults", self.faults),
            *_table("ends", self.ends),
            *_table("commands", self.statuses),
            *_table("not checked in full", self.excused),
            *(f"skipped: {one}" for one in self.skipped),
            *(f"checked: {one}" for one in self.checked),
            *(f"PROBLEM: {one}" for one in self.problems[:50]),
            f"{len(self.problems)} problems",
        ]


def _table(title: str, counts: Counter[str]) -> list[str]:
    return [f"{title}:", *(f"  {count:6} {name}" for name, count in counts.most_common())] if counts else []
