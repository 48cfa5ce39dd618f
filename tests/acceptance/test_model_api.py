"""Agents that are a model behind an API: from spawn to the last event, over deaths, against the canned one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import kinds as made
from support.canned import Canned, canning
from support.cli import Swarm
from support.looking import until

PROFILE = """
driver = "api"
model = "canned-1"
options.base_url = "{url}/v1"
options.key_env = "CANNED_KEY"
options.retries = 0
options.price = {{input = 2.0, output = 10.0, cached = 0.5}}
"""


@pytest.fixture
def canned() -> Iterator[Canned]:
    with canning() as server:
        yield server


@pytest.fixture
def swarm(swarm: Swarm, canned: Canned, tmp_path: Path) -> Swarm:
    """A swarm whose user has a profile `mine`, of the canned API."""
    swarm.env |= {"SWARM_CONFIG": str(tmp_path / "config"), "CANNED_KEY": "secret"}
    made.profile(tmp_path / "config", "mine", PROFILE.format(url=canned.url))
    return swarm


def approval(swarm: Swarm) -> str:
    """The id of the only approval that is pending, once there is one."""
    known: list[dict[str, Any]] = until(lambda: swarm.json("approvals"), "an approval")
    assert len(known) == 1
    return str(known[0]["id"])


def types(swarm: Swarm, agent: str) -> list[str]:
    """What has happened to an agent, in order."""
    return [event["type"] for event in swarm.json("events", agent)]


def used(swarm: Swarm, agent: str) -> dict[str, int]:
    """The sum of what its events say it used."""
    sums: dict[str, int] = {}
    for event in swarm.json("events", agent):
        if event["type"] == "usage:reported":
            for name in ("input", "output", "cache_read", "cache_write", "reasoning"):
                sums[name] = sums.get(name, 0) + event["data"][name]
    return sums


def test_takes_a_turn_and_goes_on(swarm: Swarm, canned: Canned) -> None:
    """A prompt is answered, the agent ends with 0; a turn that is sent later continues the same session."""
    agent = swarm.spawn("--agent", "mine", "hello there")
    assert swarm.run("wait", agent).status == 0
    assert "HELLO users=1 last=hello there" in swarm.logs(agent).decode()
    swarm.ok("send", "--wait", agent, "and again")
    assert canned.served().only.users == ("hello there", "and again")
    assert used(swarm, agent) == canned.served().tokens._asdict()
    assert swarm.agent(agent)["run"] == 2
    assert b"secret" not in (swarm.home / "swarm.db").read_bytes()


def test_waits_for_an_approval(swarm: Swarm, canned: Canned, tmp_path: Path) -> None:
    """What it wants is asked for, and done when it is allowed; with an input that was edited, that is done."""
    agent = swarm.spawn("--agent", "api:mine", "TOOL:touch this")
    swarm.ok("approve", approval(swarm), "--edit", '{"command": "touch that"}')
    assert swarm.run("wait", agent).status == 0
    assert sorted(path.name for path in swarm.cwd.iterdir()) == ["that"]


def test_denied_is_not_done(swarm: Swarm, canned: Canned) -> None:
    """A rule denies, the model goes on without, and the agent's status is not 0."""
    agent = swarm.spawn("--agent", "mine", "--deny", "Bash(touch *)", "TOOL:touch this")
    assert swarm.run("wait", agent).status == 1
    assert not list(swarm.cwd.iterdir())
    assert "Denied: denied by the rule Bash(touch *)" in swarm.logs(agent).decode()


def test_an_approval_outlives_the_agent(swarm: Swarm, canned: Canned) -> None:
    """Its host is killed while an approval is pending: it can be answered all the same, and the next run acts on it."""
    agent = swarm.spawn("--agent", "mine", "TOOL:touch made")
    asked = approval(swarm)
    os.kill(swarm.agent(agent)["child"]["pid"], signal.SIGKILL)
    swarm.run("wait", agent)
    assert [one["id"] for one in swarm.json("approvals")] == [asked]
    swarm.ok("approve", asked)
    swarm.ok("restart", agent)
    assert swarm.run("wait", agent).status == 0
    assert (swarm.cwd / "made").exists()
    assert canned.served().only.users == ("TOOL:touch made",) and canned.served().requests == 2
    assert used(swarm, agent) == canned.served().tokens._asdict()
    happened = types(swarm, agent)
    assert happened.count("approval:requested") == 1 and "approval:voided" not in happened
    assert happened.count("turn:completed") == 1


def test_a_killed_daemon_is_not_noticed(swarm: Swarm, canned: Canned) -> None:
    """kill -9 of the daemon leaves the host and its approval as they are."""
    agent = swarm.spawn("--agent", "mine", "TOOL:touch made")
    asked = approval(swarm)
    os.kill(swarm.agent(agent)["daemon"]["pid"], signal.SIGKILL)
    swarm.ok("approve", asked)
    until(lambda: (swarm.cwd / "made").exists(), "what was allowed")
    swarm.ok("supervisor", "run", "--once")
    assert swarm.run("wait", agent).status == 0
    assert (canned.served().requests, swarm.agent(agent)["run"]) == (2, 1)


def test_an_answer_that_is_held_is_asked_for_again(swarm: Swarm, canned: Canned) -> None:
    """Killed while the model answers, the next run asks again, once, for the same turn."""
    agent = swarm.spawn("--agent", "mine", "HOLD:here\nSAY:now")
    canned.wait_held("here")
    os.kill(swarm.agent(agent)["child"]["pid"], signal.SIGKILL)
    swarm.run("wait", agent)
    canned.let_go("here")
    swarm.ok("restart", agent)
    assert swarm.run("wait", agent).status == 0
    served = canned.served().only
    assert (served.turns, served.requests, served.dropped) == (1, 1, 1)
    assert used(swarm, agent) == canned.served().tokens._asdict()


def test_an_error_is_a_failure(swarm: Swarm, canned: Canned) -> None:
    """An API error fails the turn, and says why; the next turn may do better."""
    agent = swarm.spawn("--agent", "mine", "FAIL:500")
    assert swarm.run("wait", agent).status == 1
    last = [event for event in swarm.json("events", agent) if event["type"] == "turn:completed"][-1]
    assert (last["data"]["outcome"], last["data"]["reason"]) == ("failed", "status 500: canned error 500")
    swarm.ok("send", "--wait", agent, "hello")


def test_what_cannot_be_spawned(swarm: Swarm, canned: Canned) -> None:
    """No such kind, no model, a wrong profile: one line, and nothing is spawned."""
    assert "no such kind of agent: 'nope'" in swarm.refused(2, "spawn", "--agent", "nope", "hi")
    assert "names no model" in swarm.refused(2, "spawn", "--agent", "api:cerebras", "hi")
    made.profile(Path(swarm.env["SWARM_CONFIG"]), "wrong", "driver = 1")
    assert "wrong.toml: driver: input should be" in swarm.refused(2, "spawn", "--agent", "wrong", "hi")
    assert swarm.json("list", "--all") == []


def test_what_is_said_at_the_spawn_beats_the_profile(swarm: Swarm, canned: Canned) -> None:
    """--env is before the profile's env, which is before what the shell has."""
    made.profile(Path(swarm.env["SWARM_CONFIG"]), "said", 'extends = "mine"\nenv = {ONE = "profile", TWO = "profile"}')
    swarm.env |= {"ONE": "shell", "TWO": "shell", "THREE": "shell"}
    prompt = "TOOL:echo $ONE $TWO $THREE > said"
    agent = swarm.spawn("--agent", "said", "--approve", "all", "--env", "ONE=spawn", prompt)
    assert swarm.run("wait", agent).status == 0
    assert (swarm.cwd / "said").read_text() == "spawn profile shell\n"


def test_without_a_key_the_run_fails(swarm: Swarm, canned: Canned) -> None:
    """The agent says which variable it misses; with it, the turn is taken by another run."""
    del swarm.env["CANNED_KEY"]
    agent = swarm.spawn("--agent", "mine", "hi")
    assert swarm.run("wait", agent).status == 1
    assert b"mine needs a key, and $CANNED_KEY is not set" in swarm.logs(agent)


def test_checks_a_model_api(swarm: Swarm, canned: Canned) -> None:
    """check reaches the service without asking a model, and with --ask asks it."""
    assert swarm.ok("agents", "check", "mine").startswith("ok   mine         canned-1 in ")
    assert (canned.served().requests, canned.ledger.others) == (0, ["GET /v1/models"])
    assert "it said: HELLO users=1" in swarm.ok("agents", "check", "mine", "--ask")
    made.profile(Path(swarm.env["SWARM_CONFIG"]), "gone", 'extends = "mine"\noptions.base_url = "http://127.0.0.1:1"')
    got = swarm.run("agents", "check", "gone")
    assert got.status == 1 and got.lines[0].startswith("BAD  gone         cannot speak with http://127.0.0.1:1: ")
