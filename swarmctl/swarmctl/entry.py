"""Where the command begins, before the heavy imports: see that 0, 1 and 2 are open, and start a daemon ahead.

Loading Typer takes this process as long as loading a daemon takes another. So `spawn` starts the daemon's interpreter
first; it touches nothing until it is let go, and ends by itself if it never is.
"""

from __future__ import annotations

import os
import sys

ahead: str | None = None  # the id of the agent whose daemon is loading


def main() -> None:
    """Run the command line and exit with its status."""
    _fill_closed()
    is_here = not os.environ.get("SWARM_SERVER")  # where --server is said, it stands before the verb
    if sys.argv[1:2] == ["spawn"] and is_here and not {"-h", "--help"} & set(sys.argv):
        _start_daemon_ahead()
    from .app import run

    status = run()
    sys.stderr.flush()
    os._exit(status)  # nothing is left to do, and taking the interpreter down takes 10 ms


def _start_daemon_ahead() -> None:
    global ahead
    from swarm_daemon.launch import start_ahead
    from swarm_daemon.spawn import new_id
    from swarm_store.home import locate

    ahead = new_id()
    start_ahead(locate(), ahead)


def _fill_closed() -> None:
    """Where stdin, stdout or stderr is closed, put something in its place, so that no file of ours gets its number.

    Reading gives nothing and errors are not said; what is written to stdout fails, as it would have.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:  # the lowest number that is free is this one
            os.open(os.devnull, os.O_WRONLY if number == 2 else os.O_RDONLY)
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
