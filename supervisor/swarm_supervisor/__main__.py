"""`python -m swarm_supervisor [OPTIONS]`: the supervisor as a process of its own, which loads no command line.

OPTIONS is a JSON object: `once`, and the retention policy as `older_than`, `keep`, `larger_than`.
"""

from __future__ import annotations

import os
import sys

from swarm_store.codec import decode
from swarm_store.errors import SwarmError
from swarm_store.home import locate
from swarm_store.retention import Policy

from .supervisor import Supervisor


def main() -> int:
    """The log is that of SWARM_HOME, the version SWARM_VERSION; the exit status."""
    try:
        version = os.environ.pop("SWARM_VERSION", "unknown")
        options = decode(sys.argv[1]) if len(sys.argv) > 1 else {}
        once = options.pop("once", False)
        return Supervisor(locate(), version, Policy(**options)).run(once=once)
    except SwarmError as error:
        os.write(2, f"swarmctl: {error.message}; {error.hint}\n".encode())
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
