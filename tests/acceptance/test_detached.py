"""An agent outlives whoever spawned it: the command, its shell, its terminal, its session."""

from __future__ import annotations

import os
import signal

import pytest

from support.cli import SWARMCTL, Swarm
from support.looking import is_running, until
from support.terminal import Terminal

GO = "while [ ! -e go ]; do sleep 0.02; done; echo went on; exit 3"


def goes_on(swarm: Swarm, word: str) -> None:
    """The agent lives, can still write, and its end is seen exactly."""
    assert swarm.agent(word)["state"] == "running"
    (swarm.cwd / "go").touch()
    assert swarm.run("wait", word).status == 3
    assert swarm.logs(word).endswith(b"went on\n")


def test_the_shell_exits_at_once(swarm: Swarm) -> None:
    """An agent that was spawned by a shell that exits at once goes on."""
    assert swarm.shell(f"swarmctl spawn --name a -- sh -c '{GO}' & exit").status == 0
    until(lambda: swarm.json("list"), "it is spawned")
    until(lambda: swarm.agent("a")["state"] == "running", "it runs")
    goes_on(swarm, "a")


def test_nohup(swarm: Swarm) -> None:
    """`nohup swarmctl spawn` works like without it."""
    got = swarm.shell(f"nohup swarmctl spawn --name a -- sh -c '{GO}'")
    assert got.status == 0 and got.text.strip() == swarm.agent("a")["id"]
    goes_on(swarm, "a")


def test_the_terminal_is_closed(swarm: Swarm) -> None:
    """When the terminal is closed, the shell in it ends and the agent that it spawned goes on."""
    terminal = Terminal(swarm, "sh", "-c", f"swarmctl spawn --name a -- sh -c '{GO}'; echo spawned; cat")
    terminal.read(b"spawned")
    terminal.close()
    assert terminal.process.wait(20) == -signal.SIGHUP
    goes_on(swarm, "a")


def test_the_terminal_is_closed_on_a_follower(swarm: Swarm) -> None:
    """When the terminal of `spawn --follow` is closed, the command ends and the agent goes on."""
    script = f"echo begun; {GO}"
    terminal = Terminal(swarm, SWARMCTL, "spawn", "--name", "a", "--follow", "--", "sh", "-c", script)
    terminal.read(b"begun")
    terminal.close()
    terminal.process.wait(20)
    goes_on(swarm, "a")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT, signal.SIGHUP])
def test_keys_of_the_terminal_do_not_reach_it(swarm: Swarm, number: signal.Signals) -> None:
    """A signal to the whole process group of the spawner, as a key of the terminal sends it, spares the agent."""
    script = f"swarmctl spawn --name a -- sh -c '{GO}'; echo spawned; exec sleep 60"
    shell = swarm.start_command(["sh", "-c", script], start_new_session=True)
    until(lambda: swarm.json("list") and swarm.agent("a")["state"] == "running", "it runs")
    os.killpg(shell.pid, number)
    shell.wait(20)
    goes_on(swarm, "a")


def test_the_daemon_is_nobodys_child(swarm: Swarm) -> None:
    """Daemon and keeper are in sessions of their own, and outlive a killed command."""
    process = swarm.start("spawn", "--wait", "--name", "a", "--", "sh", "-c", GO)
    until(lambda: swarm.json("list") and swarm.agent("a")["state"] == "running", "it runs")
    process.kill()
    process.wait(20)
    known = swarm.agent("a")
    assert all(os.getsid(known[who]["pid"]) != os.getsid(0) for who in ("daemon", "keeper", "child"))
    assert is_running(known["daemon"]["pid"])
    goes_on(swarm, "a")


def test_the_same_home_from_another_directory(swarm: Swarm) -> None:
    """An agent spawned into a relative home is known from any directory by the absolute one."""
    agent = swarm.spawn("--", "sh", "-c", "echo $SWARM_HOME", SWARM_HOME="../home")
    swarm.ok("wait", agent)
    assert swarm.logs(agent).decode().strip() == str(swarm.home)
