"""Whoever reads us goes away, or presses Ctrl-C: the command ends quietly and agents go on."""

from __future__ import annotations

import signal

import pytest

from support.cli import Swarm, output_of, read_until
from support.looking import until


@pytest.mark.parametrize("verb", [("wait",), ("logs", "-f"), ("cancel", "--grace", "1h")], ids=" ".join)
def test_an_interrupted_command_leaves_its_agent(swarm: Swarm, verb: tuple[str, ...]) -> None:
    """Ctrl-C during a command that waits gives status 130 without a traceback, and the agent goes on."""
    agent = swarm.sh('trap "" TERM; echo ready; while :; do sleep 0.05; done')
    until(lambda: swarm.logs(agent), "it is ready")
    process = swarm.start(*verb, agent)
    bells = swarm.home / "bells"
    until(lambda: list(bells.glob("*/*")) or list(bells.glob("*")), "it listens")
    until(lambda: _sleeps(process.pid), "it waits")
    process.send_signal(signal.SIGINT)
    got = output_of(process)
    assert got.status == 130 and b"Traceback" not in got.err and len(got.err.split(b"\n")) <= 2
    assert swarm.agent(agent)["state"] == "running"


def _sleeps(pid: int) -> bool:
    """Whether a process has loaded everything and is asleep in poll."""
    with open(f"/proc/{pid}/wchan", encoding="ascii") as file:
        return "poll" in file.read()


def test_an_interrupted_follow_says_how_to_go_on(swarm: Swarm) -> None:
    """Ctrl-C during `spawn --follow` gives 130, and stderr says that the agent goes on and how to follow it again."""
    process = swarm.start("spawn", "--name", "a", "--follow", "--", "sh", "-c", "echo ready; sleep 60")
    read_until(process.stdout, b"ready")
    process.send_signal(signal.SIGINT)
    got = output_of(process)
    known = swarm.agent("a")
    assert got.status == 130 and known["state"] == "running"
    assert f"swarmctl logs -f {known['id']}" in got.error and "Traceback" not in got.error


@pytest.mark.parametrize(
    "args",
    [("logs", "AGENT"), ("logs", "--json", "AGENT"), ("logs", "-f", "AGENT"), ("logs", "-t", "AGENT")],
    ids=" ".join,
)
def test_a_closed_pipe_ends_quietly(swarm: Swarm, args: tuple[str, ...]) -> None:
    """`| head -1` gets its line, and the command whose pipe it was ends without a word."""
    agent = swarm.ended("seq 200000")
    words = " ".join(agent if arg == "AGENT" else arg for arg in args)
    got = swarm.shell(f"swarmctl {words} | head -1")
    assert got.status == 0 and got.out.count(b"\n") == 1
    assert got.err == b""


def test_a_full_output_is_an_error_in_words(swarm: Swarm) -> None:
    """Where stdout cannot be written the status is 1, and a line on stderr says why."""
    swarm.ended("true")
    got = swarm.shell("swarmctl list --all > /dev/full")
    assert got.status == 1 and "No space left" in got.error and got.error.count("\n") == 1


def test_a_closed_stdin_is_no_obstacle(swarm: Swarm) -> None:
    """With stdin closed a spawn works, and its child reads /dev/null."""
    got = swarm.shell("swarmctl spawn --wait -- readlink /proc/self/fd/0 <&-")
    assert got.status == 0 and swarm.logs(got.text.strip()) == b"/dev/null\n"
