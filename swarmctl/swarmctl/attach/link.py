"""The viewer's side of a terminal's socket: keys and sizes to its host, and what that says.

What is said holds from a byte of the output on: that is how what comes by the socket and what comes by the log meet.
"""

from __future__ import annotations

import os
import socket
from typing import NamedTuple

from swarm_daemon import terminal_protocol as protocol
from swarm_daemon.run import Run
from swarm_store.errors import NotPossible
from swarm_store.fold import Agent
from swarm_store.home import Home


class Sized(NamedTuple):
    """The terminal has this size."""

    rows: int
    columns: int


class Answers(NamedTuple):
    """Whether what is asked from the byte `at` on is this viewer's to answer."""

    at: int
    ours: bool


class Set(NamedTuple):
    """The modes that are set at the byte `at`, as what sets them."""

    at: int
    modes: bytes


class Link:
    """A connection to the host of an agent's terminal."""

    def __init__(self, home: Home, agent: Agent) -> None:
        """Raises NotPossible where the host is not there (any more)."""
        run = Run(home, agent["id"], agent["run"])
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.file = self._socket.fileno()
        self.is_gone = False
        try:
            directory = os.open(run.path, os.O_PATH | os.O_DIRECTORY)
            try:  # by a short name: a longer one than 107 bytes would not do
                self._socket.connect(f"/proc/self/fd/{directory}/{protocol.SOCKET}")
            finally:
                os.close(directory)
        except OSError as error:
            self._socket.close()
            raise NotPossible(
                f"the terminal of agent {agent['id']} cannot be reached: {error.strerror}",
                "swarmctl show says how it is",
            ) from error

    def hello(self, rows: int, columns: int, *, read_only: bool) -> None:
        """Say who is there; it says everything that it knows."""
        self._send(protocol.HELLO + protocol.HELLO_FORM.pack(read_only, rows, columns))

    def resize(self, rows: int, columns: int) -> None:
        """It says the size that the terminal has then."""
        self._send(protocol.SIZE + protocol.SIZE_FORM.pack(rows, columns))

    def redraw(self) -> None:
        self._send(protocol.REDRAW)

    def type(self, keys: bytes) -> None:
        for at in range(0, len(keys), protocol.MOST_KEYS):
            self._send(protocol.KEYS + keys[at : at + protocol.MOST_KEYS])

    def _send(self, message: bytes) -> None:
        try:
            self._socket.send(message)
        except OSError:
            self.is_gone = True  # its program has ended: the log will say so

    def hear(self) -> Sized | Answers | Set | None:
        """What it says next; None where it is gone."""
        try:
            message = self._socket.recv(protocol.MOST_SAID)
        except OSError:
            message = b""
        kind, said = message[:1], message[1:]
        if kind == protocol.SIZE:
            _, rows, columns = protocol.SIZED_FORM.unpack(said)
            return Sized(rows, columns)
        if kind == protocol.ANSWER:
            return Answers(*protocol.ANSWER_FORM.unpack(said))
        if kind == protocol.MODES:
            (at,) = protocol.MODES_FORM.unpack_from(said)
            return Set(at, said[protocol.MODES_FORM.size :])
        self.is_gone = True
        return None

    def close(self) -> None:
        self._socket.close()
