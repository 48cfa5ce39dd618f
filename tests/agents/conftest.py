"""Fixtures of the tests of real agents. Without AGENT_CLIS, which `make test-agents` sets, they are skipped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agents import homes
from support.canned import Canned, canning
from support.cli import Swarm, swarm_in
from support.homes import empty_log

__all__ = ["empty_log"]

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if homes.modules() is not None:
        return
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="real agents are tested by make test-agents"))


@pytest.fixture
def canned() -> Iterator[Canned]:
    """The model API that all agents of the test speak to."""
    with canning() as server:
        yield server


@pytest.fixture
def agents_env(tmp_path: Path, canned: Canned) -> dict[str, str]:
    """The environment in which every agent is installed, configured, and pointed at the canned API."""
    installed = homes.modules()
    assert installed is not None
    return {
        **homes.furnish(tmp_path / "agents", canned.url),
        "PATH": f"{homes.path(installed)}:/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "TERM": "xterm",
        "SHELL": "/bin/bash",
    }


@pytest.fixture
def swarm(tmp_path: Path, empty_log: Path, agents_env: dict[str, str]) -> Iterator[Swarm]:
    """The command line in a home of its own, with the agents on its PATH; its commands have two minutes."""
    with swarm_in(tmp_path, empty_log) as made:
        made.env |= agents_env | {"PATH": f"{agents_env['PATH']}:{made.env['PATH']}"}
        made.deadline = homes.DEADLINE
        yield made
