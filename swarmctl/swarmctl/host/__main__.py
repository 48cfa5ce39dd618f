"""`python -m swarmctl.host`: the host of the run that SWARM_RUN names, in the state directory SWARM_HOME.

It ends with 0 where the last turn was completed, 1 where it was not, 127 where the agent's command line is not there,
128+N where it was ended by signal N.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback

from swarm_daemon.run import Run
from swarm_daemon.tree import MARK
from swarm_store.errors import SwarmError
from swarm_store.home import locate

from ..mcp import handing
from .host import Host

ENDED_BY = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


async def host(run: Run) -> int:
    """Be the host of a run, to its end or a signal; the status."""
    spec = handing.hand(run, run.spec())
    made = Host(run, spec)
    working = asyncio.ensure_future(made.work())
    ended_by: list[int] = []

    def end(signum: int) -> None:
        ended_by.append(signum)
        working.cancel()

    for signum in ENDED_BY:
        asyncio.get_running_loop().add_signal_handler(signum, end, signum)
    try:
        return await working
    except asyncio.CancelledError:
        return 128 + ended_by[0] if ended_by else 1
    except SwarmError as error:
        print(f"swarmctl: {error.message}{f'; {error.hint}' if error.hint else ''}", file=sys.stderr)
        return error.exit_code
    finally:
        await made.close()
        handing.take_back(run, spec)


def main() -> None:
    """Find out which run it is, host it, and leave without waiting for threads that may wait for a reader."""
    agent_id, _, number = os.environ.get(MARK, "").rpartition(".")
    if not agent_id or not number.isdigit():
        sys.exit("swarmctl: a session host is started by an agent's daemon: swarmctl spawn --agent KIND")
    try:
        status = asyncio.run(host(Run(locate(), agent_id, int(number))))
    except SwarmError as error:  # nothing is left to start it from
        print(f"swarmctl: {error.message}", file=sys.stderr)
        status = error.exit_code
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
