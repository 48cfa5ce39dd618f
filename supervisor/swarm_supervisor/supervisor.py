"""The supervisor of one log on this host, crash-only: it is the lock, and sessions that may each fail.

A session reads all it needs from the log and the machine, so trouble with the log ends it like kill -9 would, and the
next one begins where things are. Agents and their daemons do not notice.
"""

from __future__ import annotations

import os
import resource
import time

from swarm_daemon import launch
from swarm_store.errors import LogDamaged, LogGone, LogUnusable
from swarm_store.retention import Policy

from .mend import mend
from .notify import Notify
from .session import Session
from .singleton import Singleton

NOTHING = Policy()

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_store.home import Home

RETRY_SECONDS = 1.0
STOPPED_ON_REQUEST = 6  # under systemd: the unit is not restarted after this


class Supervisor:
    """Keeps the registry true, and the promises of restart policies, until it is told to stop."""

    def __init__(self, home: Home, version: str, policy: Policy = NOTHING) -> None:
        """Become the supervisor of `home`, which forgets what `policy` says.

        Raises AlreadyRunning, HomeRefused, LogUnusable.
        """
        home.prepare()
        self._home = home
        self._version = version
        self._policy = policy
        self._singleton = Singleton(home)
        self._notify = Notify()
        self._trouble = ""

    def run(self, *, once: bool = False) -> int:
        """Supervise until told to stop; the exit status. `once`: until all is done that was to be done at the start."""
        _raise_open_files()
        while True:
            try:
                session = Session(self._home, self._singleton.who, self._version, self._notify, self._policy)
                reason = session.run(once=once)
                break
            except LogUnusable as error:
                self._say(f"{error.message}; {error.hint}")
                if isinstance(error, (LogGone, LogDamaged)):
                    self._say(mend(self._home))
                elif once:
                    raise
                time.sleep(RETRY_SECONDS)
        self._singleton.release()
        return STOPPED_ON_REQUEST if reason == "asked to" and "NOTIFY_SOCKET" in os.environ else 0

    def _say(self, trouble: str) -> None:
        """What is the matter with the log: say so once, and to systemd that this is not our end."""
        launch.reap()
        self._notify.ready(trouble)
        self._notify.watchdog()
        if trouble and trouble != self._trouble:
            self._trouble = trouble
            os.write(2, f"swarmctl supervisor: {trouble}\n".encode())


def _raise_open_files() -> None:
    """As many files as are allowed: a pidfd for each daemon. Agents get back what their spawner had."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
