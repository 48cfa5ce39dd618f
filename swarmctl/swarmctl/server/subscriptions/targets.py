"""Where a webhook may go: to public addresses by https, and by plain http to this machine, for whoever develops.

A name is looked up when the webhook is asked for, and again for each delivery, which then goes to the address that was
checked: a name that has come to mean another machine, or this one, leads nowhere. PROTOCOL.md, sections 6.2 and 12.8.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from swarm_store.errors import SubscriptionRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
LONGEST = 2048
LOOKUP_SECONDS = 5.0
PORTS = {"https": 443, "http": 80}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# Clouds' metadata at addresses that are public otherwise; the others' are link-local or private.
METADATA = frozenset({ipaddress.ip_address("168.63.129.16")})
_LOCAL = re.compile(r"localhost|127(\.[0-9]{1,3}){3}")


class WebhookRefused(SubscriptionRefused):
    """A URL that no webhook goes to."""

    code = "WEBHOOK_URL_REJECTED"


class Target(NamedTuple):
    """A URL taken apart; `is_local`: this machine, as plain http may."""

    scheme: str
    host: str
    port: int
    path: str  # with the query
    is_local: bool

    @property
    def authority(self) -> str:
        """What the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def parse(url: str) -> Target:
    """What a webhook's URL means, before any look-up. Raises WebhookRefused."""
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > LONGEST:
        raise WebhookRefused("webhook.url is not a URL", f"https://…, ASCII, at most {LONGEST} characters")
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        raise WebhookRefused("webhook.url is not a URL", "https://worker.example/hook") from None
    _check_parts(parts, host)
    is_local = parts.scheme == "http"
    if is_local and not _is_this_machine(host):
        raise WebhookRefused("plain http goes to localhost or 127.0.0.x alone", "use https")
    literal = _literal(host)
    if not is_local and literal is not None and not is_public(literal):
        raise WebhookRefused(f"{host} is no public address", "webhooks go to public https servers")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], path, is_local)


def _check_parts(parts: SplitResult, host: str) -> None:
    if parts.scheme not in PORTS:
        raise WebhookRefused("webhook.url is neither https nor http", "https://worker.example/hook")
    if not host or "%" in host or parts.port == 0:
        raise WebhookRefused("webhook.url names no host", "https://worker.example/hook")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise WebhookRefused("webhook.url has a user, a password or a fragment", "leave it out")
    if parts.scheme == "https" and (host == "localhost" or host.endswith(".localhost")):
        raise WebhookRefused("localhost is reached by plain http", "http://localhost:PORT/hook")


def _is_this_machine(host: str) -> bool:
    return _LOCAL.fullmatch(host) is not None and (host == "localhost" or _literal(host) is not None)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether an address is anybody's on the Internet, and so is the IPv4 address that it may stand for."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
    if address in METADATA or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return address.is_global


def choose(target: Target, found: Iterable[str]) -> str:
    """The address to connect to, of those that the host has. Raises WebhookRefused where one of them is forbidden."""
    addresses = [ipaddress.ip_address(one.partition("%")[0]) for one in found]
    for address in addresses:
        if not (address.is_loopback if target.is_local else is_public(address)):
            where = "this machine's" if target.is_local else "public"
            raise WebhookRefused(f"{target.host} is {address}, which is no {where} address")
    if not addresses:
        raise WebhookRefused(f"{target.host} has no address")
    return str(addresses[0])


async def look_up(target: Target) -> list[str]:
    """The addresses of the host by now. Raises OSError, TimeoutError."""
    loop = asyncio.get_running_loop()
    looking = loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    return [str(one[4][0]) for one in await asyncio.wait_for(looking, LOOKUP_SECONDS)]


async def check(url: str) -> None:
    """Refuse a webhook that could not be delivered anyway; a name that nobody knows yet may come to be known.

    Raises WebhookRefused.
    """
    target = parse(url)
    try:
        found = await look_up(target)
    except (OSError, TimeoutError, UnicodeError):
        return
    choose(target, found)
