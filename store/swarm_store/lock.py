"""The write lock: every write transaction and every checkpoint of all processes happens under one flock.

That keeps stock SQLite (3.7.0 to 3.51.2, the WAL-reset bug) from losing commits, and queues writers fairly. The
lock's file also carries the tally that tells its holder when a checkpoint is due. Opened after any fork and
close-on-exec, so that no child can hold it by inheritance.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time

from .errors import LogBusy, LogUnusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType

if TYPE_CHECKING:
    import signal
else:
    try:
        import _signal as signal  # the package around it imports enum: 0.4 MB in each daemon
    except ImportError:
        import signal

_TALLY = struct.Struct("<qd")  # bytes written since the last checkpoint, monotonic time of that checkpoint


class _TooLong(Exception):
    pass


class WriteLock:
    """`with lock:` holds the log's write lock. Raises LogBusy, naming the holder, after `timeout` seconds."""

    __slots__ = ("_file", "path", "timeout", "waited")

    def __init__(self, path: str, timeout: float) -> None:
        self.path = path
        self.timeout = timeout
        self.waited = 0.0  # seconds the last acquisition took: what writers pace themselves by
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise LogUnusable(
                f"cannot open {path}: {error.strerror}", "look at its permissions and the disk"
            ) from error

    def close(self) -> None:
        os.close(self._file)
        self._file = -1

    def is_current(self) -> bool:
        """Whether the lock's file is still there: a lock on a deleted one keeps nobody out."""
        return os.fstat(self._file).st_nlink > 0  # half the price of a look at the path, paid by every write

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lock, waiting in turn. Raises LogBusy."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.waited = 0.0
        except BlockingIOError:
            before = time.monotonic()
            self._queue()
            self.waited = time.monotonic() - before

    def release(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def tally(self) -> tuple[int, float]:
        """Bytes written to the log since its last checkpoint, and when that was (monotonic seconds). Holder only."""
        raw = os.pread(self._file, _TALLY.size, 0)
        written, when = _TALLY.unpack(raw) if len(raw) == _TALLY.size else (0, 0.0)
        return written, min(when, time.monotonic())  # a time past now is another boot's

    def set_tally(self, written: int, when: float) -> None:
        os.pwrite(self._file, _TALLY.pack(written, when), 0)

    def _queue(self) -> None:
        """Wait in the kernel's queue, which is fair; only a timer can call a thread back from it."""

        def give_up(signum: int, frame: FrameType | None) -> None:
            raise _TooLong

        try:
            before = signal.signal(signal.SIGALRM, give_up)
        except ValueError:  # not the main thread
            return self._try_often()
        mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM])  # whoever started us may have blocked it
        try:
            try:
                signal.setitimer(signal.ITIMER_REAL, self.timeout, 0.1)  # again, if it came just before the flock
                fcntl.flock(self._file, fcntl.LOCK_EX)
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
        except _TooLong:
            fcntl.flock(self._file, fcntl.LOCK_UN)  # the alarm may have come just after the lock
            raise self._busy() from None
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            signal.signal(signal.SIGALRM, before)
        return None

    def _try_often(self) -> None:
        deadline = time.monotonic() + self.timeout
        pause = 0.001
        while True:
            try:
                return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self._busy() from None
            time.sleep(pause)
            pause = min(pause * 2, 0.02)

    def _busy(self) -> LogBusy:
        return LogBusy(
            f"the event log is locked by {holder(self._file)} for over {self.timeout:g} s",
            "if that process is stopped, continue it (kill -CONT) or end it; nothing is lost by either",
        )


def identity(path: str) -> tuple[int, int] | None:
    """Which file is at `path`, as device and inode; None where there is none."""
    try:
        info = os.stat(path)
    except OSError:
        return None
    return info.st_dev, info.st_ino


def holder(file: int) -> str:
    """Who holds the flock on the open `file`, in words, as the kernel tells it; unknown where it does not."""
    info = os.fstat(file)
    wanted = f"{os.major(info.st_dev):02x}:{os.minor(info.st_dev):02x}:{info.st_ino}"
    try:
        with open("/proc/locks", encoding="ascii") as locks:
            for line in locks:
                fields = line.split()
                if fields[1] == "FLOCK" and fields[5] == wanted:
                    return _describe(int(fields[4]))
    except (OSError, ValueError, IndexError):
        pass
    return "another process"


def _describe(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
            name, _, rest = stat.read().partition(" (")[2].rpartition(") ")
    except OSError:
        return f"process {pid}"
    state = "stopped process" if rest[:1] in ("T", "t") else "process"
    return f"{state} {pid} ({name})"
