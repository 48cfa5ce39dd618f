"""A supervisor as a process of its own, for one home: started, waited for, stopped by its verified identity."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support import agents
from support.looking import DEADLINE, is_running, until
from swarm_daemon.process import Identity, identify, send
from swarm_store import events
from swarm_store.errors import LogUnusable
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.log import Log

# A supervisor that waits for neither the write lock nor another try, so that no test waits for it.
IMPATIENT = """
import sys
from swarm_store.log import Log
from swarm_supervisor import supervisor
Log.__init__.__kwdefaults__["lock_timeout"] = 0.1
supervisor.RETRY_SECONDS = 0.05
from swarm_supervisor.__main__ import main
sys.exit(main())
"""


class Supervisor:
    """`python -m swarm_supervisor` for `home`; `program`, other code in its place."""

    def __init__(self, home: Home, *arguments: str, program: str | None = None) -> None:
        what = ["-m", "swarm_supervisor"] if program is None else ["-c", program]
        self.home = home
        self.process = subprocess.Popen(
            [sys.executable, "-P", *what, *arguments],
            env={**os.environ, "SWARM_HOME": home.path, "SWARM_VERSION": "test"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        who = identify(self.process.pid)
        assert who is not None
        self.who: Identity = who
        self._complaints = b""

    @property
    def pid(self) -> int:
        return self.process.pid

    def up(self) -> Supervisor:
        """Wait until it has reconciled all once."""

        def look() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            return self._is_up()

        until(look, "the supervisor is up")
        return self

    def _is_up(self) -> bool:
        try:
            with Log(self.home, write=False) as log:
                said = log.read(events.SUPERVISOR, limit=1 << 20)
        except LogUnusable:
            return False  # it is just making it
        mine = False
        for record in said:
            if record.type == events.SUPERVISOR_STARTED:
                mine = record.data["supervisor"] == self.who.as_data()
            elif mine and record.type == events.SUPERVISOR_RECONCILED:
                return True
        return False

    def send(self, signum: int) -> None:
        assert send(self.who, signum)

    def stop(self, signum: int = signal.SIGTERM) -> int:
        """Tell it to stop; its exit status, once it has. What it had to complain about is kept for `complaints`."""
        if self.process.poll() is None:
            send(self.who, signum)
        return self.ended()

    def ended(self) -> int:
        """Its exit status, once it has ended by itself."""
        try:
            self._complaints = self.process.communicate(timeout=DEADLINE)[1] or b""
        finally:
            if self.process.returncode is None:
                self.process.kill()
                self.process.communicate()
        return self.process.returncode

    def kill(self) -> None:
        assert self.stop(signal.SIGKILL) == -signal.SIGKILL

    def complaints(self) -> str:
        """All that it wrote to stderr, once it has been stopped."""
        return self._complaints.decode()

    def sessions(self) -> int:
        """How often it has begun to listen to the registry; 0 at a moment at which it does not."""
        place = os.path.join(self.home.bells, events.REGISTRY)
        names = os.listdir(place) if os.path.isdir(place) else []
        return max((int(name.split(".")[1]) for name in names if name.startswith(f"{self.pid}.")), default=0)

    def wake_ups(self) -> int:
        """How often it has slept; its try after try of what fails can be counted by that."""
        told = Path(f"/proc/{self.pid}/status").read_text(encoding="ascii", errors="replace")
        return int(told.partition("\nvoluntary_ctxt_switches:")[2].split()[0])

    def open_files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


@contextmanager
def supervising(home: Home, *arguments: str, program: str | None = None) -> Iterator[Supervisor]:
    """A supervisor that is up, and that must end in order, without a complaint, where the test has not ended it."""
    supervisor = Supervisor(home, *arguments, program=program)
    try:
        yield supervisor.up()
        if supervisor.process.returncode is None:
            assert (supervisor.stop(), supervisor.complaints()) == (0, "")
    finally:
        if supervisor.process.returncode is None:
            supervisor.process.kill()
            supervisor.process.communicate()


def reconciled(log: Log) -> list[dict[str, Any]]:
    """What supervisors have said of their reconciliations."""
    return [record.data for record in log.read(events.SUPERVISOR, types=[events.SUPERVISOR_RECONCILED], limit=1 << 20)]


def done(log: Log, kind: str) -> list[str]:
    """The agents for which supervisors did something of that kind, each time they did."""
    return [one for said in reconciled(log) for one in said["did"].get(kind, [])]


def history(log: Log, agent_id: str, type: str) -> list[Record]:
    """The agent's events of one type."""
    return [one for one in log.read(events.REGISTRY, key=agent_id, limit=1 << 20) if one.type == type]


def gated(log: Log, script: str, **options: Any) -> Agent:
    """Spawn a shell script that can `read line < go`, which waits until `let_go`."""
    place = tempfile.mkdtemp(prefix="gate-", dir=log.home.path)
    os.mkfifo(os.path.join(place, "go"))
    return agents.sh(log, script, cwd=place, **options)


def let_go(agent: Agent, gate: str = "go") -> None:
    """Let an agent of `gated` read a line; another FIFO than `go` is the script's own to make."""
    with open(os.path.join(agent["cwd"], gate), "w", encoding="ascii") as fifo:
        fifo.write("go\n")


def adopted(log: Log, agent_id: str, epoch: int = 1) -> Agent:
    """The agent, once its run has its `epoch`-th successor."""
    until(lambda: agents.get(log, agent_id)["epoch"] == epoch, f"adoption {epoch} of {agent_id}")
    return agents.get(log, agent_id)


def gone(pid: int) -> None:
    """Wait until a process is no more than a zombie."""
    until(lambda: not is_running(pid), f"the end of {pid}")
