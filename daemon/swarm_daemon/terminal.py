"""How the child of a run gets a terminal (--tty): it forks, and becomes the host of one, which its program is in.

daemon
  └ host (terminal_host.py): holds the terminal, and is the run's child
      └ program: the terminal is its own; ends with the host (PR_SET_PDEATHSIG)
"""

from __future__ import annotations

import _socket
import fcntl
import os
import sys
import termios

from .prctl import end_with_parent
from .signals import signal
from .terminal_host import resize
from .terminal_protocol import SOCKET
from .tree import DAEMON_MARK, MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .run import Run

_IUTF8 = 0o40000  # backspace takes a character, not a byte
_IGNORED = (  # what ends the program ends the host, and nothing else that is not meant for it alone
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGPIPE,
    signal.SIGTSTP,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


def split(run: Run, rows: int, columns: int) -> None:
    """Fork: the calling process becomes the host of a terminal of `run`, by exec; the new one returns, in the terminal.

    Raises OSError in the calling process where there is no terminal, and then there is no other.
    """
    ours, theirs = os.openpty()
    resize(theirs, rows, columns)
    settings = termios.tcgetattr(theirs)
    settings[0] |= _IUTF8
    termios.tcsetattr(theirs, termios.TCSANOW, settings)
    listener = _listen(run)
    waiting, going = os.pipe()
    program = os.fork()
    if program == 0:
        os.close(going)
        _take(theirs, waiting)
        return
    try:
        _host(run, program, (ours, theirs, listener))
    except BaseException:
        os.kill(program, signal.SIGKILL)
        os.waitpid(program, 0)
        raise


def _listen(run: Run) -> int:
    """The socket of the run. By a short name: a path of more than 107 bytes would be too long for one."""
    os.chdir(run.path)
    listener = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    listener.bind(SOCKET)
    listener.listen(64)
    return listener.detach()


def _take(theirs: int, waiting: int) -> None:
    """Have the terminal as this process's own, once its host is there."""
    end_with_parent()
    os.setsid()
    fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(theirs, number, inheritable=True)
    os.read(waiting, 1)  # ends when the host's exec closes the other side


def _host(run: Run, program: int, files: tuple[int, ...]) -> NoReturn:
    for file in files:
        os.set_inheritable(file, True)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])  # until it can be heeded
    for signum in _IGNORED:
        signal.signal(signum, signal.SIG_IGN)
    begin = "from swarm_daemon.terminal_host import main; main()"
    words = [sys.executable, "-P", "-S", "-s", "-c", begin, *map(str, (program, *files))]
    around = {name: value for name, value in os.environ.items() if name != DAEMON_MARK}
    os.execve(sys.executable, words, {**around, MARK: run.mark})
