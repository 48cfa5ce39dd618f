"""`python -m swarm_supervisor.mend`: bring a damaged or deleted log back, in a process of its own.

What that needs (SQLAlchemy) would stay in the supervisor's memory for the rest of its life.
"""

from __future__ import annotations

import os
import subprocess
import sys

from swarm_store.errors import SwarmError
from swarm_store.home import Home, locate

MEND_SECONDS = 600.0


def mend(home: Home) -> str:
    """Bring the log of `home` back if need be; what was done, in words, empty where there was nothing to do."""
    command = [sys.executable, "-P", "-m", "swarm_supervisor.mend"]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, "SWARM_HOME": home.path},
            stdout=subprocess.PIPE,
            timeout=MEND_SECONDS,
            text=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"the log could not be looked at: {error}"
    return done.stdout.strip()


def main() -> None:
    from swarm_store.recovery import recover_if_needed

    try:
        report = recover_if_needed(locate())
    except SwarmError as error:
        print(f"{error.message}; {error.hint}")
    else:
        print(report or "")


if __name__ == "__main__":
    main()
