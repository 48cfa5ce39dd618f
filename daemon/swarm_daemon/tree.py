"""All processes of a run: what descends from its keeper and its daemon, wherever it has run to.

Both are subreapers: a descendant that loses its parent, by setsid and a double fork say, becomes the child of one of
them. Where the keeper is gone, processes are also found by the run's mark in their environment. An agent's tree ends
where another agent's begins: agents that an agent has spawned are their own.
"""

from __future__ import annotations

import os

from .process import Identity, identify, is_alive, stat_fields

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from swarm_store.home import Home

    from .run import Run

MARK = "SWARM_RUN"  # in every child's environment: <agent id>.<run>
DAEMON_MARK = "SWARM_DAEMON"  # in every daemon's and keeper's: of which run it is
_FLAGS, _PF_EXITING = 6, 0x4  # in /proc/<pid>/stat, counted from the state: see proc(5)


def members(run: Run, keeper: Identity | None, child: Identity | None) -> list[Identity]:
    """The living processes of `run`, without its keeper and daemons.

    Walked twice: one that loses its parent during a walk may be missed by it, and is found by the next.
    """
    found = [*_walk(run, keeper, child), *_walk(run, keeper, child)]
    return [one for one in dict.fromkeys(found) if is_alive(one) and not _is_exiting(one.pid)]


def _walk(run: Run, keeper: Identity | None, child: Identity | None) -> list[Identity]:
    if keeper is not None and is_alive(keeper):
        return _descendants(keeper.pid, run.mark)
    found = [*_descendants(os.getpid(), run.mark), *marked(run.home).get(run.mark, [])]
    if child is not None and is_alive(child):
        found += [child, *_descendants(child.pid, run.mark)]
    return found


def _is_exiting(pid: int) -> bool:
    """Whether a process is past its last act: its memory is gone, and its environment with whose it was."""
    fields = stat_fields(pid)
    return fields is None or bool(int(fields[_FLAGS]) & _PF_EXITING)


def is_daemon(who: Identity | None) -> bool:
    """Whether the process is a daemon, a keeper, or a child that has not been executed yet."""
    return who is not None and DAEMON_MARK in environment(who.pid)


def _descendants(pid: int, mark: str) -> list[Identity]:
    found: list[Identity] = []
    for child in children(pid):
        around = environment(child)
        if child == os.getpid() and DAEMON_MARK not in around:
            continue  # an agent that cancels itself is not ended by its own hand before it is done
        if around.get(DAEMON_MARK, mark) != mark or around.get(MARK, mark) != mark:
            continue  # another run's; what cannot be read is a descendant of ours, so it is ours
        who = identify(child)
        if who is not None:
            found += [] if DAEMON_MARK in around else [who]
            found += _descendants(child, mark)
    return found


def children(pid: int) -> list[int]:
    """The PIDs of the children of `pid`, zombies too."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                found += [int(word) for word in file.read().split()]
    except FileNotFoundError:
        return found if os.path.exists("/proc/thread-self/children") else _children_by_psutil(pid)
    except OSError:
        pass
    return found


def _children_by_psutil(pid: int) -> list[int]:
    """For kernels without CONFIG_PROC_CHILDREN."""
    try:
        import psutil
    except ImportError:  # a daemon has no site packages: what it cannot find so, it finds by its mark
        return []
    try:
        return [child.pid for child in psutil.Process(pid).children()]
    except psutil.Error:
        return []


def environment(pid: int) -> dict[str, str]:
    """The environment that a process was started with; empty where it cannot be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = file.read().decode("utf-8", "surrogateescape").split("\0")
    except OSError:
        return {}
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}


def agent_of(environment: Mapping[str, str]) -> str | None:
    """The agent whose process has this environment, by what it says, else by the run's mark; None where it is none's.

    Who hides both is nobody's: this keeps in order, and is no wall.
    """
    return environment.get("SWARM_AGENT_ID") or environment.get(MARK, "").rpartition(".")[0] or None


def marked(home: Home) -> dict[str, list[Identity]]:
    """All processes that carry a mark of a run of `home`, daemons and keepers apart: by mark. Reads all of /proc.

    Of this state directory alone: an agent that was exported, or a whole copy of the log, has the same ids elsewhere.
    """
    found: dict[str, list[Identity]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            around = environment(int(name))
            if MARK in around and DAEMON_MARK not in around and around.get("SWARM_HOME") == home.path:
                who = identify(int(name))
                found.setdefault(around[MARK], []).extend([who] if who else [])
    return found
