"""`python -m swarm_supervisor.mend`: bring a damaged or deleted log back, in a process of its own.

What that needs (SQLAlchemy) would stay in the supervisor's memory for the rest of its life.
"""

from __future__ import annotations

import os
import subprocess
import sys

from swarm_store.errors import SwarmError
from swarm_store.home import Home, locate


def begin_to_mend(home: Home) -> subprocess.Popen[str]:
    """Have the log of `home` brought back if need be; says what was done on its stdout, if anything. Raises OSError."""
    command = [sys.executable, "-P", "-m", "swarm_supervisor.mend"]
    environment = {**os.environ, "SWARM_HOME": home.path}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


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
