"""What is to be done around a run by programs that a daemon does not know: `after` its end, and `before` another run.

Both are command lines in the spec, to which the agent's id and the run's number are added. What follows an end is a
process of its own, which the daemon starts as its last act and does not wait for. Where the daemon died first, the run
stays owed in the registry, and the supervisor starts it.
"""

from __future__ import annotations

import os

from swarm_store.errors import CannotStart

from .run import Run
from .signals import signal
from .tree import DAEMON_MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .run import Spec

_DEFAULT = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGCHLD)


def follow(run: Run, spec: Spec) -> None:
    """Start what is to be done after the run, detached. Trouble is left for the supervisor to meet again."""
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    try:
        _spawn(spec["after"], run, file_actions=nothing, setsid=True)
    except OSError:
        pass


def prepare(run: Run, spec: Spec) -> None:
    """Do what is to be done before the run, and wait for it: it has its last word in the daemon's own log.

    Raises CannotStart where that fails.
    """
    try:
        _, status = os.waitpid(_spawn(spec["before"], run), 0)
    except OSError as error:
        raise CannotStart(f"cannot prepare its directory: {error.strerror}", "spawn it anew") from error
    if status:
        raise CannotStart(f"cannot prepare its directory: {_last_words(run)}", "mend that, and start it again")


def _spawn(command: list[str], run: Run, **how: object) -> int:
    around = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" or DAEMON_MARK in os.environ}
    around |= {"SWARM_HOME": run.home.path, DAEMON_MARK: run.mark}  # it is no process of the agent's
    words = [*command, run.agent_id, str(run.number)]
    return os.posix_spawn(words[0], words, around, setsigmask=[], setsigdef=_DEFAULT, **how)  # type: ignore[arg-type]


def _last_words(run: Run) -> str:
    try:
        with open(run.notes, encoding="utf-8", errors="replace") as notes:
            return notes.read().strip().splitlines()[-1]
    except (OSError, IndexError):
        return "it does not say why"
