"""Output and events as they are shown: bytes as they came, lines with their agent and time, JSON for programs."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterable
from typing import Any, Literal, Protocol

from swarm_store.clock import rfc3339
from swarm_store.events import AGENT_STREAMS, Record
from swarm_store.output import STREAM_OF, Line, Lines, Once

from .render import printable

JsonForm = Literal["no", "array", "lines"]


class Out(Protocol):
    """Where bytes go: a program's stdout, or the body of a response."""

    def write(self, bytes: bytes, /) -> object: ...

    def flush(self) -> None: ...


def line_as_data(name: str, line: Line) -> dict[str, Any]:
    """A line of output for programs; `base64` where it is not UTF-8 and `line` shows only what can be shown."""
    data: dict[str, Any] = {
        "agent": line.record.stream.removeprefix(AGENT_STREAMS),
        "name": name,
        "run": line.record.data["run"],
        "stream": line.stream,
        "time": rfc3339(line.record.time),
        "offset": line.record.offset,
    }
    try:
        data["line"] = line.bytes.decode("utf-8")
    except UnicodeDecodeError:
        data["line"] = line.bytes.decode("utf-8", "replace")
        data["base64"] = base64.b64encode(line.bytes).decode("ascii")
    return data


def event_facts(record: Record) -> str:
    """What an event says, for people: of a process only its PID, of the rest all that is known."""
    known = {key: value for key, value in record.data.items() if value not in (None, {}, [])}
    short = {key: value["pid"] if isinstance(value, dict) and "pid" in value else value for key, value in known.items()}
    return printable(" ".join(f"{key}={json.dumps(value)}" for key, value in short.items()))


def event_as_text(record: Record) -> str:
    """A line for people."""
    before = f"{record.position:>8}  {rfc3339(record.time)}  {record.key or '-':<8}  {record.type:<18}"
    return f"{printable(before)}  {event_facts(record)}"


class Json:
    """Writes items as one JSON array, or as an object a line, as they come."""

    def __init__(self, form: JsonForm, out: Out | None = None) -> None:
        self.form = form
        self._count = 0
        self._out: Out = out or sys.stdout.buffer

    def item(self, data: dict[str, Any]) -> None:
        before = "" if self.form == "lines" else ",\n" if self._count else "["
        self._count += 1
        self._out.write((before + json.dumps(data) + ("\n" if self.form == "lines" else "")).encode("ascii"))

    def end(self) -> None:
        if self.form == "array":
            self._out.write(b"]\n" if self._count else b"[]\n")


class Printer:
    """Prints chunks of output: raw for one agent, otherwise by the line."""

    def __init__(
        self,
        names: dict[str, str],
        *,
        prefix: bool = False,
        times: bool = False,
        json: JsonForm = "no",
        cut: bool,
        out: Out | None = None,
    ) -> None:
        """`names`: stream of the log → what the agent is called. `cut`: reading begins in the middle."""
        self._names = names
        self._prefix = prefix
        self._times = times
        self._out: Out = out or sys.stdout.buffer
        self.json = Json(json, self._out)
        self.by_line = prefix or times or json != "no" or cut
        self._lines = {stream: Lines(cut=cut) for stream in names}
        self._once = Once()

    def chunks(self, records: Iterable[Record]) -> None:
        for record in records:
            fresh = self._once.fresh(record) if record.type in STREAM_OF else None
            if fresh is None:
                continue
            if not self.by_line:
                self._out.write(fresh.payload or b"")
            else:
                for line in self._lines[fresh.stream].feed(fresh):
                    self.line(line)
        self._out.flush()

    def begin(self, stream: str, before: list[Record]) -> None:
        """Reading begins after these chunks, the last ones before of stdout and stderr."""
        for record in before:
            self._lines[stream].begin(record)

    def last_lines(self, stream: str, chunks: list[Record], count: int) -> None:
        """Print the last `count` lines of `chunks`, an unfinished one among them; what follows goes on from there."""
        lines = self._lines[stream]
        new = (self._once.fresh(record) for record in chunks)
        whole = [line for record in new if record is not None for line in lines.feed(record)]
        unfinished = lines.rest() if count else []
        for line in [*whole, *unfinished][-count:] if count else ():
            self.line(line)
        self._out.flush()

    def line(self, line: Line) -> None:
        if self.json.form != "no":
            self.json.item(line_as_data(self._names[line.record.stream], line))
            return
        before = f"{rfc3339(line.record.time)} " if self._times else ""
        if self._prefix:
            before += f"{self._names[line.record.stream]}  "
        self._out.write(before.encode() + line.bytes + (b"\n" if line.whole or before else b""))

    def rest(self) -> None:
        """What is left when no more output will come: lines without a newline."""
        for lines in self._lines.values():
            for line in lines.rest():
                self.line(line)
        self.json.end()
        self._out.flush()
