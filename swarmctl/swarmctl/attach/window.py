"""This terminal: raw while it is attached, and as it was afterwards, whatever happens in between.

What is to be shown is written as the terminal takes it, so that keys are heard while it is slow.
"""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import termios
import time
import tty
from types import TracebackType
from typing import Any

_KEYS, _SHOWN = 0, 1  # stdin, stdout
_LAST_SECONDS = 2.0  # for what is left to be written at the end; a terminal that is stopped may not take it
_HEEDED = (signal.SIGWINCH, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGCONT)
_IGNORED = (signal.SIGTSTP, signal.SIGTTOU, signal.SIGQUIT)
LEAVING = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def is_terminal() -> bool:
    return os.isatty(_KEYS) and os.isatty(_SHOWN)


class Window:
    """`with Window() as window:` this terminal, raw. Give `leave` what sets its modes back, as they are set."""

    def __init__(self) -> None:
        self.keys = _KEYS
        self.pending = b""
        self.leave = b""
        self.heard: list[int] = []  # signals, until somebody looks

    def __enter__(self) -> Window:
        self._settings = termios.tcgetattr(_KEYS)
        self.shown, self._is_own = _own_side(_SHOWN)
        self.signals, self._tell = os.pipe()
        for file in (self.signals, self._tell):
            os.set_blocking(file, False)
        self._wakeup = signal.set_wakeup_fd(self._tell, warn_on_full_buffer=False)
        self._handlers: dict[int, Any] = {one: signal.signal(one, self._hear) for one in _HEEDED}
        self._handlers |= {one: signal.signal(one, signal.SIG_IGN) for one in _IGNORED}
        self.make_raw()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._write_last()
            termios.tcflush(_KEYS, termios.TCIFLUSH)  # a late answer of the terminal's is nothing that was typed
        except (OSError, termios.error):
            pass  # it is gone
        try:
            termios.tcsetattr(_KEYS, termios.TCSANOW, self._settings)
        except termios.error:
            pass
        signal.set_wakeup_fd(self._wakeup)
        for signum, handler in self._handlers.items():
            signal.signal(signum, handler)
        for file in (self.signals, self._tell, *([self.shown] if self._is_own else [])):
            os.close(file)

    def make_raw(self) -> None:
        """Again, where somebody has stopped this process and set the terminal back."""
        tty.setraw(_KEYS, termios.TCSANOW)

    def _hear(self, signum: int, frame: object) -> None:
        self.heard.append(signum)

    def size(self) -> tuple[int, int]:
        """Rows and columns; where a terminal does not know them, what everybody takes it for."""
        found = fcntl.ioctl(_SHOWN, termios.TIOCGWINSZ, bytes(8))
        rows, columns, _, _ = struct.unpack("HHHH", found)
        return (rows, columns) if rows and columns else (24, 80)

    def read(self) -> bytes:
        """What was typed; nothing where the terminal is gone."""
        try:
            return os.read(_KEYS, 4096)
        except OSError:
            return b""

    def write(self, data: bytes) -> None:
        self.pending += data
        self.flush()

    def flush(self) -> None:
        """Write what the terminal takes now. Raises OSError where it is gone."""
        while self.pending:
            size = len(self.pending) if self._is_own else 512  # a shared side may make us wait
            if not self._is_own and not select.select([], [self.shown], [], 0)[1]:
                return
            try:
                self.pending = self.pending[os.write(self.shown, self.pending[:size]) :]
            except BlockingIOError:
                return

    def _write_last(self) -> None:
        """What sets it back. It ends what may be left half written of a sequence (ESC backslash), and says the rest."""
        self.pending = b"\x1b\\" + self.leave
        deadline = time.monotonic() + _LAST_SECONDS
        while self.pending and (left := deadline - time.monotonic()) > 0:
            select.select([], [self.shown], [], left)
            self.flush()


def _own_side(file: int) -> tuple[int, bool]:
    """The terminal opened anew, so that it can be written without waiting: others share the side that we were given."""
    try:
        return os.open(os.ttyname(file), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC), True
    except OSError:
        return file, False
