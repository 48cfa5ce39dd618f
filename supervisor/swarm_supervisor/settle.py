"""What follows the end of a run, where its daemon died before it could begin with that: each a process of its own.

It goes on beside whatever else is done about the agent: somebody who is told of a failure holds no restart up. The
process itself waits for another that is at the same, and finds then what is left to do, if anything is.
"""

from __future__ import annotations

import os
from collections import Counter, deque

from swarm_daemon import launch
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.errors import CannotStart, NotPossible

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from swarm_store.log import Log

    from .decide import Action
    from .loop import Loop

    Place = tuple[str, int]  # an agent's id, and a run's number

AT_ONCE = 2 * (os.cpu_count() or 1)
MOST_TRIES = 5  # of one supervisor, for one run
RETRY_SECONDS = 10.0


class Settle:
    """Does what is owed; `look` is called with an agent's id when that was done, or tried."""

    def __init__(self, log: Log, loop: Loop, look: Callable[[str], None]) -> None:
        self._log = log
        self._loop = loop
        self._look = look
        self._queue: deque[Place] = deque()
        self._running = 0
        self.busy: set[Place] = set()
        self._tries: Counter[Place] = Counter()

    def do(self, action: Action) -> None:
        """Begin when the action's time has come, if it is still owed then."""
        place = (action.agent_id, action.run)
        if place not in self.busy and self._tries[place] < MOST_TRIES:
            self.busy.add(place)
            wait = action.wait + RETRY_SECONDS * self._tries[place]
            self._loop.after(wait, lambda: self._begin(place))

    def _begin(self, place: Place) -> None:
        self._queue.append(place)
        self._turn()

    def _turn(self) -> None:
        while self._queue and self._running < AT_ONCE:
            self._launch(self._queue.popleft())

    def _launch(self, place: Place) -> None:
        agent = registry.get(self._log, place[0])
        if agent is None or place[1] not in agent["owed"]:
            self.busy.discard(place)
            self._tries.pop(place, None)
            return
        self._tries[place] += 1
        run = Run(self._log.home, *place)
        try:
            command = [*run.spec()["after"], place[0], str(place[1])]
        except (CannotStart, TypeError):  # its files are gone, or know of nothing: it can never be done
            self._give_up(place)
            return
        try:
            pid = launch.detached(command, launch.daemon_environment(self._log.home, "aftermath"))
        except OSError:
            self.busy.discard(place)  # no process to be had: the next look tries again
            return
        self._running += 1
        file = os.pidfd_open(pid)  # our own child, not reaped yet: nobody else can have its PID
        self._loop.watch(file, lambda: self._ended(place, file))

    def _ended(self, place: Place, file: int) -> None:
        self._loop.forget(file)
        self._running -= 1
        self.busy.discard(place)
        self._look(place[0])
        self._turn()

    def _give_up(self, place: Place) -> None:
        try:
            registry.publish(self._log, events.agent_settled(*place))
        except NotPossible:
            pass  # it was removed meanwhile
        self.busy.discard(place)
