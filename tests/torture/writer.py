"""The agent of the torture: `writer.py NOTES SEED LONGEST` writes lines that everybody can compute again.

What it has really written it notes in NOTES/<run's mark>, in shared memory, so that the note outlives any death: before
each write how far it wants to get, after it how far it got, and before its end the exit status.
"""

from __future__ import annotations

import mmap
import os
import random
import signal
import sys
import time
import zlib

STREAMS = ("stdout", "stderr")
ENDLESS = 1e9
INTENT, DONE, EXIT = 0, 2, 4  # places in the note: intent and done for each stream, and the exit status plus one
PLACES = 5


def line(mark: str, stream: str, number: int) -> bytes:
    """The line `number` (from 0) of one stream of the run `mark`."""
    head = b"%s %s %d" % (mark.encode(), stream.encode(), number)
    body = head + b" " + b"." * (zlib.crc32(head) % 90)
    return b"%s %08x\n" % (body, zlib.crc32(body))


class Note:
    """The note of one run, in memory that is shared with the file `path`."""

    def __init__(self, path: str) -> None:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            os.close(os.open(path + ".twice", os.O_WRONLY | os.O_CREAT, 0o600))  # one run, executed twice
            raise
        os.ftruncate(file, 8 * PLACES)
        self.numbers = memoryview(mmap.mmap(file, 8 * PLACES)).cast("q")
        os.close(file)


class Writer:
    """One run: its pace, its length and its end are drawn from the seed and its mark."""

    def __init__(self, notes: str, seed: str, longest: float) -> None:
        self.mark = os.environ["SWARM_RUN"]
        self.note = Note(os.path.join(notes, self.mark)).numbers
        self.chance = random.Random(f"{seed} {self.mark}")
        self.written = [0, 0]  # lines of each stream
        self.pause = self.chance.choice([0.02, 0.1, 0.3, 1.0])
        self.most = self.chance.choice([1, 5, 20, 20, 100])  # lines in a burst
        self.lasts = self.chance.choice([ENDLESS, ENDLESS, longest / 20, longest / 5, longest])
        self.status = self.chance.choice([0, 0, 1, 7, 129, 255])
        self.is_asked_to_end = False
        self.heed_signals()

    def heed_signals(self) -> None:
        kind = self.chance.randrange(8)
        if kind == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        elif kind == 1:
            signal.signal(signal.SIGTERM, self.asked_to_end)

    def asked_to_end(self, signum: int, frame: object) -> None:
        self.is_asked_to_end = True

    def write(self, stream: int, lines: int) -> None:
        first = self.written[stream]
        piece = b"".join(line(self.mark, STREAMS[stream], first + n) for n in range(lines))
        self.written[stream] += lines
        self.note[INTENT + stream] += len(piece)
        while piece:
            count = os.write(1 + stream, piece)
            self.note[DONE + stream] += count
            piece = piece[count:]

    def run(self) -> None:
        end = time.monotonic() + self.lasts
        while time.monotonic() < end and not self.is_asked_to_end:
            for stream in range(2):
                self.write(stream, self.chance.randint(0, self.most))
            if self.chance.random() < 0.003:
                self.write(self.chance.randrange(2), 2000)  # more than a pipe holds
            time.sleep(self.chance.random() * 2 * self.pause)
        self.write(0, 3)  # last words
        if self.chance.random() < 0.15:  # something is left running in the background
            os.posix_spawn("/bin/sleep", ["sleep", "1000"], os.environ, setsid=True, setsigdef=[signal.SIGTERM])
        self.note[EXIT] = self.status + 1
        os._exit(self.status)


if __name__ == "__main__":
    Writer(sys.argv[1], sys.argv[2], float(sys.argv[3])).run()
