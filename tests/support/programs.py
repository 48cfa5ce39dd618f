"""Small Python programs run as real processes beside the test, and waiting for what they do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TypeVar

from swarm_store.home import Home

DEADLINE = 30.0  # seconds; far more than anything here takes
T = TypeVar("T")

PRELUDE = """
import os, sys
from swarm_store import registry
from swarm_store.events import Event, output_written
from swarm_store.home import locate
from swarm_store.log import Log
from swarm_store.transaction import Producer

def note(n):
    return Event("note:taken", {"n": n}, None, None)

def say(*words):
    print(*words, flush=True)

home = locate()
"""

# Without these two capabilities root is refused by file modes as everybody else is.
OBEY_MODES = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Program:
    """`with Program(home, code) as program:` a process that runs PRELUDE and `code`; killed at the end if it lives."""

    def __init__(self, home: Home, code: str, *arguments: object, obey_modes: bool = False) -> None:
        command = [sys.executable, "-c", PRELUDE + code, *map(str, arguments)]
        if obey_modes:
            command = [sys.executable, "-c", OBEY_MODES, *command]
        self.process = subprocess.Popen(
            command,
            env={**os.environ, "SWARM_HOME": home.path},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self.process.pid

    def __enter__(self) -> Program:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                pass  # it died before it had read what it was told

    def line(self) -> str:
        """The next line that it says; empty where it says no more."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def tell(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(text + "\n")
        self.process.stdin.flush()

    def end(self) -> str:
        """What it said until its end, which must be a success."""
        said, complaints = self._rest()
        assert self.process.returncode == 0, complaints
        return said

    def kill(self) -> list[str]:
        """SIGKILL it; the lines that it had said and nobody had read, whole."""
        self.process.kill()
        said, complaints = self._rest()
        assert not complaints, complaints
        return said[: said.rfind("\n") + 1].splitlines()

    def _rest(self) -> tuple[str, str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        rest = self.process.stdout.read(), self.process.stderr.read()
        self.process.wait(DEADLINE)
        self.process.stdout.close()
        self.process.stderr.close()
        return rest

    def state(self) -> str:
        """The kernel's letter for its state."""
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(") ")[2][0]


def run(home: Home, code: str, *arguments: object, obey_modes: bool = False) -> str:
    """Run a program to its successful end; what it said."""
    with Program(home, code, *arguments, obey_modes=obey_modes) as program:
        return program.end()
