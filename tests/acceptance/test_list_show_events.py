"""`swarmctl list`, `show` and `events`: the registry and the log as they are and as they were."""

from __future__ import annotations

import json
import re

import pytest

from support.cli import Swarm, output_of, read_until
from support.looking import until

# The contract: more may come, none of these may go.
FIELDS = "id name state labels command cwd run exit_code signal created_at started_at ended_at daemon child".split()  # noqa: SIM905
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def ids(swarm: Swarm, *options: str) -> list[str]:
    return swarm.ok("list", "-q", *options).split()


@pytest.mark.parametrize("verb", ["list", "ls"])
def test_shows_what_lives(swarm: Swarm, verb: str) -> None:
    """`list`, and `ls` likewise, shows the living agents, one a line under a header, and not the ended."""
    ended = swarm.ended("true")
    living = swarm.spawn("--name", "lives", "--", "sleep", "60")
    header, line = swarm.ok(verb).splitlines()
    assert header.split() == ["ID", "NAME", "STATE", "AGE", "EXIT", "COMMAND"]
    assert line.split()[:3] == [living, "lives", "running"] and line.endswith("sleep 60")
    assert ended in swarm.ok(verb, "--all")


def test_a_home_that_is_not_there_has_no_agents(fresh: Swarm) -> None:
    """Reading an empty home gives empty answers, status 0, and makes nothing."""
    assert json.loads(fresh.ok("list", "--json")) == []
    assert fresh.ok("list", "-q") == ""
    assert json.loads(fresh.ok("events", "--json")) == []
    assert not fresh.home.exists()


def test_json_has_the_documented_fields(swarm: Swarm) -> None:
    """`list --json` is an array of objects with the documented fields, times in RFC 3339 and UTC."""
    swarm.ended("exit 3", "--label", "a=b")
    (agent,) = swarm.json("list", "--all")
    assert set(FIELDS) <= set(agent)
    assert (agent["state"], agent["exit_code"], agent["signal"], agent["run"]) == ("failed", 3, None, 1)
    assert all(TIME.fullmatch(agent[key]) for key in ("created_at", "started_at", "ended_at"))
    assert agent["created_at"] <= agent["started_at"] <= agent["ended_at"]
    assert all({"pid", "start", "boot"} <= set(agent[who]) for who in ("daemon", "child"))
    assert agent["labels"] == {"a": "b"}


def test_filters_by_state_and_label(swarm: Swarm) -> None:
    """--state and --label choose, may be repeated, and hold together; a state of the ended needs no --all."""
    web = swarm.spawn("--label", "team=web", "--", "sleep", "60")
    good = swarm.ended("true", "--label", "team=web")
    bad = swarm.ended("false", "--label", "team=api")
    assert ids(swarm) == [web]
    assert ids(swarm, "--state", "completed", "--state", "failed") == [good, bad]
    assert ids(swarm, "--all", "--label", "team=web") == [web, good]
    assert ids(swarm, "--all", "--label", "team", "--state", "failed") == [bad]
    assert ids(swarm, "--all", "--label", "team=none") == []


def test_agents_come_in_the_order_spawned(swarm: Swarm) -> None:
    """The order of a list is that in which the agents were spawned."""
    spawned = [swarm.ended("true") for _ in range(4)]
    assert ids(swarm, "--all") == spawned


def test_at_shows_the_past(swarm: Swarm) -> None:
    """`--at` with a position or a time shows agents as they were then, in `list` and in `show`."""
    agent = swarm.sh("while [ ! -e go ]; do sleep 0.02; done")
    position = swarm.json("events")[-1]["position"]
    started = swarm.agent(agent)["started_at"]
    (swarm.cwd / "go").touch()
    swarm.ok("wait", agent)
    for moment in (str(position), started):
        (then,) = swarm.json("list", "--at", moment)
        assert (then["id"], then["state"], then["ended_at"]) == (agent, "running", None)
        assert json.loads(swarm.ok("show", agent, "--at", moment, "--json"))["state"] == "running"
    assert swarm.json("list", "--all", "--at", "0") == []
    swarm.refused(3, "show", agent, "--at", "0")


def test_show_says_all_of_one_agent(swarm: Swarm) -> None:
    """`show` has a line for each field, by id and by name; `--json` is the object that `list` has."""
    agent = swarm.ended("exit 4", "--name", "n")
    shown = dict(line.split(None, 1) for line in swarm.ok("show", "n").splitlines())
    assert set(FIELDS) <= set(shown)
    assert (shown["id"], shown["exit_code"], shown["state"]) == (agent, "4", "failed")
    assert swarm.agent(agent) == swarm.json("list", "--all")[0]


def test_events_tell_a_life_in_order(swarm: Swarm) -> None:
    """`events AGENT` has its life in order, with increasing positions, and nobody else's."""
    agent = swarm.ended("echo x")
    swarm.ended("true")
    records = json.loads(swarm.ok("events", agent, "--json"))
    types = [record["type"] for record in records]
    assert types == ["agent:spawned", "agent:starting", "agent:started", "output:closed", "agent:exited"]
    positions = [record["position"] for record in records]
    assert positions == sorted(set(positions))
    assert all(record["agent"] == agent and TIME.fullmatch(record["time"]) for record in records)


def test_events_after_a_position_and_of_a_type(swarm: Swarm) -> None:
    """--after leaves out what came up to a position, --type everything of another type."""
    swarm.ended("echo x")
    started = json.loads(swarm.ok("events", "--type", "agent:started", "--json"))
    assert [record["type"] for record in started] == ["agent:started"]
    after = json.loads(swarm.ok("events", "--after", str(started[0]["position"]), "--json"))
    assert [record["type"] for record in after] == ["output:closed", "agent:exited"]
    (written,) = json.loads(swarm.ok("events", "--type", "stdout:written", "--json"))
    assert written["base64"] == "eAo="


def test_events_follow_an_empty_home(fresh: Swarm) -> None:
    """`events -f` can be started before anything has ever been spawned."""
    process = fresh.start("events", "-f", "--type", "agent:spawned")
    until(lambda: (fresh.home / "swarm.db").exists() or process.poll() is not None, "it has begun")
    agent = fresh.spawn("--", "true")
    assert agent.encode() in read_until(process.stdout, b"\n")


def test_ten_thousand_ended_agents_are_listed(swarm: Swarm) -> None:
    """`list --all --json` gives 10,000 agents whole, and `list` still only the living."""
    insert = swarm.cwd / "insert.py"
    insert.write_text(
        "from swarm_store import events, registry\n"
        "from swarm_store.home import locate\n"
        "from swarm_store.log import Log\n"
        "with Log(locate()) as log:\n"
        "    for base in range(0, 10_000, 1000):\n"
        "        happened = []\n"
        "        for n in range(base, base + 1000):\n"
        "            spec = dict(name=None, labels={}, command=['true'], cwd='/', run=1, depth=0)\n"
        "            ended = dict(outcome='failed', exit_code=0, reason='for the test')\n"
        "            happened.append(events.agent_spawned(f'old{n}', **spec))\n"
        "            happened.append(events.agent_start_failed(f'old{n}', 1, **ended))\n"
        "        registry.publish(log, *happened)\n"
    )
    assert swarm.command(["python", str(insert)]) == (0, b"", b"")
    agents = swarm.json("list", "--all")
    assert [agent["id"] for agent in agents] == [f"old{n}" for n in range(10_000)]
    assert swarm.json("list") == []
    assert len(swarm.ok("list", "--all").splitlines()) == 10_001


def test_follow_ends_quietly_when_the_reader_goes(swarm: Swarm) -> None:
    """`events -f` into a pipe whose reader has gone ends by itself, without a word on stderr."""
    process = swarm.start("events", "-f")
    assert process.stdout is not None
    swarm.ended("true")
    read_until(process.stdout, b"\n")
    process.stdout.close()
    process.stdout = None

    def ended() -> bool:
        swarm.ended("true")
        return process.poll() is not None

    until(ended, "it has noticed")
    assert output_of(process).err == b""
