"""What takes time, each followed by the loop to its end: successor daemons, the start of a run, a sweep."""

from __future__ import annotations

import os

from swarm_daemon import launch, scope, spawn, tree
from swarm_daemon.ending import Ending
from swarm_daemon.launch import DEFAULT_GRACE, HANDSHAKE_SECONDS, Launch
from swarm_daemon.process import from_data, is_alive
from swarm_daemon.run import Run
from swarm_daemon.signals import signal
from swarm_store import events, registry
from swarm_store.errors import CannotStart, SwarmError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .act import Act
    from .decide import Action


class Successors:
    """Daemons that take over runs whose own are dead: `each` one of its own, or one that ends all. Raises OSError."""

    def __init__(self, act: Act, agent_ids: list[str], *, each: bool) -> None:
        self._act = act
        self._ids = agent_ids
        self._each = each
        pid = launch.adopt(act.log.home, agent_ids, each=each)
        self._file = os.pidfd_open(pid)  # our own child, not reaped yet: nobody else can have its PID
        self._is_over = False
        self._is_loading = True
        act.loop.watch(self._file, self._ended)
        # Somebody may have stopped it. What it finishes stays its own; what it adopts is looked at again.
        act.loop.after(HANDSHAKE_SECONDS, self._ended if each else self._give_place)

    def _ended(self) -> None:
        """Each run has its successor, or has been finished; or that did not work, or somebody has stopped it."""
        if self._is_over:
            return
        self._is_over = True
        self._act.loop.forget(self._file)
        self._give_place()
        for agent_id in self._ids if self._each else ():
            self._join(agent_id)
        self._act.over(self._ids)

    def _give_place(self) -> None:
        """Let the next one load."""
        if self._is_loading:
            self._is_loading = False
            self._act.loaded()

    def _join(self, agent_id: str) -> None:
        """Put the run's new daemon where its other processes are, if they have a cgroup of their own."""
        agent = registry.get(self._act.log, agent_id)
        daemon = from_data(agent["daemon"]) if agent is not None and not agent["ended_at"] else None
        if agent is not None and daemon is not None and is_alive(daemon):
            scope.join(Run(self._act.log.home, agent_id, agent["run"]), daemon.pid)


class Start:
    """A run on its way: its daemon is launched, and answers when the command is executed, or why it cannot be."""

    def __init__(self, act: Act, agent_id: str, run: int) -> None:
        self._act = act
        self._id = agent_id
        self._run = run
        self.is_under_way = False
        try:
            self._launch = Launch(act.log.home, agent_id, run)
        except CannotStart as error:
            spawn.start_failed(act.log, agent_id, run, error)
            act.loop.after(0, lambda: act.over([agent_id]))
            return
        self.is_under_way = True
        self._told = os.dup(self._launch.file)  # the launch closes its own
        act.loop.watch(self._told, self._answered)
        act.loop.after(HANDSHAKE_SECONDS, self._answered)

    def _answered(self) -> None:
        """It has told the outcome, or has been silent for too long."""
        if not self.is_under_way:
            return
        self.is_under_way = False
        self._act.loop.forget(self._told)
        try:
            self._launch.wait(0)
        except CannotStart as error:
            spawn.start_failed(self._act.log, self._id, self._run, error, self._launch)
        finally:
            self._act.loaded()
        self._act.over([self._id])


class Sweep:
    """The end of what an ended agent has left running: TERM, a grace period, KILL until none is left."""

    def __init__(self, act: Act, action: Action, *, is_earlier: bool = False) -> None:
        """`is_earlier`: the agent is at a later run by now, of which nothing is said and for which nothing waits."""
        self._act = act
        self._action = action
        self._is_earlier = is_earlier
        run = Run(act.log.home, action.agent_id, action.run)
        self._count = len(tree.members(run, None, None))
        self._ending = Ending(run, None, None, reason="sweep", signum=signal.SIGTERM, grace=DEFAULT_GRACE)
        self._watched: list[int] = []
        self._turn = 0
        self._ending.begin()
        self._advance(0)

    def _advance(self, turn: int) -> None:
        """Do what is due; `turn` is the one that this was meant for: what wakes us for an older one is late."""
        if turn != self._turn:
            return
        self._turn += 1
        for file in self._watched:
            self._act.loop.forget(file)
        self._ending.advance()
        if self._ending.is_done:
            self._act.loop.after(0, self._finish)
            return
        next_turn = self._turn
        self._watched = [os.dup(file) for file in self._ending.files()]  # it closes its own
        for file in self._watched:
            self._act.loop.watch(file, lambda: self._advance(next_turn))
        self._act.loop.after(self._ending.due_in(), lambda: self._advance(next_turn))

    def _finish(self) -> None:
        if self._is_earlier:
            return
        swept = events.agent_swept(self._action.agent_id, self._action.run, processes=self._count)
        try:
            registry.publish(self._act.log, swept)
        except SwarmError:
            pass  # it is done all the same: the next look finds nothing left
        self._act.over([self._action.agent_id])
