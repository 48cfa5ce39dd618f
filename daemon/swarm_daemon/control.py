"""What others ask of agents: to be cancelled, to be signalled, to read what is sent, to be forgotten.

Asking goes through the agent's inbox in the log, so that no request is lost with whoever makes it. Where the daemon is
provably dead, cancel takes its place: this process adopts the run and ends it, with its output and its exit status.
"""

from __future__ import annotations

import os
import shutil
from threading import Thread

from swarm_store import events, lifecycle, registry
from swarm_store.clock import now
from swarm_store.errors import IllegalTransition, NoSuchAgent, NotPossible
from swarm_store.log import Log
from swarm_store.retention import expired

from .process import boot_id, from_data, is_alive
from .run import Run
from .signalling import send_agent
from .signals import name_of, number_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from swarm_store.fold import Agent
    from swarm_store.home import Home
    from swarm_store.retention import Policy
    from swarm_store.transaction import Producer

INPUT_CHUNK = 64 * 1024  # bytes in a record


def ask_cancel(log: Log, agent: Agent, *, signal: str = "TERM", grace: float | None = None) -> None:
    """Ask the agent's daemon to end it: `signal`, then KILL after `grace` seconds. NotPossible where it has ended."""
    _check_live(agent)
    name = name_of(number_of(signal))
    _ask(log, agent, events.cancel_requested(agent["id"], agent["run"], signal=name, grace=grace))


def ask_signal(log: Log, agent: Agent, signal: str) -> None:
    """Have a signal sent to the agent's process group, by its daemon or, where that is dead, at once."""
    _check_live(agent)
    signum = number_of(signal)
    if may_have_daemon(log.home, agent):
        _ask(log, agent, events.signal_requested(agent["id"], agent["run"], signal=name_of(signum)))
    elif send_agent(log, from_data(agent["child"]), signum, tty=bool(agent["tty"])):
        sent = events.agent_signalled(agent["id"], agent["run"], signal=name_of(signum), reason="request")
        registry.publish(log, sent)
    else:
        raise NotPossible(f"agent {agent['id']} has no process that could be signalled")


def send_input(log: Log, agent: Agent, data: bytes, *, close: bool = False, producer: Producer | None = None) -> None:
    """Have the child of the agent's run, as `agent` has it, read `data`; with `close` its input ends after that.

    It is on disk when this returns. `producer` makes it idempotent: what is sent again with a sequence that was there
    is taken as done, whatever has become of the agent. Raises NotPossible where the run is over, takes no input, or
    where that is closed, and NoSuchAgent.
    """
    run, inbox = agent["run"], events.inbox_stream(agent["id"])
    sent = [events.input_sent(agent["id"], run, data[at : at + INPUT_CHUNK]) for at in range(0, len(data), INPUT_CHUNK)]
    if close:
        sent.append(events.input_closed(agent["id"], run))
    with log.transaction(durable=True) as transaction:
        appended = transaction.append(inbox, sent, producer=producer)
        if not appended.duplicate:  # of those that raise here, nothing is written
            _check_takes_input(transaction.agent(agent["id"]), agent)
            last = log.read(
                inbox, types=events.INPUT_TYPES, until=appended.first, limit=1, backwards=True, payloads=False
            )
            if last and last[0].type == events.INPUT_CLOSED and last[0].data["run"] == run:
                raise NotPossible(f"the input of agent {agent['id']} is closed", "a new run has a new one")


def _check_takes_input(found: Agent | None, agent: Agent) -> None:
    if found is None:
        raise registry.no_such(agent["id"])
    _check_live(found)
    if not found.get("input"):
        raise NotPossible(f"agent {agent['id']} takes no input", "spawn it with --input")
    if found["run"] != agent["run"]:
        raise NotPossible(f"agent {agent['id']} has been restarted meanwhile", "send it to the new run")


def _ask(log: Log, agent: Agent, wish: events.Event) -> None:
    log.append(events.inbox_stream(agent["id"]), [wish], durable=True)


def _check_live(agent: Agent) -> None:
    if agent["state"] in lifecycle.TERMINAL:
        raise NotPossible(f"agent {agent['id']} has ended: it is {agent['state']}")


def may_have_daemon(home: Home, agent: Agent) -> bool:
    """Whether the agent's run has a living daemon, or one that may just be being started."""
    if agent["state"] == lifecycle.SPAWNED and is_alive(from_data(agent["spawner"])):
        return True
    return Run(home, agent["id"], agent["run"]).has_daemon()


def is_ours(agent: Agent) -> bool:
    """Whether this machine can tell anything about it: it was started here, whenever, or in this boot.

    A boot has a random id that no other machine has; a container that is made anew has another name in the same boot.
    """
    known = [agent[who]["boot"] for who in ("child", "spawner") if agent[who]]
    return agent["host"] == os.uname().nodename or boot_id() in known


def has_lost_daemon(home: Home, agent: Agent) -> bool:
    """Whether a living agent's daemon is provably dead; what is another host's cannot be proved here."""
    return agent["state"] in lifecycle.LIVE and is_ours(agent) and not may_have_daemon(home, agent)


def end_without_daemon(log: Log, agent: Agent) -> None:
    """Be the daemon of a run whose own is dead, until it has ended; what the inbox asks is done, cancel above all.

    Where another successor is faster, it does it.
    """
    if may_have_daemon(log.home, agent):
        return
    if agent["state"] == lifecycle.SPAWNED and _end_unstarted(log, agent):
        return
    from . import begin  # the whole daemon: only here is it needed

    try:
        daemon = begin.adopt(log.home, agent["id"])
    except NotPossible:
        return
    if daemon is not None:
        daemon.follow_to_end()


def _end_unstarted(log: Log, agent: Agent) -> bool:
    """Record the end of a run that nobody has started; whether that is so, or somebody was faster."""
    why = "its daemon was never started"
    ended = events.agent_start_failed(
        agent["id"], agent["run"], outcome=lifecycle.CANCELLED, exit_code=None, reason=why
    )
    try:
        with Log(log.home) as own:  # this may be a thread beside others
            registry.publish(own, ended)
    except IllegalTransition:
        return False
    return True


def end_all_without_daemon(log: Log, agents: list[Agent]) -> None:
    """end_without_daemon for each of `agents`, side by side: no grace period waits for another's."""
    orphans = [agent for agent in agents if not may_have_daemon(log.home, agent)]
    threads = [Thread(target=end_without_daemon, args=(log, agent)) for agent in orphans[1:]]
    for thread in threads:
        thread.start()
    if orphans:
        end_without_daemon(log, orphans[0])
    for thread in threads:
        thread.join()


def have_ended_without_daemon(log: Log, agents: list[Agent]) -> None:
    """As end_all_without_daemon, but by successors that are launched for it, and without waiting."""
    from . import launch

    orphans = [agent for agent in agents if not may_have_daemon(log.home, agent)]
    orphans = [one for one in orphans if one["state"] != lifecycle.SPAWNED or not _end_unstarted(log, one)]
    if orphans:
        launch.adopt(log.home, [agent["id"] for agent in orphans], each=True)


def was_to_be_cancelled(log: Log, agent: Agent) -> bool:
    """Whether somebody asked for the end of the agent's latest run, however that then ended."""
    asked = log.read(
        events.inbox_stream(agent["id"]), types=[events.CANCEL_REQUESTED], run=agent["run"], limit=1, payloads=False
    )
    return bool(asked)


def withdraw_restart(log: Log, agent: Agent) -> None:
    """Have an ended agent not restarted by its policy. Raises NotPossible where it has been by now."""
    registry.publish(log, events.agent_restart_withdrawn(agent["id"], agent["run"]))


def forget(log: Log, agent: Agent) -> None:
    """Delete an ended agent: its streams, its files, its worktree if nothing is only there.

    Raises NotPossible where it lives, where a budget or a cap needs it, or somebody works in its worktree.
    """
    registry.check_removal(log, agent)
    if agent["worktree"]:
        from . import worktrees  # what few removals need

        worktrees.forget(log, agent)
    registry.remove(log, agent)
    shutil.rmtree(log.home.agent(agent["id"]), ignore_errors=True)


def prune(log: Log, policy: Policy, *, chosen: Callable[[Agent], bool] | None = None) -> Iterator[Agent]:
    """Forget what `policy` says, an agent a step, and each as it is done; whoever asks for no more stops it.

    `chosen` narrows the choice. What an earlier removal that was killed has left is deleted first. The log's free pages
    stay in its file until Log.give_back.
    """
    finish_removals(log)
    agents = registry.agents(log, ended=True)
    for agent in expired(filter(chosen, agents), now(), policy, used=log.used_bytes()):
        if not may_be_pruned(log, agent):
            continue
        try:
            forget(log, agent)
        except (NotPossible, NoSuchAgent):
            continue  # restarted, or removed by somebody else, in between
        yield agent


def may_be_pruned(log: Log, agent: Agent) -> bool:
    """Whether a policy may forget an ended agent: no budget or cap needs it, nobody works in its worktree, and nobody
    wants more of it.

    Turns that wait, and questions that can still be answered, are somebody's: who wants it gone says so by its name.
    """
    try:
        registry.check_removal(log, agent)
    except NotPossible:
        return False
    if agent["worktree"]:
        from . import keeping  # what few removals need

        if keeping.why_used(log, agent) is not None:
            return False
    if agent["kind"] is None:
        return True
    from swarm_store import sessions  # what a swarm of plain commands need not load

    return not sessions.is_wanted(log, agent["id"])


def finish_removals(log: Log) -> list[str]:
    """Delete what agents that were forgotten have left, because whoever did that was killed; their ids."""
    try:
        there = os.listdir(log.home.agents)
    except OSError:
        there = []
    left = {*registry.half_removed(log), *(one for one in there if registry.was_removed(log, one))}
    for agent_id in sorted(left):
        registry.delete_streams(log, agent_id)
        shutil.rmtree(log.home.agent(agent_id), ignore_errors=True)
    return sorted(left)
