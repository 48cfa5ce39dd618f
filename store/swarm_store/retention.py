"""Which ended agents are to be forgotten: by age, by number, by the size of the log. Pure.

What lives, and what its restart policy may start again, is never chosen. The newest `keep` are never chosen either,
whatever else is asked; where nothing but `keep` is, all others are.
"""

from __future__ import annotations

from collections import namedtuple

from .clock import SECOND, microseconds
from .lifecycle import TERMINAL, may_be_restarted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .fold import Agent

LEAST_BYTES = 16 * 1024  # what an agent's events, rows and index entries take, beside its output


class Policy(namedtuple("Policy", ("older_than", "keep", "larger_than"), defaults=(None, None, None))):
    """`older_than`: seconds since the end; `keep`: how many stay; `larger_than`: bytes that the log may take."""

    __slots__ = ()
    older_than: float | None
    keep: int | None
    larger_than: int | None


def expired(agents: Iterable[Agent], now: int, policy: Policy, *, used: int = 0) -> list[Agent]:
    """Those of `agents` that `policy` forgets at `now` (microseconds), the first that ended first.

    `used`: bytes the log takes now; how many of the oldest must go for `larger_than` is reckoned from their output.
    """
    ended = sorted(filter(is_over, agents), key=lambda agent: (microseconds(agent["ended_at"]), agent["id"]))
    candidates = ended[: max(0, len(ended) - policy.keep)] if policy.keep is not None else ended
    if policy.older_than is None and policy.larger_than is None:
        return candidates if policy.keep is not None else []
    chosen: list[Agent] = []
    for agent in candidates:
        is_old = policy.older_than is not None and _age(agent, now) >= policy.older_than
        if not is_old and (policy.larger_than is None or used <= policy.larger_than):
            break  # none that comes after is older
        chosen.append(agent)
        used -= size(agent)
    return chosen


def is_over(agent: Agent) -> bool:
    """Whether the agent has ended, and no policy may start it again."""
    return agent["state"] in TERMINAL and not may_be_restarted(agent)


def size(agent: Agent) -> int:
    """About how many bytes of the log an ended agent takes."""
    written: dict[str, int] = agent["output"] or {}
    return LEAST_BYTES + sum(written.values())


def _age(agent: Agent, now: int) -> float:
    return (now - microseconds(agent["ended_at"])) / SECOND
