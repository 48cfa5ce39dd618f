"""The supervisor with 500 agents: what it weighs, how soon it is up, and how soon what died is there again."""

from __future__ import annotations

import random
import signal
import statistics
import time
from contextlib import ExitStack, closing

from swarm_daemon.process import send
from swarm_store import events, registry
from swarm_store.clock import SECOND, microseconds
from swarm_store.fold import Agent
from swarm_supervisor import policy
from swarm_supervisor.session import SWEEP_SECONDS

from .peers import Peer, peers
from .programs import Programs
from .readings import cpu_seconds, pss, ticks
from .report import OURS, Row
from .scene import say, scene
from .supervised import Supervised, await_deaths, kill_daemons, supervised
from .tools import Make, Swarmctl, Tool

AGENTS = 500
DEAD = 100  # daemons that died while there was no supervisor
STARTS = 5
STARTS_WITH_DEAD = 3
IDLE_SECONDS = 30.0
RESTARTS = 20
DEATHS = 100
BURST = 50
BURSTS = 5
PAUSES = 0.02, 0.4  # seconds between one death and the next: from, to
MEMORY_BAR, ADOPTION_BAR = 20.0, 200.0  # MB, ms
HOW = """
All tools run at once, each with 500 programs that tell a FIFO their name and PID in their first instruction and then
sleep, and with restarting on: ours with `--restart always` under `swarmctl supervisor run`, with a real notify socket.
Up with 500: ours from the exec of `swarmctl supervisor run` to its READY datagram, median of 5 starts after kill -9,
500 agents living; the peers' masters start the programs themselves, so theirs is from the exec of the master until all
500 have begun, once. "Reconciled" is the time of our supervisor:reconciled, which is in the log before READY. Where 100
daemons are dead, they were killed while there was no supervisor, median of 3; reconciled is then when all has been
looked at and decided, and the last row when the last one has a successor. Idle CPU is that of the supervisor alone, or
of the master, in the same two windows of 30 s, one without and one with the look at everything that our supervisor
takes once a minute. Memory is that of the same processes after these windows (our daemons are in the rows of weight):
as PSS, where ours shares the pages of the interpreter with the daemons, and as RSS, which counts all of them; and ours
once more at the end of all that follows. Program killed: kill -9 of a program until its successor's first instruction,
20 times for each tool, interleaved in random order, each time another program, 0 to 1 s apart, medians; supervisord and
circus wait for the next turn of their loops, circus for check_delay, 5 s. Ours waits on purpose before it restarts by
policy, 1 to 1.25 s the first time; the row without that takes from each sample the delay that the policy gives for that
very run, which counts from the recorded end. Daemon killed: kill -9 of a random agent's daemon, 100 times, 20 to 400 ms
after the one before was adopted, from just before the signal until a reader that sleeps on the registry's bell has read
the successor's agent:adopted, which is committed once it holds the run; and the same of 50 daemons killed at once,
until the last one is adopted, median of 5. The peers have nothing like it: when their one process dies, their programs
are nobody's.
"""


def measure() -> list[Row]:
    with scene() as place, ExitStack() as left:
        makes: list[Make] = [Swarmctl, *peers()]
        tools = [make(place) for make in makes]
        programs = {tool.name: left.enter_context(closing(Programs(tool.home, AGENTS))) for tool in tools}
        filled = {tool.name: _fill(tool, programs[tool.name]) for tool in tools}
        ours, *others = tools
        assert isinstance(ours, Swarmctl)
        with supervised(ours) as swarm:
            rows = _starts(swarm, filled)
            rows += _idle(swarm, [tool for tool in others if isinstance(tool, Peer)])
            rows += _restarts(swarm, programs)
            rows += _adoptions(swarm)
            rows.append(Row("supervisor: memory (PSS) after all deaths", "MB", {OURS: pss(swarm.pid) / 1e6}))
    return rows


def _fill(tool: Tool, own: Programs) -> float:
    """Start the tool with all its programs; seconds until the last one had begun."""
    before = time.monotonic()
    tool.up(own.jobs)
    taken = own.await_all() - before
    say(f"  {tool.name}: {AGENTS} programs after {taken:.1f} s")
    return taken


# -- starting


def _starts(swarm: Supervised, filled: dict[str, float]) -> list[Row]:
    """Start the supervisor again and again, the last time to stay."""
    dice = random.Random(1)
    swarm.start()  # the first one finds the files cold, and is not counted
    dead: list[tuple[float, ...]] = []
    for _ in range(STARTS_WITH_DEAD):
        swarm.kill()
        dead.append(_start(swarm, dice.sample(swarm.agents(), DEAD)))
    living: list[tuple[float, ...]] = []
    for _ in range(STARTS):
        swarm.kill()
        living.append(_start(swarm, []))
    reconciled, ready, _ = (statistics.median(part) for part in zip(*living, strict=True))
    say(f"  supervisor: READY after {ready:.2f} s")
    rows = [
        Row(f"supervisor: up with {AGENTS}", "s", {**filled, OURS: ready}),
        Row(f"supervisor: up with {AGENTS}: reconciled", "s", {OURS: reconciled}),
    ]
    for what, taken in zip(("reconciled", "READY", "all adopted"), zip(*dead, strict=True), strict=True):
        where = f"supervisor: up with {AGENTS}, {DEAD} daemons dead: {what}"
        rows.append(Row(where, "s", {OURS: statistics.median(taken)}))
    return rows


def _start(swarm: Supervised, victims: list[Agent]) -> tuple[float, float, float]:
    """Kill the daemons of `victims`, then start: seconds until it has reconciled, was READY, has adopted them all."""
    kill_daemons(victims)
    await_deaths(victims)
    begun, ready = swarm.start()
    by_wall_clock = time.time() - time.monotonic()
    record = swarm.reconciled()
    found = record.data["found"]["daemons"]
    if found != AGENTS - len(victims):
        raise RuntimeError(f"it found {found} daemons, not {AGENTS - len(victims)}")
    adopted = swarm.await_adoptions({agent["id"] for agent in victims})
    reconciled = record.time / SECOND - by_wall_clock
    return reconciled - begun, ready - begun, (adopted or [ready])[-1] - begun


# -- idle


def _idle(swarm: Supervised, others: list[Peer]) -> list[Row]:
    """CPU in two windows, the second around the sweep, and the memory after them. The supervisor has just started."""
    pids = {OURS: swarm.pid, **{tool.name: tool.master for tool in others}}
    time.sleep(SWEEP_SECONDS - 1.5 * IDLE_SECONDS)
    rows = []
    for where in ("", ", a sweep in it"):
        before = {name: (ticks(pid), cpu_seconds(pid)) for name, pid in pids.items()}
        time.sleep(IDLE_SECONDS)
        counted = {name: float(ticks(pid) - before[name][0]) for name, pid in pids.items()}
        spent = {name: (cpu_seconds(pid) - before[name][1]) * 1000 for name, pid in pids.items()}
        what = f"supervisor: idle CPU, {AGENTS} running, 30 s{where}"
        rows.append(Row(what, "ticks", counted, *(() if where else ("0 ticks", counted[OURS] == 0))))
        rows.append(Row(what, "ms", spent))
    for field in ("Pss", "Rss"):
        weights = {name: pss(pid, field) / 1e6 for name, pid in pids.items()}
        bar = (f"<= {MEMORY_BAR:g} MB", weights[OURS] <= MEMORY_BAR) if field == "Pss" else ()
        rows.append(Row(f"supervisor: memory ({field.upper()}), {AGENTS} running", "MB", weights, *bar))
    return rows


# -- programs that die


def _restarts(swarm: Supervised, programs: dict[str, Programs]) -> list[Row]:
    dice = random.Random(2)
    victims = {name: dice.sample([job.name for job in own.jobs], RESTARTS) for name, own in programs.items()}
    whole: dict[str, list[float]] = {name: [] for name in programs}
    undelayed: list[float] = []
    for number in range(RESTARTS):
        for name in dice.sample(list(programs), len(programs)):
            time.sleep(dice.random())
            taken, delay = _restart(programs[name], victims[name][number], swarm if name == OURS else None)
            whole[name].append(taken * 1000)
            if name == OURS:
                undelayed.append((taken - delay) * 1000)
    medians = {name: statistics.median(taken) for name, taken in whole.items()}
    say("  program killed: " + ", ".join(f"{name} {min(t):.0f} to {max(t):.0f} ms" for name, t in whole.items()))
    return [
        Row("program killed, to its restart: p50", "ms", medians),
        Row("program killed, to its restart: without our delay", "ms", {**medians, OURS: statistics.median(undelayed)}),
    ]


def _restart(own: Programs, name: str, swarm: Supervised | None) -> tuple[float, float]:
    """Kill one program: seconds until it has begun again, and those that our policy wanted of them."""
    delay = 0.0
    if swarm is not None:
        swarm.skip()
    before = time.monotonic()
    if not send(own.running[name], signal.SIGKILL):
        raise ProcessLookupError(f"{name} was not there to be killed")
    if swarm is not None:
        delay = _delay_of_next(swarm)
    moment, begun = own.await_some()
    if begun != [name]:
        raise RuntimeError(f"{begun} began where {name} was to")
    return moment - before, delay


def _delay_of_next(swarm: Supervised) -> float:
    """The policy's delay, in seconds, for the next agent that ends."""
    for _, record in swarm.news():
        if record.type == events.AGENT_EXITED and record.key is not None:
            agent = registry.get(swarm.log, record.key)
            assert agent is not None
            return policy.delay(agent, microseconds(agent["ended_at"]))
    raise AssertionError("news has no end")


# -- daemons that die


def _adoptions(swarm: Supervised) -> list[Row]:
    dice = random.Random(3)
    swarm.skip()
    single = []
    for _ in range(DEATHS):
        time.sleep(dice.uniform(*PAUSES))
        single.append(_adoption(swarm, [dice.choice(swarm.agents())]))
    bursts = []
    for _ in range(BURSTS):
        time.sleep(1)
        bursts.append(_adoption(swarm, dice.sample(swarm.agents(), BURST)))
    rows = []
    for percent in (50, 99):
        figure = statistics.quantiles(single, n=100, method="inclusive")[percent - 1]
        what = f"daemon killed, to its adoption, {AGENTS} running: p{percent}"
        rows.append(Row(what, "ms", {OURS: figure}, f"<= {ADOPTION_BAR:g} ms", figure <= ADOPTION_BAR))
    say(f"  daemon killed: adopted after {min(single):.0f} to {max(single):.0f} ms; bursts {bursts}")
    return [
        *rows,
        Row(f"{BURST} daemons killed at once, to the last adoption", "ms", {OURS: statistics.median(bursts)}),
    ]


def _adoption(swarm: Supervised, victims: list[Agent]) -> float:
    """Kill the daemons of these; ms until the last one is adopted."""
    before = kill_daemons(victims)
    return (swarm.await_adoptions({agent["id"] for agent in victims})[-1] - before) * 1000
