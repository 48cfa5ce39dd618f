"""The programs beside this file, as processes: what each has told so far."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from pathlib import Path
from threading import Thread
from typing import Any

from support.cli import Swarm
from support.servers import Server

HERE = Path(__file__).resolve().parent
JAVASCRIPT = ["node", str(HERE / "follow.mjs")]
PYTHON = [sys.executable, str(HERE / "follow.py")]


class Door:
    """Where a swarm is served: the address stays while its servers come and go."""

    def __init__(self, swarm: Swarm) -> None:
        self._home = swarm.home
        self._server = Server(swarm.home).up()
        self.url = self._server.url
        self.token = self._server.token

    def start(self) -> None:
        self._server = Server(self._home, "--port", self.url.rpartition(":")[2]).up()

    def kill(self) -> None:
        assert self._server.stop(signal.SIGKILL) == -signal.SIGKILL

    def restart(self) -> None:
        """As a crash and systemd do."""
        self.kill()
        self.start()

    def close(self) -> None:
        self._server.stop()


class Program:
    """A process whose every line is JSON; it ends with the test."""

    def __init__(self, swarm: Swarm, door: Door, command: list[str]) -> None:
        self.told: list[dict[str, Any]] = []
        self.notes = swarm.cwd / f"{len(list(swarm.cwd.glob('notes-*')))}.notes"
        with self.notes.open("wb") as notes:
            command = ["env", f"TOKEN={door.token}", *command]
            self.process = swarm.start_command(command, stdin=subprocess.PIPE, stderr=notes)
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.told.append(json.loads(line))

    def close(self) -> None:
        """End it; what it had told by then is in `told`."""
        self.process.kill()
        self._reader.join()


class Follower(Program):
    """An official client that follows `stream`, `json` or `bytes`, by `long-poll` or `sse`."""

    def __init__(self, swarm: Swarm, door: Door, client: list[str], stream: str, what: str, live: str) -> None:
        super().__init__(swarm, door, [*client, f"{door.url}/v1/stream/{stream}", what, live])

    def items(self) -> list[Any]:
        """All messages so far."""
        return [item for batch in list(self.told) for item in batch["items"]]

    def bytes(self) -> bytes:
        """All bytes so far."""
        return b"".join(base64.b64decode(batch["items"]) for batch in list(self.told))
