"""Who is let in by `swarmctl serve`, and what the others get."""

from __future__ import annotations

from support.cli import Swarm
from support.servers import serving


def test_an_unknown_path_is_a_problem(swarm: Swarm) -> None:
    """A path at which nothing is gets 404, as problem+json."""
    with serving(swarm.home, "--no-token") as server, server.client() as client:
        got = client.get("/nothing/here")
        assert (got.status_code, got.headers["content-type"]) == (404, "application/problem+json")
