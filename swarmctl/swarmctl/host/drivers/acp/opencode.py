"""opencode tells the tokens of a turn's last step only; the session's own sums are asked for beside the protocol.

`opencode acp` serves opencode's HTTP API on loopback, without a password, which would let every user of the machine
read the session and answer its permissions. Here it has a port and a password of its own.
"""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from typing import Any

from ...facts import Usage
from . import counting

PASSWORD, USER = "OPENCODE_SERVER_PASSWORD", "OPENCODE_SERVER_USERNAME"
SECONDS = 5.0  # for an answer


class Ledger:
    """The sums of one opencode process' sessions. `arguments` and `env` are what it is to be started with."""

    by_model, is_sure = False, True

    def __init__(self, env: Mapping[str, str]) -> None:
        self._port = _free_port()
        self._user = env.get(USER) or "opencode"
        self._password = env.get(PASSWORD) or secrets.token_urlsafe(24)
        self.arguments = ["--port", str(self._port)]
        self.env = {PASSWORD: self._password}

    async def sums(self, session: str) -> list[Usage] | None:
        """See counting.Ledger; the sessions of its subagents are in it."""
        import httpx

        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self._port}",
            auth=(self._user, self._password),
            timeout=SECONDS,
            trust_env=False,
        ) as client:
            try:
                found = [(await client.get(f"/session/{session}")).raise_for_status().json()]
                found += (await client.get(f"/session/{session}/children")).raise_for_status().json()
            except (httpx.HTTPError, ValueError):
                return None
        return [counting.total([_usage(one) for one in found])]


def ledger(command: list[str], env: Mapping[str, str]) -> Ledger | None:
    """A ledger for a command that is opencode's, unless it has a port already."""
    is_ours = os.path.basename(command[0]) == "opencode" and "acp" in command and "--port" not in command
    return Ledger(env) if is_ours else None


def _usage(session: dict[str, Any]) -> Usage:
    tokens = session.get("tokens") or {}
    cache = tokens.get("cache") or {}
    return Usage(
        None,
        input=int(tokens.get("input") or 0),
        output=int(tokens.get("output") or 0) + int(tokens.get("reasoning") or 0),
        cache_read=int(cache.get("read") or 0),
        cache_write=int(cache.get("write") or 0),
        reasoning=int(tokens.get("reasoning") or 0),
        cost=counting.dollars(float(session.get("cost") or 0)),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
