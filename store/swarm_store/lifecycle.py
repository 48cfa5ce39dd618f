"""States, and the one table of who may move an agent where. An illegal move raises.

`spawned → starting → running ⇄ waiting → completed | failed | cancelled | lost`. Terminal states never change; only a
restart, which is a new run, or removal takes an agent out of one. Who says an event stands beside each row, for
readers; it is not checked.
"""

from __future__ import annotations

from . import events
from .errors import IllegalTransition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .fold import Agent

SPAWNED = "spawned"
STARTING = "starting"
RUNNING = "running"
WAITING = "waiting"
COMPLETED = "completed"
FAILED = "failed"
CANCELLED = "cancelled"
LOST = "lost"

LIVE: frozenset[str | None] = frozenset({SPAWNED, STARTING, RUNNING, WAITING})
TERMINAL: frozenset[str | None] = frozenset({COMPLETED, FAILED, CANCELLED, LOST})
STATES = (SPAWNED, STARTING, RUNNING, WAITING, COMPLETED, FAILED, CANCELLED, LOST)

RECOVERED = "recovered"  # why a log is told that an agent was spawned or restarted which lives: see registry.introduce

# A state of None is "not in the registry"; where `to` is SAME, the event leaves the state as it is.
SAME: frozenset[str | None] = frozenset()
ABSENT: frozenset[str | None] = frozenset({None})
TRANSITIONS: dict[str, tuple[frozenset[str | None], frozenset[str | None]]] = {
    #  event                     from                           to
    events.AGENT_SPAWNED: (ABSENT, frozenset({SPAWNED})),  # the command line
    events.AGENT_STARTING: (frozenset({SPAWNED}), frozenset({STARTING})),  # the daemon
    events.AGENT_STARTED: (frozenset({STARTING}), frozenset({RUNNING})),  # the daemon
    events.AGENT_WAITING: (frozenset({RUNNING}), frozenset({WAITING})),  # the session's host
    events.AGENT_RESUMED: (frozenset({WAITING}), frozenset({RUNNING})),  # the session's host
    events.AGENT_ADOPTED: (LIVE - {SPAWNED}, SAME),  # a successor daemon
    events.AGENT_SIGNALLED: (LIVE - {SPAWNED}, SAME),  # the daemon
    events.AGENT_FELL_SILENT: (frozenset({RUNNING}), SAME),  # the daemon
    events.AGENT_SPOKE: (frozenset({RUNNING, WAITING}), SAME),  # the daemon
    events.AGENT_START_FAILED: (frozenset({SPAWNED}), frozenset({FAILED, CANCELLED})),  # spawn, supervisor, cancel
    events.AGENT_EXITED: (LIVE - {SPAWNED}, frozenset({COMPLETED, FAILED, CANCELLED})),  # the daemon
    events.AGENT_LOST: (LIVE, frozenset({LOST})),  # whoever finds it so
    events.AGENT_SWEPT: (TERMINAL, SAME),  # the supervisor
    events.AGENT_CRASH_LOOPED: (TERMINAL, SAME),  # the supervisor
    events.AGENT_RESTART_WITHDRAWN: (TERMINAL, SAME),  # cancel
    events.AGENT_RESTARTED: (TERMINAL, frozenset({SPAWNED})),  # the supervisor, restart
    events.AGENT_SETTLED: (LIVE | TERMINAL, SAME),  # what follows a run's end, maybe when another runs already
    events.AGENT_REMOVED: (TERMINAL, ABSENT),  # rm, prune
}


# Restart policy → the states in which it wants another run. What was ended with its machine or its session ("shutdown")
# is wanted again by every policy but "no"; what was cancelled by nobody.
RESTARTED_AFTER: dict[str, frozenset[str]] = {
    "no": frozenset(),
    "on-failure": frozenset({FAILED, LOST}),
    "always": frozenset({FAILED, LOST, COMPLETED}),
}


def may_be_restarted(agent: Agent) -> bool:
    """Whether the policy of an ended agent may start it again."""
    if agent["state"] not in TERMINAL or agent["no_more_restarts"] is not None or agent["restart"] == "no":
        return False
    return agent["reason"] == "shutdown" or agent["state"] in RESTARTED_AFTER[agent["restart"]]


def target(agent_id: str, state: str | None, type: str, outcome: str | None = None) -> str | None:
    """The state after an event of `type`; `outcome` chooses where the table allows several.

    Raises IllegalTransition when the table has no such row, and KeyError for an event that is no transition.
    """
    allowed, to = TRANSITIONS[type]
    if state not in allowed:
        raise IllegalTransition(f"agent {agent_id} is {state or 'not in the registry'}: {type} cannot follow")
    if to is SAME:
        return state
    if len(to) == 1:
        return next(iter(to))
    if outcome not in to:
        raise IllegalTransition(f"agent {agent_id}: {type} cannot end in {outcome!r}")
    return outcome


def outcome(exit_code: int | None, reason: str | None) -> str:
    """How a run ended, which was ended for `reason` (cancel, timeout, silence, shutdown) or ended by itself.

    Unknown is never success.
    """
    if reason in ("cancel", "shutdown"):
        return CANCELLED
    return COMPLETED if exit_code == 0 and reason is None else FAILED
