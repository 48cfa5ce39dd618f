"""`swarmctl.client` and sessions beside a real server: what agents ask to be allowed, their turns, what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from support.cli import Swarm as Commands
from support.far import Far, far_from
from support.spoken import Spoken, end_all
from swarm_store.errors import AlreadyAnswered, NoSuchApproval, NotPossible
from swarmctl.client import AsyncSwarm, Swarm


@pytest.fixture
def far(swarm: Commands) -> Iterator[Far]:
    """A server of `swarm`."""
    with far_from(swarm) as far:
        yield far
        end_all(swarm.home)


def client_of(far: Far) -> Swarm:
    return Swarm(far.server.url, token=far.server.token)


def test_approvals_are_answered(far: Far) -> None:
    """A program sees what is asked and answers it; whoever is second, or means none, gets the error of the log."""
    spoken = Spoken(far.near.home, "asks", name="asker")
    spoken.ask("aaaaaaaa")
    spoken.ask("bbbbbbbb")
    with client_of(far) as swarm:
        assert [one["id"] for one in swarm.approvals(agent="asker")] == ["aaaaaaaa", "bbbbbbbb"]
        granted = swarm.approve("aaaa", always=True, input={"command": "ls"}, by="robot")
        assert (granted["state"], granted["by"]) == ("granted", "robot (token admin)")
        assert swarm.deny("bbbb", message="no")["message"] == "no"
        assert list(swarm.approvals()) == [] and len(list(swarm.approvals(all=True))) == 2
        with pytest.raises(AlreadyAnswered, match=r"was granted by robot \(token admin\) at 2") as caught:
            swarm.deny("aaaaaaaa")
        assert caught.value.exit_code == 4
        with pytest.raises(NoSuchApproval):
            swarm.approve("nonesuch")


def test_turns_and_sessions(far: Far) -> None:
    """A program sends a turn, sees the session, and interrupts the turn that is under way."""
    spoken = Spoken(far.near.home, "talks")
    with client_of(far) as swarm:
        turns = [swarm.send_turn("talks", "one", idempotency_key="k") for _ in "12"]
        assert turns[0] == turns[1] and swarm.session("talks")["waiting"] == turns[:1]
        with pytest.raises(NotPossible, match="no turn under way"):
            swarm.interrupt("talks")
        begun = spoken.take("two")
        swarm.interrupt("talks", by="me")
        assert swarm.session("talks")["sent"] == 2 and begun == 1


def test_a_conversation_is_followed(far: Far) -> None:
    """What is said comes as it is said, each event once, until the agent has ended; or the last of it alone."""
    spoken = Spoken(far.near.home, "talks")
    for n in range(600):
        spoken.message(f"n{n}")
    with client_of(far) as swarm, ThreadPoolExecutor(1) as pool:
        assert [one["data"]["text"] for one in swarm.conversation("talks", last=2)] == ["n598", "n599"]

        def follow() -> list[str]:
            said = swarm.conversation("talks", follow=True)
            return [one["data"]["text"] for one in said if one["type"] == "message"]

        following = pool.submit(follow)
        spoken.message("later")
        spoken.message("last")
        spoken.end()
        assert following.result() == [*(f"n{n}" for n in range(600)), "later", "last"]


def test_the_awaiting_client_does_the_same(far: Far) -> None:
    """AsyncSwarm has the same calls for sessions."""
    spoken = Spoken(far.near.home, "asks")
    spoken.ask("aaaaaaaa")
    spoken.message("said")

    async def use() -> list[Any]:
        async with AsyncSwarm(far.server.url, token=far.server.token) as swarm:
            asked = [one["id"] async for one in swarm.approvals()]
            denied = await swarm.deny("aaaaaaaa", message="no")
            turn = await swarm.send_turn("asks", "go")
            said = [one["type"] async for one in swarm.conversation("asks")]
            return [asked, denied["state"], turn, said, (await swarm.session("asks"))["sent"]]

    asked, state, turn, said, sent = asyncio.run(use())
    assert (asked, state, sent) == (["aaaaaaaa"], "denied", 1) and turn >= 0
    assert said == ["approval:requested", "message", "approval:denied", "approval:answered", "turn:sent"]
