"""From the child's stdout and stderr to the log, losing nothing and doubling nothing.

Bytes move from FIFO to journal inside the kernel (splice), so that there is no moment at which they are in this
process's memory alone. They are published from the journal, each chunk with its byte range and, as the producer's
sequence, the byte it ends at; so a successor goes on at the last byte that the log has. If the log cannot be written,
the journal keeps the bytes and publishing is tried again; nothing is dropped and nothing spins.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import time

from swarm_store.bells import is_listened_to
from swarm_store.errors import LogUnusable, SwarmError
from swarm_store.events import agent_stream, output_lost, output_written
from swarm_store.transaction import Producer, Transaction

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from swarm_store.events import Event
    from swarm_store.log import Log

    from .run import Run

STREAMS = ("stdout", "stderr")
CHUNK = 64 * 1024  # bytes in a record: writes at 153 MB/s, where a row a line writes at 5 to 29 (measured)
BATCH = 16  # chunks in a transaction: holds the write lock for milliseconds
MOVE_AT_ONCE = 1 << 20  # bytes moved before the loop looks at anything else
ROTATE = 4 << 20  # bytes after which a journal that is published whole starts again
RETRY_SECONDS = 1.0
# Where writers meet at the lock, those that nobody listens to gather: twice as long each time they had to queue, less
# with each time they had not. Fewer, larger commits leave the lock to those that somebody waits for.
GATHER_LEAST, GATHER_MOST = 0.02, 0.25  # seconds
GATHER_DECAY = 0.97


def gather(seconds: float, *, queued: bool) -> float:
    """How long to gather before the next commit, after a commit before which it was `seconds`."""
    if queued:
        return min(max(seconds * 2, GATHER_LEAST), GATHER_MOST)
    return seconds * GATHER_DECAY if seconds > GATHER_LEAST else 0.0


def unread(fifo: int) -> int:
    """How many bytes are in a FIFO."""
    import termios  # only the end of a run needs it, and input

    count: int = struct.unpack("i", fcntl.ioctl(fifo, termios.FIONREAD, b"\0\0\0\0"))[0]
    return count


class Journal:
    """One stream of a run between FIFO and log: bytes [base, end) of it lie in the file `<stream>.<base>`."""

    def __init__(self, run: Run, stream: str, published: int) -> None:
        self.stream = stream
        self.published = published
        # From here to `base` the log has not what another one had, and nor have we: said with the next append.
        self.lost_from: int | None = None
        self._run = run
        self.fifo = os.open(run.fifo(stream), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        bases = sorted(int(name.partition(".")[2]) for name in os.listdir(run.path) if name.startswith(stream + "."))
        self._open(bases[-1] if bases else published)
        if self.end < published:  # somebody has shortened or removed it; what is published stays so
            os.close(self._file)
            self._open(published)
        # A power failure can take published bytes back (output is not synced) and leave the rotation: what lay in the
        # removed file is gone, and the stream goes on where the journal does.
        self.go_on_from(published)
        for base in bases[:-1]:  # a rotation that was cut short: the older file is in the log whole
            os.unlink(self._path(base))

    def _path(self, base: int) -> str:
        return os.path.join(self._run.path, f"{self.stream}.{base}")

    def _open(self, base: int) -> None:
        self._file = os.open(self._path(base), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.base = base
        self.end = base + os.fstat(self._file).st_size

    def close(self) -> None:
        os.close(self.fifo)
        os.close(self._file)

    def go_on_from(self, published: int) -> None:
        """The log has the bytes up to `published`; where another log has taken its place, fewer than this one had."""
        self.lost_from = published if published < self.base else None
        self.published = max(published, self.base)

    def waiting(self) -> int:
        """How many bytes are in the FIFO."""
        return unread(self.fifo)

    def move(self, most: int) -> int:
        """Move up to `most` bytes from FIFO to file; how many it were. Raises OSError where the disk is full."""
        moved = 0
        while moved < most:
            try:
                count = os.splice(
                    self.fifo,
                    self._file,
                    most - moved,
                    offset_dst=self.end - self.base,
                    flags=os.SPLICE_F_NONBLOCK,
                )
            except BlockingIOError:
                break
            if count == 0:
                break
            moved += count
            self.end += count
        return moved

    def chunks(self) -> Iterator[Event]:
        """What is not published yet, as events."""
        start = self.published
        while start < self.end:
            payload = os.pread(self._file, min(CHUNK, self.end - start), start - self.base)
            if not payload:
                raise SwarmError(f"the journal {self._path(self.base)} lost bytes from {start} on")
            yield output_written(self.stream, self._run.number, start, payload)
            start += len(payload)

    def rotate(self) -> None:
        """Start a new file once this one is large and in the log whole."""
        if self.published < self.end or self.end - self.base < ROTATE:
            return
        old_file, old_path = self._file, self._path(self.base)
        try:
            self._open(self.end)
        except OSError:
            return  # no room for another file: this one goes on
        os.close(old_file)
        try:
            os.unlink(old_path)
        except OSError:
            pass  # somebody has removed the run's directory under it


class Pump:
    """Both journals of a run, and when to publish from them."""

    def __init__(self, run: Run, log: Log, epoch: int) -> None:
        self._run = run
        self._log = log
        self._epoch = epoch
        self._stream = agent_stream(run.agent_id)
        self.journals = [Journal(run, stream, log.sequence(self._stream, self._producer(stream))) for stream in STREAMS]
        self._not_before = 0.0
        self._full_until = 0.0  # the disk has no room for a journal: the child waits in its write until then
        self._gather = 0.0
        self._unsure = False  # whether a commit that failed has happened after all
        self._opening = log.opening()  # the one that what is known of the log's contents is from
        self.trouble = ""  # why the last attempt failed, for the daemon's own log; empty where it did not

    def _producer(self, stream: str) -> str:
        return f"run-{self._run.number}/{stream}"

    def close(self) -> None:
        for journal in self.journals:
            journal.close()

    def readable(self) -> list[int]:
        """The files to sleep on: none while the disk is full, so as not to spin."""
        return [] if time.monotonic() < self._full_until else [journal.fifo for journal in self.journals]

    def ranges(self) -> dict[str, int]:
        """How many bytes each stream has had."""
        return {journal.stream: journal.end for journal in self.journals}

    def move(self, most: int = MOVE_AT_ONCE) -> int:
        """Move what the child has written into the journals; how many bytes it were."""
        return sum(self._move(journal, most) for journal in self.journals)

    def move_rest(self) -> None:
        """Move what is in the FIFOs now and no more: a grandchild may go on writing for ever."""
        for journal in self.journals:
            while (left := journal.waiting()) and self._move(journal, left) < left:
                time.sleep(RETRY_SECONDS)  # only a full disk takes less than there is

    def _move(self, journal: Journal, most: int) -> int:
        try:
            return journal.move(most)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG, errno.EROFS):
                raise
            self.trouble = f"cannot keep the agent's output in {self._run.path}: {error.strerror}; it waits"
            self._full_until = time.monotonic() + RETRY_SECONDS
            return 0

    def pending(self) -> int:
        """Bytes that are not in the log yet."""
        return sum(journal.end - journal.published for journal in self.journals)

    def due_in(self) -> float | None:
        """Seconds until there is something to do without being woken; None where there is nothing."""
        moment = time.monotonic()
        waits = [self._full_until - moment] if self._full_until > moment else []
        if self.pending():
            waits.append(0.0 if self.pending() >= CHUNK and not self.trouble else self._not_before - moment)
        return max(0.0, min(waits)) if waits else None

    def publish(self) -> None:
        """Publish a batch if it is time; on failure keep everything and say so in `trouble`."""
        if self.due_in() != 0.0 or not self.pending():
            return
        try:
            self.publish_batch()
        except LogUnusable as error:
            self.trouble = error.message
            self._not_before = time.monotonic() + RETRY_SECONDS
            return
        self.trouble = ""
        self._gather = gather(self._gather, queued=self._log.waited > 0)
        if not is_listened_to(self._run.home, self._stream):
            self._not_before = time.monotonic() + self._gather

    def ask(self) -> None:
        """Where that is not known, ask the log what it has. Raises LogUnusable."""
        opening = self._log.opening()
        if self._unsure or opening != self._opening:
            for one in self.journals:
                one.go_on_from(self._log.sequence(self._stream, self._producer(one.stream)))
            self._unsure, self._opening = False, opening

    def publish_batch(self) -> None:
        """Publish up to BATCH chunks of each stream. Raises LogUnusable; what the log has then is asked of it later."""
        self.ask()
        self._unsure = True
        with self._log.transaction() as transaction:
            reached = self.append(transaction)
        self._unsure = False
        self.settle(reached)

    def append(self, transaction: Transaction, most: int = BATCH) -> dict[str, int]:
        """Append up to `most` chunks of each stream to the log; the byte up to which each is published then."""
        reached: dict[str, int] = {}
        for journal in self.journals:
            if journal.lost_from is not None:
                lost = output_lost(journal.stream, self._run.number, journal.lost_from, journal.base)
                producer = Producer(self._producer(journal.stream), self._epoch, journal.base)
                transaction.append(self._stream, [lost], producer=producer)
                reached[journal.stream] = journal.base
            for count, chunk in enumerate(journal.chunks()):
                if count == most:
                    break
                producer = Producer(self._producer(journal.stream), self._epoch, chunk.data["end"])
                transaction.append(self._stream, [chunk], producer=producer)
                reached[journal.stream] = chunk.data["end"]
        return reached

    def settle(self, reached: dict[str, int]) -> None:
        """Take note that what was appended has been committed."""
        for journal in self.journals:
            if journal.stream in reached:
                journal.published, journal.lost_from = reached[journal.stream], None
            journal.rotate()
