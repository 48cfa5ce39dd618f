"""The host of a terminal: the child of a run that was spawned with --tty, and the parent of its program.

It holds the pseudo-terminal: what the program writes there goes to the host's stdout, the run's FIFO, and so into the
log like any output; what is sent to the agent (the host's stdin) and what viewers type goes to the program. Viewers
come by the socket `terminal` in the run's directory, and read the output from the log: a slow one holds up nobody. The
terminal has the size of the smallest of them, so that each sees all of it. The host ends as the program has ended.

Where nobody is there to answer, it answers itself (terminal_questions.py).
"""

from __future__ import annotations

import _socket
import fcntl
import os
import select
import struct
import sys
import termios
import time

from . import terminal_protocol as protocol
from .signals import signal
from .terminal_modes import LONGEST, Modes
from .terminal_questions import answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_READ = 64 * 1024
_MOST_TYPED = 1 << 20  # bytes of a viewer that the program does not take; what else it wants is not heard then
_MOST_ANSWERS = 4096  # bytes that the program does not take; what else it asks is not answered, as by a terminal
_LAST = 1 << 20  # bytes that are taken up after the program's end: what it has left in the background may go on
_JIGGLE_SECONDS = 0.05  # how long another size must last for programs to notice
_WINDOW = struct.Struct("HHHH")


def resize(file: int, rows: int, columns: int) -> None:
    """Give a terminal a size; the kernel tells its foreground processes."""
    fcntl.ioctl(file, termios.TIOCSWINSZ, _WINDOW.pack(rows, columns, 0, 0))


def main() -> None:
    """Be the host of a terminal: program, both sides of the terminal, listener, by their numbers."""
    program, ours, theirs, listener = map(int, sys.argv[1:])
    host = Host(program, ours, theirs, listener)
    status = host.follow_to_end()
    if os.WIFEXITED(status):
        os._exit(os.WEXITSTATUS(status))
    _die_by(os.WTERMSIG(status))


def _die_by(signum: int) -> NoReturn:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core would be the host's, not the program's
    signal.signal(signum, signal.SIG_DFL) if signum not in (signal.SIGKILL, signal.SIGSTOP) else None
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    os.kill(os.getpid(), signum)
    os._exit(128 + signum)


class Viewer:
    """Somebody who looks at the terminal, from wherever. `size` is None before it was told, and of who only reads."""

    __slots__ = ("answers", "file", "is_known", "size", "socket", "typed")

    def __init__(self, socket: _socket.socket) -> None:
        self.socket = socket
        self.file = socket.fileno()
        self.size: tuple[int, int] | None = None
        self.is_known = False
        self.answers = False
        self.typed = 0  # bytes that the program may not have taken yet

    def tell(self, message: bytes) -> None:
        try:
            self.socket.send(message, _socket.MSG_DONTWAIT)
        except OSError:
            pass  # it has gone, which will be seen; or it has slept through thousands of messages


class Host:
    """The loop of one terminal, from its program's start to its end."""

    def __init__(self, program: int, ours: int, theirs: int, listener: int) -> None:
        self.program = program
        self._ours = ours
        self._theirs = theirs  # so that the terminal is not hung up while the program has closed it
        self._listener = _socket.socket(fileno=listener)
        self._listener.setblocking(False)
        self._stdin, self._stdout = 0, 1
        self._ended = os.pidfd_open(program)
        self._signals = _heed()
        for file in (ours, self._stdin, self._stdout, theirs, listener, self._ended):
            os.set_inheritable(file, False)
        for file in (ours, self._stdin, self._stdout):
            os.set_blocking(file, False)
        self._viewers: dict[int, Viewer] = {}
        self._output = b""  # what the FIFO does not take yet
        self._written = 0  # bytes of the run's stdout
        self._before = b""  # the last bytes of it, which may be the beginning of a question
        self._keys = bytearray()  # what the program does not take yet
        self._last_sent = b"\n"
        self._modes = Modes()
        self._size = self._window()
        self._restore_at: float | None = None  # when a jiggle is over (monotonic)

    def _window(self) -> tuple[int, int]:
        rows, columns, _, _ = _WINDOW.unpack(fcntl.ioctl(self._ours, termios.TIOCGWINSZ, bytes(_WINDOW.size)))
        return rows, columns

    # -- the loop

    def follow_to_end(self) -> int:
        """Carry output and keys until the program has ended and all of its output is in the FIFO; its wait status."""
        while True:
            ready = self._sleep()
            if self._signals in ready:
                self._heed_signals()
            if self._ours in ready or self._stdout in ready:
                self._move()
                self._type()
            if self._stdin in ready:
                self._read_stdin()
            if self._listener.fileno() in ready:
                self._accept()
            for file in ready & self._viewers.keys():
                self._hear(self._viewers[file])
            if self._restore_at is not None and time.monotonic() >= self._restore_at:
                self._restore_at = None
                resize(self._ours, *self._size)
            if self._ended in ready:
                self._move_rest()
                return os.waitpid(self.program, 0)[1]

    def _sleep(self) -> set[int]:
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        poll.register(self._listener, select.POLLIN)
        ours = select.POLLOUT if self._keys else 0
        if self._output:  # nobody publishes it: the program waits, and so does its end
            poll.register(self._stdout, select.POLLOUT)
        else:
            ours |= select.POLLIN
            poll.register(self._ended, select.POLLIN)
        if ours:
            poll.register(self._ours, ours)
        if not self._keys and self._stdin >= 0:  # otherwise what is sent waits
            poll.register(self._stdin, select.POLLIN)
        for file, viewer in self._viewers.items():
            if viewer.typed < _MOST_TYPED:
                poll.register(file, select.POLLIN)
        left = None if self._restore_at is None else max(0.0, self._restore_at - time.monotonic()) * 1000
        return {file for file, _ in poll.poll(left)}

    # -- output

    def _move(self) -> None:
        """Hand on what the program has written, as far as the FIFO takes it."""
        if not self._output:
            self._output = self._read()
            self._look_at(self._output)
        try:
            count = os.write(self._stdout, self._output) if self._output else 0
        except BlockingIOError:
            return
        self._written += count
        self._output = self._output[count:]

    def _read(self) -> bytes:
        pieces, size = [], 0
        while size < _READ:
            try:
                piece = os.read(self._ours, _READ)
            except OSError:  # nothing more now, or (EIO) ever
                break
            pieces.append(piece)
            size += len(piece)
        return b"".join(pieces)

    def _move_rest(self) -> None:
        """The program has ended: hand on what it has left, however long that takes."""
        until = self._written + _LAST
        while self._written < until:
            self._move()
            if not self._output:
                break
            poll = select.poll()
            poll.register(self._stdout, select.POLLOUT)
            poll.poll()

    # -- input

    def _read_stdin(self) -> None:
        """What was sent to the agent; the end of it is what ends input at a terminal (Ctrl-D, mostly)."""
        try:
            sent = os.read(self._stdin, protocol.MOST_KEYS)
        except BlockingIOError:
            return
        if sent:
            self._last_sent = sent[-1:]
        else:
            os.close(self._stdin)
            self._stdin = -1
            end: bytes = termios.tcgetattr(self._ours)[6][termios.VEOF]
            sent = end if self._last_sent in b"\r\n" else end * 2  # the first one only ends a line that was begun
        self._keys += sent
        self._type()

    def _type(self) -> None:
        if not self._keys:
            return
        try:
            del self._keys[: os.write(self._ours, self._keys)]
        except BlockingIOError:
            pass
        except OSError:
            self._keys.clear()  # nobody has the other side any more
        if not self._keys:
            for viewer in self._viewers.values():
                viewer.typed = 0

    def _look_at(self, output: bytes) -> None:
        """Take note of the modes that are set, and answer what the program asks where no viewer does."""
        looked_at = self._before + output
        if b"\x1b" in looked_at:
            self._modes.feed(looked_at, len(self._before))
            is_alone = not any(viewer.answers for viewer in self._viewers.values())
            if is_alone and len(self._keys) < _MOST_ANSWERS:
                self._keys += answers(looked_at, len(self._before), self._size)
                self._type()
        self._before = looked_at[-LONGEST:]

    # -- viewers

    def _accept(self) -> None:
        try:
            file, _ = self._listener._accept()  # type: ignore[attr-defined]
        except OSError:
            return
        os.set_inheritable(file, False)
        self._viewers[file] = Viewer(_socket.socket(fileno=file))

    def _hear(self, viewer: Viewer) -> None:
        try:
            message = viewer.socket.recv(protocol.MOST_KEYS + 1, _socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        kind, said = message[:1], message[1:]
        if kind == protocol.HELLO and len(said) == protocol.HELLO_FORM.size:
            only_reads, rows, columns = protocol.HELLO_FORM.unpack(said)
            viewer.size = None if only_reads else (rows, columns)
            viewer.is_known = True
            self._resize()
            self._choose_answerer()
            viewer.tell(protocol.SIZE + protocol.SIZED_FORM.pack(self._written, *self._size))
            viewer.tell(protocol.ANSWER + protocol.ANSWER_FORM.pack(self._written, viewer.answers))
            viewer.tell(protocol.MODES + protocol.MODES_FORM.pack(self._written) + self._modes.said())
        elif kind == protocol.SIZE and len(said) == protocol.SIZE_FORM.size and viewer.size:
            viewer.size = protocol.SIZE_FORM.unpack(said)
            self._resize()
            viewer.tell(protocol.SIZE + protocol.SIZED_FORM.pack(self._written, *self._size))
        elif kind == protocol.KEYS and viewer.size:
            self._keys += said
            viewer.typed += len(said)
            self._type()
        elif kind == protocol.REDRAW:
            self._jiggle()
        elif not message:
            self._part_with(viewer)

    def _part_with(self, viewer: Viewer) -> None:
        del self._viewers[viewer.file]
        viewer.socket.close()
        self._resize()
        self._choose_answerer()

    def _resize(self) -> None:
        """The smallest of the viewers' sizes; with nobody there, it stays."""
        sizes = [viewer.size for viewer in self._viewers.values() if viewer.size and all(viewer.size)]
        size = (min(rows for rows, _ in sizes), min(columns for _, columns in sizes)) if sizes else self._size
        if size != self._size:
            self._size, self._restore_at = size, None
            resize(self._ours, *size)
            for viewer in self._viewers.values():
                if viewer.is_known:
                    viewer.tell(protocol.SIZE + protocol.SIZED_FORM.pack(self._written, *size))

    def _jiggle(self) -> None:
        """Another size for a moment: programs that fill the screen draw it anew."""
        rows, columns = self._size
        resize(self._ours, rows - 1 or rows + 1, columns)
        self._restore_at = time.monotonic() + _JIGGLE_SECONDS

    def _choose_answerer(self) -> None:
        """What a program asks its terminal is answered by the one of the latest viewer, and by no other."""
        able = [viewer for viewer in self._viewers.values() if viewer.size]
        for viewer in able:
            is_latest = viewer is able[-1]
            if is_latest != viewer.answers:
                viewer.answers = is_latest
                viewer.tell(protocol.ANSWER + protocol.ANSWER_FORM.pack(self._written, is_latest))

    # -- signals

    def _heed_signals(self) -> None:
        """The run is being ended. The program was signalled too; where it ignores that, as shells do, it is hung up."""
        os.read(self._signals, 64)
        if _ignores(self.program, signal.SIGTERM):
            for signum in (signal.SIGHUP, signal.SIGCONT):
                os.kill(self.program, signum)


def _heed() -> int:
    """Have SIGTERM wake the loop: the file that it does that by."""
    heard, tell = os.pipe()
    os.set_blocking(heard, False)
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda signum, frame: None)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    return heard


def _ignores(pid: int, signum: int) -> bool:
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            mask = next((int(line[7:], 16) for line in status if line.startswith("SigIgn:")), 0)
    except OSError:
        return False
    return bool(mask >> (signum - 1) & 1)
