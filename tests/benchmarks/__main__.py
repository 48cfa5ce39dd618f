"""`python -m tests.benchmarks [NAME...] [--write]`: all benchmarks, or the named ones, and one table at the end."""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable

from . import install, latency, lists, peers, report, serving, supervision, throughput, weight, writers
from .report import Row
from .scene import Interrupted, end_descendants, prepare_process, say

# Name → what runs it, and the text on how it is measured.
BENCHMARKS: dict[str, tuple[Callable[[], list[Row]], str]] = {
    "lists": (lists.measure, lists.HOW),
    "weight": (weight.measure, weight.HOW),
    "throughput": (throughput.measure, throughput.HOW),
    "latency": (latency.measure, latency.HOW),
    "writers": (writers.measure, writers.HOW),
    "supervisor": (supervision.measure, supervision.HOW),
    "serving": (serving.measure, serving.HOW),
}
INTERRUPTED = 130


def main() -> int:
    """0 whether bars are met or not: a figure is no error. 1 where a benchmark broke, 130 where it was interrupted."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all if none is named")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md: only with all of them")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    if given.write and given.names:
        parser.error("--write needs a whole run: name no benchmarks")
    prepare_process()
    try:
        return run(given.names or list(BENCHMARKS), given.write)
    except Interrupted as signal:
        say(f"{signal}: stopped, and cleared up")
        return INTERRUPTED
    finally:
        end_descendants()


def run(names: list[str], write: bool) -> int:
    """Measure, print the table, and write it if asked to; 1 where a benchmark broke, whose rows are missing then."""
    command = " ".join(["python -m tests.benchmarks", *(names if len(names) < len(BENCHMARKS) else [])])
    command += " --write" if write else ""
    peers.peers()
    facts = report.machine()
    rows: list[Row] = []
    broken = [name for name in names if not _measure(name, rows)]
    print(report.text(facts, rows, command))
    if broken:
        say(f"broken: {', '.join(broken)}; nothing is written")
        return 1
    if write:
        how = [("The peers", " ".join(peers.HOW.split()))]
        how += [(name.capitalize(), " ".join(BENCHMARKS[name][1].split())) for name in names]
        report.write(facts, rows, command, how)
        say(f"wrote {report.DOCUMENT.relative_to(install.ROOT)}")
    return 0


def _measure(name: str, rows: list[Row]) -> bool:
    """Add the rows of one benchmark; whether it could be measured. The others go on without it."""
    started = time.monotonic()
    say(f"{name} ...")
    try:
        rows += BENCHMARKS[name][0]()
    except Exception:
        traceback.print_exc()
        return False
    say(f"{name}: {time.monotonic() - started:.0f} s")
    return True


if __name__ == "__main__":
    sys.exit(main())
