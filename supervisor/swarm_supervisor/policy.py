"""Restart policies: whether and when an ended agent is started again. Pure.

A delay doubles with each restart in a row, with jitter so that many that fell together do not rise together; a run that
was healthy for long enough starts the count anew; too many in a row are a crash loop, which is named and left alone.
"""

from __future__ import annotations

from zlib import crc32

from swarm_store import lifecycle
from swarm_store.clock import SECOND, microseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from swarm_store.fold import Agent

FIRST_SECONDS = 1.0
MOST_SECONDS = 300.0  # as Kubernetes does: five minutes
JITTER = 0.25  # of the delay, added; the same for the same run, so that a supervisor that is restarted waits no longer
HEALTHY_SECONDS = 300.0
MAX_RESTARTS = 10


def wants_restart(agent: Agent, begun: int, boot: str) -> bool:
    """Whether the policy of an ended agent wants a new run, for a supervisor that began at `begun` (microseconds).

    A cancelled agent stays so. One that was ended with its machine or its session ("shutdown") is wanted again by the
    next supervisor, not by one that saw it end: that one would start it in the middle of the shutdown. One of another
    `boot` than this was seen by none of this, whatever the clock says, which may have been set back meanwhile.
    """
    return not _is_shut_down(agent, begun, boot) and lifecycle.may_be_restarted(agent)


def may_resume(agent: Agent, begun: int, boot: str) -> bool:
    """Whether an ended agent may be started for a turn that it was sent, by such a supervisor; whatever its policy."""
    return not _is_shut_down(agent, begun, boot) and agent["no_more_restarts"] is None


def _is_shut_down(agent: Agent, begun: int, boot: str) -> bool:
    is_of_this_boot = agent["daemon"] is None or agent["daemon"]["boot"] == boot
    return agent["reason"] == "shutdown" and is_of_this_boot and microseconds(agent["ended_at"]) >= begun


def restarts_so_far(agent: Agent) -> int:
    """How often it was restarted by policy since it was last healthy for a while."""
    return 0 if _lasted(agent) >= HEALTHY_SECONDS else agent["restarts"]


def is_crash_loop(agent: Agent) -> bool:
    """Whether one more restart would be one too many."""
    most = MAX_RESTARTS if agent["max_restarts"] is None else agent["max_restarts"]
    return restarts_so_far(agent) >= most


def delay(agent: Agent, now: int) -> float:
    """Seconds from `now` (microseconds) until its next run is due."""
    whole = min(FIRST_SECONDS * 2.0 ** min(restarts_so_far(agent), 32), MOST_SECONDS)
    whole *= 1 + JITTER * (crc32(f"{agent['id']}.{agent['run']}".encode()) / 2**32)
    since = (now - microseconds(agent["ended_at"])) / SECOND
    return whole - min(max(since, 0.0), whole)  # a clock that was set back makes nobody wait longer


def _lasted(agent: Agent) -> float:
    """Seconds the last run lasted; by the wall clock where nobody was there to measure."""
    if agent["seconds"] is not None:
        return float(agent["seconds"])
    if agent["started_at"] is None:
        return 0.0
    return (microseconds(agent["ended_at"]) - microseconds(agent["started_at"])) / SECOND
