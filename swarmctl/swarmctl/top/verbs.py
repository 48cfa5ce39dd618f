"""A verb of swarmctl, run as a process beside ours.

So it does what it always does (adopt a run, wait for an end, keep the umask and the environment that `top` was started
with), and goes on when the picture is closed.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

from swarm_store.errors import SwarmError


def run(words: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run it to its end; what it prints. Raises SwarmError with its complaint."""
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "swarmctl", *words],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        start_new_session=True,  # a key that ends the picture does not end what it began
    )
    if ran.returncode:
        said = ran.stderr.decode("utf-8", "replace").strip().splitlines() or [f"status {ran.returncode}"]
        raise SwarmError(said[-1].removeprefix("swarmctl: "))
    return ran.stdout.decode("utf-8", "replace").strip()
