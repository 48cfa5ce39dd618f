"""`list`, and starting one agent, with 10 and with 500 agents running: what a person at a terminal waits for."""

from __future__ import annotations

import random
import statistics
import time

from .peers import peers
from .report import Row, ahead_of_all
from .scene import Scene, say, scene
from .tools import Job, Make, Swarmctl, Tool, idle

SIZES = {10: 15, 500: 11}  # agents running → rounds
PAUSE = 0.1  # seconds after each command, so that its aftermath in a daemon is not the next one's
HOW = """
All tools run at once, each with as many `sleep 3600` as the row says. A round is one command line of each tool, in an
order shuffled anew each round; the figure is the median wall time of the whole process over 15 rounds (10 running) and
11 (500 running), after one round that is not counted. `list` is `swarmctl list`, `supervisorctl status`, `circusctl
list` (names alone: its cheapest), `pm2 list`; starting one is `swarmctl spawn`, `supervisorctl start` of a program that
is configured already, `circusctl add --start`, `pm2 start --silent`. The one that was started is ended before the next
round, which is not timed. "Start all 500" is once and not interleaved: `swarmctl spawn --from FILE` of 500 jobs; a
fresh supervisord, circusd or pm2 daemon with 500 programs in its configuration, until all have been forked.
"""
ONE = Job("one", ["/bin/sleep", "3600"])


def measure() -> list[Row]:
    rows = []
    for size, rounds in SIZES.items():
        with scene() as place:
            makes: list[Make] = [Swarmctl, *peers()]
            tools = [make(place) for make in makes]
            filled = {tool.name: _fill(tool, size) for tool in tools}
            listing, starting = _rounds(place, tools, rounds)
        for what, figures in ((f"list, {size} running", listing), (f"start one, {size} running", starting)):
            rows.append(Row(what, "ms", figures, "faster than all", ahead_of_all(figures)))
    rows.append(Row(f"start all {max(SIZES)}", "s", filled))
    return rows


def _fill(tool: Tool, size: int) -> float:
    """Start the tool with `size` agents, and check that it lists them; seconds."""
    before = time.perf_counter()
    tool.up(idle(size), [ONE])
    taken = time.perf_counter() - before
    listed = tool.run(tool.list_command(), check=False)
    if listed.count("idle-") != size:
        raise RuntimeError(f"{tool.name} lists {listed.count('idle-')} of {size} agents:\n{listed[:1000]}")
    say(f"  {tool.name}: {size} running after {taken:.1f} s")
    return taken


def _rounds(place: Scene, tools: list[Tool], rounds: int) -> tuple[dict[str, float], dict[str, float]]:
    """Medians in ms of listing and of starting one, by tool."""
    dice = random.Random(1)
    listing: dict[str, list[float]] = {tool.name: [] for tool in tools}
    starting: dict[str, list[float]] = {tool.name: [] for tool in tools}
    for _ in range(rounds + 1):
        for tool in dice.sample(tools, len(tools)):
            # supervisorctl status says with its own status that a program is not running
            listing[tool.name].append(_timed(tool, tool.list_command(), check=False))
        for tool in dice.sample(tools, len(tools)):
            starting[tool.name].append(_timed(tool, tool.start_command(ONE)))
        for tool in tools:
            tool.run(tool.stop_command(ONE))
        time.sleep(PAUSE)
    return _medians(listing), _medians(starting)


def _timed(tool: Tool, command: list[str], *, check: bool = True) -> float:
    """Wall time of the whole process in ms."""
    before = time.perf_counter()
    tool.run(command, check=check)
    taken = time.perf_counter() - before
    time.sleep(PAUSE)
    return taken * 1000


def _medians(samples: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(taken[1:]) for name, taken in samples.items()}
