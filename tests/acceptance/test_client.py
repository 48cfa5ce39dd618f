"""`swarmctl.client` beside a real server: what programs get, and what is asked again for them."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from itertools import islice

import pytest

from support.cli import Swarm as Commands
from support.far import Far, far_from
from swarm_store.errors import CannotStart, NameTaken, NoSuchAgent, NotPossible, SwarmError, WrongUsage
from swarmctl.client import AsyncSwarm, NotAllowed, Swarm, Unreachable


@pytest.fixture
def far(swarm: Commands) -> Iterator[Far]:
    """A server of `swarm`."""
    with far_from(swarm) as far:
        yield far


def client_of(far: Far) -> Swarm:
    return Swarm(far.server.url, token=far.server.token)


def test_the_main_job(far: Far) -> None:
    """Spawn, look, wait, read, remove: an agent is a dict as `show --json` prints it."""
    with client_of(far) as swarm:
        script = "cat; echo err >&2; exit 3"
        agent = swarm.spawn(["sh", "-c", script], name="build", labels={"a": "b"}, stdin=b"\xff in\n")
        ended = swarm.wait("build")
        assert (ended["id"], ended["exit_code"], ended["labels"]) == (agent["id"], 3, {"a": "b"})
        assert swarm.get(agent["id"][:7]) == far.near.agent("build")
        assert b"".join(chunk.bytes for chunk in swarm.output("build", stream="stdout")) == b"\xff in\n"
        assert [chunk.stream for chunk in swarm.output("build", follow=True, stream="stderr")] == ["stderr"]
        assert [event["type"] for event in swarm.events(agent=agent["id"])][-1] == "agent:exited"
        assert [one["id"] for one in swarm.agents(all=True, labels=["a=b"])] == [agent["id"]]
        assert list(swarm.agents()) == []
        swarm.remove("build")
        assert list(swarm.agents(all=True)) == []


def test_steering(far: Far) -> None:
    """Cancel, signal, restart and prune do what the verbs do."""
    with client_of(far) as swarm:
        agent = swarm.spawn(["sleep", "600"], name="it")
        swarm.signal("it", "USR1")
        assert swarm.wait("it")["signal"] == "SIGUSR1"
        assert swarm.restart("it")["run"] == 2
        with pytest.raises(TimeoutError):
            swarm.wait("it", 0.1)
        swarm.cancel("it")
        assert swarm.get("it")["state"] == "cancelled"
        assert swarm.wait("it", run=1)["run"] == 2
        assert swarm.prune(keep=0, dry_run=True) == swarm.prune(keep=0) == [agent["id"]]


def test_errors_are_those_of_the_log(far: Far) -> None:
    """What the command line would complain of is raised, with its message, its hint and its status."""
    with client_of(far) as swarm:
        swarm.spawn(["sleep", "600"], name="it")
        cases: list[tuple[Callable[[], object], type[SwarmError], int]] = [
            (lambda: swarm.get("nonesuch"), NoSuchAgent, 3),
            (lambda: swarm.remove("it"), NotPossible, 4),
            (lambda: swarm.spawn(["sleep", "1"], name="it"), NameTaken, 1),
            (lambda: swarm.spawn(["nonesuch-command"]), CannotStart, 127),
            (lambda: swarm.spawn(["true"], name="not a name"), WrongUsage, 2),
            (lambda: swarm.signal("it", "NONESUCH"), WrongUsage, 2),
        ]
        for ask, kind, status in cases:
            with pytest.raises(kind) as raised:
                ask()
            assert type(raised.value) is kind and raised.value.exit_code == status and raised.value.message
        with pytest.raises(NoSuchAgent) as raised:
            swarm.get("nonesuch")
        assert far.refused(3, "show", "nonesuch") == f"swarmctl: {raised.value.message}; {raised.value.hint}\n"


def test_a_bad_token_is_said_by_its_name(far: Far) -> None:
    """Without a token or with a wrong one NotAllowed is raised, which never says the token's value."""
    with Swarm(far.server.url, token="wrong" * 8) as swarm, pytest.raises(NotAllowed) as raised:
        swarm.get("x")
    assert "wrong" not in raised.value.message + raised.value.hint
    with Swarm(far.server.url) as swarm, pytest.raises(NotAllowed, match="token"):
        swarm.get("x")
    assert "that of --token" in far.refused(1, "--token", "wrong", "list")
    far.env["SWARM_TOKEN"] = "wrong"
    assert "that of $SWARM_TOKEN" in far.refused(1, "list")


def test_no_server(far: Far) -> None:
    """Where no server answers, Unreachable is raised after a few tries, which are told of."""
    told: list[int] = []
    with (
        Swarm("http://127.0.0.1:1", on_trouble=lambda error, tries: told.append(tries)) as swarm,
        pytest.raises(Unreachable) as raised,
    ):
        swarm.get("x")
    assert not raised.value.was_sent and told == [1, 2, 3]


def test_a_spawn_is_done_once(far: Far) -> None:
    """The same idempotency key is the same agent; without one each spawn is another; another body is refused."""
    with client_of(far) as swarm:
        first = swarm.spawn(["true"], idempotency_key="mine")
        assert swarm.spawn(["true"], idempotency_key="mine")["id"] == first["id"]
        assert swarm.spawn(["true"])["id"] != swarm.spawn(["true"])["id"]
        with pytest.raises(NotPossible):
            swarm.spawn(["false"], idempotency_key="mine")


def test_a_spawn_survives_a_server_that_comes_back(far: Far) -> None:
    """A spawn whose server is just being started again is asked once more, and done once."""
    with client_of(far) as swarm:
        swarm.get(far.sh("true"))
        far.kill_server()
        starting = threading.Timer(0.2, far.start_server)
        starting.start()
        for _ in range(3):
            try:
                agent = swarm.spawn(["true"], name="once", idempotency_key="k")
                break
            except Unreachable:
                continue
        starting.join()
        assert [one["id"] for one in swarm.agents(all=True, name="once")] == [agent["id"]]


def test_output_resumes(far: Far) -> None:
    """`output(follow=True)` goes on where it was when the server was killed and started again: each byte once."""
    script = "for i in $(seq 200); do echo $i; sleep 0.01; done"
    with client_of(far) as swarm:
        agent = swarm.spawn(["sh", "-c", script])
        got = b""
        for chunk in swarm.output(agent["id"], follow=True):
            got += chunk.bytes
            if got.count(b"\n") == 50:
                far.kill_server()
                far.start_server()
        assert got == b"".join(b"%d\n" % i for i in range(1, 201))


def test_watching(far: Far) -> None:
    """`watch` gives every agent, and then each change of one, through a restart of the server too."""
    first = far.ended("true")
    with client_of(far) as swarm:
        watching = swarm.watch()
        assert [(one.operation, one.id) for one in islice(watching, 1)] == [("insert", first)]
        second = far.sh("true")
        assert next(change for change in watching if change.agent and change.agent["state"] == "completed").id == second
        far.kill_server()
        far.near.ok("rm", second)
        far.start_server()
        assert next(change for change in watching if change.operation == "delete").id == second


def test_what_blocks_awaits_too(far: Far) -> None:
    """AsyncSwarm does the same with coroutines: several agents are followed side by side in one thread."""

    async def follow(swarm: AsyncSwarm, name: str) -> bytes:
        agent = await swarm.spawn(["sh", "-c", f"echo {name}; sleep 0.2; echo end"], name=name)
        output = b"".join([chunk.bytes async for chunk in swarm.output(agent["id"], follow=True)])
        assert (await swarm.wait(name))["exit_code"] == 0
        return output

    async def main() -> list[bytes]:
        async with AsyncSwarm(far.server.url, token=far.server.token) as swarm:
            outputs = await asyncio.gather(*(follow(swarm, name) for name in ("a", "b", "c")))
            assert sorted([agent["name"] or "" async for agent in swarm.agents(all=True)]) == ["a", "b", "c"]
            with pytest.raises(NoSuchAgent):
                await swarm.get("nonesuch")
            async with swarm.download("export") as parts:
                exported = b"".join([part async for part in parts])
            assert exported.startswith(b'{"format":"swarmctl-log"')
            return outputs

    assert asyncio.run(main()) == [b"a\nend\n", b"b\nend\n", b"c\nend\n"]


def test_both_have_the_same_surface() -> None:
    """Every method of Swarm is one of AsyncSwarm, with the same parameters."""

    def surface(kind: type) -> dict[str, list[str]]:
        methods = {name: method for name, method in vars(kind).items() if not name.startswith("_")}
        return {name: list(inspect.signature(method).parameters) for name, method in methods.items()}

    assert surface(Swarm) == surface(AsyncSwarm)
