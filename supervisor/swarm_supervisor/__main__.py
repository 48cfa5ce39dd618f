"""`python -m swarm_supervisor [--once]`: the supervisor as a process of its own, which loads no command line."""

from __future__ import annotations

import os
import sys

from swarm_store.errors import SwarmError
from swarm_store.home import locate

from .supervisor import Supervisor


def main() -> int:
    """The log is that of SWARM_HOME, the version SWARM_VERSION; the exit status."""
    try:
        version = os.environ.pop("SWARM_VERSION", "unknown")
        return Supervisor(locate(), version).run(once="--once" in sys.argv)
    except SwarmError as error:
        os.write(2, f"swarmctl: {error.message}; {error.hint}\n".encode())
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
