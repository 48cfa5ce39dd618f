"""`swarmctl --server … top`, on a real terminal: a swarm elsewhere is seen and steered as the machine's own is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.cli import SWARMCTL, Swarm
from support.far import Far, far_from
from support.looking import until
from support.screen import Screen

HOME, TAB = b"\x1b[H", b"\t"
Open = Callable[..., Screen]


@pytest.fixture
def far(swarm: Swarm) -> Iterator[Far]:
    """The command line at a distance from `swarm`."""
    with far_from(swarm) as far:
        yield far


@pytest.fixture
def top(far: Far) -> Iterator[Open]:
    """Opens `swarmctl top` at a distance, on a terminal of its own; all are quit at the end."""
    opened: list[Screen] = []

    def open_it(*args: str) -> Screen:
        opened.append(Screen(far, SWARMCTL, "top", *args))
        opened[-1].see("STATE", far.server.url)
        return opened[-1]

    yield open_it
    for screen in opened:
        if screen.process.poll() is None:
            screen.process.send_signal(signal.SIGTERM)
            with suppress(AssertionError):
                screen.end()
        screen.close()


def gated(swarm: Swarm, script: str, *options: str) -> Callable[[], None]:
    """An agent whose script goes on at `read x` when what is returned is called."""
    gate = swarm.cwd / f"gate-{len(list(swarm.cwd.iterdir()))}"
    os.mkfifo(gate)
    swarm.sh(f"exec 3<>{gate}; {script.replace('read x', 'read x <&3')}", *options)

    def open_it() -> None:
        gate.write_text("\n")

    return open_it


def test_agents_appear_and_end(far: Far, top: Open) -> None:
    """Agents that are spawned there are seen here, and how they end."""
    screen = top()
    screen.see("no agents")
    let_end = gated(far.near, "read x; exit 3", "--name", "build", "--label", "team=web")
    screen.see("● running", "build", "team=web", "1 running")
    let_end()
    screen.see("✗ failed", "1 failed")


def test_output_is_live(far: Far, top: Open) -> None:
    """The last line of every agent and the pane of one follow what is written there."""
    quiet = gated(far.near, "echo quiet; read x; echo louder; sleep 60", "--name", "other")
    go_on = gated(far.near, "echo one; read x; echo two; echo three >&2; sleep 60", "--name", "it")
    screen = top()
    screen.see("live", "\n one", "quiet")
    go_on()
    screen.see("\n two", "┃three")
    quiet()
    screen.see("louder")


def test_all_output_can_be_read_back(far: Far, top: Open) -> None:
    """Of more than is shown at once the last line is seen, the first, and the last again."""
    far.near.sh("seq 200000 | sed 's/^/line /'; sleep 60", "--name", "many")
    screen = top()
    screen.see("\n line 200000")
    screen.type(TAB + HOME)
    screen.see("\n line 1\n", "\n line 2\n")
    screen.type(b"f")
    screen.see("\n line 200000")


def test_what_is_known_of_one(far: Far, top: Open) -> None:
    """The pane about an agent has its runs and what happened to it, and the timeline what happened to all."""
    far.near.ended("exit 3", "--name", "it")
    screen = top("--all")
    screen.type(b"2")
    screen.see("command", "agent:started", "agent:exited")
    screen.type(b"3")
    screen.see("agent:spawned", "agent:exited")


def test_it_is_steered(far: Far, top: Open) -> None:
    """Spawning and cancelling are done there, without a token on any command line."""
    screen = top()
    screen.type(b"n")
    screen.see("Spawn")
    screen.type(b"--name made -- sleep 600\r")
    screen.see("● running", "made")
    screen.type(b"c")
    screen.see("Cancel made (running)?")
    screen.type(b"y")
    screen.see("■ cancelled", "made is cancelled")
    assert far.near.agent("made")["state"] == "cancelled"


def test_the_token_is_on_no_command_line(far: Far, top: Open) -> None:
    """What is run for the picture has the token in its environment: `ps` shows command lines to everybody."""
    let_end = gated(far.near, "trap '' TERM; echo ready; read x", "--name", "stubborn", "--grace", "60s")
    screen = top()
    screen.see("ready")
    screen.type(b"c")
    screen.see("Cancel stubborn")
    screen.type(b"y")
    line = until(lambda: next((one for one in command_lines() if b"\0cancel\0" in one), b""), "the verb")
    assert far.server.url.encode() in line and far.server.token is not None
    assert not any(far.server.token.encode() in one for one in command_lines())
    let_end()
    screen.see("cancelled")


def command_lines() -> list[bytes]:
    """Of everything that runs, with a NUL after each word."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            found.append(place.read_bytes())
    return found


def test_a_server_that_is_killed_is_waited_for(far: Far, top: Open) -> None:
    """A server that is away is said to be; when another one is there, what has happened meanwhile is seen."""
    go_on = gated(far.near, "echo one; read x; echo two; read x; echo three; sleep 60", "--name", "it")
    screen = top()
    screen.see("\n one")
    far.kill_server()
    screen.see("does not answer", "waiting for its return")
    go_on()
    far.near.sh("echo hello; sleep 60", "--name", "newer")
    far.start_server()
    screen.see("newer", "two", without="does not answer")
    go_on()
    screen.see("three")
    screen.type(b"q")
    assert screen.end() == 0


def test_it_ends_while_the_server_is_away(far: Far, top: Open) -> None:
    """`q` quits at once, whoever is waited for."""
    screen = top()
    far.kill_server()
    screen.see("waiting for its return")
    screen.type(b"q")
    assert screen.end() == 0, screen.text
    far.start_server()


def test_a_token_that_reads(far: Far, top: Open) -> None:
    """With a token that reads all is seen, and nothing done; when it is revoked the picture ends, and says why."""
    far.near.sh("echo hello; sleep 60", "--name", "it")
    far.env["SWARM_TOKEN"] = far.near.ok("token", "create", "--read").strip()
    screen = top()
    screen.see("hello")
    screen.type(b"c")
    screen.see("Cancel it")
    screen.type(b"y")
    screen.see("does not allow this")
    far.near.ok("token", "revoke", far.env.pop("SWARM_TOKEN").partition(".")[0])
    assert screen.end() == 1
    assert "is revoked" in screen.text


def test_another_log_is_another_picture(far: Far, top: Open) -> None:
    """Where another log is served in the place of the one that was, what that has is seen, and nothing else."""
    far.near.ended("echo before", "--name", "gone")
    screen = top("--all")
    screen.see("gone", "\n before")
    far.kill_server()
    for file in far.near.home.glob("swarm.db*"):
        file.unlink()
    far.near.sh("echo after; sleep 60", "--name", "new")
    far.start_server()
    screen.see("new", "\n after", without="gone")


def test_without_a_server_there_is_no_picture(far: Far) -> None:
    """Where no server answers, or the token does not do, that is said instead."""
    for env, words in (({"SWARM_TOKEN": "wrong"}, "no such token"), ({"SWARM_SERVER": "http://127.0.0.1:1"}, "answer")):
        settings = [f"{name}={value}" for name, value in env.items()]
        screen = Screen(far, "env", *settings, SWARMCTL, "top")
        assert screen.end() == 1
        assert words in screen.text
        screen.close()
