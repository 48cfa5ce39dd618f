"""What both clients tell httpx, and how they read what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from swarm_store.errors import SwarmError, WrongUsage

from . import target as targets
from .errors import NotAllowed, Unreachable, error_of
from .exchange import Answer, Request

CONNECT_SECONDS = 10.0
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


class Connection:
    """One server, and what it is told with each request. Raises WrongUsage for a bad address, or an unsafe one.

    `token_name` is what messages call the token, whose value they never say.
    """

    def __init__(self, server: str, *, token: str | None, token_name: str, timeout: float, insecure: bool) -> None:
        self.target = targets.target(server)
        targets.check_secrecy(self.target, has_token=token is not None, insecure=insecure)
        if token is not None and not re.fullmatch(r"[!-~]+", token):
            raise WrongUsage(f"{token_name} is no token", "it is one word, as swarmctl token create prints it")
        self._token = token
        self._token_name = token_name
        self._timeout = timeout

    def client(self) -> dict[str, Any]:
        """Arguments of httpx's clients. A proxy of the environment is used for what leaves this machine."""
        headers = {"authorization": f"Bearer {self._token}"} if self._token is not None else {}
        return {
            "base_url": self.target.url,
            "headers": headers,
            "timeout": self._timeout,
            "trust_env": not self.target.is_local,
            "limits": UNLIMITED,
        }

    def request(self, wanted: Request) -> dict[str, Any]:
        """Arguments of httpx's `request` and `stream`."""
        timeout = httpx.Timeout(self._timeout + wanted.waits, connect=min(self._timeout, CONNECT_SECONDS))
        asked: dict[str, Any] = {"method": wanted.method, "url": wanted.path, "headers": wanted.headers}
        return {**asked, "params": wanted.params, "content": wanted.body, "timeout": timeout}

    def answer(self, response: httpx.Response) -> Answer:
        """A response that was read whole."""
        return Answer(response.status_code, response.headers, response.content, self._error)

    def _error(self, answer: Answer) -> SwarmError:
        error = error_of(answer.status, answer.body, server=self.target.name)
        if "location" in answer.headers:
            error.hint = f"it points to {answer.headers['location']}"
        if isinstance(error, NotAllowed):
            which = f"the token was {self._token_name}" if self._token is not None else "no token was given"
            error.hint = f"{error.hint}; {which}" if error.hint else which
        return error

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """Raises Unreachable for what httpx raises."""
        try:
            yield
        except httpx.InvalidURL as error:
            raise WrongUsage(f"not a server: {self.target.name!r}", targets.FORMS) from error
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        why = re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or "it took too long"
        message = f"{self.target.name} does not answer: {why[:1].lower()}{why[1:]}"
        if "CERTIFICATE" in why:
            return Unreachable(message, "name the authority that it is to be trusted by in SSL_CERT_FILE")
        hint = "is swarmctl serve running there, and the tunnel to it?"
        return Unreachable(message, hint, was_sent=not isinstance(error, NOT_SENT))


UNLIMITED = httpx.Limits(max_connections=None, max_keepalive_connections=None)
