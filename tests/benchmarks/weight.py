"""What agents cost that only run: memory of 50, CPU of 100 idle ones in 30 seconds."""

from __future__ import annotations

import time

from .peers import peers
from .readings import cpu_seconds, pss, ticks
from .report import OURS, Row
from .scene import scene
from .tools import Make, Swarmctl, idle

AGENTS = 50
BAR_MB = 6.0
IDLE_AGENTS = 100
IDLE_SECONDS = 30.0
SETTLE_SECONDS = 1.0
CALM_SECONDS = 15.0  # after the last start, whose aftermath is no idling
HOW = """
Memory is PSS (smaps_rollup) in MB of 10^6 bytes. Ours is the sum over the daemons and keepers of 50 agents, divided by
50: there is nothing else. The peers have one process for all, so a fair view needs two rows: what each process adds
(with 50 less with none, divided by 50; of pages that are in no file, because a file's share changes with whoever else
maps it), and the whole with 50. Idle CPU is that of the tools' own processes in the same 30 s, 100 idle agents each,
from 15 s after the last one's start on; the look that a daemon takes at its inbox every 10 minutes does not fall into
it. Once in clock ticks (utime + stime), where 0 is "none that can be measured", and once in ms by schedstat, which
counts nanoseconds and so sees any wake-up.
"""


def measure() -> list[Row]:
    return [*_memory(), *_idle()]


def _memory() -> list[Row]:
    ours, _ = _pss(Swarmctl, AGENTS)
    whole, each = {OURS: ours}, {OURS: ours / AGENTS}
    for make in peers():
        whole[make.name], filled = _pss(make, AGENTS)
        _, empty = _pss(make, 0)
        each[make.name] = (filled - empty) / AGENTS
    return [
        Row("memory an agent (daemon + keeper), 50 running", "MB", each, f"<= {BAR_MB:g} MB", each[OURS] <= BAR_MB),
        Row("memory of the whole, 50 running", "MB", whole),
    ]


def _pss(make: Make, agents: int) -> tuple[float, float]:
    """MB of the tool's own processes with that many agents: all of it, and what is in no file."""
    with scene() as place:
        tool = make(place)
        tool.up(idle(agents))
        time.sleep(SETTLE_SECONDS)
        own = tool.own_processes()
        return sum(map(pss, own)) / 1e6, sum(pss(pid, "Pss_Anon") for pid in own) / 1e6


def _idle() -> list[Row]:
    with scene() as place:
        makes: list[Make] = [Swarmctl, *peers()]
        tools = [make(place) for make in makes]
        for tool in tools:
            tool.up(idle(IDLE_AGENTS))
        own = {tool.name: tool.own_processes() for tool in tools}
        time.sleep(CALM_SECONDS)
        before = {name: _cpu(pids) for name, pids in own.items()}
        time.sleep(IDLE_SECONDS)
        after = {name: _cpu(pids) for name, pids in own.items()}
    counted = {name: float(after[name][0] - before[name][0]) for name in own}
    spent = {name: (after[name][1] - before[name][1]) * 1000 for name in own}
    return [
        Row("CPU of 100 idle agents, 30 s", "ticks", counted, "0 ticks", counted[OURS] == 0),
        Row("CPU of 100 idle agents, 30 s", "ms", spent),
    ]


def _cpu(pids: list[int]) -> tuple[int, float]:
    """Ticks and seconds so far."""
    return sum(map(ticks, pids)), sum(map(cpu_seconds, pids))
