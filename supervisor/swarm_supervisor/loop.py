"""What a long-lived process sleeps on: files, timers and signals, each with what is called when it is time."""

from __future__ import annotations

import heapq
import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Call = Callable[[], None]


class Loop:
    """Calls back: `turn` sleeps until something is due, and does it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._files: dict[int, Call] = {}
        self._timers: list[tuple[float, int, Call]] = []
        self._count = 0
        self._signals: dict[int, Call] = {}
        self._heard, self._tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.watch(self._heard, self._hear)

    def watch(self, file: int, call: Call) -> None:
        """Call whenever `file` is readable, or whenever its process has ended if it is a pidfd."""
        self._epoll.register(file, select.EPOLLIN)
        self._files[file] = call

    def forget(self, file: int) -> None:
        """Watch `file` no more, and close it."""
        if self._files.pop(file, None) is not None:
            self._epoll.unregister(file)
            os.close(file)

    def after(self, seconds: float, call: Call) -> None:
        """Call once, in `seconds`."""
        self._count += 1
        heapq.heappush(self._timers, (time.monotonic() + seconds, self._count, call))

    def on_signal(self, signum: int, call: Call) -> None:
        """Call for a signal, in a turn and not in the middle of something."""
        self._signals[signum] = call
        signal.signal(signum, lambda *_: None)
        signal.set_wakeup_fd(self._tell, warn_on_full_buffer=False)

    def turn(self) -> None:
        """Sleep until something is due, and do all that is."""
        seconds = max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None
        ready = [(file, self._files[file]) for file, _ in self._epoll.poll(seconds)]
        for file, call in ready:
            if self._files.get(file) is call:  # an earlier call may have forgotten it, and used its number again
                call()
        moment = time.monotonic()
        while self._timers and self._timers[0][0] <= moment:
            heapq.heappop(self._timers)[2]()

    def reset(self) -> None:
        """Forget all files and timers; signals are heard on."""
        for file in list(self._files):
            if file != self._heard:
                self.forget(file)
        self._timers.clear()

    def close(self) -> None:
        """Let go of all files, and leave signals as they are by default."""
        signal.set_wakeup_fd(-1)
        for signum in self._signals:
            signal.signal(signum, signal.SIG_DFL)
        for file in list(self._files):
            self.forget(file)
        os.close(self._tell)
        self._epoll.close()

    def _hear(self) -> None:
        for signum in os.read(self._heard, 4096):
            if signum in self._signals:
                self._signals[signum]()
