"""The registry of agents: publish what happens to them, look them up, see them as they were.

Lookups read the projection; the past is folded from the nearest snapshot before it.
"""

from __future__ import annotations

import time

from . import events
from . import statements as sql
from .codec import decode
from .errors import NameTaken, NoSuchAgent, NotPossible, WrongUsage
from .fold import fold, whole
from .lifecycle import LIVE, RECOVERED, SPAWNED, STARTING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .events import Event, Record
    from .fold import Agent
    from .log import Log
    from .requests import Once

PAGE = 1000
# What agent:spawned says of an agent.
SPAWNED_WITH = (
    *("name", "labels", "command", "cwd", "run", "parent", "depth", "spawner", "host"),
    *("restart", "max_restarts", "timeout", "grace", "silence", "on_silence", "input"),
    *("kind", "model", "approve", "budget", "caps", "notify", "worktree"),
)
STEP, MOST_STEP = 16, 512  # records deleted in one transaction: fewer where it takes longer than
STEP_SECONDS = 0.003  # under the write lock


def publish(log: Log, *happened: Event, once: Once | None = None, sent: Sequence[Event] = ()) -> None:
    """Append registry events, durably and together; the agents' rows follow in the same transaction.

    What is `sent` goes to the inboxes of the agents that it is about, likewise.

    Raises IllegalTransition where one cannot follow, NameTaken where a living agent has the name, OffsetConflict where
    what is to be done `once` has been done; then nothing is written.
    """
    with log.transaction(durable=True) as transaction:
        if once is not None:
            stream, accepted = once.claim(happened[0])
            transaction.append(stream, [accepted], expected=0)
        transaction.append(events.REGISTRY, happened)
        for event in sent:
            transaction.append(events.inbox_stream(str(event.key)), [event])


def introduce(log: Log, agent: Agent) -> None:
    """Tell a log that knows an agent not, or not all of it, of one that lives: `agent`, as an older log had it.

    For a log that was recovered, restored from a backup or made anew under running agents. Nothing is written where
    the log knows the agent as well as that, or as ended. What lives is a fact, whatever the tree above it may have.
    """
    known = get(log, agent["id"])
    missing = unknown(known, agent)
    try:
        if missing:
            publish(log, *missing)
    except NameTaken:
        publish(log, *unknown(known, {**agent, "name": None}))


def unknown(known: Agent | None, agent: Agent) -> list[Event]:
    """The events that bring a log's `known` agent to where the living `agent` is."""
    if agent["state"] not in LIVE:
        return []
    said: list[Event] = []
    if known is not None and known["run"] < agent["run"]:
        said, known = _new_run(known, agent)
    state = known["state"] if known else None
    if state not in (LIVE | {None}) or (known is not None and known["run"] != agent["run"]):
        return []
    run = agent["run"]
    if known is None:
        kept = {name: agent[name] for name in SPAWNED_WITH if name in agent}
        said.append(events.agent_spawned(agent["id"], **kept, reason=RECOVERED))
    if state in (None, SPAWNED) and agent["child"]:
        who = {name: agent[name] for name in ("daemon", "keeper", "child")}
        said.append(events.agent_starting(agent["id"], run, **who))
    if state in (None, SPAWNED, STARTING) and agent["monotonic"] is not None:
        said.append(events.agent_started(agent["id"], run, monotonic=agent["monotonic"]))
    if agent["epoch"] > (known["epoch"] if known else 0):
        said.append(events.agent_adopted(agent["id"], run, daemon=agent["daemon"], epoch=agent["epoch"]))
    return said


def _new_run(known: Agent, agent: Agent) -> tuple[list[Event], Agent]:
    """The events that bring a log's `known` agent from an earlier run to the one that lives, and what it is then."""
    lost = events.agent_lost(agent["id"], known["run"], reason="its end was in a log that is gone")
    again = events.agent_restarted(
        agent["id"], run=agent["run"], reason=RECOVERED, restarts=agent["restarts"], spawner=agent["spawner"]
    )
    if agent["name"] != known["name"]:
        again = again._replace(data={**again.data, "name": agent["name"]})
    said = [lost, again] if known["state"] in LIVE else [again]
    return said, {**known, "run": agent["run"], "state": SPAWNED, "epoch": 0}


def agents(log: Log, *, ended: bool = False) -> list[Agent]:
    """The living agents, and with `ended` the others too, in the order they were spawned."""
    return [whole(decode(row[0])) for row in log.query(sql.AGENTS if ended else sql.LIVING)]


def spawned_after(log: Log, position: int, *, ended: bool = False) -> Iterator[tuple[int, Agent]]:
    """Of the same agents those that were spawned after a position, with that of each; read in pages, as they are asked
    for."""
    statement = sql.AGENTS_AFTER if ended else sql.LIVING_AFTER
    while rows := log.query(statement, {"after": position, "limit": PAGE}):
        yield from ((row[0], whole(decode(row[1]))) for row in rows)
        position = rows[-1][0]


def runs(log: Log, *, ended: bool = False) -> dict[str, int]:
    """Of the same agents, in the same order, by id the run that each is at: for whoever looks at one after another.

    A whole agent takes 5 KB of memory, and a log may hold tens of thousands of ended ones.
    """
    return dict(log.query(sql.RUNS if ended else sql.LIVING_RUNS))


def get(log: Log, agent_id: str) -> Agent | None:
    """The agent with exactly this id."""
    row = log.query(sql.AGENT, {"id": agent_id})
    return whole(decode(row[0][0])) if row else None


def agents_and_head(log: Log) -> tuple[list[Agent], int]:
    """All agents, ended ones too, in the order of their spawning, and the registry's head as they were read."""
    rows = log.query(sql.AGENTS_AND_HEAD, {"name": events.REGISTRY})
    return [whole(decode(row[1])) for row in rows if row[1] is not None], rows[0][0] or 0


def tree(log: Log, agent_id: str) -> list[Agent]:
    """The agent and all below it, in the order they were spawned."""
    return [whole(decode(row[0])) for row in log.query(sql.TREE, {"id": agent_id})]


def counts(log: Log) -> dict[str, int]:
    """How many agents are in each state that any is in."""
    return dict(log.query(sql.COUNT_STATES))


def resolve(log: Log, word: str) -> Agent:
    """The agent that `word` means: an id, a name (the living one, else the latest), or the start of one id.

    Raises NoSuchAgent, and WrongUsage where several ids start so.
    """
    if not is_text(word):
        raise no_such(word)
    found = get(log, word)
    if found is not None:
        return found
    row = log.query(sql.NAMED, {"name": word})
    if row:
        return whole(decode(row[0][0]))
    ids = log.query(sql.ID_PREFIX, {"prefix": word}) if word else []
    if len(ids) > 1:
        raise ambiguous(word, [row[0] for row in ids])
    one = get(log, ids[0][0]) if ids else None
    if one is None:
        raise no_such(word)
    return one


def is_text(word: str) -> bool:
    """Whether SQLite can compare it: bytes of a command line that are not UTF-8 are no text."""
    try:
        word.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def ambiguous(word: str, ids: Sequence[str]) -> WrongUsage:
    return WrongUsage(f"{word!r} is the start of several ids: {', '.join(ids)}", "give more of it")


def no_such(word: str) -> NoSuchAgent:
    return NoSuchAgent(f"there is no agent {word!r}", "swarmctl list --all shows all")


def history(log: Log, agent_id: str) -> list[Record]:
    """Every registry event of one agent, in order."""
    return log.read(events.REGISTRY, key=agent_id, limit=1 << 30, payloads=False)


def agents_at(log: Log, position: int) -> dict[str, Agent]:
    """All agents as they were after the record at `position`: folded from the nearest snapshot before it."""
    offset, start = 0, None
    row = log.query(sql.SNAPSHOT_BEFORE, {"position": position})
    if row:
        offset = row[0][0] + 1
        start = {agent["id"]: whole(agent) for agent in decode(row[0][1])}
    return fold(_registry_until(log, offset, position), start)


def folded(log: Log) -> dict[str, Agent]:
    """All agents folded from the registry's very first event, without projection or snapshots: the proof of both."""
    return fold(_registry_until(log, 0, log.position()))


def _registry_until(log: Log, offset: int, position: int) -> Iterator[Record]:
    while True:
        page = log.read(events.REGISTRY, start=offset, limit=PAGE, payloads=False)
        for record in page:
            if record.position > position:
                return
            yield record
        if len(page) < PAGE:
            return
        offset = page[-1].offset + 1


def remove(log: Log, agent: Agent) -> None:
    """Forget an ended agent and delete its output, in steps that each hold the write lock for milliseconds.

    It is forgotten first: whoever is killed in between leaves bytes that nobody lists, see `half_removed`. The
    registry's own events stay: they are history. Raises as check_removal.
    """
    check_removal(log, agent)
    publish(log, events.agent_removed(agent["id"]))
    delete_streams(log, agent["id"])


def check_removal(log: Log, agent: Agent) -> None:
    """Raises NotPossible where the agent lives, or a budget or a cap needs it: see trees.check_removal."""
    if agent["state"] in LIVE:
        raise NotPossible(f"agent {agent['id']} is {agent['state']}", f"end it first: swarmctl cancel {agent['id']}")
    from . import trees  # no daemon removes

    trees.check_removal(log.database, agent)


def delete_streams(log: Log, agent_id: str) -> None:
    """Delete what a forgotten agent has said, and was told."""
    step = STEP
    for stream in (events.agent_stream(agent_id), events.inbox_stream(agent_id)):
        gone = False
        while not gone:
            with log.transaction() as transaction:
                before = time.monotonic()
                gone = transaction.delete(stream, step)
                took = time.monotonic() - before
            step = max(1, step // 2) if took > STEP_SECONDS else min(step * 2, MOST_STEP)
            time.sleep(took)  # whoever lets go of the lock and takes it again at once leaves nobody else a chance


def rebuild(log: Log) -> None:
    """Write all agents' rows, and the snapshots, anew from their events: under the write lock, about 20 us an event."""
    with log.transaction(durable=True) as transaction:
        transaction.rebuild()


def half_removed(log: Log) -> list[str]:
    """Agents that were forgotten, but whose output is not deleted whole: whoever did it was killed."""
    return [row[0] for row in log.query(sql.HALF_REMOVED)]


def was_removed(log: Log, agent_id: str) -> bool:
    """Whether the agent was here and has been forgotten."""
    return get(log, agent_id) is None and bool(log.query(sql.REMOVED, {"id": agent_id}))
