"""Wake-ups without polling: after a commit the writer rings each stream it wrote, and sleepers wake.

A listener is a FIFO of its own in the bell's directory, `bells/<stream>/<pid>.<n>`; to ring is to write one byte into
each. So a stream nobody listens to costs the writer one failed directory look-up; a listener needs no inotify instance
(a user may have 128 of those, fewer than agents); and one that died is told by the kernel (ENXIO) and swept by the next
ring, or by the supervisor where none comes. A ring is missed only if the writer dies between commit and ring: followers
look again after `NET` seconds, daemons after swarm_daemon.agent.NET_SECONDS.
"""

from __future__ import annotations

import errno
import os
import select

from .errors import LogUnusable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

    from .home import Home

ALL = "*"  # the bell of the whole log
LONGEST_NAME = 200  # file systems take 255 bytes
NET = 5.0  # seconds after which a foreground follower looks without having been woken

_count = 0


def _directory(home: Home, name: str) -> str:
    quoted = name.replace("%", "%25").replace("/", "%2F")
    if len(quoted) > LONGEST_NAME or not quoted.isascii():  # only clients name streams so
        from hashlib import sha256

        quoted = "%00" + sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return os.path.join(home.bells, "%2E" + quoted[1:] if quoted.startswith(".") else quoted)


def ring(home: Home, names: Iterable[str]) -> None:
    """Wake whoever listens to any of `names`. Never raises: the commit it tells of has happened."""
    for name in names:
        _ring_in(_directory(home, name))


def ring_all(home: Home) -> None:
    """Wake everybody who listens to anything. Never raises."""
    for name in _names(home.bells):
        _ring_in(os.path.join(home.bells, name))


def _ring_in(directory: str) -> None:
    for listener in _names(directory):
        if not listener.startswith("."):  # one that is still being made
            _wake(os.path.join(directory, listener))


def is_listened_to(home: Home, name: str) -> bool:
    """Whether anybody sleeps on the bell `name`, or on the whole log's."""
    return os.path.exists(_directory(home, name)) or os.path.exists(_directory(home, ALL))


def sweep(home: Home) -> None:
    """Remove the listeners of dead processes that nobody rings any more: a follower of an ended agent's output, say."""
    for name in _names(home.bells):
        directory = os.path.join(home.bells, name)
        for listener in _names(directory):
            path = os.path.join(directory, listener)
            if not listener.startswith("."):
                fifo = _open(path)
                if fifo is not None:
                    os.close(fifo)
            elif not os.path.exists(f"/proc/{listener[1:].partition('.')[0]}"):
                _remove(path)
        try:
            os.rmdir(directory)
        except OSError:
            pass  # somebody listens


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _wake(path: str) -> None:
    fifo = _open(path)
    if fifo is None:
        return
    try:
        os.write(fifo, b"\0")
    except OSError:
        pass  # full: it has been rung and not been answered yet
    finally:
        os.close(fifo)


def _open(path: str) -> int | None:
    """A listener's FIFO for writing; None where it is gone, or where its listener is dead, and then it is removed."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ENXIO:
            _remove(path)
        return None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
    except OSError:
        pass


class Bell:
    """A listener on one stream's bell. Listen first, then read the log, then `wait`: so nothing falls between."""

    __slots__ = ("_path", "file")

    def __init__(self, home: Home, name: str) -> None:
        global _count
        _count += 1
        directory = _directory(home, name)
        listener = f"{os.getpid()}.{_count}"
        try:
            self._path, self.file = _listen(directory, listener)
        except OSError as error:
            raise LogUnusable(
                f"cannot listen in {directory}: {error.strerror}",
                "the state directory must allow FIFOs and have room",
            ) from error

    def close(self) -> None:
        """Stop listening and leave nothing behind."""
        os.close(self.file)
        _remove(self._path)

    def __enter__(self) -> Bell:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def renew(self) -> None:
        """Hang the bell up again where somebody has removed it; its file keeps its number. Raises OSError."""
        if os.path.exists(self._path):
            return
        directory, listener = os.path.split(self._path)
        os.makedirs(os.path.dirname(directory), 0o700, exist_ok=True)
        _, file = _listen(directory, listener)
        os.dup2(file, self.file, inheritable=False)
        os.close(file)

    def clear(self) -> None:
        """Forget the rings so far; call it before reading the log, never after."""
        try:
            while len(os.read(self.file, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass


def wait(bells: Iterable[Bell], timeout: float | None) -> bool:
    """Sleep until one of `bells` rings or `timeout` seconds pass; whether one rang. Clears those that did."""
    poll = select.poll()
    by_file = {bell.file: bell for bell in bells}
    for file in by_file:
        poll.register(file, select.POLLIN)
    ready = poll.poll(None if timeout is None else max(0, timeout) * 1000)
    for file, _ in ready:
        by_file[file].clear()
    return bool(ready)


def _listen(directory: str, listener: str) -> tuple[str, int]:
    """Make the FIFO aside, open it, then put it in place: nobody ever meets one without its reader."""
    aside, path = os.path.join(directory, "." + listener), os.path.join(directory, listener)
    while True:
        try:
            os.mkdir(directory, 0o700)
        except FileExistsError:
            pass
        try:
            os.mkfifo(aside, 0o600)
            file = os.open(aside, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            os.rename(aside, path)
            return path, file
        except FileNotFoundError:
            continue  # the last listener has just removed the directory
        except FileExistsError:
            os.unlink(aside)  # left by a dead process that had this PID
