"""swarmctl as a user has it: the installed command in a home of its own, with a deadline on everything.

Whatever a test leaves running is cancelled at its end, and that no process of its home is left is checked in /proc.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from support.looking import processes_of, until

BIN = Path(sys.executable).parent
SWARMCTL = str(BIN / "swarmctl")
DEADLINE = 20.0  # seconds in which anything must have happened; a machine under load is slow


class Result(NamedTuple):
    """What a command gave."""

    status: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def error(self) -> str:
        return self.err.decode()


class Swarm:
    """One home, and the commands that are run in it."""

    def __init__(self, home: Path, cwd: Path) -> None:
        self.home = home
        self.cwd = cwd
        self.deadline = DEADLINE
        self.env = {
            "PATH": f"{BIN}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(cwd),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "SWARM_HOME": str(home),
        }
        self._started: list[subprocess.Popen[bytes]] = []

    def run(self, *args: str, input: bytes | None = None, cwd: Path | None = None, **env: str) -> Result:
        """Run swarmctl to its end; stdin is empty but for `input`."""
        return self.command([SWARMCTL, *args], input=input, cwd=cwd, **env)

    def command(self, command: list[str], *, input: bytes | None = None, cwd: Path | None = None, **env: str) -> Result:
        """Run any command to its end, in this home."""
        done = subprocess.run(
            command,
            input=input if input is not None else b"",
            cwd=cwd or self.cwd,
            env=self.env | env,
            capture_output=True,
            timeout=self.deadline,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def shell(self, script: str, **env: str) -> Result:
        """Run a line of shell in this home, where `swarmctl` is on the PATH."""
        return self.command(["sh", "-c", script], input=None, cwd=None, **env)

    def ok(self, *args: str, input: bytes | None = None, cwd: Path | None = None, **env: str) -> str:
        """What a command that must succeed without a word on stderr prints."""
        got = self.run(*args, input=input, cwd=cwd, **env)
        assert (got.status, got.error) == (0, ""), f"swarmctl {' '.join(args)}: {got}"
        return got.text

    def refused(self, status: int, *args: str, input: bytes | None = None, cwd: Path | None = None, **env: str) -> str:
        """The one line on stderr of a command that must fail with `status` and print nothing."""
        return one_line(self.run(*args, input=input, cwd=cwd, **env), status)

    def spawn(self, *args: str, cwd: Path | None = None, **env: str) -> str:
        """Spawn; the id, which must be all that is printed."""
        printed = self.ok("spawn", *args, input=None, cwd=cwd, **env)
        assert printed.count("\n") == 1 and printed == printed.strip() + "\n", printed
        return printed.strip()

    def sh(self, script: str, *options: str, cwd: Path | None = None, **env: str) -> str:
        """Spawn a shell script; its agent's id."""
        return self.spawn(*options, "--", "sh", "-c", script, cwd=cwd, **env)

    def ended(self, script: str, *options: str, cwd: Path | None = None, **env: str) -> str:
        """Spawn a shell script and wait for its end; its agent's id."""
        agent = self.sh(script, *options, cwd=cwd, **env)
        self.run("wait", agent)
        return agent

    def logs(self, *args: str) -> bytes:
        got = self.run("logs", *args)
        assert (got.status, got.err) == (0, b""), got
        return got.out

    def agent(self, word: str) -> dict[str, Any]:
        """All that is known of an agent."""
        known: dict[str, Any] = json.loads(self.ok("show", word, "--json"))
        return known

    def json(self, *args: str) -> Any:
        return json.loads(self.ok(*args, "--json"))

    def start(self, *args: str, **given: Any) -> subprocess.Popen[bytes]:
        """Start swarmctl without waiting; it is killed at the end of the test at the latest."""
        return self.start_command([SWARMCTL, *args], **given)

    def start_command(self, command: list[str], **given: Any) -> subprocess.Popen[bytes]:
        given = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **given}
        process = subprocess.Popen(command, cwd=self.cwd, env=self.env, **given)
        self._started.append(process)
        return process

    def clean_up(self) -> None:
        """End whatever the test has left, and verify that no process of this home is there any more."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate(timeout=self.deadline)
        if processes_of(self.home):
            self.run("cancel", "--all", "--grace", "0s")
        try:
            until(lambda: not processes_of(self.home), "every process of the home is gone", seconds=10)
        except AssertionError:
            left = processes_of(self.home)
            for pid in left:
                os.kill(pid, 9)
            raise AssertionError(f"left over: {left}") from None


def one_line(got: Result, status: int) -> str:
    """The one line on stderr that a refusal is."""
    assert got.status == status, got
    assert got.out == b"", got
    assert got.error.startswith("swarmctl: ") and got.error.count("\n") == 1 and got.error.endswith("\n"), got
    return got.error


def output_of(process: subprocess.Popen[bytes]) -> Result:
    """All that a started command gives until its end."""
    out, err = process.communicate(timeout=DEADLINE)
    return Result(process.returncode, out or b"", err or b"")


def read_until(stream: IO[bytes] | None, wanted: bytes) -> bytes:
    """Read a pipe until `wanted` has come."""
    assert stream is not None
    got = b""
    os.set_blocking(stream.fileno(), False)
    deadline = time.monotonic() + DEADLINE
    while wanted not in got:
        try:
            piece = os.read(stream.fileno(), 65536)
        except BlockingIOError:
            assert time.monotonic() < deadline, f"{wanted!r} did not come; {got!r} did"
            time.sleep(0.005)
            continue
        assert piece, f"it ended before {wanted!r}: {got!r}"
        got += piece
    os.set_blocking(stream.fileno(), True)
    return got


@contextmanager
def swarm_in(tmp_path: Path, empty_log: Path | None) -> Iterator[Swarm]:
    """A swarm with a home under `tmp_path`, which holds a copy of `empty_log` if one is given."""
    home, cwd = tmp_path / "home", tmp_path / "cwd"
    cwd.mkdir()
    if empty_log is not None:
        home.mkdir(mode=0o700)
        shutil.copy(empty_log, home / "swarm.db")
        (home / "swarm.db").chmod(0o600)
    swarm = Swarm(home, cwd)
    try:
        yield swarm
    finally:
        swarm.clean_up()
