"""Tokens made, listed and revoked through a server; and that none makes what may more than itself, or longer."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support.cli import DEADLINE, Swarm
from support.far import Far, far_from
from swarm_store.errors import NoSuchAgent
from swarmctl.client import AsyncSwarm, NotAllowed
from swarmctl.client import Swarm as Client


@pytest.fixture
def far(swarm: Swarm) -> Iterator[Far]:
    """The command line at a distance from `swarm`."""
    with far_from(swarm) as far:
        yield far


def listed(swarm: Swarm, *options: str) -> list[dict[str, Any]]:
    """What is known of the tokens, in their order."""
    known: list[dict[str, Any]] = json.loads(swarm.ok("token", "list", "--json", *options))
    return known


def client(far: Far, token: str) -> Client:
    """The server's client with another token than the admin's."""
    return Client(far.server.url, token=token)


def test_a_token_is_made_and_revoked_from_afar(far: Far) -> None:
    """A token that was made through a server opens what it says, is listed as on the machine, and is revoked."""
    agent = far.spawn("--name", "build", "--", "sleep", "600")
    printed = far.ok("token", "create", "--control", "--agent", "build", "--expires", "1h", "--uses", "3")
    token = printed.strip()
    with client(far, token) as own:
        assert own.get(agent)["name"] == "build"
        with pytest.raises(NotAllowed):
            list(own.agents())
    (known,) = listed(far)
    assert (known["scope"], known["agents"], known["uses"], known["uses_left"]) == ("control", [agent], 3, 2)
    assert listed(far) == listed(far.near) and far.ok("token", "list") == far.near.ok("token", "list")
    far.ok("token", "revoke", known["id"])
    assert (listed(far), [one["state"] for one in listed(far, "--all")]) == ([], ["revoked"])
    with client(far, token) as own, pytest.raises(NotAllowed, match="is revoked"):
        own.get(agent)


def test_all_or_none_are_revoked(far: Far) -> None:
    """Where one of several is not known, none is revoked, as on the machine."""
    far.ok("token", "create", "--read")
    (known,) = listed(far)
    assert "no token 'nonesuch'" in far.refused(3, "token", "revoke", known["id"], "nonesuch")
    assert listed(far) == [known]


def test_it_is_told_once(far: Far) -> None:
    """A new token is answered with 201 and `no-store`; nothing that lists it shows it or its hash."""
    with far.server.client() as http:
        made = http.post("/v1/tokens", json={"scope": "read"})
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        shown = http.get("/v1/tokens?all=true")
    token_id, _, secret = made.json()["token"].partition(".")
    assert made.json()["id"] == token_id == shown.json()["tokens"][0]["id"]
    assert secret not in shown.text and "hash" not in shown.text


def test_who_may(far: Far) -> None:
    """A token that reads sees which there are; only one that controls everything makes and revokes."""
    agent = far.spawn("--", "sleep", "600")
    with client(far, far.near.ok("token", "create", "--read").strip()) as reader:
        assert [one["scope"] for one in reader.tokens()] == ["read"]
        with pytest.raises(NotAllowed):
            reader.create_token("read")
        with pytest.raises(NotAllowed):
            reader.revoke_token("nonesuch")
    with client(far, far.near.ok("token", "create", "--control", "--agent", agent).strip()) as of_one:
        for ask in (of_one.tokens, lambda: of_one.create_token("read", agents=[agent])):
            with pytest.raises(NotAllowed, match="does not allow this"):
                ask()


def test_none_outlives_its_maker(far: Far) -> None:
    """A token that expires makes such as expire no later; one whose uses are counted makes none."""
    with client(far, far.near.ok("token", "create", "--control", "--expires", "1h").strip()) as ending:
        for longer in (None, 3700.0):
            with pytest.raises(NotAllowed, match="outlives it") as raised:
                ending.create_token("read", expires_in=longer)
            assert "--expires 35" in raised.value.hint
        made = ending.create_token("control", expires_in=60)
    with client(far, made["token"]) as shorter, pytest.raises(NotAllowed, match="outlives it"):
        shorter.create_token("read", expires_in=61)
    counted = far.near.ok("token", "create", "--control", "--uses", "5").strip()
    with client(far, counted) as some, pytest.raises(NotAllowed, match="makes no others"):
        some.create_token("read", uses=1)
    assert len(listed(far)) == 3


def test_what_it_made_is_revoked_with_it(far: Far) -> None:
    """A token ends with the one that made it, and what is being read with it ends at once."""
    agent = far.spawn("--", "sleep", "600")
    with client(far, far.near.ok("token", "create", "--control").strip()) as maker:
        child = maker.create_token("control")
        with client(far, child["token"]) as made:
            grandchild = made.create_token("read")
    assert [one["maker"] for one in listed(far)] == [None, listed(far)[0]["id"], child["id"]]
    raised: list[Exception] = []

    def wait() -> None:
        with client(far, grandchild["token"]) as waiting:
            try:
                waiting.wait(agent)
            except NotAllowed as error:
                raised.append(error)

    reading = threading.Thread(target=wait)
    reading.start()
    far.ok("token", "revoke", listed(far)[0]["id"])
    reading.join(DEADLINE)
    assert raised and listed(far) == []


def test_its_own_revocation_is_heard(far: Far) -> None:
    """A token may revoke itself: that is answered, and then it opens nothing, beside others of the same command too."""
    far.near.ok("token", "create", "--read")
    own = far.near.ok("token", "create", "--control").strip()
    other, mine = (one["id"] for one in listed(far))
    assert far.ok("--token", own, "token", "revoke", mine, other) == ""
    assert "is revoked" in far.refused(1, "--token", own, "list")
    assert listed(far) == []


def test_the_awaiting_client_does_the_same(far: Far) -> None:
    """AsyncSwarm makes, lists and revokes tokens, and raises what Swarm raises."""

    async def scenario() -> None:
        async with AsyncSwarm(far.server.url, token=far.server.token) as swarm:
            made = await swarm.create_token("read", expires_in=60.0, uses=2)
            assert [one["id"] for one in await swarm.tokens()] == [made["id"]]
            await swarm.revoke_token(made["id"])
            assert [one["state"] for one in await swarm.tokens(all=True)] == ["revoked"]
            with pytest.raises(NoSuchAgent):
                await swarm.create_token("read", agents=["nonesuch"])

    asyncio.run(scenario())
