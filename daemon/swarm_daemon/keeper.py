"""The keeper: what is left of a run when its daemon is killed, so that a successor finds everything.

It is the daemon's parent and a subreaper, and it does nothing at all: it is `cat` on a FIFO that never ends (0.1 MB).
It holds the FIFOs of stdout and stderr open, so that bytes in the kernel's buffers stay. If the daemon dies, the child
becomes the keeper's, which never waits for it: when it ends it stays a zombie, and the kernel keeps its exact status
for the successor. It ignores the signals that others send to end things, and is killed when all is in the log.
"""

from __future__ import annotations

import os

from swarm_store.errors import CannotStart

from .prctl import become_subreaper
from .process import Identity, identify, myself, send
from .run import FIFOS, write_aside
from .signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .run import Run

IGNORED = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGTERM,
    signal.SIGPIPE,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


def split(run: Run) -> Identity:
    """Fork: the calling process becomes the run's keeper, the new one returns as its daemon, knowing the keeper."""
    program = find("cat")
    run.make_fifos()
    become_subreaper()
    pid = os.getpid()
    write_aside(run.keeper, myself())  # before there is one: if all of this start is killed but the keeper, it is known
    if os.fork():
        _keep(run, program)
    os.setsid()
    become_subreaper()
    keeper = identify(pid)
    if keeper is None:
        raise CannotStart("the run's keeper died at once", "look at the limits on processes and memory")
    return keeper


def release(keeper: Identity | None) -> None:
    """End the keeper: everything is in the log."""
    send(keeper, signal.SIGKILL)


def _keep(run: Run, program: str) -> NoReturn:
    try:
        for signum in IGNORED:
            signal.signal(signum, signal.SIG_IGN)
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        for name in FIFOS:
            os.set_inheritable(os.open(run.fifo(name), os.O_RDWR), True)
        os.execv(program, ["cat", run.fifo("hold")])
    finally:
        os._exit(125)


def find(name: str) -> str:
    """The path of a program that every machine has. Raises CannotStart where this one has not."""
    for directory in (*os.environ.get("PATH", os.defpath).split(os.pathsep), "/bin", "/usr/bin"):
        path = os.path.join(directory, name)
        if os.path.isabs(path) and os.access(path, os.X_OK):
            return path
    raise CannotStart(f"there is no `{name}` on this machine", "install coreutils or busybox")
