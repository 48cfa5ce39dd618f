"""The torture in its short form: see tests/torture, which does it for as long as you like (`make torture`)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SECONDS, AGENTS = 10, 10


def test_whatever_happens_nothing_is_lost_and_nothing_doubled() -> None:
    """After random faults every line is in the log once and in order, each run has its true end, nothing is left."""
    command = [sys.executable, "-m", "tests.torture", "--seconds", str(SECONDS), "--agents", str(AGENTS)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
