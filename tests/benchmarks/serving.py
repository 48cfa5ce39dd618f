"""`swarmctl serve` beside the protocol's reference server: appends, live readers, catching up, idle readers."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from . import install, stamper
from .report import OURS, REFERENCE, SERVERS, Row
from .scene import say, scene
from .servers import Ours, Reference, Served

ROUNDS = 3
APPENDS = ((1, 1), (50, 1), (1, 50), (50, 50))  # writers on streams
APPEND_SECONDS = 2.0
TAILS = ((1, 200, 0.01), (50, 60, 0.05), (500, 12, 0.3))  # readers, messages, seconds between them
CATCH_UPS = ((100_000, 100), (20_000, 1))  # messages, so many in each append
IDLE_READERS = 1000
IDLE_SECONDS = 60.0
WAKES = 300
READY = 5
WAKE_BAR = 3.0  # ms
HOW = """
The peer is the protocol's reference server, `@durable-streams/server`, with its store of files: it calls fdatasync for
each append before it answers, as our log is synced before we do. Both run all the time, with their defaults; ours asks
for its token in each request, the reference knows none. The load is one program for both, in a process of its own:
plain sockets and epoll. Rounds are interleaved, 3 of each, and the order is turned each round; figures are medians, the
ratio is the median of the rounds' ratios, with the worst round's behind it. A bar is met where even the worst round is
ahead. Appends are of 100 bytes, each writer sends its next one when the last is answered, one writer on 50 streams
takes them in turn; 2 s, after 0.2 s that are not counted. CPU an append is schedstat of all threads of all the server's
processes. A tail is from just before the POST is sent until a reader has read the message, over all readers and
messages; they come at a fixed pace, 10, 50 or 300 ms apart for 1, 50 or 500 readers, so that no queue is measured that
the pace has made. Catching up is one client that reads from -1 until Stream-Up-To-Date, JSON messages of 100 bytes:
bytes of all bodies in a second, over and over for 1 s; before that, not timed, each message must have been there once.
Idle readers: 1,000 by SSE of one stream to which nothing comes, of both servers in the same 60 s; who is sent away
comes again, and that counts; memory is PSS of all the server's processes with them. A local agent is one that writes
300 lines, 5 to 15 ms apart, each with the monotonic clock read just before write(2); the reader is one by SSE of
`agents/ID`; the first 20 are not counted. The reference has no agents.
"""


def measure() -> list[Row]:
    if install.reference() is None:
        say("  the reference server is not there: it needs Node")
        return []
    _allow_files()
    with scene() as place:
        servers: list[Served] = [Ours(place), Reference(place)]
        rows = [*_appends(servers), *_tails(servers), *_catch_ups(servers), *_idle(servers)]
        assert isinstance(servers[0], Ours)
        return [*rows, _wake(servers[0])]


def _allow_files() -> None:
    """As many open files as may be, for us and what we start: a thousand readers are a thousand sockets."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _in_turn(servers: list[Served], once: Callable[[Served, int], list[float]]) -> list[dict[str, list[float]]]:
    """Rounds of `once`, which gives some figures; for each of them what each server had, round by round."""
    rounds: dict[str, list[list[float]]] = {server.name: [] for server in servers}
    for number in range(ROUNDS):
        for server in servers if number % 2 == 0 else reversed(servers):
            rounds[server.name].append(once(server, number))
    figures = range(len(rounds[OURS][0]))
    return [{name: [one[figure] for one in ones] for name, ones in rounds.items()} for figure in figures]


def _row(what: str, unit: str, taken: dict[str, list[float]], *, more_is_better: bool = False) -> Row:
    """A row with a bar: ahead of the reference, in the worst round too."""
    ratios = [ours / theirs for ours, theirs in zip(taken[OURS], taken[REFERENCE], strict=True)]
    worst = min(ratios) if more_is_better else max(ratios)
    figures = {name: statistics.median(ones) for name, ones in taken.items()}
    met = worst > 1 if more_is_better else worst < 1
    say(f"  {what}: {figures[OURS]:.2f} against {figures[REFERENCE]:.2f} {unit}, worst ratio {worst:.2f}")
    bar = "> 1 in each round" if more_is_better else "< 1 in each round"
    return Row(what, unit, figures, bar, met, SERVERS, (statistics.median(ratios), worst))


def _appends(servers: list[Served]) -> list[Row]:
    rows = []
    for writers, streams in APPENDS:

        def once(server: Served, number: int, writers: int = writers, streams: int = streams) -> list[float]:
            name, before = f"append-{writers}-{streams}-{number}", server.cpu()
            seen = server.load("append", name=name, writers=writers, streams=streams, seconds=APPEND_SECONDS)
            return [seen["rate"], (server.cpu() - before) / seen["appends"] * 1e6]

        rate, cpu = _in_turn(servers, once)
        what = f"appends: {_count(writers, 'writer')}, {_count(streams, 'stream')}"
        rows.append(_row(what, "1/s", rate, more_is_better=True))
        rows.append(_row(f"{what}: CPU of one", "µs", cpu))
    return rows


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _tails(servers: list[Served]) -> list[Row]:
    rows = []
    for readers, messages, pause in TAILS:

        def once(
            server: Served, number: int, readers: int = readers, messages: int = messages, pause: float = pause
        ) -> list[float]:
            name = f"tail-{readers}-{number}"
            seen = server.load("tail", name=name, readers=readers, messages=messages, pause=pause)
            return [seen["p50"], seen["p99"]]

        for percent, taken in zip((50, 99), _in_turn(servers, once), strict=True):
            rows.append(_row(f"SSE tail, {_count(readers, 'reader')}: p{percent}", "ms", taken))
    return rows


def _catch_ups(servers: list[Served]) -> list[Row]:
    rows = []
    for messages, at_once in CATCH_UPS:
        name = f"catch-up-{at_once}"
        for server in servers:
            server.load("fill", name=name, messages=messages, at_once=at_once)

        def once(server: Served, _: int, name: str = name, messages: int = messages) -> list[float]:
            return [float(server.load("catch_up", name=name, messages=messages, seconds=1.0)["rate"])]

        (taken,) = _in_turn(servers, once)
        each = "each appended alone" if at_once == 1 else f"{at_once} an append"
        rows.append(_row(f"catch-up of {messages:,} messages, {each}", "MB/s", taken, more_is_better=True))
    return rows


def _idle(servers: list[Served]) -> list[Row]:
    readers = [
        server.place.start(server.load_command("idle", name="idle", readers=IDLE_READERS), pipe=True)
        for server in servers
    ]
    for one in readers:
        assert one.stdout is not None and one.stdout.readline() == b"ready\n"
    before = {server.name: server.cpu() for server in servers}
    time.sleep(IDLE_SECONDS)
    spent = {server.name: [(server.cpu() - before[server.name]) * 1000] for server in servers}
    filled = {server.name: [server.memory()] for server in servers}
    for one in readers:
        one.kill()
        one.communicate()
    what = f"{IDLE_READERS:,} idle SSE readers"
    return [
        _row(f"{what}: memory of the server", "MB", filled),
        _row(f"{what}: CPU, {IDLE_SECONDS:.0f} s", "ms", spent),
    ]


def _wake(server: Ours) -> Row:
    """An append by a local agent's daemon, to a reader of the server."""
    gate = server.place.path / "gate"
    script = [sys.executable, "-S", "-E", str(Path(stamper.__file__)), "stamps", str(gate), str(WAKES)]
    agent = server.tool.run([server.tool.program, "spawn", "--", *script]).strip()
    seen = server.load("follow", name=f"agents/{agent}", messages=WAKES, ready=READY, gate=str(gate))
    say(f"  a local agent's line: {json.dumps(seen)}")
    met = seen["p50"] <= WAKE_BAR
    what = "a local agent's line, to an SSE reader: p50"
    return Row(what, "ms", {OURS: seen["p50"]}, f"<= {WAKE_BAR:g} ms", met, SERVERS)
