"""Commands that wait go on when a log that was deleted is there again."""

from __future__ import annotations

import os

from support.cli import Swarm, output_of, read_until
from support.looking import until


def _move(swarm: Swarm, ending: str) -> None:
    for name in ("swarm.db", "swarm.db-wal", "swarm.db-shm"):
        here, there = swarm.home / name, swarm.home / (name + ".moved")
        os.rename(*((here, there) if ending == "away" else (there, here)))


def test_followers_wait_for_the_log(swarm: Swarm) -> None:
    """`logs -f`, `events -f` and `wait` say that the log is gone, wait for it, and go on without a line twice."""
    # One FIFO for each: with one for both, the second reader could still meet the first writer.
    first, second = swarm.cwd / "first", swarm.cwd / "second"
    for go in (first, second):
        os.mkfifo(go)
    agent = swarm.sh(f"echo one; read x < {first}; echo two; read x < {second}; echo three; exit 4")
    logs, wait = swarm.start("logs", "-f", agent), swarm.start("wait", agent)
    events = swarm.start("events", "-f", "--json", "--type", "stdout:written")
    read_until(logs.stdout, b"one\n")
    read_until(events.stdout, b"stdout:written")
    registry = swarm.home / "bells" / "registry"
    until(lambda: registry.exists() and any(registry.glob(f"{wait.pid}.*")), "`wait` waits")
    _move(swarm, "away")
    first.write_text("\n")
    for follower in (logs, wait, events):
        read_until(follower.stderr, b"waiting for its return")
    _move(swarm, "back")
    read_until(logs.stdout, b"two\n")
    second.write_text("\n")
    assert output_of(logs).out == b"three\n"
    assert output_of(wait).status == 4
    read_until(events.stdout, b"dGhyZWUK")
    until(lambda: swarm.agent(agent)["state"] == "failed", "the end")


def test_a_wait_for_a_log_ends_in_time(swarm: Swarm) -> None:
    """`wait --timeout` ends in its time also where the log does not return."""
    agent = swarm.spawn("--", "sleep", "60")
    wait = swarm.start("wait", "--timeout", "2s", agent)
    until(lambda: (swarm.home / "bells" / "registry").exists(), "it waits")
    _move(swarm, "away")
    got = output_of(wait)
    _move(swarm, "back")
    assert got.status == 125
    assert b"has been deleted" in got.err or b"is gone" in got.err


def test_commands_say_that_the_log_is_gone(swarm: Swarm) -> None:
    """Where agents live and their log is deleted, reads say so and what to do, and do not speak of an empty home."""
    swarm.spawn("--", "sleep", "60")
    _move(swarm, "away")
    for verb in ("list", "show"):
        line = swarm.refused(1, verb, *(["x"] if verb == "show" else []))
        assert "is gone" in line and "doctor --fix" in line
    _move(swarm, "back")


def test_a_supervisor_can_begin_with_a_damaged_log(swarm: Swarm) -> None:
    """Started where the log is no database any more, it has it set aside and recovered, and does its work."""
    swarm.ok("wait", swarm.sh("exit 0"))
    with (swarm.home / "swarm.db").open("r+b") as file:
        file.write(b"x" * 100)
    assert "recovered" in swarm.run("supervisor", "run", "--once").err.decode()
    assert [path for path in swarm.home.iterdir() if ".damaged-" in path.name]
    swarm.ok("supervisor", "run", "--once")
