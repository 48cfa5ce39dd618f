"""Saying that a run waits."""

from __future__ import annotations

import asyncio

import pytest

from support.facts import happened
from swarm_store import registry
from swarm_store.home import Home
from swarm_store.log import Log
from swarmctl.host import waiting
from swarmctl.host.publisher import Publisher


def test_what_was_said_too_early_is_said_again(home: Home, log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that waits before its daemon has said that it began shows so when a successor has; and once."""
    spawned = happened("a", "agent:spawned")
    registry.publish(log, spawned._replace(data={**spawned.data, "kind": "claude"}), happened("a", "agent:starting"))
    monkeypatch.setattr(waiting, "AGAIN_SECONDS", 0.01)

    async def wait() -> None:
        publisher = Publisher(home, "a", 1)
        waits = waiting.Waiting(publisher, "a", 1)
        await waits.begin("approval")
        registry.publish(log, happened("a", "agent:started"))
        async with asyncio.timeout(30):
            while (registry.get(log, "a") or {})["waiting_for"] != "approval":
                await asyncio.sleep(0.01)
        await waits.end()
        registry.publish(log, happened("a", "agent:exited", outcome="completed"))
        await publisher.close(5.0)

    asyncio.run(wait())
    moved = [one.type for one in registry.history(log, "a")][2:]
    assert moved == ["agent:started", "agent:waiting", "agent:resumed", "agent:exited"]
