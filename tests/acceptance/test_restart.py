"""`swarmctl restart`: another run of the same agent; and what belongs to which run."""

from __future__ import annotations

import json

from support.cli import Swarm, output_of
from support.looking import until


def test_an_ended_agent_runs_again(swarm: Swarm) -> None:
    """The same id, name, directory and environment; the run's number is one more, and its status its own."""
    agent = swarm.ended("echo $GREETING $PWD; exit 3", "--name", "a", "--env", "GREETING=hello")
    assert swarm.ok("restart", "a") == agent + "\n"
    swarm.run("wait", agent)
    known = swarm.agent("a")
    assert (known["id"], known["run"], known["state"], known["exit_code"]) == (agent, 2, "failed", 3)
    assert swarm.logs(agent) == f"hello {swarm.cwd}\n".encode() * 2


def test_a_living_agent_is_ended_first(swarm: Swarm) -> None:
    """Its old run is cancelled, and the new one has another process."""
    agent = swarm.spawn("--", "sleep", "1000")
    before = swarm.agent(agent)
    started = json.loads(swarm.ok("restart", agent, "--json"))
    now = swarm.agent(agent)
    assert started == {"id": agent, "run": 2, "daemon": now["daemon"], "child": now["child"]}
    assert (now["state"], now["run"]) == ("running", 2)
    assert now["child"] != before["child"]
    assert [one["type"] for one in swarm.json("events", agent)].count("agent:exited") == 1


def test_logs_of_one_run(swarm: Swarm) -> None:
    """`--run N` shows that run's output alone, counted from 1; a run that was not is empty."""
    agent = swarm.ended("echo $(ls | wc -l); touch $(date +%N)")
    swarm.ok("restart", agent)
    swarm.run("wait", agent)
    assert swarm.logs(agent) == b"0\n1\n"
    assert [swarm.logs("--run", str(run), agent) for run in (1, 2, 3)] == [b"0\n", b"1\n", b""]
    assert swarm.logs("--run", "1", "-n", "1", agent) == b"0\n"


def test_following_one_run_ends_with_it(swarm: Swarm) -> None:
    """`logs -f --run 1` ends when the first run is over, though the agent goes on in a second."""
    agent = swarm.sh("echo run; exec sleep 1000")
    until(lambda: swarm.logs(agent), "its output")
    first = swarm.start("logs", "-f", "--run", "1", agent)
    swarm.ok("restart", agent)
    assert output_of(first).out == b"run\n"
    second = swarm.start("logs", "-f", "--run", "2", agent)
    until(lambda: swarm.logs("--run", "2", agent), "its second output")
    swarm.ok("cancel", agent)
    assert output_of(second).out == b"run\n"


def test_what_cannot_be_restarted(swarm: Swarm) -> None:
    """No such agent, or one that was removed, is status 3; where another has its name by now, that one is named."""
    swarm.refused(3, "restart", "nobody")
    agent = swarm.ended("true", "--name", "web")
    other = swarm.spawn("--name", "web", "--", "sleep", "1000")
    assert other in swarm.refused(1, "restart", agent)
    assert swarm.agent(agent)["run"] == 1
    swarm.ok("rm", agent)
    swarm.refused(3, "restart", agent)


def test_of_two_at_once_one_wins(swarm: Swarm) -> None:
    """The other is told that the agent's state does not allow it, with status 4; there is one new run."""
    agent = swarm.ended("[ -e seen ] && exec sleep 1000; touch seen")
    got = [output_of(one) for one in [swarm.start("restart", agent) for _ in range(2)]]
    statuses = sorted(one.status for one in got)
    known = swarm.agent(agent)
    # Where the second comes after the first is done, it ends what runs and starts it again.
    assert (statuses, known["run"]) in [([0, 4], 2), ([0, 0], 3)]
    assert known["state"] == "running"


def test_a_command_that_is_gone_is_said(swarm: Swarm) -> None:
    """Where it cannot be executed any more, restart fails as spawn would, and the agent has failed."""
    script = swarm.cwd / "script"
    script.write_text("#!/bin/sh\nexit 0\n", encoding="ascii")
    script.chmod(0o755)
    agent = swarm.spawn("--", "./script")
    swarm.ok("wait", agent)
    script.unlink()
    assert "script" in swarm.refused(127, "restart", agent)
    known = swarm.agent(agent)
    assert (known["state"], known["run"], known["exit_code"]) == ("failed", 2, 127)


def test_cancel_withdraws_a_restart(swarm: Swarm) -> None:
    """An agent that waits for its restart is not restarted; one that its policy lets rest has ended: status 4."""
    waits = swarm.ended("exit 1", "--restart", "on-failure")
    rests = swarm.ended("exit 0", "--restart", "on-failure")
    swarm.ok("cancel", waits)
    assert swarm.agent(waits)["no_more_restarts"] == "withdrawn"
    swarm.refused(4, "cancel", waits)
    swarm.refused(4, "cancel", rests)
    swarm.ok("supervisor", "run", "--once")
    assert [swarm.agent(one)["run"] for one in (waits, rests)] == [1, 1]


def test_cancel_all_withdraws_restarts_too(swarm: Swarm) -> None:
    """`cancel --all` is also for what has ended and waits for its restart: it is not started again."""
    agent = swarm.ended("exit 3", "--restart", "on-failure", "--label", "a=b")
    swarm.ok("cancel", "--label", "a=c")
    assert swarm.agent(agent)["no_more_restarts"] is None
    swarm.ok("cancel", "--all")
    assert (swarm.agent(agent)["state"], swarm.agent(agent)["no_more_restarts"]) == ("failed", "withdrawn")
