"""The host of one run: turns from the inbox to the driver, one after the other, until none waits.

Wherever it is killed, the next run goes on rightly: a turn is begun and completed in the log, and what was begun and
not completed comes again. Trouble with the log makes it wait; trouble with the agent's process ends the run.
"""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
from typing import Any

from swarm_daemon.run import Run
from swarm_store import budgets, conversation, session_events, sessions
from swarm_store.clock import SECOND, microseconds
from swarm_store.conversation import Session
from swarm_store.errors import SwarmError
from swarm_store.events import Event, Record
from swarm_store.sessions import Turn

from . import decide, finding
from .asking import Asking
from .configuring import config
from .driver import AgentDied, Driver, DriverError, Interrupted, SessionGone, SessionSpec
from .facts import Completed, Opened
from .inbox import Inbox
from .interrupting import Interrupts
from .live import Live
from .pausing import Pauses
from .publisher import Publisher
from .raw import Raw
from .room import HostRoom

CLOSE_SECONDS = 5.0  # for the agent's process, and for what is to be written; the daemon's grace bounds it too


class Host:
    """One run's host. `work` is all of it; `close` whatever has become of that."""

    def __init__(self, run: Run, spec: dict[str, Any]) -> None:
        self._run, self._id, self._number = run, run.agent_id, run.number
        self._whole, self._spec = spec, spec["session"]
        self._publisher = Publisher(run.home, run.agent_id, run.number)
        self._inbox = Inbox(self._publisher, run.home, run.agent_id)
        self._raw, self._live = Raw(1), Live(run.path)
        self._asking = Asking(self._publisher, self._id, self._number, self._spec["approval_timeout"])
        self._driver: Driver | None = None
        self._room: HostRoom | None = None
        self._opened: Opened | None = None
        self._is_used = False  # the agent's process has had a turn
        self._turn: Turn | None = None
        self._interrupts = Interrupts()
        self._pauses = Pauses(self._publisher, self._id, self._number)
        self._news = asyncio.Event()
        self._called = asyncio.Event()  # to look up from a wait for a quota

    async def work(self) -> int:
        """Take turns until none waits; the status to end with. Raises SwarmError for what a run cannot go on from."""
        await self._inbox.open()
        listening = asyncio.create_task(self._inbox.listen(self._handle))
        working = asyncio.create_task(self._work())
        try:
            await asyncio.wait([listening, working], return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                await listening  # raises what has ended it
            return await working
        finally:
            await _cancelled(listening, working)

    async def _work(self) -> int:
        await self._live.open()
        made_with = self._config(await self._session())
        room = HostRoom(made_with, self._number, self._publisher, self._raw, self._live, self._asking)
        await room.enter()
        self._room = room
        try:
            return await self._take_all(room)
        except SessionGone as error:
            await self._fail_all(room, error)
            raise
        except DriverError as error:
            await self._notice(error.message)
            raise
        finally:
            await room.end()

    async def close(self) -> None:
        """End the agent's process, write down what is left to say, and leave nothing behind."""
        if self._driver is not None:
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._driver.close()
            except Exception:  # a third party's: whatever it is, the process dies with ours
                traceback.print_exc()
        self._live.close()
        self._inbox.close()
        await self._publisher.close(CLOSE_SECONDS)
        await self._raw.flush(CLOSE_SECONDS)

    # -- turns

    async def _take_all(self, room: HostRoom) -> int:
        while True:
            self._news.clear()
            session = await self._session()
            if not conversation.is_open(session):
                if self._spec["stay"] and await self._may_not_begin() is None:
                    await self._pauses.for_turn(self._news)
                elif await self._close_session():
                    return decide.status(session["last"] and session["last"]["outcome"])
                continue
            why = await self._may_not_begin()
            if why is not None:
                await self._notice(f"no further turn is begun: {why}")
                return 1
            if self._driver is None:
                await self._open(room, session)
            turn = await self._publisher.do(lambda log: sessions.begin(log, self._id, self._number))
            if turn is not None:
                await self._take(room, turn, session)

    async def _close_session(self) -> bool:
        """Take no more turns, unless one has come. What the agent wrote is out first: whoever sends more waits."""
        await self._raw.flush(None)
        return await self._publisher.do(lambda log: sessions.close(log, self._id, self._number, "no turn waits"))

    async def _take(self, room: HostRoom, turn: Turn, session: Session) -> None:
        """One turn, to its end."""
        began = time.monotonic()
        if turn.again and session["interrupt"] == turn.turn:  # by somebody whom an earlier run did not hear
            self._interrupts.note(turn.turn)
        self._interrupts.begin(turn.turn)
        self._turn = turn
        await room.begin(turn.turn, again=turn.again)
        completed = await self._go_through(room, turn, session)
        completed = decide.ended(completed, room.denials)
        await room.complete()
        self._interrupts.end()
        self._turn = None
        await self._say_completed(turn, completed, room.denials, time.monotonic() - began)

    async def _say_completed(self, turn: Turn, completed: Completed, denials: int, seconds: float) -> None:
        ended = session_events.turn_completed(
            self._id,
            self._number,
            turn.turn,
            outcome=completed.outcome,
            stop_reason=completed.stop_reason,
            reason=completed.reason,
            denials=denials,
            seconds=round(seconds, 3),
        )
        await self._publisher.say(ended, durable=True)

    async def _go_through(self, room: HostRoom, turn: Turn, session: Session) -> Completed:
        """Prompt, and prompt again whenever a quota lets us go on, as far as that is wanted."""
        quota = session["quota"] if turn.again else None
        if quota and quota["until"] and self._spec["resume_after_quota"]:
            limited = await self._wait_for_quota(microseconds(quota["until"]) / SECOND)
            if limited is not None:
                return limited
        assert self._opened is not None
        alike = await self._publisher.do(lambda log: sessions.alike(log, self._id, turn)) if turn.again else 0
        text = decide.prompt(turn.text, again=turn.again, heard=self._opened.heard, alike=alike)
        tried = 0
        while not self._interrupts.asked.is_set():
            completed = await self._prompt(room, text)
            if completed.retry_at is None or not self._spec["resume_after_quota"]:
                return completed
            tried += 1
            until = decide.quota_until(completed.retry_at, time.time(), tried)
            await self._pauses.say_quota(turn.turn, until, completed.reason or "a quota is reached")
            limited = await self._wait_for_quota(until)
            if limited is not None:
                return limited
            text = decide.CONTINUE
        return Completed("interrupted")

    async def _wait_for_quota(self, until: float) -> Completed | None:
        """Wait until then, or until the turn is interrupted; how it ended where a budget is spent meanwhile."""
        while not self._interrupts.asked.is_set() and time.time() < until:
            self._called.clear()
            await self._pauses.for_quota(until, self._called)
            why = await self._may_not_begin()
            if why is not None:
                return Completed("limited", None, why)
        return None

    async def _prompt(self, room: HostRoom, text: str) -> Completed:
        """What the driver makes of it. Raises AgentDied where the run is to end, and the turn to come again."""
        before, was_used = room.count, self._is_used
        self._is_used = True
        try:
            assert self._driver is not None
            return await self._driver.prompt(text)
        except Interrupted:
            return Completed("interrupted")
        except AgentDied:
            if self._interrupts.asked.is_set():  # it would not end its turn, so it was ended
                await self._leave()
                return Completed("interrupted")
            if not was_used or room.count != before:
                raise
            await self._leave()  # it had died before, while it had nothing to do
            await self._open(room, await self._session())
            return Completed("interrupted") if self._interrupts.asked.is_set() else await self._prompt(room, text)
        except DriverError as error:
            return Completed("failed", None, error.message)
        except SwarmError:
            raise
        except Exception as error:  # a fault of the driver's: what state it is in nobody knows
            traceback.print_exc()
            await self._leave()
            return Completed("failed", None, f"its driver has a fault: {type(error).__name__}: {error}")

    # -- the agent's process

    async def _open(self, room: HostRoom, session: Session) -> None:
        """Start the agent, in its session if it has one. Raises DriverError; the turn waits for another run then."""
        kind = finding.find(self._spec["driver"])
        room.use(made_with := self._config(session))
        driver = kind(made_with, room)
        self._driver, self._is_used = driver, False
        known = session["session"] or self._spec["session"]
        try:
            opened = await driver.open(known)
        except SessionGone:
            if not decide.is_unused(session, self._spec["session"]):
                raise
            opened = await driver.open(None)
        self._opened = opened
        started = session_events.session_started(
            self._id,
            self._number,
            session=opened.session,
            kind=made_with.kind,
            driver=self._spec["driver"],
            model=opened.model or made_with.model,
            version=opened.version,
            resumed=opened.resumed,
        )
        await self._publisher.say(started, durable=True)

    async def _leave(self) -> None:
        """End the agent's process; the next turn starts it again."""
        driver, self._driver = self._driver, None
        if driver is not None:
            await driver.close()

    def _config(self, session: Session) -> SessionSpec:
        return config(self._run, self._whole, session)

    async def _fail_all(self, room: HostRoom, error: SwarmError) -> None:
        """No turn can be taken, in this run or another: say so of each that waits."""
        while turn := await self._publisher.do(lambda log: sessions.begin(log, self._id, self._number, to_fail=True)):
            await self._say_completed(turn, Completed("failed", None, error.message), 0, 0.0)

    # -- what is asked

    def _handle(self, record: Record) -> None:
        """One record of the inbox."""
        if record.type == session_events.APPROVAL_ANSWERED:
            self._asking.answered(record.data)
        elif record.type == session_events.INTERRUPT_REQUESTED:
            self._interrupt(record.data["turn"])
            self._called.set()
        elif record.type == session_events.SESSION_STOPPED:
            self._called.set()
        self._news.set()

    def _interrupt(self, turn: int) -> None:
        self._interrupts.note(turn)
        if self._turn is not None and self._turn.turn == turn and not self._interrupts.asked.is_set():
            if self._room is not None:
                self._room.interrupt()
            self._interrupts.carry_out(self._driver)

    # -- the log

    async def _session(self) -> Session:
        return await self._publisher.do(lambda log: sessions.get(log, self._id) or conversation.new(self._id))

    async def _may_not_begin(self) -> str | None:
        """Why not, in words. What the inbox says of that is of its moment: a budget may have been raised since."""
        return await self._publisher.do(lambda log: budgets.may_begin(log, self._id))

    async def _notice(self, text: str) -> None:
        """Say something of our own in the conversation."""
        turn = self._turn.turn if self._turn else None
        said: Event = session_events.message(self._id, self._number, turn, role="notice", text=text)
        await self._publisher.say(said)
        print(f"swarmctl: {text}", file=sys.stderr, flush=True)


async def _cancelled(*tasks: asyncio.Task[Any]) -> None:
    """End tasks, also one that a third party's code keeps from being cancelled at the first attempt."""
    deadline = time.monotonic() + CLOSE_SECONDS
    while time.monotonic() < deadline:
        for task in tasks:
            task.cancel()
        if not (await asyncio.wait(tasks, timeout=1.0))[1]:
            break
