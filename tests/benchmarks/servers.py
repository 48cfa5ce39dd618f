"""The two servers of the protocol, each in the scene with a directory of its own: ours, and the reference server."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

from . import install, load
from .readings import children, cpu_seconds, pss
from .report import OURS, REFERENCE
from .scene import Scene
from .tools import Swarmctl

PATIENCE = 30.0  # seconds for a server to listen


class Served(ABC):
    """A server that runs; `token` is sent with each request, where it wants one."""

    name: str
    token = ""

    def __init__(self, place: Scene) -> None:
        self.place = place
        self.process = self._start()
        self.port = self._await_port()

    @abstractmethod
    def _start(self) -> subprocess.Popen[bytes]:
        """Start it on a free port."""

    def _await_port(self) -> int:
        """The port that it has named on its stdout or stderr."""
        deadline = time.monotonic() + PATIENCE
        said = re.compile(rf"^{self.name}: .*http://127\.0\.0\.1:(\d+)$", re.MULTILINE)
        while (found := said.search((self.place.path / "started.log").read_text(errors="replace"))) is None:
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise TimeoutError(f"{self.name} does not listen")
            time.sleep(0.02)
        return int(found[1])

    def load(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Put a load of load.py on it; what that has seen."""
        seen: dict[str, Any] = json.loads(self.place.run(self.load_command(what, **arguments)))
        return seen

    def load_command(self, what: str, **arguments: Any) -> list[str]:
        given = json.dumps({"port": self.port, "token": self.token, **arguments})
        return [sys.executable, "-S", "-E", str(Path(load.__file__)), what, given]

    def cpu(self) -> float:
        """Seconds on a CPU so far, of all its processes."""
        return sum(map(cpu_seconds, self._tree()))

    def memory(self) -> float:
        """MB of PSS, of all its processes."""
        return sum(map(pss, self._tree())) / 1e6

    def _tree(self) -> list[int]:
        found = [self.process.pid]
        for pid in found:
            found += children(pid)
        return found


class Ours(Served):
    """`swarmctl serve` as a user has it, with its token."""

    name = OURS

    def __init__(self, place: Scene) -> None:
        self.tool = Swarmctl(place)
        self.tool.up([])
        super().__init__(place)
        self.token = (self.tool.home / "token").read_text().strip()

    def _start(self) -> subprocess.Popen[bytes]:
        return self.place.start([self.tool.program, "serve", "--port", "0"], self.tool.env)


class Reference(Served):
    """The reference server in Node, with its store of files, which syncs each append as ours does."""

    name = REFERENCE

    def _start(self) -> subprocess.Popen[bytes]:
        node, module = shutil.which("node"), install.reference()
        if node is None or module is None:
            raise FileNotFoundError("the reference server needs Node")
        (self.place.path / self.name).mkdir()
        script = Path(__file__).with_name("reference.mjs")
        return self.place.start([node, str(script), str(module), str(self.place.path / self.name)])
