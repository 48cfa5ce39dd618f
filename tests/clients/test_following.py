"""The official clients follow a swarm that changes all the time, through a server that is killed again and again."""

from __future__ import annotations

import os
from typing import Any

import pytest

from clients.followers import HERE, JAVASCRIPT, PYTHON, Door, Follower, Program
from support.cli import Swarm
from support.looking import until
from swarm_store.events import REGISTRY
from swarm_store.exported import record_as_data
from swarm_store.home import Home
from swarm_store.log import Log

CLIENTS = [(client, live) for client in (JAVASCRIPT, PYTHON) for live in ("long-poll", "sse")]
COUNTING = 'i=0; while [ $i -lt 400 ]; do echo "line $i"; i=$((i+1)); sleep 0.005; done'


def churn(swarm: Swarm, door: Door) -> None:
    """Agents are spawned, cancelled, restarted and removed, while the server is there and while it is not."""
    sleeping = swarm.spawn("--name", "sleeping", "--", "sleep", "60")
    failed = swarm.ended("exit 3", "--label", "kind=failing")
    door.restart()
    swarm.ok("cancel", sleeping)
    door.kill()
    swarm.ok("restart", failed)
    gone = swarm.ended("echo gone")
    door.start()
    swarm.ok("rm", gone)
    swarm.sh("sleep 60", "--label", "kind=living")
    door.restart()
    swarm.run("spawn", "--wait", "--", "echo", os.fsdecode(b"no \xff UTF-8"))
    swarm.ended("echo last")


def registry(swarm: Swarm) -> list[dict[str, Any]]:
    """The registry as the log has it, in the form in which it is served."""
    with Log(Home(str(swarm.home)), write=False) as log:
        records = log.read(REGISTRY, limit=1 << 20)
    return [{key: value for key, value in record_as_data(one).items() if value is not None} for one in records]


@pytest.mark.usefixtures("javascript")
def test_clients_miss_nothing_and_repeat_nothing(swarm: Swarm, door: Door) -> None:
    """Each client, by long-poll and by SSE, has every record of the registry once and in order, as the log has it."""
    followers = [Follower(swarm, door, client, "registry", "json", live) for client, live in CLIENTS]
    churn(swarm, door)
    records = registry(swarm)
    for follower in followers:
        until(lambda one=follower: len(one.items()) >= len(records), "the end of the registry")  # type: ignore[misc]
        follower.close()
        assert follower.items() == records


@pytest.mark.usefixtures("javascript")
def test_output_comes_whole(swarm: Swarm, door: Door) -> None:
    """An agent's stdout by each client is what `logs` prints, to the byte, though the server is killed meanwhile."""
    agent = swarm.sh(COUNTING)
    ways = [(JAVASCRIPT, "long-poll"), (JAVASCRIPT, "sse"), (PYTHON, "long-poll")]  # Python has no SSE of bytes
    followers = [Follower(swarm, door, client, f"agents/{agent}/stdout", "bytes", live) for client, live in ways]
    for _ in range(3):
        have = len(followers[0].bytes())
        until(lambda had=have: len(followers[0].bytes()) > had, "more output")  # type: ignore[misc]
        door.restart()
    swarm.run("wait", agent)
    output = swarm.logs(agent)
    assert output.count(b"\n") == 400
    for follower in followers:
        until(lambda one=follower: len(one.bytes()) >= len(output), "all output")  # type: ignore[misc]
        follower.close()
        assert follower.bytes() == output


@pytest.mark.usefixtures("javascript")
def test_stream_db_is_the_list(swarm: Swarm, door: Door) -> None:
    """A StreamDB of `state/agents` that lived through it all holds what `list --all --json` shows.

    But for `status`, which is no fact of the log: it is what `list` sees of the machine when it is asked.
    """
    early = swarm.spawn("--name", "early", "--", "sleep", "60")
    db = Program(swarm, door, ["node", str(HERE / "state_db.mjs"), f"{door.url}/v1/stream/state/agents"])
    until(lambda: {"ready": True} in db.told, "the StreamDB")
    churn(swarm, door)
    swarm.ok("cancel", early)
    swarm.run("wait", early)
    listed = {agent.pop("id"): agent for agent in swarm.json("list", "--all")}
    for agent in listed.values():
        del agent["status"]
    until(lambda: rows(db) == listed, f"the list: {listed}")


def rows(db: Program) -> dict[str, Any]:
    """The rows of a StreamDB now, by id, without what the StreamDB adds to each."""
    assert db.process.stdin is not None
    before = sum("rows" in told for told in db.told)
    db.process.stdin.write(b"rows\n")
    db.process.stdin.flush()
    answers = until(lambda: [told["rows"] for told in list(db.told) if "rows" in told][before:], "its rows")
    return {row.pop("id"): {key: row[key] for key in row if key[0] not in "$_"} for row in answers[-1]}
