"""`swarmctl serve` as it is installed, on a port that the kernel picks, and clients of it with the admin's token."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.cli import SWARMCTL
from support.looking import DEADLINE, until

ENVIRONMENT = ("PATH", "LANG", "TERM", "HOME")
ANNOUNCEMENT = re.compile(r"^swarmctl: serving (\S+)$", re.MULTILINE)


class Server:
    """One running server. `url` is where it is; what it writes to stderr is in a file beside its home."""

    def __init__(self, home: str | os.PathLike[str], *options: str, **environment: str) -> None:
        self.home = Path(home)
        self.options = options
        self._said = self.home.parent / f"{self.home.name}-server-{os.urandom(4).hex()}"
        where = () if {"--port", "--uds"} & set(options) else ("--port", "0")
        with open(self._said, "wb") as said:
            self.process = subprocess.Popen(
                [SWARMCTL, "serve", *where, *options],
                env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
                | {"SWARM_HOME": str(self.home)}
                | environment,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )

    def up(self) -> Server:
        """Wait until it has said where it serves, and takes connections."""
        until(self._is_announced, "the server says where it serves")
        found = ANNOUNCEMENT.search(self.complaints())
        assert found is not None
        self.url: str = found[1]
        until(self._answers, "the server answers")
        return self

    def _is_announced(self) -> bool:
        assert self.process.poll() is None, self.complaints()
        return ANNOUNCEMENT.search(self.complaints()) is not None

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.complaints()
        try:
            with self.connect() as connection:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: nobody\r\nConnection: close\r\n\r\n")
                return connection.recv(1) != b""
        except OSError:
            return False

    @property
    def host(self) -> str:
        """Its host and port, as a Host header has them."""
        return "localhost" if self.url.startswith("unix:") else self.url.removeprefix("http://")

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def token(self) -> str:
        """The admin's token."""
        return (self.home / "token").read_text(encoding="ascii").strip()

    def connect(self) -> socket.socket:
        """A bare connection to it."""
        if self.url.startswith("unix:"):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(DEADLINE)
            try:
                connection.connect(self.url.removeprefix("unix:"))
            except OSError:
                connection.close()
                raise
            return connection
        return socket.create_connection(("127.0.0.1", self.port), timeout=DEADLINE)

    def client(self, token: str | None = "", headers: dict[str, str] | None = None) -> httpx.Client:
        """A client of it, with the admin's token if no other is given, and without any for None."""
        headers = dict(headers or {})
        if token is not None and ("--no-token" not in self.options or token):
            headers["Authorization"] = f"Bearer {token or self.token}"
        if self.url.startswith("unix:"):
            transport = httpx.HTTPTransport(uds=self.url.removeprefix("unix:"))
            return httpx.Client(transport=transport, base_url="http://localhost", headers=headers, timeout=DEADLINE)
        return httpx.Client(base_url=self.url, headers=headers, timeout=DEADLINE, trust_env=False)

    def complaints(self) -> str:
        """All that it has said so far."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Tell it to stop, if it has not ended; its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signum)
        try:
            return self.process.wait(DEADLINE)
        finally:
            self.end()

    def end(self) -> None:
        """See that nothing is left of it."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(DEADLINE)


@contextmanager
def serving(home: str | os.PathLike[str], *options: str, **environment: str) -> Iterator[Server]:
    """`swarmctl serve --port 0` (or as `options` say) on a home: up, and ended with the block."""
    server = Server(home, *options, **environment)
    try:
        yield server.up()
    finally:
        if server.process.poll() is None:
            server.stop()
        server.end()
