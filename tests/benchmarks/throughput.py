"""A million lines of 100 bytes from one agent, as fast as it can: how long until all of it is kept, and at what CPU."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from hashlib import sha256
from pathlib import Path

from .peers import Peer, peers
from .readings import cpu_seconds
from .report import OURS, Row
from .scene import say, scene
from .tools import Job, Swarmctl

LINES = 1_000_000
LINE = b"x" * 99 + b"\n"
ROUNDS = 5
STALL_SECONDS = 3.0  # a file that has not grown for so long will not be complete any more
HOW = """
The agent is `cat` of a file of 1,000,000 lines of 100 bytes, the same for all: it writes faster than any of them reads.
Rounds are interleaved, 5 of each, medians. The clock starts with the command line that starts the agent (`swarmctl
spawn --wait`, `supervisorctl start`, `circusctl start`, `pm2 start --silent`) and stops, for swarmctl, when that same
command has returned, which is after all bytes and the agent's end are committed; for the peers, when their log file has
all bytes (looked at each millisecond). Then, not timed, the bytes of `swarmctl logs`, or of the peer's file, are
compared with the agent's by SHA-256. CPU is that of the tool's own processes, without agent and command line: ours is
the rusage of daemon and keeper from their first instruction to their last, start of the interpreter included, by wait4;
the peers' is what schedstat of their long-running master gained. Bytes lost are counted once the agent has ended and
the file has not grown for 3 s.
"""


def measure() -> list[Row]:
    with scene() as place:
        lines = place.path / "lines"
        lines.write_bytes(LINE * LINES)
        jobs = [Job(f"flood-{number}", ["/bin/cat", str(lines)], kept=True) for number in range(ROUNDS)]
        ours = Swarmctl(place)
        others = [make(place) for make in peers()]
        ours.up([])
        for other in others:
            other.up([], jobs)
        samples: dict[str, list[tuple[float, float, float]]] = {tool.name: [] for tool in (ours, *others)}
        for job in jobs:
            samples[OURS].append(_ours(ours, job, lines))
            for other in others:
                samples[other.name].append(_theirs(other, job, lines))
            say("  " + ", ".join(f"{name} {taken[-1][0]:.2f} s" for name, taken in samples.items()))
    return _rows(samples)


def _rows(samples: dict[str, list[tuple[float, float, float]]]) -> list[Row]:
    seconds, cpu, lost = (
        {name: statistics.median(one[part] for one in taken) for name, taken in samples.items()} for part in range(3)
    )
    worst = max(one[2] for one in samples[OURS])
    return [
        Row("1M lines of one agent", "s", seconds, "<= circus", seconds[OURS] <= seconds["circus"]),
        Row("1M lines of one agent: CPU", "s", cpu, "< circus", cpu[OURS] < cpu["circus"]),
        Row("1M lines of one agent: lost", "MB", lost | {OURS: worst}, "0", worst == 0),
    ]


def _ours(tool: Swarmctl, job: Job, lines: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds, MB lost."""
    before = time.perf_counter()
    told = tool.run([tool.program, "spawn", "--wait", "--json", "--name", job.name, "--", *job.command])
    seconds = time.perf_counter() - before
    agent = next(agent for agent in tool.agents(ended=True) if agent["id"] == json.loads(told)["id"])
    cpu = sum(cpu_of_ended(agent[part]["pid"]) for part in ("daemon", "keeper"))
    size, digest = kept_bytes(tool, agent["id"])
    if size == lines.stat().st_size and digest != digest_of(lines):
        raise RuntimeError("the log has other bytes than the agent wrote")
    return seconds, cpu, (lines.stat().st_size - size) / 1e6


def cpu_of_ended(pid: int) -> float:
    """CPU seconds in the whole life of a process that has ended, or is about to: the subreaper that we are gets it."""
    used = os.wait4(pid, 0)[2]
    return used.ru_utime + used.ru_stime


def kept_bytes(tool: Swarmctl, agent_id: str) -> tuple[int, str]:
    """How many bytes the log has of an agent, and their SHA-256."""
    size, digest = 0, sha256()
    with tool.place.start([tool.program, "logs", agent_id], tool.env, pipe=True) as process:
        assert process.stdout is not None
        while block := process.stdout.read(1 << 20):
            size += len(block)
            digest.update(block)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return size, digest.hexdigest()


def _theirs(tool: Peer, job: Job, lines: Path) -> tuple[float, float, float]:
    """Seconds, CPU seconds, MB lost."""
    used = cpu_seconds(tool.master)
    before = time.perf_counter()
    tool.run(tool.start_command(job))
    moment, missing = await_bytes([tool.output(job)], lines.stat().st_size)
    used = cpu_seconds(tool.master) - used
    if not missing and digest_of(tool.output(job)) != digest_of(lines):
        raise RuntimeError(f"{tool.name} has kept other bytes than the agent wrote")
    tool.output(job).unlink()
    return moment - before, used, missing / 1e6


def digest_of(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def await_bytes(files: list[Path], wanted: int) -> tuple[float, int]:
    """Wait until the files have `wanted` bytes or grow no more; when the last came, and how many are missing."""
    size, last = -1, time.perf_counter()
    while size < wanted:
        now = sum(file.stat().st_size for file in files if file.exists())
        if now != size:
            size, last = now, time.perf_counter()
        elif time.perf_counter() - last > STALL_SECONDS:
            break
        time.sleep(0.001)
    return last, wanted - size
