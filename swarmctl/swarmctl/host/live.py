"""What an agent says as it says it, for whoever is attached: JSON lines on the Unix socket `live` of the run.

`{"role": "assistant", "text": "..."}` is a part of a message that will be in the log whole. Nothing is kept, nobody is
waited for: a viewer that does not read is let go, and follows the log as all others do. Without one it costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket

NAME = "live"
MOST_BEHIND = 256 * 1024  # bytes that a viewer may leave unread


class Live:
    """The broadcast of one run, in the event loop."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._viewers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Let viewers come. Where no socket can be made there, nobody can come; the agent goes on."""
        try:
            self._server = await asyncio.start_unix_server(self._view, sock=listener(self._directory))
        except OSError:
            return

    def say(self, role: str, text: str) -> None:
        """Hand a part of a message to whoever is here."""
        if self._viewers:
            line = json.dumps({"role": role, "text": text}).encode() + b"\n"
            for viewer in list(self._viewers):
                self._tell(viewer, line)

    def _tell(self, viewer: asyncio.StreamWriter, line: bytes) -> None:
        if viewer.is_closing() or viewer.transport.get_write_buffer_size() > MOST_BEHIND:
            self._viewers.discard(viewer)
            viewer.transport.abort()
        else:
            viewer.write(line)

    async def _view(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A viewer says nothing: what comes from it is its leaving."""
        self._viewers.add(writer)
        try:
            while await reader.read(4096):
                pass
        except OSError:
            pass
        finally:
            self._viewers.discard(writer)
            writer.close()

    def close(self) -> None:
        """Let all viewers go."""
        if self._server is not None:
            self._server.close()
        for viewer in self._viewers:
            viewer.close()


def listener(directory: str) -> socket.socket:
    """A socket that listens at `live` in a directory, whose path may be longer than a socket's may. Raises OSError."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        made.bind(f"/proc/self/fd/{place}/{NAME}")
        made.listen(16)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    finally:
        os.close(place)
    return made


def connect(directory: str) -> socket.socket:
    """A viewer's side of it, for reading lines. Raises OSError where nobody is there."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    place = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        made.connect(f"/proc/self/fd/{place}/{NAME}")
    except BaseException:
        made.close()
        raise
    finally:
        os.close(place)
    return made
