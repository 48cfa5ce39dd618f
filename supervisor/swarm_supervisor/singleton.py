"""One supervisor for each log on this machine: a lock that the kernel frees with its holder, and who that is."""

from __future__ import annotations

import fcntl
import os

from swarm_daemon.process import from_data, is_alive, myself
from swarm_store.clock import now, rfc3339
from swarm_store.codec import decode, encode
from swarm_store.errors import LogUnusable, SwarmError
from swarm_store.home import Home

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


ROOM = 512  # bytes, at least, that the lock's file has


class AlreadyRunning(SwarmError):
    """This log has a supervisor."""


class Singleton:
    """Being the supervisor of `home`, as long as this object lives. Raises AlreadyRunning, which says who is."""

    def __init__(self, home: Home) -> None:
        try:
            self._file = os.open(_path(home), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogUnusable(f"cannot open {_path(home)}: {error.strerror}", "look at its permissions") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            known = _read(self._file)
            os.close(self._file)
            who = f"process {known['pid']} on {known['host']}, since {known['since']}" if known else "another process"
            raise AlreadyRunning(f"{home.path} has a supervisor: {who}", "swarmctl supervisor stop ends it") from None
        self.who = {**myself(), "host": os.uname().nodename, "since": rfc3339(now()), "unit": _unit()}
        self._is_told = self._tell()

    def _tell(self) -> bool:
        """Write down who holds the lock, over what was there, which needs no room; whether that was possible."""
        try:
            written = os.pwrite(self._file, encode(self.who).ljust(ROOM).encode("ascii"), 0)
            os.ftruncate(self._file, written)
        except OSError:
            return False  # a full disk: the lock is held all the same, only nobody can tell by whom
        return True

    def is_ours(self, home: Home) -> bool:
        """Whether the lock is still what others meet: the state directory may have been removed."""
        try:
            there, held = os.stat(_path(home)), os.fstat(self._file)
        except OSError:
            return False
        return (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino)

    def check(self, home: Home) -> None:
        """Raises LogUnusable where is_ours is false: then there may be another supervisor of what is there now.

        Says who the supervisor is, where there was no room for it before.
        """
        self._is_told = self._is_told or self._tell()
        if not self.is_ours(home):
            raise LogUnusable(f"{_path(home)} has been removed", "the supervisor goes on where the directory is there")

    def release(self) -> None:
        """Be it no more; again is nothing."""
        if self._file < 0:
            return
        try:
            os.pwrite(self._file, b" " * ROOM, 0)  # the file keeps its length: the next one may find a full disk
        except OSError:
            pass  # whoever looks finds that this process is gone
        os.close(self._file)
        self._file = -1


def holder(home: Home) -> dict[str, Any] | None:
    """Who is the supervisor of `home`: pid, start, boot, host, since, unit; None where nobody is."""
    try:
        file = os.open(_path(home), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        known = _read(file)
    finally:
        os.close(file)
    return known if known and is_alive(from_data(known)) else None


def _read(file: int) -> dict[str, Any] | None:
    try:
        known: dict[str, Any] = decode(os.pread(file, 4096, 0).decode("ascii").strip())
    except ValueError:
        return None  # its holder is just writing it, or has none
    return known


def _path(home: Home) -> str:
    return os.path.join(home.path, "supervisor.lock")


def _unit() -> str | None:
    """The systemd unit that this process is the service of; None where it is none's."""
    if "INVOCATION_ID" not in os.environ or "NOTIFY_SOCKET" not in os.environ:
        return None
    try:
        with open("/proc/self/cgroup", encoding="ascii", errors="replace") as file:
            return file.read().strip().rpartition("/")[2] or None
    except OSError:
        return None
