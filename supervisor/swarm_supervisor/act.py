"""Doing what was decided. Each thing that takes time is an object of its own (doing.py), followed by the loop.

While something is under way for an agent, nothing else is done about it. When it is over, however it went, the agent is
looked at again: so nothing here needs to know what comes next.
"""

from __future__ import annotations

import os
from collections import Counter, deque

from swarm_daemon import control, keeper, spawn
from swarm_daemon.process import boot_id, from_data
from swarm_store import events, lifecycle, registry
from swarm_store.clock import now
from swarm_store.errors import IllegalTransition, NameTaken, NoRoom, NoSuchApproval, NotPossible

from . import decide, policy
from .doing import Start, Successors, Sweep

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm_store.events import Event
    from swarm_store.fold import Agent
    from swarm_store.log import Log

    from .decide import Action
    from .loop import Loop

AT_ONCE = 2 * (os.cpu_count() or 1)  # interpreters that load side by side; more would only wait for each other
BATCH = 50  # runs that one interpreter finishes, one after the other, or forks successors for
ROOM_SECONDS = 10.0  # until an agent whose tree was full is tried again
FIRST_RETRY, LAST_RETRY = 1.0, 60.0  # seconds before the same is done again for the same run


class Act:
    """Does actions; `look` is called with an agent's id when what was done about it is over."""

    def __init__(self, log: Log, loop: Loop, look: Callable[[str], None], begun: int) -> None:
        self.log = log
        self.loop = loop
        self._look = look
        self._begun = begun
        self._queue: deque[Callable[[], None]] = deque()
        self._loading = 0
        self._to_adopt: list[str] = []
        self._to_finish: list[str] = []
        self._tries: dict[str, Counter[tuple[int, int, str]]] = {}  # of each agent: how often what, for which daemon
        self.busy: set[str] = set()
        self._timing: set[str] = set()  # agents that ask what somebody must have answered by some time
        self.waiting: dict[str, int] = {}  # agents whose restart is due later, with the run that ended
        self._without_room: dict[str, int] = {}  # agents whose tree was full, with the run that ended

    def do(self, action: Action, epoch: int = 0) -> None:
        """Begin to do `action`; what loads an interpreter waits for its turn (see flush).

        The same again for the same daemon of a run, its `epoch`-th, is not hurried: it has not helped before.
        """
        if action.kind == decide.RESTART:
            self._restart_later(action)
            return
        if action.kind == decide.RESUME:
            self._restart(action)
            return
        if action.kind == decide.TIME_OUT:
            self._time_out_later(action)
            return
        self.busy.add(action.agent_id)
        tried = self._tries.setdefault(action.agent_id, Counter())
        tried[action.run, epoch, action.kind] += 1
        tries = tried[action.run, epoch, action.kind]
        if tries == 1:
            self._begin(action)
        else:  # it did not help: there is no hurry
            wait = min(FIRST_RETRY * 2.0 ** min(tries - 2, 16), LAST_RETRY)
            self.loop.after(wait, lambda: self._begin_late(action))

    def _begin_late(self, action: Action) -> None:
        self._begin(action)
        self.flush()

    def _begin(self, action: Action) -> None:
        if action.kind == decide.FINISH:
            self._to_finish.append(action.agent_id)
        elif action.kind == decide.ADOPT:
            self._to_adopt.append(action.agent_id)
        elif action.kind == decide.START:
            self._queue.append(lambda: self._start(action.agent_id, action.run))
        elif action.kind == decide.SWEEP:
            Sweep(self, action)
        else:
            self._say(self._verdict(action))

    def sweep_earlier(self, action: Action) -> None:
        """End what a run has left whose agent is at a later one by now; whatever is done about that goes on beside."""
        Sweep(self, action, is_earlier=True)

    def flush(self) -> None:
        """Launch what is queued, as many side by side as makes sense."""
        for some in _batches(self._to_adopt):
            self._queue.append(lambda some=some: self._succeed(some, each=True))  # type: ignore[misc]
        for some in _batches(self._to_finish):
            self._queue.append(lambda some=some: self._succeed(some, each=False))  # type: ignore[misc]
        self._to_adopt, self._to_finish = [], []
        while self._queue and self._loading < AT_ONCE:
            self._queue.popleft()()

    def loaded(self) -> None:
        """An interpreter that was launched is up, or has failed: there is room for the next."""
        self._loading -= 1
        self.flush()

    def over(self, agent_ids: Iterable[str]) -> None:
        """What was done about these is over: look at them again."""
        for one in agent_ids:
            if one in self.busy:
                self.busy.discard(one)
                self._look(one)

    def settled(self, agent_id: str) -> None:
        """Nothing is to be done about the agent: what was done before has helped."""
        self._tries.pop(agent_id, None)

    def is_waited_for(self, action: Action) -> bool:
        """Whether the run that the action is to open is due later already."""
        if self._without_room.get(action.agent_id) == action.run:
            return True  # of what was sent too, which is not held up by the delay of a policy
        return action.kind != decide.RESUME and self.waiting.get(action.agent_id) == action.run

    def _succeed(self, agent_ids: list[str], *, each: bool) -> None:
        try:
            Successors(self, agent_ids, each=each)
        except OSError:
            self.loop.after(0, lambda: self.over(agent_ids))  # no process to be had: it is tried again, later
            return
        self._loading += 1

    def _start(self, agent_id: str, run: int) -> None:
        if Start(self, agent_id, run).is_under_way:
            self._loading += 1

    def _restart_later(self, action: Action) -> None:
        if self.waiting.get(action.agent_id) == action.run:
            return
        self.waiting[action.agent_id] = action.run
        self.loop.after(action.wait, lambda: self._restart(action))

    def _restart(self, action: Action) -> None:
        """Open the next run, if that is still what is wanted."""
        if self.waiting.get(action.agent_id) == action.run:
            del self.waiting[action.agent_id]
        agent = registry.get(self.log, action.agent_id)
        if agent is None or action.agent_id in self.busy or not self._still_wants(agent, action):
            return
        try:
            self._open(agent, "turn" if action.kind == decide.RESUME else "policy")
        except NoRoom:
            self._restart_when_there_is_room(action)

    def _restart_when_there_is_room(self, action: Action) -> None:
        """Try again in a while, and not before: nobody says when there is room in a tree."""
        self._without_room[action.agent_id] = action.run
        self.loop.after(ROOM_SECONDS, lambda: self._try_again(action))

    def _try_again(self, action: Action) -> None:
        if self._without_room.get(action.agent_id) == action.run:
            del self._without_room[action.agent_id]
            self._restart(action)

    def _time_out_later(self, action: Action) -> None:
        if action.agent_id not in self._timing:
            self._timing.add(action.agent_id)
            self.loop.after(action.wait, lambda: self._time_out(action.agent_id))

    def _time_out(self, agent_id: str) -> None:
        """Deny what nobody has answered in time; the look that follows begins the run that is told so."""
        from swarm_store import approvals

        self._timing.discard(agent_id)
        try:
            for approval, due in approvals.due(self.log, agent_id).items():
                if due <= now():
                    approvals.deny_late(self.log, approval)
        except NoSuchApproval:
            pass  # the agent was removed just now
        self._look(agent_id)

    def _open(self, agent: Agent, reason: str) -> None:
        """Open an ended agent's next run, and launch it. Raises NoRoom."""
        agent_id: str = agent["id"]
        try:
            if control.was_to_be_cancelled(self.log, agent):  # it ended by itself just before
                raise NotPossible("it was to be cancelled")
            restarts = policy.restarts_so_far(agent) + (reason == "policy")
            number = spawn.open_run(self.log, agent, reason=reason, restarts=restarts)
        except IllegalTransition:
            return  # it has been withdrawn, or somebody else was faster
        except NoRoom:
            raise
        except (NameTaken, NotPossible):  # another has its name, or its directory is gone
            self._say(events.agent_restart_withdrawn(agent_id, agent["run"]))
            return
        self.busy.add(agent_id)
        self._queue.append(lambda: self._start(agent_id, number))
        self.flush()

    def _still_wants(self, agent: Agent, action: Action) -> bool:
        is_so = agent["run"] == action.run and agent["state"] in lifecycle.TERMINAL
        return is_so and (action.kind == decide.RESUME or policy.wants_restart(agent, self._begun, boot_id()))

    def _verdict(self, action: Action) -> Event:
        if action.kind == decide.FAIL:
            return events.agent_start_failed(
                action.agent_id, action.run, outcome=lifecycle.FAILED, exit_code=None, reason=action.why
            )
        agent = registry.get(self.log, action.agent_id)
        if action.kind == decide.LOSE:
            keeper.release(from_data(agent["keeper"]) if agent else None)  # nothing of what it keeps can be read
            return events.agent_lost(action.agent_id, action.run, reason=action.why)
        restarts = policy.restarts_so_far(agent) if agent else 0
        return events.agent_crash_looped(action.agent_id, action.run, restarts=restarts)

    def _say(self, event: Event) -> None:
        try:
            registry.publish(self.log, event)
        except NotPossible:
            pass  # somebody else was faster: the next look shows what is so now
        assert event.key is not None
        self.over([event.key])


def _batches(agent_ids: list[str]) -> list[list[str]]:
    """An interpreter for each processor, but none for more than BATCH: most of what one costs is to load it."""
    size = min(max(1, -(-len(agent_ids) // (os.cpu_count() or 1))), BATCH)
    return [agent_ids[start : start + size] for start in range(0, len(agent_ids), size)]
