"""A terminal's output from the log, by the byte: how it goes on, and what its screen can be drawn from."""

from __future__ import annotations

from swarm_store import events
from swarm_store.bells import Bell
from swarm_store.errors import LogUnusable
from swarm_store.log import Log

PAGE = 64  # records
A_STEP = 8  # records: half a megabyte at most, for a terminal that takes less at once
ENOUGH = 256 * 1024  # bytes: many screens, and drawn in half a second
# From here on nothing matters that was on the screen before.
_CLEAR = (b"\x1b[H\x1b[2J", b"\x1b[H\x1b[J", b"\x1b[2J\x1b[H", b"\x1bc", b"\x1b[?1049h")


class Tail:
    """The stdout of one run. `at` is the byte up to which it was read, `is_closed` says that there will be no more."""

    def __init__(self, log: Log, agent_id: str, run: int) -> None:
        self._log = log
        self._stream = events.agent_stream(agent_id)
        self._run = run
        self._bell = Bell(log.home, self._stream)
        self._opening = log.openings
        self._offset = 0
        self.file = self._bell.file
        self.at = 0
        self.is_closed = False

    def close(self) -> None:
        self._bell.close()

    def clear(self) -> None:
        """The bell has rung: what it told of will be read."""
        self._bell.clear()

    def read(self) -> bytes:
        """What comes next, a page of it; nothing where that is all for now. Raises LogUnusable."""
        page = self._log.read(self._stream, start=self._offset, types=_TYPES, run=self._run, limit=A_STEP)
        if self._log.openings != self._opening:
            self._opening = self._log.openings
            self._offset = min(self._offset, self._log.head(self._stream))
            self._renew()
            return self.read()
        pieces = []
        for record in page:
            self._offset = record.offset + 1
            if record.type == events.OUTPUT_CLOSED:
                self.is_closed = True
            elif record.data["end"] > self.at:  # another log may have some of it again
                pieces.append((record.payload or b"")[max(0, self.at - record.data["start"]) :])
                self.at = record.data["end"]
        return b"".join(pieces)

    def _renew(self) -> None:
        try:
            self._bell.renew()
        except OSError:
            pass  # without it we look now and then

    def behind(self) -> int:
        """How many bytes the log has beyond those that were read."""
        try:
            last = self._log.read(self._stream, types=_OUTPUT, run=self._run, limit=1, backwards=True, payloads=False)
        except LogUnusable:
            return 0
        return last[0].data["end"] - self.at if last else 0

    def rewind(self) -> tuple[bytes, bool]:
        """Go to the end, and give what is to be drawn to see what is there; whether that is all there was before."""
        pieces: list[bytes] = []
        until = self._log.head(self._stream)
        last = self._log.read(self._stream, types=_TYPES, run=self._run, limit=1, backwards=True, payloads=False)
        self.is_closed = bool(last) and last[0].type == events.OUTPUT_CLOSED
        self._offset, size, start = until, 0, 0
        while size < ENOUGH and (page := self._page_before(until)):
            self.at = max(self.at, page[0].data["end"])
            for record in page:
                pieces.append(record.payload or b"")
                size, start, until = size + len(pieces[-1]), record.data["start"], record.offset
                if size >= ENOUGH:
                    break
        drawn = b"".join(reversed(pieces))
        return (drawn, True) if start == 0 else (_from_a_clear_screen(drawn), False)

    def _page_before(self, until: int) -> list[events.Record]:
        return self._log.read(self._stream, types=_OUTPUT, run=self._run, until=until, limit=PAGE, backwards=True)


def _from_a_clear_screen(drawn: bytes) -> bytes:
    """What begins in the middle, from the first place on that does not need what came before; else from a line on."""
    places = [at for mark in _CLEAR if (at := drawn.find(mark)) >= 0]
    return drawn[min(places) :] if places else drawn[drawn.find(b"\n") + 1 :]


_OUTPUT = (events.STDOUT_WRITTEN,)
_TYPES = (*_OUTPUT, events.OUTPUT_CLOSED)
