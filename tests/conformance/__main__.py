"""`make conformance`: the Durable Streams protocol's own suite, all of it, against a fresh `swarmctl serve`.

`python -m conformance [--url URL] [ARGUMENTS of vitest...]`: a server that runs already; some tests only (-t 'SSE').
The status is 0 only where each of the tests has passed, none was skipped, and none is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from support import node
from support.servers import serving

HERE = Path(__file__).resolve().parent
TESTS = 338  # 332, and 6 of subscriptions, which a server opts in to
LONG_POLL_SECONDS = "0.5"  # what the suite expects
PAGE = "https://example.com"  # where the page is from that the suite plays: others are refused


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m conformance", description=__doc__)
    parser.add_argument("--url", help=f"one that runs already, --no-token --long-poll 0.5 --allow-origin {PAGE}")
    given, arguments = parser.parse_known_args()
    try:
        modules = node.install()
    except node.NoNode as error:
        print(f"conformance: {error}", file=sys.stderr)
        return 1
    if given.url:
        return _suite(modules, given.url, arguments)
    with tempfile.TemporaryDirectory(prefix="swarm-conformance-") as place:
        options = ("--no-token", "--long-poll", LONG_POLL_SECONDS, "--allow-origin", PAGE)
        with serving(Path(place, "home"), *options) as server:
            status = _suite(modules, server.url, arguments)
        print(server.complaints(), end="", file=sys.stderr)
        return status


def _suite(modules: Path, url: str, arguments: list[str]) -> int:
    """Run the suite; its status, and 1 where it was not the whole suite though nobody chose tests of it."""
    with tempfile.TemporaryDirectory() as place:
        results = Path(place, "results.json")
        command = [
            str(modules / ".bin" / "vitest"),
            "run",
            "--root",
            str(HERE),
            "--reporter=default",
            "--reporter=json",
        ]
        done = subprocess.run(
            [*command, f"--outputFile.json={results}", *arguments],
            env=os.environ | {"CONFORMANCE_URL": url},
            stdin=subprocess.DEVNULL,
        )
        if arguments or done.returncode:
            return done.returncode
        passed = json.loads(results.read_text())["numPassedTests"]
    print(f"conformance: {passed} of {TESTS} passed")
    return 0 if passed == TESTS else 1


if __name__ == "__main__":
    sys.exit(main())
