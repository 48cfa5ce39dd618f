"""The supervisor of one log on this host, crash-only: it is the lock, and sessions that may each fail.

A session reads all it needs from the log and the machine, so trouble with the log ends it like kill -9 would, and the
next one begins where things are. Agents and their daemons do not notice.
"""

from __future__ import annotations

import os
import resource
import signal

from swarm_daemon import launch
from swarm_store.errors import LogDamaged, LogGone, LogUnusable
from swarm_store.retention import Policy

from .loop import Loop
from .mend import begin_to_mend
from .notify import Notify
from .session import Session
from .singleton import Singleton

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_store.home import Home

NOTHING = Policy()
RETRY_SECONDS = 1.0
WATCHDOG_SECONDS = 1.0  # while there is no session, which knows how often it is owed
STOPPED_ON_REQUEST = 6  # under systemd: the unit is not restarted after this


class Supervisor:
    """Keeps the registry true, and the promises of restart policies, until it is told to stop."""

    def __init__(self, home: Home, version: str, retention: Policy = NOTHING) -> None:
        """Become the supervisor of `home`, which forgets what `retention` says.

        Raises AlreadyRunning, HomeRefused, LogUnusable.
        """
        home.prepare()
        self._home = home
        self._version = version
        self._retention = retention
        self._singleton = Singleton(home)
        self._notify = Notify()
        self._loop = Loop()
        self._session: Session | None = None
        self._said: set[str] = set()  # of what is the matter now
        self._told: str | None = None  # to stop, and why

    def run(self, *, once: bool = False) -> int:
        """Supervise until told to stop; the exit status. `once`: until all is done that was to be done at the start."""
        _raise_open_files()
        self._heed_signals()
        while self._told is None:
            try:
                self._told = self._supervise(once)
            except (LogUnusable, OSError) as error:  # the latter: no file or process is to be had
                self._say(f"{error.message}; {error.hint}" if isinstance(error, LogUnusable) else str(error))
                if isinstance(error, (LogGone, LogDamaged)):
                    self._mend()
                elif once:
                    raise
                self._pause()
        self._loop.close()
        self._singleton.release()
        return STOPPED_ON_REQUEST if self._told == "asked to" and "NOTIFY_SOCKET" in os.environ else 0

    def _supervise(self, once: bool) -> str:
        """One session; why it was told to stop."""
        if not self._singleton.is_ours(self._home):
            self._singleton.release()
            self._singleton = Singleton(self._home)
        session = Session(self._home, self._singleton, self._version, self._notify, self._loop, self._retention)
        self._session = session
        try:
            return session.run(lambda: self._told, once=once)
        finally:
            self._session = None
            if session.is_up:
                self._said.clear()

    def _heed_signals(self) -> None:
        """For all of its life: what comes while there is no session, or one waits for the log, is not lost."""
        self._loop.on_signal(signal.SIGTERM, lambda: self._stop_for("terminated"))
        self._loop.on_signal(signal.SIGINT, lambda: self._stop_for("asked to"))
        self._loop.on_signal(signal.SIGHUP, self._look_at_all)
        self._loop.on_signal(signal.SIGCHLD, launch.reap)

    def _stop_for(self, reason: str) -> None:
        self._told = reason

    def _look_at_all(self) -> None:
        if self._session is not None:
            self._session.look_at_all()

    def _mend(self) -> None:
        """Have the log brought back. That may take long: it can be stopped meanwhile, and the mending goes on alone."""
        try:
            mending = begin_to_mend(self._home)
        except OSError as error:
            return self._say(f"the log could not be looked at: {error}")
        is_over: list[bool] = []
        self._loop.watch(os.pidfd_open(mending.pid), lambda: is_over.append(True))
        self._wait(is_over)
        if is_over and (done := mending.communicate()[0].strip()):
            self._say(done)
        return None

    def _pause(self) -> None:
        """Until it is time to try again, or to stop."""
        is_over: list[bool] = []
        self._loop.after(RETRY_SECONDS, lambda: is_over.append(True))
        self._wait(is_over)

    def _wait(self, is_over: list[bool]) -> None:
        """Without a session, but with an ear for signals, and watched by systemd."""

        def keep_watchdog_quiet() -> None:
            self._notify.watchdog()
            self._loop.after(WATCHDOG_SECONDS, keep_watchdog_quiet)

        keep_watchdog_quiet()
        while not is_over and self._told is None:
            self._loop.turn()
        self._loop.reset()

    def _say(self, trouble: str) -> None:
        """What is the matter with the log: say so once, and to systemd that this is not our end."""
        launch.reap()
        self._notify.ready(trouble)
        if trouble not in self._said:
            self._said.add(trouble)
            _complain(f"swarmctl supervisor: {trouble}\n")


def _complain(words: str) -> None:
    try:
        os.write(2, words.encode(errors="replace"))
    except OSError:
        pass  # whoever read it is gone: no reason to end


def _raise_open_files() -> None:
    """As many files as are allowed: a pidfd for each daemon. Agents get back what their spawner had."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
