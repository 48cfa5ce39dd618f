"""An agent's own process, as drivers start and end it: pipes for its protocol, our stderr, and our death is its own.

It leads a process group, because many command lines are a script that starts the program itself, which goes on for
seconds when the script has ended: with a turn, too, that the next run has begun again by then.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import time
from asyncio import transports
from asyncio.subprocess import PIPE, Process, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from typing import Any, cast

from swarm_daemon.process import Identity, identify, is_alive, send, stat_fields

from .driver import NotInstalled

LEASH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "leash.py")
LINE_MOST = 64 << 20  # bytes in a line of a protocol: a tool's output may be in it, whole
END_SECONDS = 3.0  # between TERM and KILL; the daemon's grace bounds all of it
DRAIN_SECONDS = 1.0  # from its end to that of its output, where others hold that open
LOOK_SECONDS = 0.05  # between two looks at processes that are no children of ours
GROUP, SESSION = 2, 3  # in /proc/<pid>/stat, counted from the state: see proc(5)


async def start(command: Sequence[str], *, cwd: str, env: Mapping[str, str]) -> Process:
    """Start the agent's command in `cwd`, with `env` over our own environment. Raises NotInstalled.

    Its stdin and stdout are pipes with lines of up to LINE_MOST bytes, its stderr is the run's. Its stdout ends soon
    after it has ended itself.
    """
    around = {**os.environ, **env}
    check_installed(command[0], cwd=cwd, path=around.get("PATH", os.defpath))
    leash = (sys.executable, "-I", "-S", LEASH, str(os.getpid()))
    given: dict[str, Any] = {"stdin": PIPE, "stdout": PIPE, "stderr": None, "cwd": cwd, "env": around}
    loop = asyncio.get_running_loop()  # what create_subprocess_exec does, with a protocol of ours
    transport, protocol = await loop.subprocess_exec(_Pipes, *leash, *command, process_group=0, **given)
    return Process(transport, protocol, loop)


class _Pipes(SubprocessStreamProtocol):
    """A process's pipes. What it has started itself may hold its stdout open for hours: that is not waited for."""

    def __init__(self) -> None:
        super().__init__(limit=LINE_MOST, loop=asyncio.get_running_loop())

    def connection_made(self, transport: transports.BaseTransport) -> None:
        super().connection_made(transport)
        made = cast(transports.SubprocessTransport, transport)
        self._stdout = cast(transports.ReadTransport, made.get_pipe_transport(1))

    def process_exited(self) -> None:
        super().process_exited()
        self._end_soon()

    def _end_soon(self) -> None:
        asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._end)

    def _end(self) -> None:
        """All that it wrote is read by now, unless whoever takes it from us is behind."""
        is_behind = getattr(self.stdout, "_paused", False)  # the transport's own word is missing in Python 3.11.2
        if is_behind and not self._stdout.is_closing():
            self._end_soon()
        else:
            self._stdout.close()


def check_installed(name: str, *, cwd: str, path: str) -> None:
    """Raises NotInstalled where there is no such program."""
    found = os.path.join(cwd, name) if "/" in name else shutil.which(name, path=path)
    if not found or not os.access(found, os.X_OK):
        raise NotInstalled(f"command not found: {name}", "install it, or look at PATH")


async def end(process: Process, seconds: float = END_SECONDS) -> int:
    """End the process and what is left of its group: TERM, and KILL after `seconds`; its status.

    To be called as often as one likes, also where it has ended.
    """
    if process.stdin is not None and not process.stdin.is_closing():
        process.stdin.close()
    for signum in (signal.SIGTERM, signal.SIGKILL):
        left = group(process.pid)
        for one in left:
            send(one, signum)
        await _gone(left, seconds)
    status = await ended(process, seconds)
    return status if status is not None else await process.wait()


async def ended(process: Process, seconds: float) -> int | None:
    """Its status, once it has ended, however long others hold its output open; None after so many seconds."""
    deadline = time.monotonic() + seconds
    while process.returncode is None and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
    return process.returncode


def group(leader: int) -> list[Identity]:
    """The living members of a process group of our session. The number is used again only when none is left."""
    session = str(os.getsid(0))
    found = []
    for name in os.listdir("/proc"):
        fields = stat_fields(int(name)) if name.isdigit() else None
        if fields and fields[GROUP] == str(leader) and fields[SESSION] == session and fields[0] not in ("Z", "X"):
            found.append(identify(int(name)))
    return [one for one in found if one is not None]


async def _gone(processes: Sequence[Identity], seconds: float) -> None:
    """Wait until all of them have ended, for so long."""
    deadline = time.monotonic() + seconds
    while any(is_alive(one) for one in processes) and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_SECONDS)
