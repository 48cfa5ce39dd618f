"""64 agents writing at once, beside one agent writing as much: what one log costs, and that it loses nothing."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from .peers import Peer, peers
from .report import OURS, Row
from .scene import Scene, say, scene
from .throughput import LINE, await_bytes, kept_bytes
from .tools import Job, Make, Swarmctl

AGENTS = 64
LINES = 20_000  # of each
ROUNDS = 3
GATHER_SECONDS = 1.0  # until each agent is at the gate
HOW = """
64 agents wait in open(2) of one FIFO and are let go at once; each then is `cat` of 20,000 lines of 100 bytes. Beside
it, one agent that writes the same 128 MB. 3 rounds of each, interleaved; each in a fresh log or daemon; MB (10^6 bytes)
a second from the gate's opening, in medians. It ends for swarmctl when a `swarmctl wait` that has been waiting since
before returns, so with every agent's end committed; for the peers when their files have all bytes, or grow no more.
Then, not timed: every agent must be `completed` with status 0, its bytes in `swarmctl logs` the same as the file's by
SHA-256, and no daemon may have written to its daemon.log (which we hold open from the start: a run that ended well
removes it), where an error of the lock would stand.
"""
GATE_SCRIPT = b"""# $1: the gate; $2: the lines
: < "$1"
exec cat "$2"
"""


def measure() -> list[Row]:
    rates: dict[tuple[str, int], list[float]] = {}
    faults: list[str] = []
    missing: dict[str, float] = {}
    makes: list[Make] = [Swarmctl, *peers()]
    for _ in range(ROUNDS):
        for make in makes:
            for agents in (1, AGENTS):
                rate, lost = _once(make, agents, faults)
                rates.setdefault((make.name, agents), []).append(rate)
                missing[make.name] = max(missing.get(make.name, 0.0), lost)
        say("  64 writers: " + ", ".join(f"{name} {taken[-1]:.0f} MB/s" for (name, n), taken in rates.items() if n > 1))
    for fault in faults:
        say(f"  {fault}")
    return _rows(rates, missing, faults)


def _rows(rates: dict[tuple[str, int], list[float]], missing: dict[str, float], faults: list[str]) -> list[Row]:
    many = {name: statistics.median(taken) for (name, agents), taken in rates.items() if agents > 1}
    one = {name: statistics.median(taken) for (name, agents), taken in rates.items() if agents == 1}
    against = {name: many[name] / one[name] for name in many}
    counted = {OURS: float(len(faults))}
    return [
        Row("one agent writing", "MB/s", one),
        Row("64 agents writing at once", "MB/s", many),
        Row("64 agents against one", "times", against),
        Row("64 agents: lost", "MB", missing, "0", missing[OURS] == 0),
        Row("64 agents: errors (lock, state, bytes)", "", counted, "0", not faults),
    ]


def _once(make: Make, agents: int, faults: list[str]) -> tuple[float, float]:
    """MB a second, and MB lost."""
    with scene() as place:
        lines = place.path / "lines"
        lines.write_bytes(LINE * (LINES * AGENTS // agents))
        total = lines.stat().st_size * agents
        (place.path / "writer.sh").write_bytes(GATE_SCRIPT)
        os.mkfifo(place.path / "gate")
        command = ["/bin/sh", *(str(place.path / name) for name in ("writer.sh", "gate", "lines"))]
        jobs = [Job(f"writer-{number}", command, kept=True) for number in range(agents)]
        tool = make(place)
        tool.up(jobs)
        if isinstance(tool, Swarmctl):
            seconds, lost = _ours(tool, lines, faults)
        else:
            assert isinstance(tool, Peer)
            seconds, lost = _theirs(tool, jobs, total)
        return (total - lost) / 1e6 / seconds, lost / 1e6


@contextmanager
def _open_gate(place: Scene) -> Iterator[float]:
    """Let the agents go, and hold the gate open for any that is late; when that was."""
    time.sleep(GATHER_SECONDS)
    before = time.perf_counter()
    gate = os.open(place.path / "gate", os.O_WRONLY)
    try:
        yield before
    finally:
        os.close(gate)


def _theirs(tool: Peer, jobs: list[Job], wanted: int) -> tuple[float, int]:
    """Seconds, and bytes lost."""
    with _open_gate(tool.place) as before:
        moment, lost = await_bytes([tool.output(job) for job in jobs], wanted)
    return moment - before, lost


def _ours(tool: Swarmctl, lines: Path, faults: list[str]) -> tuple[float, int]:
    """Seconds, and bytes lost; what is wrong is added to `faults`."""
    ids = [agent["id"] for agent in tool.agents()]
    notes = [path.open() for path in tool.home.glob("agents/*/run-*/daemon.log")]
    waiting = tool.place.start([tool.program, "wait", *ids], tool.env)
    with _open_gate(tool.place) as before:
        status = waiting.wait()
    seconds = time.perf_counter() - before
    if status:
        faults.append(f"wait: status {status}")
    for note in notes:
        with note:
            faults += [f"daemon.log: {line.strip()}" for line in note]
    if len(notes) < len(ids):
        faults.append(f"only {len(notes)} of {len(ids)} daemon.log could be watched")
    return seconds, _check(tool, ids, lines, faults)


def _check(tool: Swarmctl, ids: list[str], lines: Path, faults: list[str]) -> int:
    """Compare states and bytes; how many bytes are missing."""
    wanted = lines.stat().st_size, sha256(lines.read_bytes()).hexdigest()
    ended = {agent["id"]: agent for agent in tool.agents(ended=True)}
    for one in ids:
        if (ended[one]["state"], ended[one]["exit_code"]) != ("completed", 0):
            faults.append(f"agent {one} is {ended[one]['state']}: {ended[one]['reason']}")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = list(pool.map(lambda one: kept_bytes(tool, one), ids))
    bad = [one for one, kept in zip(ids, found, strict=True) if kept != wanted]
    faults += [f"agent {one}: not the bytes that it wrote" for one in bad]
    return sum(max(0, wanted[0] - size) for size, _ in found)
