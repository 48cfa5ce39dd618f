"""The child, up to its exec: forked first and held at a gate, so that its identity is in the log before it is anything.

What stops it is written to the run's `refused`; its status then is what a shell would give (126, 127).
"""

from __future__ import annotations

import errno
import os

from .process import Identity, identify
from .run import RLIMIT, write_aside
from .signals import signal
from .tree import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from .run import Run, Spec

NOT_FOUND, NOT_EXECUTABLE = 127, 126


class Held:
    """A child at the gate: known, but not executed yet."""

    __slots__ = ("_executed", "_gate", "identity")

    def __init__(self, identity: Identity, gate: int, executed: int) -> None:
        self.identity = identity
        self._gate = gate
        self._executed = executed

    def let_go(self) -> None:
        """Let it be executed, and return when it has been or has refused (see Run.refused)."""
        os.write(self._gate, b"g")
        self.give_up()
        os.read(self._executed, 1)  # ends when exec closes the other side
        os.close(self._executed)

    def give_up(self) -> None:
        """Close the gate: a child that still waits there ends without having been executed."""
        os.close(self._gate)


def fork(run: Run, spec: Spec) -> Held:
    """Fork the child of `run`. Before the log is opened: nothing of SQLite crosses a fork."""
    gate, open_gate = os.pipe()
    executed, executing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(open_gate)
        _become(run, spec, gate)
    os.close(gate)
    os.close(executing)
    identity = identify(pid)
    if identity is None:
        raise OSError(errno.EAGAIN, "the child ended at once")
    return Held(identity, open_gate, executed)


def _become(run: Run, spec: Spec, gate: int) -> NoReturn:
    step, code = "start", 125
    try:
        if os.read(gate, 1) != b"g":
            raise OSError(errno.ECANCELED, "its daemon died first")
        step = "set up the process for"
        _set_up(run, spec)
        if spec["tty"]:
            from . import terminal  # what few runs need

            step = "open a terminal for"
            terminal.split(run, *spec["size"])
            step = "set up the process for"
        _limit(run, spec)
        step = "enter the directory of"
        os.chdir(spec["cwd"])
        step, code = "execute", NOT_EXECUTABLE
        _execute(spec["command"], {**spec["env"], MARK: run.mark})
    except OSError as error:
        if step == "execute" and error.errno in (errno.ENOENT, errno.ENOTDIR):
            code = NOT_FOUND
        why = {"step": step, "errno": error.errno, "error": error.strerror, "exit_code": code}
        write_aside(run.refused, why)
    except ValueError as error:  # a NUL in a word, a character that the file system has not
        write_aside(run.refused, {"step": step, "errno": None, "error": str(error), "exit_code": code})
    finally:
        os._exit(code)


def _set_up(run: Run, spec: Spec) -> None:
    os.setsid()
    os.umask(spec["umask"])
    stdin = os.open(run.fifo("stdin") if spec["input"] else spec["stdin"] or os.devnull, os.O_RDONLY)
    # Read-write, so that a FIFO never breaks under the child: without a reader it waits, and a successor reads on.
    files = [stdin, *(os.open(run.fifo(stream), os.O_RDWR) for stream in ("stdout", "stderr"))]
    for number, file in enumerate(files):
        os.dup2(file, number, inheritable=True)
    for signum in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them; a program expects the default
        signal.signal(signum, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def _limit(run: Run, spec: Spec) -> None:
    if spec["open_files"] is not None:
        _limit_open_files(spec["open_files"])
    if run.confined()["by"] == RLIMIT:
        _limit_memory(spec["limits"]["memory"])


def _limit_open_files(wanted: int) -> None:
    """As many as whoever spawned the agent had: the supervisor, whose own limit is higher, may have restarted it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if wanted != soft:
        infinite = resource.RLIM_INFINITY
        most = wanted if hard == infinite else hard if wanted == infinite else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _limit_memory(size: int) -> None:
    """Each process of the run by itself: what it allocates, not what it maps of files."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (size, size))


def _execute(command: list[str], env: dict[str, str]) -> None:
    try:
        os.execvpe(command[0], command, env)
    except OSError as error:
        if error.errno != errno.ENOEXEC:
            raise
    # A script without `#!`: what a shell would do with it.
    path = command[0] if "/" in command[0] else _find(command[0], env)
    os.execve("/bin/sh", ["sh", path, *command[1:]], env)


def _find(name: str, env: dict[str, str]) -> str:
    for directory in env.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(directory, name)
        if os.access(path, os.X_OK):
            return path
    return name
