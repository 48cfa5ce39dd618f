"""What the registry says of each run, as it happens: its events alone, never the projection."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from swarm_store import events
from swarm_store.events import Record
from swarm_store.log import Log

ENDS = (events.AGENT_EXITED, events.AGENT_LOST, events.AGENT_START_FAILED)
PAGE = 1000


@dataclass
class Run:
    """One run; `opened` and `closed` are offsets in the registry."""

    agent_id: str
    number: int
    opened: int
    has_timeout: bool
    starting: dict[str, Any] | None = None
    daemons: list[dict[str, Any]] = field(default_factory=list)
    end: Record | None = None

    @property
    def mark(self) -> str:
        return f"{self.agent_id}.{self.number}"


class Runs:
    """All runs, in the order they were opened."""

    def __init__(self) -> None:
        self.all: dict[str, Run] = {}
        self.latest: dict[str, Run] = {}
        self.to_check: list[Run] = []  # what has ended and was not looked at
        self.removed: set[str] = set()
        self.wrong: list[str] = []
        self.head = 0

    def follow(self, log: Log) -> None:
        """Read what is new."""
        while page := log.read(events.REGISTRY, start=self.head, limit=PAGE):
            for record in page:
                if record.offset != self.head:
                    self.wrong.append(f"the registry has a hole before offset {record.offset}")
                self.head = record.offset + 1
                if record.key is not None:
                    self._take(record.key, record)

    def _take(self, agent_id: str, record: Record) -> None:
        data = record.data
        if record.type == events.AGENT_SPAWNED:
            self._open(Run(agent_id, 1, record.offset, data["timeout"] is not None))
        elif record.type == events.AGENT_RESTARTED:
            before = self.latest[agent_id]
            if before.end is None or data["run"] != before.number + 1:
                self.wrong.append(f"{before.mark}: run {data['run']} follows it without its end")
            self._open(Run(agent_id, data["run"], record.offset, before.has_timeout))
        elif record.type == events.AGENT_REMOVED:
            self.removed.add(agent_id)
        elif "run" in data:
            self._happened(self.all[f"{agent_id}.{data['run']}"], record)

    def _open(self, run: Run) -> None:
        self.all[run.mark] = self.latest[run.agent_id] = run

    def _happened(self, run: Run, record: Record) -> None:
        if record.type == events.AGENT_STARTING:
            run.starting = record.data
            run.daemons.append(record.data["daemon"])
        elif record.type == events.AGENT_ADOPTED:
            run.daemons.append(record.data["daemon"])
            if record.data["epoch"] != len(run.daemons) - 1:
                self.wrong.append(f"{run.mark}: epoch {record.data['epoch']} of daemon {len(run.daemons)}")
        elif record.type in ENDS:
            if run.end is not None:
                self.wrong.append(f"{run.mark}: ends twice, as {run.end.type} and as {record.type}")
            else:
                run.end = record
                self.to_check.append(run)
