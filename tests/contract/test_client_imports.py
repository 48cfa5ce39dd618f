"""What speaks with a server is loaded where one is spoken with, and nothing of the server's own is loaded there."""

from __future__ import annotations

import json

import pytest

from contract.test_imports import loaded_by
from support.cli import Swarm
from support.far import far_from

OF_A_CLIENT = {"httpx", "httpcore", "swarmctl.client", "swarmctl.remote.session"}
NOT_OF_A_CLIENT = {"fastapi", "starlette", "uvicorn", "pydantic", "sqlalchemy", "asyncio", "swarmctl.server"}


@pytest.mark.parametrize(
    "words", ["list", "list --all --json", "logs AGENT", "wait AGENT", "cancel --all", "show AGENT"]
)
def test_without_a_server_no_client_is_loaded(swarm: Swarm, words: str) -> None:
    """A command on the machine itself loads no httpx and nothing of the client, whatever tokens are around."""
    agent = swarm.ended("echo x")
    swarm.env |= {"SWARM_TOKEN": "x", "SWARM_SERVER": ""}
    loaded = loaded_by(swarm, *words.replace("AGENT", agent).split())
    assert "swarmctl.elsewhere" in loaded and not loaded & OF_A_CLIENT


@pytest.mark.parametrize("words", ["list", "logs AGENT", "wait AGENT", "spawn -- true"])
def test_with_a_server_nothing_of_its_own_is_loaded(swarm: Swarm, words: str) -> None:
    """Through a server a command loads httpx, and neither the server nor what only that is made of."""
    agent = swarm.ended("echo x")
    with far_from(swarm) as far:
        loaded = loaded_by(far, *words.replace("AGENT", agent).split())
    assert loaded > OF_A_CLIENT and not loaded & NOT_OF_A_CLIENT


def test_the_client_loads_next_to_nothing(swarm: Swarm) -> None:
    """`from swarmctl.client import Swarm, AsyncSwarm` loads httpx, a few modules of the vocabulary, and no command."""
    code = "import json, sys; from swarmctl.client import Swarm, AsyncSwarm; print(json.dumps(sorted(sys.modules)))"
    loaded = set(json.loads(swarm.command(["python", "-c", code]).text))
    assert "httpx" in loaded and not loaded & {*NOT_OF_A_CLIENT, "typer", "sqlite3", "swarmctl.app", "swarm_store.log"}
    assert not {name for name in loaded if name.startswith(("swarm_daemon", "swarm_supervisor", "swarmctl.commands"))}
