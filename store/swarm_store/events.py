"""The vocabulary: every type of event, what it carries, and a constructor for each.

An event is an immutable, past-tense fact, `entity:action`. All but output carry the agent they are about as `key`, so
that one agent's history is read without the others', and without output. Output carries the child's bytes as `payload`,
just as they came, and the byte range they are of the run's stdout or stderr; input the bytes that the child is to read.
"""

from __future__ import annotations

from collections import namedtuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Data = dict[str, Any]

REGISTRY = "registry"
AGENT_STREAMS = "agents/"
SUPERVISOR = "supervisor"  # the supervisor's own stream, and the key of its events: no agent's id has an `o`

# The registry: the life of agents. Who may say which, and when, stands in lifecycle.TRANSITIONS.
AGENT_SPAWNED = "agent:spawned"
AGENT_STARTING = "agent:starting"
AGENT_STARTED = "agent:started"
AGENT_WAITING = "agent:waiting"
AGENT_RESUMED = "agent:resumed"
AGENT_ADOPTED = "agent:adopted"
AGENT_SIGNALLED = "agent:signalled"
AGENT_FELL_SILENT = "agent:fell_silent"
AGENT_SPOKE = "agent:spoke"
AGENT_START_FAILED = "agent:start_failed"
AGENT_EXITED = "agent:exited"
AGENT_LOST = "agent:lost"
AGENT_SWEPT = "agent:swept"
AGENT_CRASH_LOOPED = "agent:crash_looped"
AGENT_RESTART_WITHDRAWN = "agent:restart_withdrawn"
AGENT_RESTARTED = "agent:restarted"
AGENT_SETTLED = "agent:settled"
AGENT_REMOVED = "agent:removed"

# agents/<id>: what the child wrote.
STDOUT_WRITTEN = "stdout:written"
STDERR_WRITTEN = "stderr:written"
OUTPUT_CLOSED = "output:closed"
OUTPUT_LOST = "output:lost"
# And what was done for it, beside its runs.
NOTIFICATION_SENT = "notification:sent"
WORKTREE_RESTORED = "worktree:restored"
WORKTREE_REMOVED = "worktree:removed"
WORKTREE_KEPT = "worktree:kept"
OUTPUT_TYPES = {"stdout": STDOUT_WRITTEN, "stderr": STDERR_WRITTEN}

# tokens: who may use the server; a token itself is nowhere in the log.
TOKENS = "tokens"  # the stream, and the key of its events
TOKEN_CREATED = "token:created"
TOKEN_USED = "token:used"
TOKEN_REVOKED = "token:revoked"

# inbox/<id>: what somebody asks of an agent.
CANCEL_REQUESTED = "cancel:requested"
SIGNAL_REQUESTED = "signal:requested"
INPUT_SENT = "input:sent"
INPUT_CLOSED = "input:closed"
INPUT_TYPES = (INPUT_SENT, INPUT_CLOSED)

# requests/<hash>: what a caller who named its request asked for; it is done once, however often it is asked for.
REQUEST_ACCEPTED = "request:accepted"

# The supervisor: its own life.
SUPERVISOR_STARTED = "supervisor:started"
SUPERVISOR_RECONCILED = "supervisor:reconciled"
SUPERVISOR_STOPPED = "supervisor:stopped"

# The life of the streams that clients make; what they write into them is `client/<name>`.
STREAMS = "streams"  # the stream, and the key of its events
CLIENT_STREAMS = "client/"
GONE_STREAMS = "gone/"  # and the tag: what one that is gone has left, until that is cleared
STREAM_CREATED = "stream:created"
STREAM_CLOSED = "stream:closed"
STREAM_DELETED = "stream:deleted"
DATA_APPENDED = "data:appended"

# The life of subscriptions to streams, and what wakes they led to.
SUBSCRIPTIONS = "subscriptions"  # the stream, and the key of its events
SUBSCRIPTION_CREATED = "subscription:created"
SUBSCRIPTION_DELETED = "subscription:deleted"
SUBSCRIPTION_LINKED = "subscription:linked"
SUBSCRIPTION_UNLINKED = "subscription:unlinked"
SUBSCRIPTION_WOKEN = "subscription:woken"
SUBSCRIPTION_CLAIMED = "subscription:claimed"
SUBSCRIPTION_ACKED = "subscription:acked"
SUBSCRIPTION_RELEASED = "subscription:released"
SUBSCRIPTION_DELIVERED = "subscription:delivered"
SUBSCRIPTION_DELIVERY_FAILED = "subscription:delivery_failed"
LEASE_RAN_OUT = "lease ran out"  # why one was released, beside: done, request, nothing pending

# Any stream: stands where a record was that could not be recovered from a damaged log, so that offsets stay dense.
RECORD_LOST = "record:lost"


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


def client_stream(name: str) -> str:
    """The log's name of the stream that clients call `name`."""
    return CLIENT_STREAMS + name


def stream_created(name: str, **spec: Any) -> Event:
    """A client made a stream. `spec`: as in client_streams.Spec, with what its source has given it, and its `tag`."""
    return Event(STREAM_CREATED, {"name": name, **spec}, STREAMS, None)


def stream_closed(name: str, *, by: list[Any] | None) -> Event:
    """No more will be appended. `by`: id, epoch and sequence of the producer that closed it, if one did."""
    return Event(STREAM_CLOSED, {"name": name, "by": by}, STREAMS, None)


def stream_deleted(name: str, *, reason: str) -> Event:
    """A client stream is gone: its `reason` is request or expired."""
    return Event(STREAM_DELETED, {"name": name, "reason": reason}, STREAMS, None)


def data_appended(body: bytes, *, messages: int | None = None, sequence: str | None = None) -> Event:
    """What one request appended: bytes as they came, or so many JSON messages with commas between."""
    said = {"messages": messages, "sequence": sequence}
    return Event(DATA_APPENDED, {name: value for name, value in said.items() if value is not None}, None, body)


def subscription_event(type: str, subscription_id: str, tag: str, **said: Any) -> Event:
    """Something happened to a subscription. What each `type` says stands with those who say it: subscription_*.py."""
    return Event(type, {"id": subscription_id, "tag": tag, **said}, SUBSCRIPTIONS, None)


def agent_spawned(agent_id: str, **spec: Any) -> Event:
    """Somebody asked for this agent. `spec`: name, labels, command, cwd, run, spawner, parent, depth, policies."""
    return Event(AGENT_SPAWNED, spec, agent_id, None)


def agent_starting(
    agent_id: str, run: int, *, daemon: Data, keeper: Data, child: Data, limited_by: str | None = None
) -> Event:
    """A daemon has the run, and its child waits to be let go: all three identities, before anything runs.

    `limited_by`: what enforces the run's limits, if it has any: scope, cgroup or rlimit.
    """
    who = {"daemon": daemon, "keeper": keeper, "child": child}
    return Event(AGENT_STARTING, {"run": run, **who, "limited_by": limited_by}, agent_id, None)


def agent_started(agent_id: str, run: int, *, monotonic: float) -> Event:
    """The child was executed. `monotonic`: seconds of the boot's monotonic clock, for timeouts after adoption."""
    return Event(AGENT_STARTED, {"run": run, "monotonic": monotonic}, agent_id, None)


def agent_adopted(agent_id: str, run: int, *, daemon: Data, epoch: int) -> Event:
    """A successor daemon took the run over, as its `epoch`-th daemon, counting from 0."""
    return Event(AGENT_ADOPTED, {"run": run, "daemon": daemon, "epoch": epoch}, agent_id, None)


def agent_signalled(agent_id: str, run: int, *, signal: str, reason: str) -> Event:
    """A signal went to the agent's processes. `reason`: cancel, timeout, silence, shutdown, request."""
    return Event(AGENT_SIGNALLED, {"run": run, "signal": signal, "reason": reason}, agent_id, None)


def agent_fell_silent(agent_id: str, run: int, *, seconds: float) -> Event:
    """No output has come for `seconds` in which the agent could have written."""
    return Event(AGENT_FELL_SILENT, {"run": run, "seconds": seconds}, agent_id, None)


def agent_spoke(agent_id: str, run: int) -> Event:
    """Output came again after a silence."""
    return Event(AGENT_SPOKE, {"run": run}, agent_id, None)


def agent_start_failed(agent_id: str, run: int, *, outcome: str, exit_code: int | None, reason: str) -> Event:
    """The run ended before it had a daemon: its command was never executed."""
    return Event(
        AGENT_START_FAILED, {"run": run, "outcome": outcome, "exit_code": exit_code, "reason": reason}, agent_id, None
    )


def agent_exited(agent_id: str, run: int, *, outcome: str, **ended: Any) -> Event:
    """The run is over. `ended`: exit_code, signal (null where unknown), reason, seconds, output, resources, left."""
    return Event(AGENT_EXITED, {"run": run, "outcome": outcome, **ended}, agent_id, None)


def agent_lost(agent_id: str, run: int, *, reason: str, **ended: Any) -> Event:
    """The run is over and nobody can say how. `ended`: output, how many bytes each stream had, and left, if known."""
    return Event(AGENT_LOST, {"run": run, "reason": reason, **ended}, agent_id, None)


def agent_swept(agent_id: str, run: int, *, processes: int) -> Event:
    """What the run had left running when it ended was ended too."""
    return Event(AGENT_SWEPT, {"run": run, "processes": processes}, agent_id, None)


def agent_crash_looped(agent_id: str, run: int, *, restarts: int) -> Event:
    """Restarted so often without a healthy spell that it is restarted no more."""
    return Event(AGENT_CRASH_LOOPED, {"run": run, "restarts": restarts}, agent_id, None)


def agent_restart_withdrawn(agent_id: str, run: int) -> Event:
    """Somebody wants no more restarts by policy of this ended agent."""
    return Event(AGENT_RESTART_WITHDRAWN, {"run": run}, agent_id, None)


def agent_restarted(agent_id: str, *, run: int, reason: str, restarts: int, spawner: Data) -> Event:
    """A new `run` of an ended agent. `reason`: policy, request, turn, recovered; `restarts`: by policy, in a row."""
    data = {"run": run, "reason": reason, "restarts": restarts, "spawner": spawner}
    return Event(AGENT_RESTARTED, data, agent_id, None)


def agent_settled(agent_id: str, run: int) -> Event:
    """What was to follow the end of this run, now or an earlier one, has been done, or was tried."""
    return Event(AGENT_SETTLED, {"run": run}, agent_id, None)


def agent_removed(agent_id: str) -> Event:
    """The agent and its output were deleted on request."""
    return Event(AGENT_REMOVED, {}, agent_id, None)


def output_written(stream: str, run: int, start: int, payload: bytes) -> Event:
    """A chunk of the child's `stream`, bytes [start, start + len) of that run's; `lines` counts newlines."""
    data = {"run": run, "start": start, "end": start + len(payload), "lines": payload.count(b"\n")}
    return Event(OUTPUT_TYPES[stream], data, None, payload)


def output_lost(stream: str, run: int, start: int, end: int) -> Event:
    """Bytes [start, end) of the run's `stream` were in a log that is gone, and in the journal no more."""
    return Event(OUTPUT_LOST, {"run": run, "stream": stream, "start": start, "end": end}, None, None)


def output_closed(agent_id: str, run: int, *, stdout: int, stderr: int) -> Event:
    """No more output of this run will come; how many bytes each stream had."""
    return Event(OUTPUT_CLOSED, {"run": run, "stdout": stdout, "stderr": stderr}, agent_id, None)


def notification_sent(agent_id: str, run: int, *, on: str, number: int, to: str, ok: bool, reason: str | None) -> Event:
    """Somebody was told, or could not be, for a `reason`. `on`: waiting, done, failed; `number`: of those to be told,
    from 0; `to`: who, without secrets."""
    said = {"on": on, "number": number, "to": to, "ok": ok, "reason": reason}
    return Event(NOTIFICATION_SENT, {"run": run, **said}, agent_id, None)


def worktree_event(type: str, agent_id: str, run: int, *, path: str, branch: str, reason: str | None) -> Event:
    """The agent's worktree was made again from its branch, removed, or kept, for a `reason`."""
    return Event(type, {"run": run, "path": path, "branch": branch, "reason": reason}, agent_id, None)


def cancel_requested(agent_id: str, run: int, *, signal: str, grace: float | None) -> Event:
    """End this run: `signal`, then KILL after `grace` seconds (null: the agent's own)."""
    return Event(CANCEL_REQUESTED, {"run": run, "signal": signal, "grace": grace}, agent_id, None)


def signal_requested(agent_id: str, run: int, *, signal: str) -> Event:
    """Send `signal` to the run's processes, nothing more."""
    return Event(SIGNAL_REQUESTED, {"run": run, "signal": signal}, agent_id, None)


def request_accepted(agent_id: str, *, body: str) -> Event:
    """This request made the agent. `body`: SHA-256 of what was asked for, so that another one is told from it."""
    return Event(REQUEST_ACCEPTED, {"body": body}, agent_id, None)


def input_sent(agent_id: str, run: int, payload: bytes) -> Event:
    """Bytes for the child's standard input, after all that were sent to the run before."""
    return Event(INPUT_SENT, {"run": run, "bytes": len(payload)}, agent_id, payload)


def input_closed(agent_id: str, run: int) -> Event:
    """No more input comes for this run: after what was sent before, its child reads the end of the file."""
    return Event(INPUT_CLOSED, {"run": run}, agent_id, None)


def supervisor_started(*, supervisor: Data, host: str, version: str) -> Event:
    """A supervisor has this log, alone on its host."""
    return Event(SUPERVISOR_STARTED, {"supervisor": supervisor, "host": host, "version": version}, SUPERVISOR, None)


def supervisor_reconciled(*, cause: str, found: Data, did: Data) -> Event:
    """The registry was compared with the machine. `found`: how many of what; `did`: action → the agents' ids."""
    return Event(SUPERVISOR_RECONCILED, {"cause": cause, "found": found, "did": did}, SUPERVISOR, None)


def supervisor_stopped(*, reason: str) -> Event:
    """The supervisor ended in order; agents go on."""
    return Event(SUPERVISOR_STOPPED, {"reason": reason}, SUPERVISOR, None)


def token_created(token_id: str, **spec: Any) -> Event:
    """Somebody may use the server. `spec`: as in tokens.Token; of the token itself only its hash."""
    return Event(TOKEN_CREATED, {"id": token_id, **spec}, TOKENS, None)


def token_used(token_id: str) -> Event:
    """A token whose uses are counted was used once more."""
    return Event(TOKEN_USED, {"id": token_id}, TOKENS, None)


def token_revoked(token_id: str) -> Event:
    """The token opens nothing any more."""
    return Event(TOKEN_REVOKED, {"id": token_id}, TOKENS, None)
