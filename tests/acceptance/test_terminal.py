"""What is for eyes is on terminals alone, and nothing that an agent is called or says can steer one."""

from __future__ import annotations

import re

import pytest

from support.cli import Swarm
from support.looking import until
from support.terminal import Terminal, on_terminal

ESCAPE = b"\x1b"
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-7]m")
HOSTILE = "\x1b]0;title\x07\x1b[2J\r\n\x9b31m\x7f\u202e\u2028"


def test_colours_on_a_terminal(swarm: Swarm) -> None:
    """On a terminal `list` has colours, and each agent its line."""
    agent = swarm.spawn("--", "sleep", "60")
    shown = on_terminal(swarm, "list", columns=150)
    assert shown.status == 0 and COLOUR.search(shown.out)
    assert agent.encode() in shown.out and b"sleep 60" in shown.out


def test_no_colours_elsewhere(swarm: Swarm) -> None:
    """In a pipe nothing has colours or borders, whatever TERM says."""
    swarm.ended("false")
    for args in (("list", "--all"), ("show", "-h"), ("events",), ("doctor",), ("--help",), ("list", "--all", "--json")):
        printed = swarm.run(*args, TERM="xterm-256color", COLORTERM="truecolor")
        assert ESCAPE not in printed.out + printed.err
        assert not re.search("[│─┃━╭╮]", printed.text)


def test_no_color_is_obeyed(swarm: Swarm) -> None:
    """With NO_COLOR a terminal gets no colours."""
    swarm.ended("false")
    shown = on_terminal(swarm, "list", "--all", columns=150, NO_COLOR="1")
    assert b"failed" in shown.out and not COLOUR.search(shown.out)


def test_a_dumb_terminal_gets_plain_text(swarm: Swarm) -> None:
    """A terminal that calls itself dumb gets no escape sequence at all."""
    swarm.ended("false")
    shown = on_terminal(swarm, "list", "--all", TERM="dumb")
    assert b"failed" in shown.out and ESCAPE not in shown.out


def test_a_long_command_stays_on_its_line(swarm: Swarm) -> None:
    """On a terminal a command that is too long is cut at the edge, in a pipe it is whole."""
    swarm.spawn("--", "sh", "-c", f"sleep 60 # {'long ' * 60}")
    shown = on_terminal(swarm, "list", columns=100).out.decode()
    assert len(shown.splitlines()) == 2
    assert "long " * 60 in swarm.ok("list")


@pytest.mark.parametrize("args", [("list", "--all"), ("show", "AGENT"), ("events",), ("events", "AGENT")], ids=" ".join)
def test_hostile_words_reach_no_terminal(swarm: Swarm, args: tuple[str, ...]) -> None:
    """Control characters in commands and directories are shown in letters, in a pipe and on a terminal."""
    place = swarm.cwd / HOSTILE
    place.mkdir()
    agent = swarm.spawn("--", "echo", HOSTILE, "\udcff", cwd=place)
    swarm.ok("wait", agent)
    args = tuple(agent if arg == "AGENT" else arg for arg in args)
    printed = swarm.ok(*args)
    assert all(char.isprintable() or char == "\n" for char in printed)
    shown = on_terminal(swarm, *args, columns=200, NO_COLOR="1").out.decode()
    left = re.sub(r"\x1b\[[0-9;]*m", "", shown).replace("\r\n", "")
    assert all(char.isprintable() for char in left), ascii(left)


def test_raw_output_is_the_childs_own(swarm: Swarm) -> None:
    """`logs` of one agent gives a terminal what the child gave: its colours are its own."""
    agent = swarm.ended("printf '\\033[32mgreen\\033[0m\\n'")
    assert b"\x1b[32mgreen\x1b[0m" in on_terminal(swarm, "logs", agent).out


def test_a_key_ends_a_follower(swarm: Swarm) -> None:
    """Ctrl-C on a terminal ends `logs -f` with status 130, and the agent goes on."""
    agent = swarm.sh("echo ready; sleep 60")
    terminal = Terminal(swarm, "swarmctl", "logs", "-f", agent)
    terminal.read(b"ready")
    terminal.type(b"\x03")
    assert terminal.process.wait(20) == 130
    assert b"Traceback" not in terminal.read()
    terminal.close()
    assert swarm.agent(agent)["state"] == "running"


def test_progress_is_on_a_terminal_alone(swarm: Swarm) -> None:
    """Of many agents at once, progress is shown on a terminal's stderr and nowhere else."""
    lines = b'{"command": ["true"]}\n' * 3
    assert swarm.run("spawn", "--from", "-", input=lines).err == b""
    (swarm.cwd / "jobs").write_bytes(lines)
    shown = on_terminal(swarm, "spawn", "--from", "jobs")
    assert b"spawning" in shown.out
    until(lambda: not swarm.json("list"), "all have ended")
