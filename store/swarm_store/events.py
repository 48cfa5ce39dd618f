"""The vocabulary: every type of event, what it carries, and a constructor for each.

An event is an immutable, past-tense fact, `entity:action`. All but output carry the agent they are about as `key`, so
that one agent's history is read without the others', and without output. Output carries the child's bytes as `payload`,
just as they came, and the byte range they are of the run's stdout or stderr.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Data = dict[str, Any]

REGISTRY = "registry"
AGENT_STREAMS = "agents/"

# The registry: the life of agents. Who may say which, and when, stands in lifecycle.TRANSITIONS.
AGENT_SPAWNED = "agent:spawned"
AGENT_STARTING = "agent:starting"
AGENT_STARTED = "agent:started"
AGENT_WAITING = "agent:waiting"
AGENT_RESUMED = "agent:resumed"
AGENT_ADOPTED = "agent:adopted"
AGENT_SIGNALLED = "agent:signalled"
AGENT_EXITED = "agent:exited"
AGENT_LOST = "agent:lost"
AGENT_REMOVED = "agent:removed"

# agents/<id>: what the child wrote.
STDOUT_WRITTEN = "stdout:written"
STDERR_WRITTEN = "stderr:written"
OUTPUT_CLOSED = "output:closed"
OUTPUT_TYPES = {"stdout": STDOUT_WRITTEN, "stderr": STDERR_WRITTEN}

# inbox/<id>: what somebody asks of an agent.
CANCEL_REQUESTED = "cancel:requested"
SIGNAL_REQUESTED = "signal:requested"


class Event(namedtuple("Event", ("type", "data", "key", "payload"))):
    """A fact to be appended: its type, its JSON data, the agent it is about, and bytes if it has any."""

    __slots__ = ()
    type: str
    data: Data
    key: str | None
    payload: bytes | None


class Record(namedtuple("Record", ("position", "stream", "offset", "time", "type", "key", "data", "payload"))):
    """An event in its place: `offset` in its stream, `position` in the whole log, `time` in microseconds."""

    __slots__ = ()
    position: int
    stream: str
    offset: int
    time: int
    type: str
    key: str | None
    data: Data
    payload: bytes | None


def agent_stream(agent_id: str) -> str:
    """The stream of an agent's output and its own events."""
    return AGENT_STREAMS + agent_id


def inbox_stream(agent_id: str) -> str:
    """The stream of what is asked of an agent; its daemon obeys it."""
    return f"inbox/{agent_id}"


def agent_spawned(agent_id: str, **spec: Any) -> Event:
    """Somebody asked for this agent. `spec`: name, labels, command, cwd, run, parent, depth, policies."""
    return Event(AGENT_SPAWNED, spec, agent_id, None)


def agent_starting(agent_id: str, *, daemon: Data, keeper: Data, child: Data) -> Event:
    """A daemon has the run, and its child waits to be let go: all three identities, before anything runs."""
    return Event(AGENT_STARTING, {"daemon": daemon, "keeper": keeper, "child": child}, agent_id, None)


def agent_started(agent_id: str, *, monotonic: float) -> Event:
    """The child was executed. `monotonic`: seconds of the boot's monotonic clock, for timeouts after adoption."""
    return Event(AGENT_STARTED, {"monotonic": monotonic}, agent_id, None)


def agent_adopted(agent_id: str, *, daemon: Data, epoch: int) -> Event:
    """A successor daemon took the run over, as its `epoch`-th daemon, counting from 0."""
    return Event(AGENT_ADOPTED, {"daemon": daemon, "epoch": epoch}, agent_id, None)


def agent_signalled(agent_id: str, *, signal: str, reason: str) -> Event:
    """A signal went to the agent's processes. `reason`: cancel, timeout, request."""
    return Event(AGENT_SIGNALLED, {"signal": signal, "reason": reason}, agent_id, None)


def agent_exited(agent_id: str, *, outcome: str, **ended: Any) -> Event:
    """The run is over. `ended`: exit_code, signal (null where unknown), reason, output, resources, left."""
    return Event(AGENT_EXITED, {"outcome": outcome, **ended}, agent_id, None)


def agent_lost(agent_id: str, *, reason: str, output: dict[str, int] | None = None) -> Event:
    """The run is over and nobody can say how; `output`: how many bytes each stream had, where that is known."""
    return Event(AGENT_LOST, {"reason": reason, "output": output}, agent_id, None)


def agent_removed(agent_id: str) -> Event:
    """The agent and its output were deleted on request."""
    return Event(AGENT_REMOVED, {}, agent_id, None)


def output_written(stream: str, run: int, start: int, payload: bytes) -> Event:
    """A chunk of the child's `stream`, bytes [start, start + len) of that run's; `lines` counts newlines."""
    data = {"run": run, "start": start, "end": start + len(payload), "lines": payload.count(b"\n")}
    return Event(OUTPUT_TYPES[stream], data, None, payload)


def output_closed(agent_id: str, run: int, *, stdout: int, stderr: int) -> Event:
    """No more output of this run will come; how many bytes each stream had."""
    return Event(OUTPUT_CLOSED, {"run": run, "stdout": stdout, "stderr": stderr}, agent_id, None)


def cancel_requested(agent_id: str, run: int, *, signal: str, grace: float | None) -> Event:
    """End this run: `signal`, then KILL after `grace` seconds (null: the agent's own)."""
    return Event(CANCEL_REQUESTED, {"run": run, "signal": signal, "grace": grace}, agent_id, None)


def signal_requested(agent_id: str, run: int, *, signal: str) -> Event:
    """Send `signal` to the run's processes, nothing more."""
    return Event(SIGNAL_REQUESTED, {"run": run, "signal": signal}, agent_id, None)
