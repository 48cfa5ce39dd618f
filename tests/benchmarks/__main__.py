"""`python -m tests.benchmarks [NAME...] [--write]`: all benchmarks, or the named ones, and one table at the end."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable

from . import install, latency, lists, peers, report, throughput, weight, writers
from .report import Row
from .scene import Interrupted, end_descendants, prepare_process, say

# Name → what runs it, and the text on how it is measured.
BENCHMARKS: dict[str, tuple[Callable[[], list[Row]], str]] = {
    "lists": (lists.measure, lists.HOW),
    "weight": (weight.measure, weight.HOW),
    "throughput": (throughput.measure, throughput.HOW),
    "latency": (latency.measure, latency.HOW),
    "writers": (writers.measure, writers.HOW),
}
INTERRUPTED = 130


def main() -> int:
    """0 whether bars are met or not: a figure is not an error. 130 where it was interrupted."""
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
        run(given.names or list(BENCHMARKS), given.write)
    except Interrupted as signal:
        say(f"{signal}: stopped, and cleared up")
        return INTERRUPTED
    finally:
        end_descendants()
    return 0


def run(names: list[str], write: bool) -> None:
    command = " ".join(["python -m tests.benchmarks", *(names if len(names) < len(BENCHMARKS) else [])])
    command += " --write" if write else ""
    peers.peers()
    facts = report.machine()
    rows: list[Row] = []
    for name in names:
        started = time.monotonic()
        say(f"{name} ...")
        rows += BENCHMARKS[name][0]()
        say(f"{name}: {time.monotonic() - started:.0f} s")
    print(report.text(facts, rows, command))
    if write:
        how = [("The peers", " ".join(peers.HOW.split()))]
        how += [(name.capitalize(), " ".join(BENCHMARKS[name][1].split())) for name in names]
        report.write(facts, rows, command, how)
        say(f"wrote {report.DOCUMENT.relative_to(install.ROOT)}")


if __name__ == "__main__":
    sys.exit(main())
