"""`python -m swarm_supervisor.prune POLICY`: forget what the retention policy says, and give its space back."""

from __future__ import annotations

import sys

from swarm_daemon import control
from swarm_store.codec import decode
from swarm_store.home import locate
from swarm_store.log import Log
from swarm_store.retention import Policy


def main() -> None:
    with Log(locate(), create=False) as log:
        if list(control.prune(log, Policy(**decode(sys.argv[1])))):
            log.give_back()


if __name__ == "__main__":
    main()
