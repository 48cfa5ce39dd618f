"""What one server is told at its start."""

from __future__ import annotations

import re
from dataclasses import dataclass

from swarm_store.errors import WrongUsage
from swarm_store.home import Home

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PORT = 4437
HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?")  # as in a Host header, in lower case
_ORIGIN = re.compile(r"https?://" + HOST.pattern)


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds, sizes in bytes. Raises WrongUsage where it would be open to everybody who can reach it."""

    home: Home
    host: str = "127.0.0.1"
    port: int = PORT
    uds: str | None = None  # a unix socket instead of host and port
    public_url: str | None = None  # by which receivers of webhooks reach it, where that is not host and port
    needs_token: bool = True
    allowed_hosts: tuple[str, ...] = ()  # names in a Host header, beyond the bound address
    allowed_origins: tuple[str, ...] = ()  # of pages elsewhere that may speak with this server
    long_poll: float = 30.0  # how long a reader that waits is kept waiting; the protocol's reference takes as long
    keep_alive: float = 15.0  # between signs of life to a silent reader
    live_for: float = 60.0  # then a live response ends and its reader comes again: protocol, section 5.8
    stalled_after: float = 30.0  # a reader that takes nothing for so long is cut off
    most_body: int = 16 << 20
    most_connections: int = 4096

    def __post_init__(self) -> None:
        if not self.needs_token and self.uds is None and self.host not in LOOPBACK:
            raise WrongUsage(
                f"--no-token would open the swarm to everybody who reaches {self.host}",
                "it is for tests, on 127.0.0.1 or a unix socket",
            )
        for name in self.allowed_hosts:
            if not HOST.fullmatch(name.lower()):
                raise WrongUsage(f"not a host: {name!r}", "write a name, or a name and a port: swarm.example.org:8443")
        if self.public_url is not None and not _ORIGIN.fullmatch(self.public_url.lower()):
            raise WrongUsage(f"not the URL of a server: {self.public_url!r}", "write it so: https://swarm.example.org")
        for origin in self.allowed_origins:  # neither `*` nor `null`: they would let any page in
            if not _ORIGIN.fullmatch(origin):
                raise WrongUsage(f"not an origin: {origin!r}", "write it as browsers do: https://example.org")
