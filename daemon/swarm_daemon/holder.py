"""The holder of a run's input: it keeps the FIFOs open that the child's standard input comes through.

The keeper holds what it holds to the end of the run; input may be closed before, and the child reads the end of the
file only once nobody can write any more. So this is a process of its own, of runs that take input alone: `head` on a
FIFO, which a line in it ends. It ends with the keeper too, and as long as it is there nothing in its FIFOs is lost.
"""

from __future__ import annotations

import os

from .keeper import IGNORED, find
from .prctl import end_with_parent
from .signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .run import Run

STAGES = ("stdin.0", "stdin.1")  # what lies between the log and the child: see input
_HOLD = "stdin.hold"  # what it sleeps on


def fork(run: Run) -> None:
    """Fork the holder, as a child of the calling process, which is about to become the run's keeper.

    It has its FIFOs from the moment it is there. Raises CannotStart, OSError.
    """
    program = find("head")
    names = (_HOLD, "stdin", *STAGES)
    run.make_fifos(names)
    files = [os.open(run.fifo(name), os.O_RDWR) for name in names]
    parent = os.getpid()
    if os.fork() == 0:
        _hold(program, files, parent)
    for file in files:
        os.close(file)


def _hold(program: str, files: list[int], parent: int) -> NoReturn:
    try:
        for signum in IGNORED:
            signal.signal(signum, signal.SIG_IGN)
        end_with_parent()
        if os.getppid() != parent:
            os._exit(0)  # it died before that
        for file in files:
            os.set_inheritable(file, True)
        os.dup2(files[0], 0)
        os.execv(program, ["head", "-n", "1"])
    finally:
        os._exit(125)


def is_there(run: Run) -> bool:
    """Whether the run's input has a holder."""
    return _tell(run, b"")


def let_go(run: Run) -> None:
    """End the holder, if there is one."""
    _tell(run, b"\n")


def _tell(run: Run, word: bytes) -> bool:
    try:
        file = os.open(run.fifo(_HOLD), os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return False  # nobody has the other side open
    try:
        os.write(file, word)
    except OSError:
        return False  # not any more
    finally:
        os.close(file)
    return True
