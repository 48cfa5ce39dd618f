"""The official idempotent producer writes through a server that is killed."""

from __future__ import annotations

import pytest

from clients.followers import HERE, PYTHON, Door, Follower, Program
from support.cli import Swarm
from support.looking import until

MESSAGES = 1000


@pytest.mark.usefixtures("javascript")
def test_each_message_is_there_once(swarm: Swarm, door: Door) -> None:
    """What a producer has appended through three kills of the server is there in order, each message once."""
    url = f"{door.url}/v1/stream/made/by-a-client"
    producer = Program(swarm, door, ["node", str(HERE / "produce.mjs"), url, str(MESSAGES)])
    for handed in (200, 400, 700):
        until(lambda so_many=handed: {"handed": so_many} in producer.told, f"{handed} messages")  # type: ignore[misc]
        door.restart()
    until(lambda: {"closed": True} in producer.told, "the end of the producer")
    assert not [told for told in producer.told if "error" in told]
    reader = Follower(swarm, door, PYTHON, "made/by-a-client", "json", "long-poll")
    until(lambda: len(reader.items()) >= MESSAGES, "all messages")
    reader.close()
    assert [item["n"] for item in reader.items()] == list(range(MESSAGES))
