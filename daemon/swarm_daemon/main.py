"""The daemon as a process: its arguments, its handshake with whoever launched it, its signals."""

from __future__ import annotations

import gc
import os
import sys

from swarm_store.codec import encode
from swarm_store.errors import CannotStart, SwarmError
from swarm_store.home import locate

from .begin import adopt, start
from .signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .agent import Daemon

HANDSHAKE = 3  # the file descriptor that launch reads the outcome of a start from


def main() -> None:
    """`swarm_daemon AGENT RUN` with a handshake on descriptor 3, or `--adopt[-each] AGENT...`; home by SWARM_HOME."""
    arguments = sys.argv[1:]
    gc.disable()  # until all is set up: nothing of it is garbage
    if len(arguments) >= 2 and arguments[0] == "--adopt":
        status = max([_try(_adopt, agent_id) for agent_id in arguments[1:]])
    elif len(arguments) >= 2 and arguments[0] == "--adopt-each":
        status = _adopt_each(arguments[1:])
    elif len(arguments) == 2:
        status = _try(_start_by_handshake, *arguments)
    else:
        raise SystemExit("usage: python -m swarm_daemon AGENT RUN | --adopt[-each] AGENT...")
    raise SystemExit(status)


def _try(begin: Callable[..., Daemon | None], *arguments: str) -> int:
    """Begin a run's daemon and be it, to the run's end; the exit status that says how far that went."""
    try:
        daemon = begin(*arguments)
    except SwarmError as error:
        os.write(2, f"swarm_daemon: {error.message}\n".encode())
        return error.exit_code
    if daemon is not None:
        gc.freeze()
        gc.enable()
        daemon.follow_to_end()
    return 0


def _adopt_each(agent_ids: list[str]) -> int:
    """Fork a successor for each run, so that what they load is loaded once, and end when each has its run, or not."""
    done, held = os.pipe()
    gc.freeze()
    for agent_id in agent_ids:
        if os.fork() == 0:
            os.close(done)
            return _try(_adopt_beside, agent_id, str(held))
    os.close(held)
    os.read(done, 1)  # nobody writes: it ends when the last of them has closed its side
    return 0


def _adopt_beside(agent_id: str, held: str) -> Daemon | None:
    try:
        return _adopt(agent_id)
    finally:
        os.close(int(held))


def _adopt(agent_id: str) -> Daemon | None:
    try:
        os.setsid()  # whoever started us may end; we do not
    except PermissionError:
        pass  # we lead a group already
    daemon = adopt(locate(), agent_id)
    if daemon is not None:
        daemon.run.redirect()
        _heed_signals(daemon)
    return daemon


def _start_by_handshake(agent_id: str, number: str) -> Daemon:
    os.set_inheritable(HANDSHAKE, False)
    os.closerange(HANDSHAKE + 1, os.sysconf("SC_OPEN_MAX"))  # whatever else was inherited is not the agent's business
    if not os.read(0, 1):
        os._exit(0)  # nobody wants this daemon after all: see launch.Interpreter
    try:
        daemon = start(locate(), agent_id, int(number))
    except SwarmError as error:
        _refuse(error)
        raise
    except OSError as error:
        refused = CannotStart(f"the daemon could not start: {error.strerror}", "look at disk space and limits")
        _refuse(refused)
        raise refused from None
    except Exception as error:
        _answer({"error": f"the daemon could not start: {error!r}", "hint": "", "exit_code": 125})
        raise
    _heed_signals(daemon)  # before anybody knows whom to signal
    _answer({"daemon": daemon.agent["daemon"], "child": daemon.agent["child"]})
    return daemon


def _refuse(error: SwarmError) -> None:
    _answer({"error": error.message, "hint": error.hint, "exit_code": error.exit_code})


def _answer(outcome: dict[str, Any]) -> None:
    try:
        os.write(HANDSHAKE, encode(outcome).encode("ascii"))
        os.close(HANDSHAKE)
    except OSError:
        pass  # whoever launched us is gone; the log knows


def _heed_signals(daemon: Daemon) -> None:
    """TERM asks for the agent's end; what a terminal sends is not for a detached process."""

    def heed(signum: int, frame: object) -> None:
        if signum == signal.SIGTERM:
            daemon.stop_signal = signum
        else:
            daemon.has_orphans = True

    signal.signal(signal.SIGTERM, heed)
    signal.signal(signal.SIGCHLD, heed)  # orphans of the tree become the daemon's: it wakes up and reaps them
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    daemon.is_woken_by_signals = True
    signal.set_wakeup_fd(daemon.bell.file, warn_on_full_buffer=False)
