"""A swarm as somebody elsewhere has it: the command line with --server, in a home where there is nothing."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.cli import Swarm
from support.looking import until
from support.servers import Server, serving


class Far(Swarm):
    """The commands of one swarm, all of them given through its server."""

    def __init__(self, near: Swarm, server: Server) -> None:
        super().__init__(near.cwd / "nothing-is-here", near.cwd)
        self.near = near
        self.server = server
        self.env |= {"SWARM_SERVER": server.url, "SWARM_TOKEN_FILE": str(near.home / "token")}
        self._port = server.port if not server.url.startswith("unix:") else None

    def started(self, *words: str) -> subprocess.Popen[bytes]:
        """A command that has asked the server who is meant, and goes on asking even if that goes away."""
        before = self._connections()
        command = self.start(*words)
        until(lambda: self._connections() > before, "it is connected")
        self.ok("list")  # which takes longer than a look at some agents
        return command

    def _connections(self) -> int:
        """How many connections the server has."""
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
        places = [(fields[1].endswith(f":{self._port:04X}"), fields[3]) for fields in map(str.split, lines)]
        return places.count((True, "01"))

    def kill_server(self) -> None:
        """As a machine that loses its power."""
        self.server.process.kill()
        self.server.process.wait()

    def start_server(self) -> None:
        """Another one, in the place of the one that was."""
        self.server = Server(self.near.home, "--port", str(self._port)).up()


@contextmanager
def far_from(near: Swarm, *options: str) -> Iterator[Far]:
    """A server of a swarm, and the command line at a distance; the server's directory is where tests are."""
    with serving(near.home, *options) as server:
        far = Far(near, server)
        try:
            yield far
        finally:
            far.clean_up()
            far.server.end()
            assert not Path(far.home).exists()  # nothing was done here
