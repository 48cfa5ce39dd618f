"""`swarmctl supervisor`, and what `list` and others tell with and without one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

from support.cli import Swarm, output_of
from support.looking import is_running, until


def supervisor(swarm: Swarm) -> subprocess.Popen[bytes]:
    """A supervisor in the foreground of its own process, up."""
    process = swarm.start("supervisor", "run")
    until(lambda: swarm.run("supervisor", "status").status == 0, "it is up")
    until(lambda: b"last reconciled" in swarm.run("supervisor", "status").out, "it has looked")
    return process


def orphan(swarm: Swarm, *options: str) -> str:
    """An agent whose daemon has been killed."""
    agent = swarm.sh("echo up; exec sleep 1000", *options)
    until(lambda: swarm.logs(agent), "its output")
    daemon = swarm.agent(agent)["daemon"]["pid"]
    os.kill(daemon, signal.SIGKILL)
    until(lambda: not is_running(daemon), "the daemon's death")
    return agent


def contents(home: Path) -> dict[str, tuple[bytes, int]]:
    """Every file of the home with its bytes and time of change; but for SQLite's shared memory, which readers map."""
    found = (path for path in home.rglob("*") if path.is_file() and not path.name.endswith("-shm"))
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_status_and_stop(swarm: Swarm) -> None:
    """`status` says who runs, since when and what it did, with status 0; `stop` returns when it has ended."""
    agent = orphan(swarm)
    process = supervisor(swarm)
    status = swarm.json("supervisor", "status")
    assert (status["running"], status["pid"], status["host"]) == (True, process.pid, os.uname().nodename)
    assert status["last"]["did"] == {"adopt": [agent]} and status["since"].endswith("Z")
    assert f"process {process.pid} on" in swarm.ok("supervisor", "status")
    swarm.ok("supervisor", "stop")
    assert (output_of(process).status, output_of(process).err) == (0, b"")
    got = swarm.run("supervisor", "status")
    assert (got.status, got.lines[0]) == (1, "no supervisor runs") and "supervisor run" in got.error
    got = swarm.run("supervisor", "status", "--json")
    assert (got.status, json.loads(got.text)["running"]) == (1, False)
    assert "no supervisor runs" in swarm.refused(1, "supervisor", "stop")
    assert swarm.agent(agent)["state"] == "running"


def test_a_second_one_is_refused(swarm: Swarm) -> None:
    """It says in one line who is the supervisor, with status 1."""
    process = supervisor(swarm)
    assert f"process {process.pid} " in swarm.refused(1, "supervisor", "run")


def test_an_interrupt_ends_it_without_a_word(swarm: Swarm) -> None:
    """^C in the terminal is a stop like any other."""
    process = supervisor(swarm)
    process.send_signal(signal.SIGINT)
    got = output_of(process)
    assert (got.status, got.out, got.err) == (0, b"", b"")


def test_list_tells_the_truth_without_a_supervisor(swarm: Swarm) -> None:
    """A dead daemon is shown as `lost?`, with the hint on stderr alone; reading it changes no byte of the home."""
    lost, living = orphan(swarm, "--name", "lost"), swarm.spawn("--name", "lives", "--", "sleep", "1000")
    until(lambda: swarm.agent(living)["state"] == "running")
    before = contents(swarm.home)
    got = swarm.run("list")
    assert got.status == 0
    states = {line.split()[0]: line.split()[2] for line in got.lines[1:]}
    assert states == {lost: "lost?", living: "running"}
    assert got.error.count("\n") == 1 and "supervisor run" in got.error
    listed = {one["id"]: one for one in json.loads(swarm.run("list", "--json").text)}
    assert {one: (known["status"], known["state"]) for one, known in listed.items()} == {
        lost: ("lost?", "running"),
        living: ("running", "running"),
    }
    assert "lost?" in swarm.run("show", lost).text
    assert contents(swarm.home) == before
    supervisor(swarm)
    until(lambda: swarm.agent(lost)["status"] == "running", "the adoption")
    assert "lost?" not in swarm.ok("list")


def test_once_is_enough_to_mend(swarm: Swarm) -> None:
    """`supervisor run --once` takes over what has no daemon, and ends; the agent goes on."""
    agent = orphan(swarm)
    swarm.ok("supervisor", "run", "--once")
    assert (swarm.agent(agent)["status"], swarm.agent(agent)["epoch"]) == ("running", 1)
    swarm.ok("supervisor", "run", "--once")
    assert swarm.agent(agent)["epoch"] == 1


def test_its_events_are_in_the_log(swarm: Swarm) -> None:
    """`events` shows what the supervisor did, beside what happened to agents."""
    orphan(swarm)
    swarm.ok("supervisor", "run", "--once")
    types = [event["type"] for event in swarm.json("events")]
    assert [one for one in types if one.startswith("supervisor:")] == [
        "supervisor:started",
        "supervisor:reconciled",
        "supervisor:stopped",
    ]
    assert "agent:adopted" in types


def test_a_crash_loop_is_seen(swarm: Swarm) -> None:
    """An agent that is given up shows why it is not restarted any more, and can be restarted by hand."""
    agent = swarm.ended("exit 3", "--restart", "always", "--max-restarts", "0")
    swarm.ok("supervisor", "run", "--once")
    assert swarm.agent(agent)["no_more_restarts"] == "crash loop"
    assert "agent:crash_looped" in swarm.ok("events", agent)
    assert swarm.ok("restart", agent).strip() == agent
    assert swarm.agent(agent)["no_more_restarts"] is None
