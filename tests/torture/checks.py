"""Whether what the log says of a run is true, against what the run's writer has noted."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass

from swarm_store import events
from swarm_store.log import Log

from .machine import Done
from .report import Report
from .runs import Run
from .writer import DONE, EXIT, INTENT, PLACES, STREAMS, line

PIPE = 65536  # bytes that the kernel keeps for a FIFO
PAGE = 256


@dataclass(frozen=True)
class Noted:
    """What a writer says it did; `exit_code` is None where it did not end by itself."""

    intent: tuple[int, ...]
    done: tuple[int, ...]
    exit_code: int | None
    was_executed: bool


def read_note(notes: str, mark: str) -> Noted:
    try:
        with open(os.path.join(notes, mark), "rb") as file:
            raw = file.read()
    except FileNotFoundError:
        return Noted((0, 0), (0, 0), None, False)
    numbers = struct.unpack(f"{PLACES}q", raw or bytes(8 * PLACES))
    code = numbers[EXIT] - 1 if numbers[EXIT] else None
    return Noted(numbers[INTENT : INTENT + 2], numbers[DONE : DONE + 2], code, True)


class Check:
    """The check of runs that have ended."""

    def __init__(self, notes: str, done: Done, report: Report) -> None:
        self._notes = notes
        self._done = done
        self._report = report
        self.marks: set[str] = set()  # of runs that were checked

    def look(self, log: Log, run: Run) -> None:
        """Check one run that has ended, and count it."""
        assert run.end is not None
        noted = read_note(self._notes, run.mark)
        price = self._price(run)
        wrong = [
            *self._wrong_end(run, noted, price),
            *(problem for n in range(2) for problem in self._wrong_output(log, run, n, noted, price)),
        ]
        if os.path.exists(os.path.join(self._notes, run.mark + ".twice")):
            wrong.append("it was executed twice")
        self.marks.add(run.mark)
        self._report.runs += 1
        self._report.ends[_named(run)] += 1
        for problem in wrong:
            self._report.problem(f"{run.mark}: {problem} [{self._life(log, run)}]")

    def _price(self, run: Run) -> str:
        """Why something may be unknown of this run; empty where all must be known."""
        assert run.end is not None
        if any(run.opened < reboot <= run.end.offset for reboot in self._done.reboots):
            return "the machine was rebooted"
        starting = run.starting or {}
        keeper_died = self._done.was_killed(starting.get("keeper"))
        if keeper_died and any(map(self._done.was_killed, run.daemons)):
            return "its keeper and a daemon of it were killed"
        return ""

    def _wrong_end(self, run: Run, noted: Noted, price: str) -> list[str]:
        assert run.end is not None
        end = run.end.data
        code, signal = end.get("exit_code"), end.get("signal")
        if run.end.type == events.AGENT_START_FAILED or not noted.was_executed:
            return self._wrong_start(run, noted, price)
        if code is not None:
            return [] if code == noted.exit_code else [f"exit code {code}, but it is {noted.exit_code}"]
        if signal is not None:
            return [] if self._may_be_signalled(run) else [f"{signal}, for no reason that is known"]
        if not price:
            return [f"{end.get('outcome', 'lost')} without a status; it was {noted.exit_code}"]
        self._report.excused[f"no exit status: {price}"] += 1
        return []

    def _may_be_signalled(self, run: Run) -> bool:
        assert run.end is not None
        reason = run.end.data.get("reason")
        if reason == "cancel":
            return self._was_asked(run)
        if reason == "timeout":
            return run.has_timeout
        return run.end.data.get("signal") == "SIGKILL" and self._done.was_killed((run.starting or {}).get("child"))

    def _was_asked(self, run: Run) -> bool:
        return run.number in self._done.asked.get(run.agent_id, ())

    def _wrong_start(self, run: Run, noted: Noted, price: str) -> list[str]:
        """It never began, or died before it could note anything."""
        assert run.end is not None
        why = run.end.data.get("reason")
        if noted.was_executed:
            return [f"it was executed, and is said never to have been: {why}"]
        touched = run.mark in self._done.touched or run.agent_id in self._done.touched
        if price or touched or self._was_asked(run) or self._may_be_signalled(run) or self._done.disk_was_full:
            self._report.excused[f"not begun: {why}"[:90]] += 1
            return []
        return [f"it has not begun, for no reason of ours: {run.end.type} {why}"]

    def _wrong_output(self, log: Log, run: Run, stream: int, noted: Noted, price: str) -> list[str]:
        assert run.end is not None
        name = STREAMS[stream]
        found, wrong = _read(log, run, name)
        intent, least = noted.intent[stream], noted.done[stream]
        self._report.bytes += len(found)
        if price and len(found) < least:
            self._report.excused[f"a stream short of its end: {price}"] += 1
            least = max(0, least - PIPE)
        if not least <= len(found) <= intent:
            wrong.append(f"{name}: {len(found)} bytes; {noted.done[stream]} were written, {intent} at most")
        counted = (run.end.data.get("output") or {}).get(name)
        if counted is not None and counted != len(found):
            wrong.append(f"{name}: {len(found)} bytes, and its end says {counted}")
        return wrong + self._differences(run, name, found)

    def _differences(self, run: Run, name: str, found: bytes) -> list[str]:
        """Where `found` is not what the writer writes, from its first line on."""
        place = number = 0
        while place < len(found):
            wanted = line(run.mark, name, number)
            if found[place : place + len(wanted)] != wanted[: len(found) - place]:
                there = found[place : place + 200].split(b"\n")[:2]
                return [f"{name}: at byte {place} not line {number}, but {there}"]
            place += len(wanted)
            number += 1
        self._report.lines += number
        return []

    def _life(self, log: Log, run: Run) -> str:
        """The run's history, for who looks for the fault."""
        happened = log.read(events.REGISTRY, key=run.agent_id, run=run.number, payloads=False)
        killed = [who["pid"] for who in run.daemons if self._done.was_killed(who)]
        names = " ".join(f"{one.type.partition(':')[2]}@{one.time // 1000 % 10**7}" for one in happened)
        end = dict(run.end.data) if run.end else {}
        end.pop("resources", None)
        return f"{names}; killed daemons {killed}; {run.starting}; end {end}"


def _named(run: Run) -> str:
    assert run.end is not None
    data = run.end.data
    outcome = data.get("outcome", "lost")
    how = data.get("signal") or ("unknown" if data.get("exit_code") is None else "exit code")
    return f"{outcome} ({how})"


def _read(log: Log, run: Run, name: str) -> tuple[bytes, list[str]]:
    """The bytes of one stream of a run, and where their chunks do not follow each other."""
    pieces: list[bytes] = []
    length, start, wrong = 0, 0, []
    stream, types = events.agent_stream(run.agent_id), [events.OUTPUT_TYPES[name]]
    while page := log.read(stream, start=start, types=types, run=run.number, limit=PAGE):
        for chunk in page:
            payload = chunk.payload or b""
            if (chunk.data["start"], chunk.data["end"]) != (length, length + len(payload)):
                wrong.append(f"{name}: chunk {chunk.offset} is of bytes {chunk.data}, after {length}")
            length += len(payload)
            pieces.append(payload)
        start = page[-1].offset + 1
    return b"".join(pieces), wrong[:3]
