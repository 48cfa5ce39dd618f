"""Live latency: from an agent's write to the line in `logs -f`, alone and beside 100 agents that write all the time."""

from __future__ import annotations

import gc
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from . import stamper
from .peers import peers
from .report import OURS, Row
from .scene import say, scene
from .tools import Job, Make, Swarmctl

SAMPLES = 600
WARM_UP = 20  # of them, not counted
BUSY = 100
P50_BAR, P99_BAR = 2.0, 10.0  # ms
READY = 5  # arrivals of "ready" before it starts: so many are no backlog any more
PATIENCE = 60.0  # seconds
HOW = """
An agent writes 600 lines, 5 to 15 ms apart, each with the machine's monotonic clock read just before write(2); the
benchmark reads the pipe of the following command and the same clock on arrival; the first 20 are not counted. The
followers are `swarmctl logs -f`, `pm2 logs --raw`, and for supervisord and circus `tail -F` of the log file, which
waits on inotify (`supervisorctl tail -f` looks ten times a second; circus has none). The busy case has 100 other agents
of the same tool, each writing a line of 100 bytes 20 times a second (one that is held up catches up), and 2 s to
settle.
"""


def measure() -> list[Row]:
    rows = []
    for busy, where in ((0, "alone"), (BUSY, f"beside {BUSY} busy agents")):
        makes: list[Make] = [Swarmctl, *peers()]
        taken = {make.name: _once(make, busy) for make in makes}
        for name, samples in taken.items():
            say(f"  {name} {where}: p50 {_percentile(samples, 50):.2f} ms, max {max(samples):.1f} ms")
        for percent, bar in ((50, P50_BAR), (99, P99_BAR)):
            figures = {name: _percentile(samples, percent) for name, samples in taken.items()}
            met = figures[OURS] <= bar
            rows.append(Row(f"live line, {where}: p{percent}", "ms", figures, f"<= {bar:g} ms", met))
    return rows


def _percentile(samples: list[float], percent: int) -> float:
    return statistics.quantiles(samples, n=100, method="inclusive")[percent - 1]


def _once(make: Make, busy: int) -> list[float]:
    """The samples in ms."""
    with scene() as place:
        gate = place.path / "gate"
        script = [sys.executable, "-S", "-E", str(Path(stamper.__file__))]
        agent = Job("stamper", [*script, "stamps", str(gate), str(SAMPLES)], kept=True)
        tool = make(place)
        tool.up([*(Job(f"busy-{number}", [*script, "busy"], kept=True) for number in range(busy)), agent])
        time.sleep(2)
        follower = place.start(tool.follow_command(agent), tool.env, pipe=True)
        try:
            return _read(follower, gate)
        finally:
            follower.kill()
            follower.communicate()


def _read(follower: subprocess.Popen[bytes], gate: Path) -> list[float]:
    """Open the gate once the line of a living agent has come, and take the time of each stamp; in ms."""
    assert follower.stdout is not None
    arrived: list[tuple[int, bytes]] = []
    begin = time.monotonic()
    held, ready, ended = b"", 0, False
    gc.disable()
    try:
        while not ended and time.monotonic() < begin + PATIENCE:
            block = os.read(follower.stdout.fileno(), 65536)
            moment = time.monotonic_ns()
            *lines, held = (held + block).split(b"\n")
            arrived += [(moment, line) for line in lines]
            ended = not block or b"end" in lines
            if ready < READY and b"ready" in lines:
                ready += 1
                if ready == READY:
                    gate.touch()
    finally:
        gc.enable()
    samples = [(moment - int(line)) / 1e6 for moment, line in arrived if line.isdigit()]
    if len(samples) != SAMPLES:
        raise RuntimeError(f"{len(samples)} of {SAMPLES} stamps arrived")
    return samples[WARM_UP:]
