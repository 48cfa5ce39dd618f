"""A scene: a scratch directory and all processes started in it, none of which outlives it.

The benchmark is a subreaper: whatever is started here and daemonizes becomes its child and nobody else's. So the
processes that are ended are its own descendants, provably, and each is signalled through a pidfd that was opened before
its parent was looked at. What they wrote is in the scratch directory, which is removed.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .readings import children, parent_of

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE = 30.0  # seconds for a process to die of SIGKILL
# What must not reach the tools: a swarm that this runs in, a shell's Python settings, another pm2.
_STRANGE = ("SWARM_", "PYTHON", "PM2_", "CIRCUS", "SUPERVISOR", "XDG_STATE", "VIRTUAL_ENV", "NODE_")


class Interrupted(BaseException):
    """A signal asked the benchmark to stop."""


def prepare_process() -> None:
    """Once, at the start: become a subreaper, and turn what would end us into an exception that cleans up."""
    if ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError("this kernel cannot make the benchmark a subreaper: processes could be left behind")
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, _stop)


def _stop(signum: int, frame: object) -> None:
    for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)  # cleaning up is not interrupted
    raise Interrupted(signal.Signals(signum).name)


class Scene:
    """The scratch directory `path`, and how to run commands in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(_STRANGE)}
        self.env |= {"HOME": str(path), "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}

    def run(self, command: list[str], env: dict[str, str] | None = None, *, check: bool = True) -> str:
        """Run a command to its end; its stdout. Fails loudly with what it had to say."""
        done = subprocess.run(
            command, env=self.env | (env or {}), cwd=self.path, stdin=subprocess.DEVNULL, capture_output=True, text=True
        )
        if check and done.returncode:
            raise RuntimeError(
                f"{' '.join(command)[:300]}: status {done.returncode}\n{done.stdout}{done.stderr}"[:3000]
            )
        return done.stdout

    def start(
        self, command: list[str], env: dict[str, str] | None = None, *, pipe: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a command that goes on; its stdout is a pipe, or a file of the scene."""
        with (self.path / "started.log").open("ab") as notes:
            return subprocess.Popen(
                command,
                env=self.env | (env or {}),
                cwd=self.path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if pipe else notes,
                stderr=notes,
            )


@contextmanager
def scene() -> Iterator[Scene]:
    """A new scene; at its end, however that comes, its processes are ended and its directory is gone."""
    path = Path(tempfile.mkdtemp(prefix="swarm-bench-"))
    try:
        yield Scene(path)
    finally:
        end_descendants()
        shutil.rmtree(path)


def end_descendants() -> None:
    """Kill every descendant of this process and reap them all. Raises TimeoutError for one that would not die."""
    deadline = time.monotonic() + _PATIENCE
    while below := children(os.getpid()):
        for pid in below:
            _kill_tree(pid, os.getpid())
        _reap()
        if time.monotonic() > deadline:
            raise TimeoutError(f"still there after SIGKILL: {below}")
        time.sleep(0.005)


def _kill_tree(pid: int, parent: int) -> None:
    """End `pid` and what descends from it, parents first: what they leave becomes ours and is met again."""
    try:
        file = os.pidfd_open(pid)
    except OSError:
        return
    try:
        if parent_of(pid) == parent:  # still the process that we found: the pidfd was opened before
            below = children(pid)
            signal.pidfd_send_signal(file, signal.SIGKILL)
            for one in below:
                _kill_tree(one, os.getpid())
    except OSError:
        pass
    finally:
        os.close(file)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def say(text: str) -> None:
    """What is going on, on stderr: stdout carries the table alone."""
    print(f"bench: {text}", file=sys.stderr, flush=True)
