"""Viewers of agents' terminals: `swarmctl attach` on terminals of the test's own, and programs that are looked at."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from support.cli import DEADLINE, SWARMCTL, Swarm
from support.looking import until
from support.screen import Screen
from swarm_daemon.tree import children

DETACH = b"\x1c\x1c"
# A program that fills the screen with all that it can have, and draws it anew when told to. It ends with `q`.
PAINTER = r"""
import os, select, shutil, signal, sys, tty, termios
before = termios.tcgetattr(0)
typed = ""
tty.setraw(0)
def paint():
    columns, rows = shutil.get_terminal_size()
    out = "\x1b[H\x1b[2J\x1b[1;34mthe painter\x1b[0m \x1b[7mof\x1b[27m %dx%d\r\n" % (columns, rows)
    out += "\x1b[38;5;208m256 colours \x1b[38;2;10;200;30mall colours\x1b[m \x1b[4munderlined\x1b[m\r\n"
    out += "h\u00e9llo w\u00f6rld \u6f22\u5b57 \u2713 e\u0301\r\n"
    out += "\x1b[42mgreen to the end\x1b[K\x1b[m\x1b[%d;1Hlast row\x1b[5;10Hhere:%s" % (rows, typed)
    sys.stdout.write(out)
    sys.stdout.flush()
resized, tell = os.pipe()
os.set_blocking(tell, False)
signal.set_wakeup_fd(tell)
signal.signal(signal.SIGWINCH, lambda *_: None)
sys.stdout.write("\x1b[?1049h\x1b[?1h\x1b=\x1b[?2004h\x1b[?1000h\x1b[?1006h")
paint()
while True:
    if resized in select.select([0, resized], [], [])[0]:
        os.read(resized, 100)
    else:
        key = os.read(0, 1)
        if key == b"q":
            break
        typed += key.decode("latin-1") if key > b" " else "<%d>" % key[0]
    paint()
sys.stdout.write("\x1b[?1006l\x1b[?1000l\x1b[?2004l\x1b[?1l\x1b>\x1b[?1049l")
sys.stdout.flush()
termios.tcsetattr(0, termios.TCSANOW, before)
sys.exit(21)
"""


def painter(swarm: Swarm) -> str:
    """An agent that is the painter; its id."""
    return python(swarm, PAINTER)


def python(swarm: Swarm, text: str) -> str:
    """An agent that is a Python program in a terminal; its id."""
    return swarm.spawn("--tty", "--", sys.executable, "-c", text)


def bash(swarm: Swarm, text: str) -> str:
    return swarm.spawn("--tty", "--", "bash", "-c", text)


def shell(swarm: Swarm) -> str:
    """An agent that is an interactive shell with a prompt of its own."""
    return swarm.spawn("--tty", "--env", "PS1=inside> ", "--", "bash", "--norc", "--noprofile", "-i")


class Viewer(Screen):
    """`swarmctl attach` on a terminal."""

    def __init__(
        self,
        swarm: Swarm,
        *words: str,
        command: tuple[str, ...] = (SWARMCTL, "attach"),
        columns: int = 80,
        rows: int = 24,
    ) -> None:
        super().__init__(swarm, *command, *words, columns=columns, rows=rows)
        self.before = self.modes()

    def detach(self) -> int:
        """Press the keys; the status of the command."""
        self.type(DETACH)
        return self.end()

    def is_restored(self) -> bool:
        """Whether the terminal is set as it was before."""
        return self.modes() == self.before

    def cells(self) -> list[list[tuple[object, ...]]]:
        """All that is on the screen, with its colours."""
        picture = self.picture
        return [[tuple(picture.buffer[y][x]) for x in range(picture.columns)] for y in range(picture.lines)]

    def settle(self) -> None:
        """Take up all that comes, until nothing does for a while."""
        while select.select([self._ours], [], [], 0.3)[0]:
            assert self._look(0), f"it ended:\n{self.text}"


@contextmanager
def viewing(swarm: Swarm, agent: str, *options: str, columns: int = 80, rows: int = 24) -> Iterator[Viewer]:
    """A viewer, whose terminal is closed at the end."""
    viewer = Viewer(swarm, *options, agent, columns=columns, rows=rows)
    try:
        yield viewer
    finally:
        viewer.close()
        if viewer.process.poll() is None:
            viewer.process.kill()
        viewer.process.wait(DEADLINE)


def size_of(swarm: Swarm, agent: str) -> tuple[int, int]:
    """Columns and rows of an agent's terminal, as its program has them."""
    host = swarm.agent(agent)["child"]["pid"]
    (program,) = children(host)
    file = os.open(f"/proc/{program}/fd/0", os.O_RDONLY | os.O_NOCTTY)
    try:
        return tuple(os.get_terminal_size(file))  # type: ignore[return-value]
    finally:
        os.close(file)


def until_size(swarm: Swarm, agent: str, wanted: tuple[int, int]) -> None:
    until(lambda: size_of(swarm, agent) == wanted, f"{wanted}, it is {size_of(swarm, agent)}")
