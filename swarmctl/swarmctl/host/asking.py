"""Approvals that a run asks for: into the log, until somebody answers there, and back to whoever asked.

The first answer counts: a person's, a program's, the timeout's; it comes through the inbox, as to any other reader.
An approval is delivered when whoever asked has it. One whose asker is gone is void, but for what was deferred.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from swarm_daemon.spawn import new_id
from swarm_store import approvals, session_events, sessions
from swarm_store.clock import SECOND, microseconds, now, rfc3339
from swarm_store.errors import NoSuchApproval
from swarm_store.events import Event
from swarm_store.log import Log

from . import decide
from .driver import Interrupted
from .facts import Answer, Permission
from .publisher import Publisher
from .rules import Verdict
from .said import requested
from .waiting import Waiting

LOOK_SECONDS = 60.0  # between two looks whether the log still knows what is asked
DIED, INTERRUPTED = "whoever asked has died", "the turn was interrupted"


class Asked:
    """One approval that somebody waits for, as `event` has asked for it."""

    def __init__(self, approval: str, until: str | None, event: Event, *, deferred: bool) -> None:
        self.id, self.until, self.event, self.deferred = approval, until, event, deferred
        self.answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def resolve(self, data: dict[str, Any] | BaseException) -> None:
        """Tell whoever waits, once."""
        if self.answer.done():
            return
        if isinstance(data, BaseException):
            self.answer.set_exception(data)
            self.answer.exception()  # seen, if nobody waits any more
        else:
            self.answer.set_result(data)


class Asking:
    """The approvals of one run. `timeout`: seconds after which nobody's answer is a denial."""

    def __init__(self, publisher: Publisher, agent_id: str, run: int, timeout: float | None) -> None:
        self._publisher, self._agent_id, self._run, self._timeout = publisher, agent_id, run, timeout
        self._waiting = Waiting(publisher, agent_id, run)
        self._asked: dict[str, Asked] = {}
        self._is_shown = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def decided(self, turn: int | None, wish: Permission, verdict: Verdict, approval: str | None) -> Answer:
        """Record what nobody needs to be asked, of an approval that is there already or not."""
        happened = []
        if approval is None:
            approval = new_id()
            happened = [requested(self._agent_id, self._run, turn, approval, wish, None)]
        where = (self._agent_id, self._run, approval)
        why = f"denied by the {verdict.by} {verdict.rule}"
        if verdict.granted:
            happened.append(session_events.approval_granted(*where, by=verdict.by, rule=verdict.rule))
        else:
            happened.append(session_events.approval_denied(*where, by=verdict.by, rule=verdict.rule, message=why))
        happened.append(session_events.approval_delivered(*where))
        await self._publisher.say(*happened, durable=True)
        option = decide.option(wish.options, verdict.granted)
        return Answer(verdict.granted, message=None if verdict.granted else why, option=option)

    async def ask(self, turn: int | None, wish: Permission) -> tuple[str, Answer]:
        """Ask, and wait for the answer: the approval's id, and what was answered. Raises Interrupted."""
        until = None if self._timeout is None else rfc3339(now() + int(self._timeout * SECOND))
        approval = new_id()
        event = requested(self._agent_id, self._run, turn, approval, wish, until)
        asked = self._asked[approval] = Asked(approval, until, event, deferred=wish.deferred)
        try:
            await self._publisher.say(event, durable=True)
        except BaseException:
            del self._asked[approval]
            raise
        return approval, await self._wait(asked, wish)

    async def ask_again(self, wish: Permission, before: dict[str, Any]) -> tuple[str, Answer]:
        """As `ask`, of an approval that an earlier run has asked for and deferred."""
        event = requested(self._agent_id, before["run"], before["turn"], before["id"], wish, before["until"])
        asked = self._asked[before["id"]] = Asked(before["id"], before["until"], event, deferred=True)
        self._take(asked, await self._publisher.do(lambda log: self._look(log, asked)))  # answered before we listened
        return asked.id, await self._wait(asked, wish)

    async def _wait(self, asked: Asked, wish: Permission) -> Answer:
        await self._show()
        await self._waiting.tell("approval", asked.id)
        try:
            data = await self._answer(asked)
        except Interrupted:
            if self._asked.pop(asked.id, None):  # `end` has not been faster
                await self._void([asked.id], INTERRUPTED)
            raise
        except asyncio.CancelledError:
            if self._asked.pop(asked.id, None) and not asked.deferred:
                self._soon(self._void([asked.id], DIED))
            raise
        finally:
            self._asked.pop(asked.id, None)
            self._soon(self._show())
        if not asked.deferred:
            self._soon(self.deliver(asked.id))
        granted = bool(data["granted"])
        told = {key: data.get(key) for key in ("input", "message")}
        return Answer(granted, bool(data.get("always")), **told, option=decide.option(wish.options, granted))

    async def _answer(self, asked: Asked) -> dict[str, Any]:
        until = None if asked.until is None else microseconds(asked.until)
        while not asked.answer.done():
            left = LOOK_SECONDS if until is None else max(0.0, (until - now()) / SECOND)
            await asyncio.wait([asked.answer], timeout=min(left, LOOK_SECONDS))
            if until is not None and now() >= until and not asked.answer.done():
                await self._deny_for_time(asked)
                break
            if not asked.answer.done():
                self._take(asked, await self._publisher.do(lambda log: self._look(log, asked)))
        return await asked.answer

    def _look(self, log: Log, asked: Asked) -> dict[str, Any] | None:
        """What the log has of it; one that knows nothing of it, an older copy or a recovered one, is told."""
        try:
            return approvals.resolve(log, asked.id)
        except NoSuchApproval:
            sessions.say(log, self._agent_id, asked.event, durable=True)
            return None

    def _take(self, asked: Asked, known: dict[str, Any] | None) -> None:
        """Take the answer that an approval has in the log, if it has."""
        if known is not None and known["state"] in ("granted", "denied"):
            kept = {key: known[key] for key in ("always", "message")}
            asked.resolve({"granted": known["state"] == "granted", "input": known["answer_input"], **kept})

    async def _deny_for_time(self, asked: Asked) -> None:
        """Be the one who answers, unless somebody was faster; either comes through the inbox."""

        def deny(log: Log) -> dict[str, Any] | None:
            try:
                approvals.deny_late(log, asked.id)
            except NoSuchApproval:  # another log is there now, and nobody can answer it
                return {"granted": False, "message": approvals.LATE}
            return None

        unknown = await self._publisher.do(deny)
        if unknown is not None:
            asked.resolve(unknown)

    def answered(self, data: dict[str, Any]) -> None:
        """Somebody has answered an approval."""
        if data["approval"] in self._asked:
            self._asked[data["approval"]].resolve(data)

    def interrupt(self) -> None:
        """Whoever asks is answered no more."""
        for asked in list(self._asked.values()):
            asked.resolve(Interrupted())

    async def end(self) -> None:
        """Whoever asked is gone: void what is still asked for, and write down what else there is to say."""
        gone = [asked.id for asked in self._asked.values() if not asked.deferred]
        self._asked.clear()
        if gone:
            await self._void(gone, DIED)
        await self._show()
        while self._tasks:
            await asyncio.wait(set(self._tasks))

    async def deliver(self, approval: str) -> None:
        """Say that whoever asked has the answer, after a moment in which it can pass it on."""
        for _ in range(3):
            await asyncio.sleep(0)
        await self._publisher.say(session_events.approval_delivered(self._agent_id, self._run, approval), durable=True)

    def delivered_soon(self, approval: str) -> None:
        """As `deliver`, beside what goes on."""
        self._soon(self.deliver(approval))

    async def _void(self, ids: list[str], reason: str) -> None:
        happened = [session_events.approval_voided(self._agent_id, self._run, one, reason=reason) for one in ids]
        await self._publisher.say(*happened, durable=True)

    async def _show(self) -> None:
        """Say in the registry whether the agent waits for an answer, and until when at most."""
        waits = bool(self._asked)
        if waits == self._is_shown:
            return
        self._is_shown = waits
        if waits:
            until = min((asked.until for asked in self._asked.values() if asked.until), default=None)
            await self._waiting.begin("approval", until)
        else:
            await self._waiting.end()

    def _soon(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
