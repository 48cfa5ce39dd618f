"""What to do about an agent, given what the registry says of it and what the machine shows. Pure: one table.

The rows are tried from top to bottom, and the first that holds is what is done. Whatever is not provable is left alone:
a run of another host, a process that only has the right PID.
"""

from __future__ import annotations

from collections import namedtuple

from swarm_store.clock import SECOND
from swarm_store.lifecycle import LIVE, SPAWNED, TERMINAL

from . import policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from swarm_store.fold import Agent

ADOPT = "adopt"  # a successor daemon for a child that lives
FINISH = "finish"  # one for a child that is dead: it reads how it ended, drains its output, clears up
START = "start"  # what was registered and never launched
FAIL = "fail"  # what was registered and cannot be launched any more
LOSE = "lose"  # what nobody can say anything about any more
SWEEP = "sweep"  # end processes that an ended agent has left
RESTART = "restart"  # a new run, by policy, in `wait` seconds
RESUME = "resume"  # a new run for a turn that was sent when the last one took no more
GIVE_UP = "give_up"  # a crash loop
TIME_OUT = "time_out"  # deny, in `wait` seconds, what an ended agent asked and nobody has answered
SETTLE = "settle"  # do what follows the end of a run, where its daemon died before that

SETTLE_SECONDS = 2.0

NEVER_STARTED = "it was never started, and nothing is left to start it from"
NO_FILES = "its daemon is dead and its files are gone, so nobody can say how it ended"


class Seen(
    namedtuple(
        "Seen",
        (
            "is_ours",
            "has_daemon",
            "spawner_lives",
            "child_lives",
            "has_spec",
            "has_run",
            "left",
            "turn_waits",
            "is_idle",
            "due",
        ),
        defaults=(False, False, None),
    )
):
    """What the machine shows of an agent's latest run, and its inbox.

    `is_ours`: it was started on this host, or in this boot. `has_daemon`: somebody holds the run. `has_spec`,
    `has_run`: the files it is started from, and the run's own. `left`: how many processes carry its mark, where it has
    ended. Of one of a kind that has ended, `turn_waits`: it was sent a turn after its run had begun, and may take it;
    `is_idle`: it has no turn to take or to go on with, and was not to stay; `due`: when the time to answer what it asks
    is over (microseconds), if that is ever.
    """

    __slots__ = ()
    is_ours: bool
    has_daemon: bool
    spawner_lives: bool
    child_lives: bool
    has_spec: bool
    has_run: bool
    left: int
    turn_waits: bool
    is_idle: bool
    due: int | None


class Action(namedtuple("Action", ("kind", "agent_id", "run", "wait", "why"))):
    """Something to do about one run; `wait`: in how many seconds."""

    __slots__ = ()
    kind: str
    agent_id: str
    run: int
    wait: float
    why: str


# State, what must be seen, what is done (None: nothing), why.
_STARTED = LIVE - {SPAWNED}
TABLE: tuple[tuple[frozenset[str | None], Callable[[Seen], bool], str | None, str], ...] = (
    (LIVE | TERMINAL, lambda seen: seen.has_daemon, None, "its daemon lives"),
    (LIVE | TERMINAL, lambda seen: not seen.is_ours, None, "it is another host's"),
    (frozenset({SPAWNED}), lambda seen: seen.spawner_lives, None, "its spawner lives and launches it"),
    (frozenset({SPAWNED}), lambda seen: seen.has_spec, START, "it was registered, and its spawner died"),
    (frozenset({SPAWNED}), lambda seen: True, FAIL, NEVER_STARTED),
    (_STARTED, lambda seen: seen.has_run and seen.child_lives, ADOPT, "its daemon died"),
    (_STARTED, lambda seen: seen.has_run, FINISH, "its daemon died, and its child has ended"),
    (_STARTED, lambda seen: seen.child_lives, None, "its files are gone, but it goes on"),
    (_STARTED, lambda seen: True, LOSE, NO_FILES),
    (TERMINAL, lambda seen: seen.has_run, FINISH, "its daemon died before it had cleared up"),
    (TERMINAL, lambda seen: seen.left > 0, SWEEP, "it has left processes"),
)


def decide(agent: Agent, seen: Seen, now: int, begun: int, boot: str) -> Action | None:
    """What to do about `agent`, at `now`, by a supervisor that began at `begun` in this `boot`; None: nothing.

    Both times in microseconds.
    """
    for states, holds, kind, why in TABLE:
        if agent["state"] in states and holds(seen):
            return Action(kind, agent["id"], agent["run"], 0.0, why) if kind else None
    if seen.turn_waits and policy.may_resume(agent, begun, boot):
        return Action(RESUME, agent["id"], agent["run"], 0.0, "a turn waits for it")
    if seen.is_idle or not policy.wants_restart(agent, begun, boot):
        return _time_out(agent, seen, now)
    if policy.is_crash_loop(agent):
        return Action(GIVE_UP, agent["id"], agent["run"], 0.0, "a crash loop")
    return Action(RESTART, agent["id"], agent["run"], policy.delay(agent, now), f"its policy is {agent['restart']}")


def _time_out(agent: Agent, seen: Seen, now: int) -> Action | None:
    """An agent that has ended and is not to be started again has nobody else who minds the time of what it asks."""
    if seen.due is None:
        return None
    return Action(TIME_OUT, agent["id"], agent["run"], max(0.0, (seen.due - now) / SECOND), "nobody has answered")


def owed(agent: Agent, seen: Seen) -> list[Action]:
    """What is to be done after the ends of the agent's runs, beside whatever is done about its latest.

    Its daemon begins with that by itself, a moment after the end: it gets some seconds.
    """
    if not seen.is_ours:
        return []
    under_way = {agent["run"]} if seen.has_daemon or seen.has_run else set()
    why = "nobody has said that what follows its end was done"
    return [Action(SETTLE, agent["id"], run, SETTLE_SECONDS, why) for run in agent["owed"] if run not in under_way]


REMOVED = 1 << 62  # the run at which an agent is that has been forgotten: later than all it had


def earlier(marks: Iterable[str], runs: dict[str, int]) -> list[Action]:
    """What to end of the runs whose `marks` processes carry, where `runs` has their agents at a later one by now.

    Somebody has restarted the agent, or removed it (REMOVED), before what it had left was ended.
    """
    found = []
    for mark in marks:
        agent_id, _, number = mark.rpartition(".")
        if number.isdigit() and int(number) < runs.get(agent_id, 0):
            found.append(Action(SWEEP, agent_id, int(number), 0.0, "an earlier run has left processes"))
    return found
