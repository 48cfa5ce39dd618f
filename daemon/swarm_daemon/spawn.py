"""Spawning agents: what is wished for is checked and completed first, then registered whole, then launched.

A wish is started as the calling process would start it: its directory, environment, umask. An agent that is registered
is a promise: what it is started from is on disk before, so that whoever finds the spawner dead can keep it. Whatever
fails before the daemon has recorded itself is recorded here.
"""

from __future__ import annotations

import errno
import os
import select
import shutil
from collections import namedtuple

from swarm_store import events, lifecycle, registry
from swarm_store.errors import CannotStart, IllegalTransition, LogUnusable, NotPossible, SwarmError, TooDeep, WrongUsage

from . import tree
from .launch import DEFAULT_GRACE, HANDSHAKE_SECONDS, Launch, make_spec
from .process import myself
from .run import Run

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from swarm_store.fold import Agent
    from swarm_store.home import Home
    from swarm_store.log import Log
    from swarm_store.requests import Once

    from .prompted import Prompted
    from .run import Spec

ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 letters that cannot be taken for each other
MAX_DEPTH = 8
# What an agent is started from, and everybody may know.
SHOWN = ("command", "cwd", "timeout", "grace", "silence", "on_silence", "limits", "input", "tty")
RESTART_POLICIES = ("no", "on-failure", "always")
SIZE = (24, 80)  # of a terminal that nobody looks at yet: rows, columns
TERMINAL = "xterm-256color"  # what programs are told it is, where who spawns them has none of a name


class Request(namedtuple("Request", ("agent_id", "event", "spec", "turns"))):
    """An agent to be spawned: checked, but not registered yet; with its first turn, if it is of a kind."""

    __slots__ = ()
    agent_id: str
    event: events.Event
    spec: Spec
    turns: list[events.Event]


class Around(namedtuple("Around", ("known", "spec"))):
    """What is done around an agent's runs: what everybody may know of it, and what its spec has (see aftermath)."""

    __slots__ = ()
    known: dict[str, Any]
    spec: Spec


def new_id() -> str:
    """40 random bits: in one of 20,000 logs of 10,000 agents two are the same, and the registry refuses the second."""
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in os.urandom(8))


def request(
    home: Home,
    command: Sequence[str],
    *,
    name: str | None = None,
    labels: dict[str, str] | None = None,
    cwd: str | None = None,
    env: dict[str, str] | None = None,
    stdin: str | bytes | None = None,
    restart: str = "no",
    max_restarts: int | None = None,
    timeout: float | None = None,
    grace: float | None = None,
    silence: float | None = None,
    on_silence: str = "mark",
    limits: dict[str, Any] | None = None,
    input: bool = False,
    tty: bool = False,
    size: Sequence[int] | None = None,
    prompted: Prompted | None = None,
    around: Around | None = None,
    budget: dict[str, int | None] | None = None,
    caps: dict[str, int | None] | None = None,
    agent_id: str | None = None,
    caller: Mapping[str, str] | None = None,
) -> Request:
    """Check and complete a wish for an agent, as the calling process would start it; times in seconds.

    `max_restarts`: by policy, without a healthy spell between (None: the policy's own). `limits`: memory in bytes, cpu
    in CPUs, tasks, each if it is limited. A `stdin` of "-" is what this process can read from its own, kept in a file,
    and so are bytes; with `input` it stays open instead (see control.send_input). With `tty` it is a terminal, of so
    many rows and columns at first (`size`), and what is sent is typed. `prompted`: of an agent of a kind, whose command
    is a session's host. `around`: what is done before and after its runs. `budget`, `caps`: of it with all below it,
    see swarm_store.trees. `agent_id` is a new one where the caller has not chosen (see new_id). `caller`: the
    environment that it begins with, and that says whose agent it is; by default this process's own. Raises CannotStart
    (126, 127), WrongUsage, TooDeep.
    """
    if input and stdin is not None:
        raise WrongUsage("--input excludes --stdin", "send the file: swarmctl send AGENT --close - < FILE")
    if tty and (input or stdin is not None):
        raise WrongUsage("--tty excludes --stdin and --input", "a terminal takes what is typed, and what is sent")
    if tty and prompted is not None:
        raise WrongUsage("--tty is for commands", "an AI agent has no terminal: swarmctl attach shows its conversation")
    caller = os.environ if caller is None else caller
    agent_id = agent_id or new_id()
    directory = _directory(cwd)
    parent, depth = tree.agent_of(caller), _depth(caller)
    own = {"SWARM_HOME": home.path, "SWARM_AGENT_ID": agent_id, "SWARM_DEPTH": str(depth)}
    own |= {"SWARM_AGENT_NAME": name or "", "SWARM_PARENT_ID": parent or ""}
    spec = make_spec(
        list(command),
        cwd=directory,
        env={**(_on_terminal(caller) if tty else caller), **(env or {}), **own},
        umask=_umask(),
        stdin=None if stdin == "-" or isinstance(stdin, bytes) else stdin,
        timeout=timeout,
        grace=grace,
        silence=silence,
        on_silence=on_silence,
        limits=limits,
        input=input or tty,
        tty=tty,
        size=size or SIZE,
    )
    if stdin == "-" or isinstance(stdin, bytes):
        spec["stdin"] = _keep_stdin(home, agent_id, _read_stdin() if isinstance(stdin, str) else [stdin])
    known: dict[str, Any] = {"name": name, "labels": labels or {}, "parent": parent, "depth": depth}
    known |= {"restart": restart, "max_restarts": max_restarts, "host": os.uname().nodename, "spawner": myself()}
    known |= {"budget": budget, "caps": caps}
    if around is not None:
        known |= around.known
        spec |= around.spec
    shown = {key: spec[key] for key in SHOWN}
    if prompted is not None:
        spec["session"] = prompted.session
        shown |= prompted.shown()
    spawned = events.agent_spawned(agent_id, **known, **shown, run=1)
    turns = [prompted.turn(agent_id)] if prompted is not None else []
    return Request(agent_id, spawned, {**spec, "agent": spawned.data}, turns)


def _on_terminal(caller: Mapping[str, str]) -> dict[str, str]:
    """The environment for another terminal than the caller's, which has a name and a size of its own."""
    around = {name: value for name, value in caller.items() if name not in ("LINES", "COLUMNS")}
    return around if around.get("TERM", "dumb") not in ("", "dumb") else {**around, "TERM": TERMINAL}


def _directory(cwd: str | None) -> str:
    try:
        return os.path.abspath(cwd if cwd is not None else os.getcwd())
    except FileNotFoundError:
        raise WrongUsage("the current directory has been deleted", "name another with --cwd") from None


def _read_stdin() -> Iterator[bytes]:
    """What this process's standard input has."""
    while block := os.read(0, 1 << 20):
        yield block


def _keep_stdin(home: Home, agent_id: str, blocks: Iterable[bytes]) -> str:
    """Put what is to be its standard input into the agent's directory, where its runs can read it."""
    home.prepare()
    path = os.path.join(home.agent(agent_id), "stdin")
    os.makedirs(home.agent(agent_id), mode=0o700)
    try:
        with open(path, "wb") as kept:
            for block in blocks:
                kept.write(block)
    except OSError as error:
        shutil.rmtree(home.agent(agent_id), ignore_errors=True)
        raise SwarmError(f"cannot keep the standard input in {path}: {error.strerror}", "make room") from error
    return path


def _depth(caller: Mapping[str, str]) -> int:
    """How deep an agent is whose parent says so; of one that the log has, the log says it: see _placed."""
    depth = _number(caller, "SWARM_DEPTH", -1) + 1
    _check_depth(depth, caller)
    return depth


def _check_depth(depth: int, around: Mapping[str, str]) -> None:
    most = _number(around, "SWARM_MAX_DEPTH", MAX_DEPTH)
    if depth > most:
        raise TooDeep(
            f"agents have spawned agents {depth} deep, and {most} is the most",
            "raise SWARM_MAX_DEPTH if that is meant",
        )


def _number(around: Mapping[str, str], name: str, by_default: int) -> int:
    try:
        return int(around.get(name, by_default))
    except ValueError:
        return by_default


def _placed(log: Log, wish: Request) -> Request:
    """The request with the depth that the log's parent gives it, whatever the parent said. Raises TooDeep."""
    parent = registry.get(log, wish.event.data["parent"]) if wish.event.data["parent"] else None
    if parent is None:
        return wish
    known = {**wish.event.data, "depth": parent["depth"] + 1}
    around = {**wish.spec["env"], "SWARM_DEPTH": str(known["depth"])}
    _check_depth(known["depth"], around)
    return wish._replace(event=wish.event._replace(data=known), spec={**wish.spec, "env": around, "agent": known})


def _umask() -> int:
    """This process's, without changing it for a moment: another thread may be making a file."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        return next(int(line[6:], 8) for line in status if line.startswith("Umask:"))


def spawn(
    log: Log, requests: Sequence[Request], once: Once | None = None
) -> Iterator[tuple[str, dict[str, Any] | CannotStart]]:
    """Register all `requests` in one transaction, then launch their daemons, a few at a time.

    Gives each agent's id with the identities of daemon and child, or with why it could not start, as outcomes come.
    Raises NameTaken, TooDeep, TreeRefused, and nothing is spawned then; likewise OffsetConflict where what is to happen
    `once` has happened.
    """
    try:
        requests = [_placed(log, wish) for wish in requests]
        _prepare(log.home, requests)
        turns = [turn for wish in requests for turn in wish.turns]
        registry.publish(log, *(wish.event for wish in requests), once=once, sent=turns)
    except BaseException:
        discard(log.home, requests)
        raise
    waiting = list(reversed(requests))
    try:
        yield from _launch(log, waiting)
    finally:  # whoever spawns may be interrupted: what was not launched by then never will be
        for wish in waiting:
            start_failed(log, wish.agent_id, 1, CannotStart("it was never launched: the spawner was interrupted"))


def _prepare(home: Home, requests: Sequence[Request]) -> None:
    """Write down what each is started from. Raises LogUnusable where that is impossible."""
    try:
        for wish in requests:
            Run(home, wish.agent_id, 1).prepare(wish.spec)
    except OSError as error:
        why = "no space is left in" if error.errno in (errno.ENOSPC, errno.EDQUOT) else f"{error.strerror}:"
        raise LogUnusable(f"{why} the state directory {home.path}", "nothing was spawned; make room") from error


def discard(home: Home, requests: Sequence[Request]) -> None:
    """Remove what requests that will not be registered have left in the state directory."""
    for wish in requests:
        if wish.event.data.get("worktree"):
            from .worktrees import undo  # what few need

            undo(wish.event.data["worktree"])
        shutil.rmtree(home.agent(wish.agent_id), ignore_errors=True)


def _launch(log: Log, waiting: list[Request]) -> Iterator[tuple[str, dict[str, Any] | CannotStart]]:
    """Launch from the end of `waiting`, until it is empty."""
    under_way: dict[int, Launch] = {}
    at_once = 2 * (os.cpu_count() or 1)
    while waiting or under_way:
        while waiting and len(under_way) < at_once:
            wish = waiting.pop()
            try:
                launch = Launch(log.home, wish.agent_id, 1)
                under_way[launch.file] = launch
            except CannotStart as error:
                yield wish.agent_id, start_failed(log, wish.agent_id, 1, error)
        yield from _outcomes(log, under_way)


def _outcomes(log: Log, under_way: dict[int, Launch]) -> Iterator[tuple[str, dict[str, Any] | CannotStart]]:
    poll = select.poll()
    for file in under_way:
        poll.register(file, select.POLLIN)
    ready = [file for file, _ in poll.poll(HANDSHAKE_SECONDS * 1000)] if under_way else []
    for file in ready or list(under_way):
        launch = under_way.pop(file)
        try:
            yield launch.agent_id, launch.wait() if ready else launch.wait(0)
        except CannotStart as error:
            yield launch.agent_id, start_failed(log, launch.agent_id, launch.number, error, launch)


def start_failed(log: Log, agent_id: str, number: int, error: CannotStart, launch: Launch | None = None) -> CannotStart:
    """Record a start that failed before its daemon could record it itself; where it has, its word stands.

    That the run has another daemon is no failure of the run: whoever launched it died, and somebody else did as well.
    """
    if error.exit_code == NotPossible.exit_code:
        return error
    failed = events.agent_start_failed(
        agent_id, number, outcome=lifecycle.FAILED, exit_code=error.exit_code, reason=error.message
    )
    try:
        registry.publish(log, failed)
    except IllegalTransition:
        return error
    if launch is not None:
        launch.abandon()  # and a daemon that comes late finds that its run is over
    run = Run(log.home, agent_id, number)
    shutil.rmtree(run.path, ignore_errors=True)
    _follow(run)
    return error


def _follow(run: Run) -> None:
    """Have done what follows the end of a run that has had no daemon to see to it."""
    try:
        spec = run.spec()
    except CannotStart:
        return
    if spec["after"]:
        from .aftermath import follow  # what few need

        follow(run, spec)


def new_run(log: Log, agent: Agent, *, reason: str, restarts: int = 0) -> events.Event:
    """The event that registers the next run of an ended agent. NotPossible where nothing is left to start it from."""
    number: int = agent["run"] + 1
    if not os.path.exists(Run(log.home, agent["id"], number).spec_path):
        raise NotPossible(f"nothing is left to start agent {agent['id']} from: its directory is gone", "spawn it anew")
    return events.agent_restarted(agent["id"], run=number, reason=reason, restarts=restarts, spawner=myself())


def open_run(log: Log, agent: Agent, *, reason: str, restarts: int = 0) -> int:
    """Register a new run of an ended agent, and return its number; it is launched like any other (see Launch).

    Raises NotPossible where it has not ended (any more), has been removed, or nothing is left to start it from, NoRoom
    where its tree is full, and NameTaken where another has its name by now.
    """
    opened = new_run(log, agent, reason=reason, restarts=restarts)
    registry.publish(log, opened)
    return int(opened.data["run"])


def end_left(log: Log, agent: Agent) -> None:
    """End what an ended agent's last run has left running: nobody looks for it any more once another has begun."""
    if not agent["left"]:
        return
    from .ending import Ending  # what spawning need not load
    from .signals import signal

    run = Run(log.home, agent["id"], agent["run"])
    count = len(tree.members(run, None, None))
    ending = Ending(run, None, None, reason="sweep", signum=signal.SIGTERM, grace=DEFAULT_GRACE)
    ending.begin()
    ending.advance()
    while not ending.is_done:
        poll = select.poll()
        for file in ending.files():
            poll.register(file, select.POLLIN)
        poll.poll(ending.due_in() * 1000)
        ending.advance()
    registry.publish(log, events.agent_swept(agent["id"], agent["run"], processes=count))


def restart(log: Log, agent: Agent, *, reason: str = "request") -> dict[str, Any]:
    """Start an ended agent again, as a new run; the identities of daemon and child. Raises as open_run, CannotStart."""
    end_left(log, agent)
    try:
        number = open_run(log, agent, reason=reason)
    except IllegalTransition:
        raise NotPossible(
            f"somebody else has just restarted agent {agent['id']}", "swarmctl show says how it is"
        ) from None
    return launch_run(log, agent["id"], number)


def launch_run(log: Log, agent_id: str, number: int) -> dict[str, Any]:
    """Launch a run that this process has opened; the identities of daemon and child. Raises CannotStart."""
    launch = None
    try:
        launch = Launch(log.home, agent_id, number)
        return launch.wait()
    except CannotStart as error:
        raise start_failed(log, agent_id, number, error, launch) from None
