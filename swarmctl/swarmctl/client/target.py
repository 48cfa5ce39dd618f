"""Where a server is, and whether a token may go there. Pure."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from swarm_store.errors import WrongUsage

FORMS = "write http://127.0.0.1:4437, https://HOST or unix:PATH"


class Target(NamedTuple):
    """A server's address: `url` is what requests are made to, through the unix socket `uds` if there is one."""

    url: str
    uds: str | None = None

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return self.url if self.uds is None else f"unix:{self.uds}"

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this machine on the way there; what is behind a tunnel looks so too."""
        return self.uds is not None or is_loopback(urlsplit(self.url).hostname or "")


def target(server: str) -> Target:
    """What `http://HOST:PORT`, `https://…` or `unix:PATH` names. Raises WrongUsage."""
    kind, _, path = server.partition(":")
    if kind == "unix" and path:
        return Target("http://localhost", os.path.abspath(os.path.expanduser(path)))
    try:
        parts = urlsplit(server)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or parts.query or parts.fragment:
        raise WrongUsage(f"not a server: {server!r}", FORMS)
    if "@" in parts.netloc:
        raise WrongUsage("a user or a password in a server's URL is not used", "give a token")
    return Target(server.rstrip("/"))


def check_secrecy(where: Target, *, has_token: bool, insecure: bool) -> None:
    """Raises WrongUsage where a token would go over a network in the clear."""
    if has_token and not insecure and not where.is_local and where.url.startswith("http:"):
        host = urlsplit(where.url).hostname
        raise WrongUsage(
            f"the token would go to {host} unencrypted",
            f"make a tunnel: ssh -L 4437:127.0.0.1:4437 {host}, use https, or allow it with --insecure",
        )


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by its very name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
