"""The control API as a program has it: a server on a home of its own, and the same home for the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from support.cli import Swarm, swarm_in
from support.servers import Server, serving


class Api:
    """One server and a client of it; what is asked must be answered as is said."""

    def __init__(self, swarm: Swarm, server: Server, client: httpx.Client) -> None:
        self.swarm = swarm
        self.server = server
        self.client = client

    def ask(self, method: str, path: str, body: Any = None, *, status: int = 200, **given: Any) -> httpx.Response:
        """The response, which has this status; a refusal is a problem that says its status too."""
        got = self.client.request(method, f"/v1{path}", json=body, **given)
        assert got.status_code == status, (got.status_code, got.text)
        if status >= 400:
            assert got.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "hint"} <= got.json().keys()
            assert got.json()["status"] == status
        return got

    def get(self, path: str, **given: Any) -> Any:
        return self.ask("GET", path, **given).json()

    def spawn(self, script: str, **options: Any) -> dict[str, Any]:
        """Spawn a shell script."""
        agent: dict[str, Any] = self.ask(
            "POST", "/agents", {"command": ["sh", "-c", script], **options}, status=201
        ).json()
        return agent

    def ended(self, script: str, **options: Any) -> dict[str, Any]:
        """Spawn a shell script, and wait for its end."""
        agent: dict[str, Any] = self.get(f"/agents/{self.spawn(script, **options)['id']}/wait")
        return agent


@contextmanager
def api_in(place: Path, empty_log: Path | None, *options: str, **environment: str) -> Iterator[Api]:
    """A server on a home under `place`; whatever it has spawned is ended at the end."""
    with (
        swarm_in(place, empty_log) as swarm,
        serving(swarm.home, *options, **environment) as server,
        server.client() as client,
    ):
        yield Api(swarm, server, client)
