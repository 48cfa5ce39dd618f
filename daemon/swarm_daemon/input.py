"""From the inbox to the child's standard input: each byte once and in order, whichever daemon is killed when.

    inbox in the log ─write→ a stage (FIFO) ─splice→ stdin (FIFO) ─read→ child

A pipe does not tell how much has gone through it, and a count beside it is wrong if its writer is killed between the
two. So bytes go in pieces through two stages in turn, FIFOs that daemons alone read. First it is written down which
piece comes next; then one write puts it into its stage, whole, with a mark behind it; then splice moves the bytes on,
inside the kernel, and the mark stays. So the stage itself tells a successor: empty, the piece is not there yet;
otherwise all of it was, and what is before the mark has still to be moved. The last piece's mark is taken away before
the piece after the next is written down. As long as the holder lives, no FIFO loses anything.
"""

from __future__ import annotations

import os
import select
import struct
import time
from collections import namedtuple

from swarm_store.errors import LogUnusable
from swarm_store.events import INPUT_CLOSED, INPUT_TYPES, inbox_stream, input_closed

from . import holder
from .output import RETRY_SECONDS, unread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_store.events import Record
    from swarm_store.log import Log

    from .run import Run

PIECE = select.PIPE_BUF - 1  # a write of so much and a mark is never done in part
MARK = b"\n"
PIECES_AT_ONCE = 256  # moved before the loop looks at anything else
_PLACE = struct.Struct("6q")


class Place(namedtuple("Place", ("piece", "offset", "time", "start", "end", "is_closed"))):
    """How far the input has come: the `piece`-th is bytes [start, end) of the inbox's record at `offset`.

    `time` is that record's: another log may have another record there. `is_closed`: there is nothing after it.
    """

    __slots__ = ()
    piece: int
    offset: int
    time: int
    start: int
    end: int
    is_closed: int


class Input:
    """The standard input of one run. `look` is set by whoever hears that there may be more in the inbox."""

    def __init__(self, run: Run, log: Log) -> None:
        self._run = run
        self._log = log
        self._inbox = inbox_stream(run.agent_id)
        self._file = os.open(run.fifo("stdin.place"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._stages = [_open(run, name) for name in holder.STAGES]
        known = os.pread(self._file, _PLACE.size, 0)
        self._place = Place(*_PLACE.unpack(known)) if known else Place(0, -1, 0, 0, 0, 0)
        os.pwrite(self._file, _PLACE.pack(*self._place), 0)  # from now on there is room for it on a full disk too
        self._left = unread(self._stage())  # bytes in the stage of the place's piece, with the mark
        self._payload: bytes | None = None  # of the place's record; None where it was not looked for yet
        self._from = self._since = 0  # the next record has this offset or a later one, and time likewise
        self._opening = -1  # the log's that these are of
        # Without a holder nobody held the FIFOs when the last daemon was dead: the child has read the end of its input.
        self._is_held = holder.is_there(run)
        self._stdin = _open(run, "stdin") if self._is_held and not self._place.is_closed else -1
        self._is_full = False  # the child has to read before more can be moved
        self._not_before = 0.0
        self.look = True
        self.trouble = ""  # why the last attempt failed; empty where it did not
        if self._place.is_closed:
            holder.let_go(run)  # which may be what the last daemon was killed before

    def _stage(self) -> int:
        return self._stages[self._place.piece % 2]

    def close(self) -> None:
        for file in (self._file, self._stdin, *self._stages):
            if file >= 0:
                os.close(file)

    def writable(self) -> list[int]:
        """What to sleep on until it can be written: the child's FIFO, while it is full and something waits."""
        return [self._stdin] if self._is_full and not self.trouble else []

    def due_in(self) -> float | None:
        """Seconds until there is something to do without being woken; None where there is nothing."""
        if self._place.is_closed:
            return None
        if self.trouble:
            return max(0.0, self._not_before - time.monotonic())
        return 0.0 if self.look and not self._is_full else None

    def feed(self) -> None:
        """Move what was sent, as far as the child takes it; where log or disk refuse, say so in `trouble`."""
        if self._place.is_closed or not (self.look or self._is_full) or time.monotonic() < self._not_before:
            return
        try:
            self._look_up()
            if not self._is_held:
                self._log.append(self._inbox, [input_closed(self._run.agent_id, self._run.number)], durable=True)
                self._close()
            for _ in range(PIECES_AT_ONCE):
                if self._place.is_closed or not self._move() or not self._next():
                    break
            self.trouble = ""
        except (LogUnusable, OSError) as error:
            self.trouble = str(error)
            self._not_before = time.monotonic() + RETRY_SECONDS

    def _look_up(self) -> None:
        """Find the place in the log; in another log than it was in, it is before all of a later time."""
        opening = self._log.opening()
        if opening == self._opening:
            return
        place = self._place
        found = self._log.read(self._inbox, start=place.offset, until=place.offset + 1)
        is_same = bool(found) and found[0].time == place.time
        self._from, self._since = (place.offset + 1, 0) if is_same else (0, place.time + 1)
        if self._payload is None:
            self._payload = found[0].payload if is_same else None
        self._opening = opening

    def _move(self) -> bool:
        """Move what is in the stage on to the child; False where it does not take all of it."""
        while self._left > 1:
            try:
                self._left -= os.splice(self._stage(), self._stdin, self._left - 1, flags=os.SPLICE_F_NONBLOCK)
            except BlockingIOError:
                self._is_full = True
                return False
        self._is_full = False
        return True

    def _next(self) -> bool:
        """Stage the next piece; False where there is none (any more)."""
        place, payload = self._place, self._payload or b""
        if not self._left and place.start < len(payload):
            self._fill()  # it was written down, and then its daemon was killed
            return True
        if place.end < len(payload):
            self._write_down(Place(*place[:3], place.end, min(place.end + PIECE, len(payload)), 0))
            self._fill()
            return True
        return self._begin(self._record())

    def _begin(self, record: Record | None) -> bool:
        """Stage the first piece of a record; False where it is none, or closes the input."""
        if record is None:
            self.look = False
            return False
        if record.type == INPUT_CLOSED:
            self._close()
            return False
        payload = record.payload or b""
        self._write_down(Place(self._place.piece, record.offset, record.time, 0, min(PIECE, len(payload)), 0))
        self._payload, self._from, self._since = payload, record.offset + 1, 0
        self._fill()
        return True

    def _record(self) -> Record | None:
        """The next record of this run's input."""
        head = self._log.head(self._inbox)
        number, since = self._run.number, self._since
        found = self._log.read(self._inbox, start=self._from, since=since, types=INPUT_TYPES, run=number, limit=1)
        if not found:
            self._from = max(self._from, head)
        return found[0] if found else None

    def _write_down(self, place: Place) -> None:
        """Make `place` the place, as the next piece; its stage has the mark of the last but one."""
        place = place._replace(piece=self._place.piece + 1)
        stage = self._stages[place.piece % 2]
        if unread(stage):
            os.read(stage, 1)
        os.pwrite(self._file, _PLACE.pack(*place), 0)
        self._place, self._left = place, 0

    def _fill(self) -> None:
        assert self._payload is not None
        piece = self._payload[self._place.start : self._place.end]
        os.write(self._stage(), piece + MARK)
        self._left = len(piece) + 1
        if self._place.end == len(self._payload):
            self._payload = b""  # it may be held for hours

    def _close(self) -> None:
        """Have the child read the end of its input, after all that was moved."""
        self._write_down(self._place._replace(is_closed=1))
        holder.let_go(self._run)
        if self._stdin >= 0:
            os.close(self._stdin)
            self._stdin = -1


def _open(run: Run, name: str) -> int:
    return os.open(run.fifo(name), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
