"""The loop of a terminal that is attached: keys to the program, its output to this terminal, sizes both ways.

Output comes from the log, so that whoever dies, nothing is missed. At first the screen is drawn from the end of it.
Then, while this terminal is of the size that the program's has, output is passed on as it is; while it is of another,
because somebody with a smaller one is there too, it is drawn on a picture, and that is shown. What lags behind is left
out: the screen is drawn from the end again.
"""

from __future__ import annotations

import os
import select
import signal
import time

from swarm_store import registry
from swarm_store.errors import LogUnusable
from swarm_store.fold import Agent
from swarm_store.lifecycle import LIVE
from swarm_store.log import Log

from .keys import PATIENCE, DetachKeys
from .link import Answers, Link, Set, Sized
from .picture import Picture
from .redrawing import drawn, row
from .sequences import Modes, cut, questions, without_questions
from .tail import Tail
from .window import LEAVING, Window

LAG = 1 << 20  # bytes that this terminal may be behind
MOST_PENDING = 64 * 1024  # bytes for this terminal, before more is read
FRAME = 1 / 30  # seconds between two pictures
LOOK_SECONDS = 5.0  # a ring may be lost
NEVER = 1 << 62


def run(log: Log, agent: Agent, *, keys: bytes, read_only: bool) -> bool:
    """Be the terminal of an agent, until its run has ended (True) or the keys were typed (False).

    Raises NotPossible where its terminal is not there. This terminal is then as it was.
    """
    link = Link(log.home, agent)
    tail = Tail(log, agent["id"], agent["run"])
    try:
        with Window() as window:
            attached = Attached(log, agent, window, link, tail, keys, read_only)
            has_ended = attached.follow()
    finally:
        tail.close()
        link.close()
    if attached.signal:
        signal.signal(attached.signal, signal.SIG_DFL)
        os.kill(os.getpid(), attached.signal)
    return has_ended


class Attached:
    """One viewer, from the moment on that its terminal is raw."""

    def __init__(
        self, log: Log, agent: Agent, window: Window, link: Link, tail: Tail, keys: bytes, read_only: bool
    ) -> None:
        self._log, self._agent = log, agent
        self._window, self._link, self._tail = window, link, tail
        self._keys = DetachKeys(keys)
        self._keys_since = 0.0
        self._read_only = read_only
        self._size: tuple[int, int] | None = None  # of the program's terminal
        self._modes = Modes()
        self._answers_from = NEVER  # the byte of the output
        self._cut = b""  # what came last and is not whole
        self._picture: Picture | None = None  # while this terminal is of another size
        self._shown: list[str] = []  # its rows, as they are on this terminal
        self._shown_keys = b""  # the modes that were set there for it
        self._frame_at = 0.0
        self._is_drawn = False  # whether the screen was drawn for the first time
        self._look = False  # whether there may be more in the log
        self._look_at = time.monotonic() + LOOK_SECONDS
        self.signal = 0  # the one that ended it

    # -- the loop

    def follow(self) -> bool:
        """Until the run has ended, or it is left; whether it has ended."""
        self._hello()
        while True:
            ready = self._sleep()
            if self._window.signals in ready and self._heed_signals():
                return False
            if self._window.keys in ready and self._heed_keys():
                return False
            if self._link.file in ready:
                self._hear()
            self._window.flush()
            if self._tail.file in ready:
                self._tail.clear()
                self._look = True
            if self._is_drawn:
                self._move()
            self._show()
            if self._tail.is_closed and not self._window.pending:
                return True

    def _sleep(self) -> set[int]:
        poll = select.poll()
        for file in (self._window.signals, self._window.keys, self._tail.file):
            poll.register(file, select.POLLIN)
        if not self._link.is_gone:
            poll.register(self._link.file, select.POLLIN)
        if self._window.pending:
            poll.register(self._window.shown, select.POLLOUT)
        moment = time.monotonic()
        if moment >= self._look_at:
            self._look, self._look_at = True, moment + LOOK_SECONDS
            self._end_if_gone()
            if not self._is_drawn:
                self._hello()
        waits = [self._look_at - moment]
        if self._keys.holds:
            waits.append(self._keys_since + PATIENCE - moment)
        if self._picture and self._frame_at:
            waits.append(self._frame_at - moment)
        if self._look and self._is_drawn and len(self._window.pending) < MOST_PENDING:
            waits.append(0.0)
        ready = {file for file, _ in poll.poll(max(0.0, min(waits)) * 1000)}
        if self._keys.holds and time.monotonic() >= self._keys_since + PATIENCE:
            self._link.type(self._keys.give_up())
        return ready

    def _end_if_gone(self) -> None:
        """A run can end without a word in its stream: its files were gone, or the agent has been removed."""
        if self._link.is_gone:
            try:
                agent = registry.get(self._log, self._agent["id"])
            except LogUnusable:
                return
            if agent is None or agent["run"] != self._agent["run"] or agent["state"] not in LIVE:
                self._tail.is_closed = True

    # -- to the program

    def _hello(self) -> None:
        self._link.hello(*self._window.size(), read_only=self._read_only)

    def _heed_signals(self) -> bool:
        """Whether one of them ends this."""
        os.read(self._window.signals, 512)
        heard, self._window.heard = self._window.heard, []
        for signum in heard:
            if signum in LEAVING:
                self.signal = signum
                return True
            if signum == signal.SIGWINCH:
                self._link.resize(*self._window.size())
                if self._picture is not None:
                    self._window.write(b"\x1b[m\x1b[2J")
                    self._shown, self._frame_at = [], time.monotonic()
            elif signum == signal.SIGCONT:
                self._window.make_raw()
                self._hello()
        return False

    def _heed_keys(self) -> bool:
        """Hand on what is typed; whether that were the keys that detach, or the terminal is gone."""
        typed = self._window.read()
        if not typed:
            self.signal = signal.SIGHUP
            return True
        handed_on, detached = self._keys.feed(typed)
        self._keys_since = time.monotonic()
        if handed_on and not self._read_only:
            self._link.type(handed_on)
        return detached

    # -- from the program

    def _hear(self) -> None:
        said = self._link.hear()
        if isinstance(said, Answers):
            self._answers_from = max(said.at, self._tail.at) if said.ours else NEVER
        elif isinstance(said, Sized):
            self._size = (said.rows, said.columns)
            if self._is_drawn and (self._size == self._window.size()) == (self._picture is not None):
                self._hello()  # from now on otherwise: see _draw, which its answer leads to
            elif self._picture and (self._picture.lines, self._picture.columns) != self._size:
                self._hello()
        elif isinstance(said, Set):
            self._draw(said)

    def _move(self) -> None:
        """Take up what the log has, as far as this terminal takes it."""
        if not self._look:
            return
        if len(self._window.pending) >= MOST_PENDING or self._picture is not None:
            if self._tail.behind() > LAG:
                self._is_drawn, self._look = False, False
                self._window.pending = b""
                self._hello()
                return
            if len(self._window.pending) >= MOST_PENDING:
                return
        try:
            before = self._tail.at
            output = self._tail.read()
        except LogUnusable:
            self._look = False  # and again when it is time: see _sleep
            return
        if output:
            self._take(output, before)
        else:
            self._look = False

    def _take(self, output: bytes, before: int) -> None:
        """Show output that begins after the byte `before` of the run's."""
        self._modes.feed(output)
        start = self._answers_from - before + len(self._cut)
        whole, self._cut = cut(self._cut + output)
        old, new = whole[: max(0, start)], whole[max(0, start) :]
        if self._picture is None:
            self._window.write(without_questions(old) + new)
        else:
            self._picture.feed(output)
            self._frame_at = self._frame_at or time.monotonic()
            if new:
                self._window.write(questions(new))
        self._set_leave()

    def _draw(self, told: Set) -> None:
        """Draw the screen from the end of the log, with the modes that the host knows of."""
        assert self._size is not None
        undone = self._leave_screen()
        try:
            seen, is_all = self._tail.rewind()
        except LogUnusable:
            return
        self._modes = Modes()
        self._modes.feed(told.modes)
        is_alternate = self._modes.is_alternate and b"\x1b[?1049" not in seen
        picture = Picture(*self._size, is_alternate=is_alternate)
        picture.feed(seen)
        self._modes.feed(seen[max(0, len(seen) - max(0, self._tail.at - told.at)) :])
        self._cut = b""
        if self._size == self._window.size():
            self._picture = None
            self._window.write(undone + drawn(picture, self._modes, aside=not self._window.leave))
        else:
            self._picture, self._shown, self._shown_keys = picture, [], b""
            self._window.write(undone + b"\x1b[?1049h\x1b[H\x1b[2J")
            self._frame_at = time.monotonic()
        if not self._is_drawn and not self._read_only and (picture.is_alternate or not is_all):
            self._link.redraw()
        self._is_drawn = self._look = True
        self._set_leave()

    def _leave_screen(self) -> bytes:
        """What sets this terminal back to how it was when it was attached, apart from what its screen shows."""
        if not self._is_drawn and not self._window.leave:
            return b""
        is_alternate = self._picture is not None or self._modes.is_alternate
        # The margins last: that sends the cursor home.
        return b"".join(
            [
                b"\x1b\\",
                self._modes.undone(),
                b"\x1b[m\x0f\x1b(B\x1b)0\x1b[4l",
                b"\x1b[?1049l" if is_alternate else b"",
                b"\x1b7\x1b[r\x1b8",
            ]
        )

    def _set_leave(self) -> None:
        rows, _ = self._window.size()
        self._window.leave = self._leave_screen() + b"\x1b[?25h\x1b[%d;1H\r\n" % rows

    # -- a picture, on a terminal of another size

    def _show(self) -> None:
        """Show the picture, where that is what is shown and its time has come."""
        if self._picture is None or not self._frame_at or time.monotonic() < self._frame_at or self._window.pending:
            return
        picture = self._picture
        rows, columns = self._window.size()
        # Where it is larger than this terminal, what is around the cursor is shown.
        first = max(0, min(picture.cursor.y - rows + 1, picture.lines - rows))
        said = ["\x1b[?25l"]
        shown = [row(picture, first + y, columns) for y in range(min(rows, picture.lines - first))]
        for y, line in enumerate(shown):
            if y >= len(self._shown) or self._shown[y] != line:
                said.append(f"\x1b[{y + 1};1H\x1b[m{line}\x1b[K")
        self._shown = shown
        x = min(picture.cursor.x, picture.columns - 1, columns - 1)
        said.append(f"\x1b[{picture.cursor.y - first + 1};{x + 1}H")
        keys = self._modes.of_keys()
        if keys != self._shown_keys:
            said.append((self._modes.undone() + keys).decode("ascii", "replace"))
            self._shown_keys = keys
        if self._modes.is_cursor_shown():
            said.append("\x1b[?25h")
        self._window.write("".join(said).encode("utf-8", "replace"))
        self._frame_at = 0.0
