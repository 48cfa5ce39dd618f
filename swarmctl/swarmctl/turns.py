"""Turns and sessions as people ask for them: what became of a turn, how a session stands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from swarm_daemon import conversing
from swarm_store import approvals, events, lifecycle, registry, sessions
from swarm_store import session_events as said
from swarm_store.conversation import Approval, Session, wants_run
from swarm_store.errors import SwarmError
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.follow import follow
from swarm_store.log import Log
from swarm_supervisor import singleton

from . import asking, home, spending
from .conversation import one_line

_TYPES = (said.TURN_COMPLETED, said.MESSAGE, said.TOOL_CALLED, said.APPROVAL_REQUESTED, *lifecycle.TRANSITIONS)


class Answer:
    """What an agent says in one turn, and how that ends. Pure: fed with what its stream has."""

    def __init__(self, turn: int) -> None:
        self.turn = turn
        self.ended: dict[str, Any] | None = None
        self._texts: list[str] = []
        self._is_after_tool = False

    def feed(self, record: Record) -> None:
        if record.data.get("turn") != self.turn or self.ended is not None:
            return
        if record.type == said.TOOL_CALLED:
            self._is_after_tool = True
        elif record.type == said.MESSAGE and record.data["role"] == "assistant":
            self._texts = [*([] if self._is_after_tool else self._texts), record.data["text"]]
            self._is_after_tool = False
        elif record.type == said.TURN_COMPLETED:
            kept = ("run", "turn", "outcome", "stop_reason", "reason", "denials", "seconds")
            self.ended = {key: record.data.get(key) for key in kept} | {"text": self.text}

    @property
    def text(self) -> str:
        """The last that the agent has said: after its last use of a tool, or before it where nothing came after."""
        return "\n\n".join(self._texts)


class Sending:
    """Turns for agents of this machine; remote.session.Session sends them to others."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def send_turn(self, agent: Agent, text: str, *, by: str) -> tuple[int, int]:
        """Send a turn; its name, and a place in what the agent says before which nothing of it is."""
        start = self._log.head(events.agent_stream(agent["id"]))
        return conversing.send_turn(self._log, agent, text, by=by), start

    def answered(
        self, agent: Agent, turn: int, start: int, *, timeout: float | None
    ) -> Iterator[Approval | dict[str, Any]]:
        """What became of a turn, see `followed`."""
        return followed(home.patiently(self._log), agent["id"], turn, start=start, timeout=timeout)


def followed(
    log: Log, agent_id: str, turn: int, *, start: int = 0, timeout: float | None = None
) -> Iterator[Approval | dict[str, Any]]:
    """What a turn waits for, as it is asked: approvals; at last how it has ended, with its `outcome` and `text`.

    `start`: an offset of the agent's stream before which nothing of the turn is. It ends without an outcome after
    `timeout` seconds. Raises SwarmError where the agent has ended and nobody goes on with the turn, NoSuchAgent.
    """
    answer, stream = Answer(turn), events.agent_stream(agent_id)
    starts = {stream: start, events.REGISTRY: log.head(events.REGISTRY)}
    deadline = None if timeout is None else time.monotonic() + timeout
    for page in follow(log, starts, types=_TYPES, deadline=deadline):
        for record in page if page and page[0].stream == stream else ():
            answer.feed(record)
            if answer.ended is not None:
                yield answer.ended
                return
            if record.type == said.APPROVAL_REQUESTED:
                yield from (
                    one for one in approvals.asked(log, agent_id=agent_id) if one["id"] == record.data["approval"]
                )
        if not page:
            _check_goes_on(log, agent_id, turn)


def _check_goes_on(log: Log, agent_id: str, turn: int) -> None:
    agent = registry.get(log, agent_id)
    if agent is None:
        raise registry.no_such(agent_id)
    check_goes_on(agent, sessions.get(log, agent_id), turn, lambda: singleton.holder(log.home) is not None)


def check_goes_on(agent: Agent, session: Session | None, turn: int, is_supervised: Callable[[], bool]) -> None:
    """Raises SwarmError where the agent has ended before the turn has, and no supervisor begins another run."""
    last = session["last"] if session else None
    if agent["state"] not in lifecycle.TERMINAL or (last and last["turn"] >= turn):
        return
    is_wanted = lifecycle.may_be_restarted(agent) or (session is not None and wants_run(session, agent))
    if not (is_wanted and is_supervised()):
        why = f": {agent['reason']}" if agent["reason"] else ""
        raise SwarmError(
            f"agent {agent['id']} is {agent['state']}{why}; its turn was not completed",
            f"the next run goes on with it: swarmctl restart {agent['id']}",
        )


def in_words(session: Session, pending: Iterable[Approval]) -> Iterator[tuple[str, str]]:
    """How a session stands, as `show` has it: what, and that."""
    known = (session["kind"], session["version"], session["model"])
    yield "session", f"{one_line(session['session'] or '-')} ({', '.join(one_line(str(one)) for one in known if one)})"
    waiting = f", {len(session['waiting'])} wait" if session["waiting"] else ""
    current = f", one under way since {session['current']['started_at']}" if session["current"] else ""
    yield "turns", f"{session['completed']} of {session['sent']} ended{current}{waiting}"
    if last := session["last"]:
        why = f": {one_line(last['reason'])}" if last["reason"] else ""
        yield "last_turn", f"{one_line(last['outcome'])} at {last['ended_at']}, after {last['seconds']:.1f} s{why}"
    if session["usage"]:
        yield "used", spending.in_words(spending.total(session["usage"].values()))
    if session["said"]:
        yield "said", one_line(session["said"])
    for one in pending:
        yield "asks", f"{one['id']}: {asking.what(one)} ({one_line(one['tool'])}); swarmctl approve {one['id']}"
