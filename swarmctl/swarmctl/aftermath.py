"""`python -m swarmctl.aftermath AGENT RUN`: what follows the end of a run. Whoever wanted to be told is told, and the
agent's worktree is removed or kept.

A short-lived process that the run's daemon starts as its last act, and the supervisor where the daemon died before.
Each thing that is done is in the agent's stream before the next; `agent:settled` is the last. Killed in between, the
next one goes on after what is recorded: somebody may be told twice, and never not at all.
`--waiting AGENT RUN FOR` is the session host's: it tells that the agent waits, if it still does.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from swarm_daemon import launch, worktrees
from swarm_daemon.run import Run
from swarm_daemon.spawn import Around
from swarm_store import approvals, events, lifecycle, registry
from swarm_store.errors import CannotStart, NotPossible, SwarmError
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.home import Home, locate
from swarm_store.log import Log

from . import notify

COMMAND = (sys.executable, "-P", "-m", "swarmctl.aftermath")
_ENDS = (events.AGENT_EXITED, events.AGENT_LOST, events.AGENT_START_FAILED)


def around(targets: Sequence[str] = (), worktree: worktrees.Worktree | None = None) -> Around | None:
    """What spawn is given for an agent of which `targets` are to be told, or that has a worktree; None for neither.

    Raises as notify.check.
    """
    notify.check(list(targets))
    if not targets and worktree is None:
        return None
    known: dict[str, Any] = {"notify": [notify.shown(one) for one in targets] or None, "worktree": worktree}
    before = None if worktree is None else list(worktrees.COMMAND)
    return Around(known, {"notify": list(targets), "after": list(COMMAND), "before": before})


def tell_waiting(log: Log, agent_id: str, run: int, what: str, approval: str | None = None) -> None:
    """Have it told, by a process of its own, that the agent waits, if anybody wants to know. Trouble raises nothing.

    Of approvals each is told, by its id: an agent may ask for several at once.
    """
    launch.reap()
    try:
        agent = registry.get(log, agent_id)
        if agent is not None and agent["notify"]:
            words = [*COMMAND, "--waiting", agent_id, str(run), what, *([approval] if approval else [])]
            launch.detached(words, launch.daemon_environment(log.home, "aftermath"))
    except (SwarmError, OSError):
        pass  # the agent goes on waiting all the same


def main(arguments: Sequence[str]) -> int:
    home = locate()
    try:
        if arguments[0] == "--waiting":
            _, agent_id, run, what, *approval = arguments
            _waiting(home, agent_id, int(run), what, *approval)
        else:
            agent_id, run = arguments
            with worktrees.alone(home, agent_id, "aftermath"):
                _ended(home, agent_id, int(run))
    except (SwarmError, OSError) as error:
        print(f"swarmctl.aftermath: {error}", file=sys.stderr)
        return 1
    return 0


def _waiting(home: Home, agent_id: str, run: int, what: str, approval: str | None = None) -> None:
    with Log(home, create=False) as log:
        agent = registry.get(log, agent_id)
        asked = [one for one in approvals.asked(log, agent_id=agent_id) if one["id"] == approval]
        is_waiting = asked if approval else agent is not None and agent["state"] == lifecycle.WAITING
        if agent is None or agent["run"] != run or not is_waiting:
            return
        spec = Run(home, agent_id, run).spec()
        news = notify.waiting(agent, what, asked[0] if asked else None)
        for number in range(len(spec.get("notify") or ())):
            _tell(log, agent, run, spec, news, number)


def _ended(home: Home, agent_id: str, run: int) -> None:
    with Log(home, create=False) as log:
        agent = registry.get(log, agent_id)
        if agent is None or run not in agent["owed"]:
            return
        try:
            spec = Run(home, agent_id, run).spec()
        except CannotStart:
            spec = {}  # nobody knows any more what was wanted
        end = [one for one in registry.history(log, agent_id) if one.type in _ENDS and one.data.get("run") == run]
        news = notify.ended(agent, end[-1]) if end else None
        if news is not None:
            told = {one.data["number"] for one in _recorded(log, agent_id, run) if one.data["on"] == news.on}
            for number in range(len(spec.get("notify") or ())):
                if number not in told:
                    _tell(log, agent, run, spec, news, number)
        if agent["worktree"]:
            worktrees.finish(log, agent_id, run)
        _settle(log, agent_id, run)


def _recorded(log: Log, agent_id: str, run: int) -> list[Record]:
    """What was told of the run."""
    stream = events.agent_stream(agent_id)
    return log.read(stream, key=agent_id, types=[events.NOTIFICATION_SENT], run=run, limit=1 << 20)


def _tell(log: Log, agent: Agent, run: int, spec: dict[str, Any], news: notify.News, number: int) -> None:
    target = spec["notify"][number]
    why_not = notify.tell(target, news, {**agent, "run": run}, spec["env"], spec["cwd"])
    said: dict[str, Any] = {"on": news.on, "number": number, "to": notify.shown(target)}
    sent = events.notification_sent(agent["id"], run, **said, ok=why_not is None, reason=why_not)
    log.append(events.agent_stream(agent["id"]), [sent], durable=True)


def _settle(log: Log, agent_id: str, run: int) -> None:
    try:
        registry.publish(log, events.agent_settled(agent_id, run))
    except NotPossible:
        pass  # it was removed meanwhile


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
