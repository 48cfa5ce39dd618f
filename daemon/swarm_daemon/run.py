"""The files of one run, in `agents/<id>/run-<n>/`, and the spec that it is started from.

lock            held by the run's daemon as long as it lives: two daemons cannot be
stdout stderr   the FIFOs that the child writes into
hold            the FIFO that the keeper sleeps on
terminal        of a run in a terminal: the socket by which viewers come (see terminal.py)
stdin stdin.*   of a run that takes input: the FIFO that the child reads, and what else input.py needs
keeper          who that is, written before it is anything
stdout.<byte>   journals: what has left the FIFOs and may not be in the log yet
refused         why the child was not executed, written by itself
who             the run's processes: what its agent can be registered from again if the log is gone
ending          why and until when it is being ended, written before anybody is signalled
exit            how the child ended, written by the first daemon that saw it
limits          what enforces the run's limits, written by whoever launched it, if it has any
daemon.log      what the daemon had to say
"""

from __future__ import annotations

import fcntl
import os
import struct

from swarm_store.codec import decode, encode
from swarm_store.errors import CannotStart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from swarm_store.home import Home

    # command, cwd, env, umask, stdin, timeout, grace, ...: see launch.make_spec
    Spec = dict[str, Any]

FIFOS = ("hold", "stdout", "stderr")  # of every run
SCOPE, CGROUP, RLIMIT = "scope", "cgroup", "rlimit"  # what can enforce a run's limits: see confine
NOT_ASKED_FOR = {
    "silence": None,
    "on_silence": "mark",
    "limits": None,
    "open_files": None,
    "input": False,
    "tty": False,
    "before": None,
    "after": None,
}
_FLOCK = struct.Struct("hhqqi4x")  # struct flock: type, whence, start, length, pid


class Run:
    """One run's directory and paths."""

    __slots__ = (
        "_lock",
        "agent_id",
        "ending",
        "exit",
        "home",
        "keeper",
        "limits",
        "notes",
        "number",
        "path",
        "refused",
        "who",
    )

    def __init__(self, home: Home, agent_id: str, number: int) -> None:
        self.home = home
        self.agent_id = agent_id
        self.number = number
        self.path = os.path.join(home.agent(agent_id), f"run-{number}")
        self.ending = os.path.join(self.path, "ending")
        self.exit = os.path.join(self.path, "exit")
        self.refused = os.path.join(self.path, "refused")
        self.keeper = os.path.join(self.path, "keeper")
        self.limits = os.path.join(self.path, "limits")
        self.who = os.path.join(self.path, "who")
        self.notes = os.path.join(self.path, "daemon.log")
        self._lock = -1

    @property
    def mark(self) -> str:
        """What the run's processes carry in their environment."""
        return f"{self.agent_id}.{self.number}"

    @property
    def spec_path(self) -> str:
        return os.path.join(self.home.agent(self.agent_id), "spec.json")

    def prepare(self, spec: Spec) -> None:
        """Make the agent's directory and write the spec, which holds the environment: for the owner alone.

        It is on disk when this returns, as the registering is that follows: a promise that a power failure keeps.
        """
        os.makedirs(self.home.agent(self.agent_id), mode=0o700, exist_ok=True)
        write_aside(self.spec_path, spec, durable=True)
        for directory in (self.home.agent(self.agent_id), self.home.agents):
            _sync(directory)

    def make(self) -> None:
        """Make the run's own directory."""
        os.makedirs(self.path, mode=0o700, exist_ok=True)

    def spec(self) -> Spec:
        """What the run is started from; what an earlier version did not write is as if not asked for.

        Raises CannotStart where it is gone, or not whole after a power failure.
        """
        found = read_record(self.spec_path)
        if found is None:
            raise CannotStart(f"agent {self.agent_id} has no spec in {self.spec_path}", "spawn it anew")
        return {**NOT_ASKED_FOR, **found}

    def confined(self) -> dict[str, Any]:
        """What enforces its limits (`by`: SCOPE, CGROUP, RLIMIT or None), and the cgroups that tell more of it."""
        return read_record(self.limits) or {"by": None, "cgroups": []}

    def fifo(self, name: str) -> str:
        """The path of a FIFO: stdout, stderr, hold, or one of input's."""
        return os.path.join(self.path, name)

    def redirect(self) -> None:
        """Point this process's stdin and stdout to nothing, and its stderr to the daemon's own log."""
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        notes = os.open(self.notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        for number, file in enumerate((nothing, nothing, notes)):
            os.dup2(file, number)
        os.close(nothing)
        os.close(notes)

    def make_fifos(self, names: tuple[str, ...] = FIFOS) -> None:
        for name in names:
            try:
                os.mkfifo(self.fifo(name), 0o600)
            except FileExistsError:
                pass

    def acquire(self) -> bool:
        """Become the run's daemon, for as long as this process lives; False where another is."""
        file = os.open(os.path.join(self.path, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
            is_ours = _share(file)
        except (BlockingIOError, PermissionError):  # POSIX leaves the choice
            is_ours = False
        if is_ours:
            self._lock = file
        else:
            os.close(file)
        return is_ours

    def release(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def has_daemon(self) -> bool:
        """Whether a daemon holds the run. Needs no PID, so no reused PID can fool it.

        Asks the kernel and locks nothing, so that no successor is turned away by somebody who only looks.
        """
        try:
            file = os.open(os.path.join(self.path, "lock"), os.O_RDWR | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return False  # and where nothing can be opened any more, nothing is proved
        try:
            answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
            return bool(_FLOCK.unpack(answer)[0] != fcntl.F_UNLCK) or not _share(file)
        finally:
            os.close(file)

    def remove(self) -> None:
        """Delete the run's directory, when all of it is in the log."""
        try:
            for name in sorted(os.listdir(self.path), key=lambda name: name == "lock"):  # the lock last
                os.unlink(os.path.join(self.path, name))
            os.rmdir(self.path)
        except FileNotFoundError:
            pass  # somebody is removing the whole agent at the same moment
        self.release()


def _share(file: int) -> bool:
    """Share the flock that the daemons of the first version hold alone; False where one of them does."""
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sync(directory: str) -> None:
    file = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def write_aside(path: str, record: dict[str, Any], *, durable: bool = False) -> None:
    """Write a JSON record so that a reader sees all of it or none; `durable`: its bytes are on disk before its name."""
    aside = f"{path}.{os.getpid()}"
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        raw = encode(record).encode("ascii")
        while raw:
            raw = raw[os.write(file, raw) :]
        if durable:
            os.fdatasync(file)
    except OSError:
        os.unlink(aside)
        raise
    finally:
        os.close(file)
    os.rename(aside, path)


def read_record(path: str) -> dict[str, Any] | None:
    """A record that was written aside; None where there is none, or a power failure has left it empty."""
    try:
        with open(path, encoding="ascii") as file:
            record: dict[str, Any] = decode(file.read())
    except (FileNotFoundError, ValueError):
        return None
    return record
