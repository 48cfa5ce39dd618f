"""Fixtures of the tests of real clients: a swarm, its server, and Node where a test needs it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from clients.followers import Door
from support import node
from support.cli import Swarm
from support.homes import empty_log, swarm

__all__ = ["empty_log", "swarm"]


@pytest.fixture
def door(swarm: Swarm) -> Iterator[Door]:
    """The swarm is served, to whoever has its token."""
    door = Door(swarm)
    yield door
    door.close()


@pytest.fixture(scope="session")
def javascript() -> None:
    """The packages of the JavaScript clients."""
    try:
        node.install()
    except node.NoNode as error:
        pytest.skip(str(error))
