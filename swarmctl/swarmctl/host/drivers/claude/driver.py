"""A session of Claude Code: its turns, what it asks, and its processes, of which a turn may take several.

A call that a person has to be asked about is deferred where it can be: the process ends, the approval is asked for only
then, and with the answer another process goes on. So nothing that dies meanwhile takes the question along.
"""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable

from ...decide import CONTINUE
from ...driver import AgentDied, DriverError, Interrupted, NotLoggedIn, Room, SessionGone, SessionSpec
from ...facts import Completed, Opened
from . import asking, beginning, command, ending, protocol, reading, transcript
from .calls import Calls
from .connection import Connection
from .judging import Judge
from .protocol import Call, Json

BEGIN_SECONDS = 60.0  # for a process to be ready; MCP servers may be slow
QUIET_SECONDS = 120.0  # after the last word, when its own agents have ended and it says nothing of that
WITHDRAW_SECONDS = 20.0


class ClaudeDriver:
    """See driver.Driver."""

    def __init__(self, config: SessionSpec, room: Room) -> None:
        self._config, self._room = config, room
        self._env = {**command.ENVIRONMENT, **config.env}
        self._session = ""
        self._connection: Connection | None = None
        self._reader, self._judge, self._meter = reading.Reader(), Judge(config, room), ending.Meter()
        self._reset_process()
        self._is_known = False  # the session, to Claude Code itself
        self._is_interrupted = False
        self._is_cut_off = False  # all that is to be said of the turn was said, and it has not ended
        self._held: str | None = None  # the call that a person is asked about, and no process
        self._expected: str | None = None
        self._quota: float | None = None
        self._mode: str | None = None

    def _reset_process(self) -> None:
        self._begun: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._results: asyncio.Queue[Json | None] = asyncio.Queue()
        self._judge.calls = Calls()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._may_answer, self._was_asked = asyncio.Event(), asyncio.Event()
        self._goes_on = False  # by itself, with what was deferred
        self._names_turns = False
        self._failure: BaseException | None = None
        self._heard_at = 0.0

    # -- the interface

    async def open(self, session: str | None) -> Opened:
        """See driver.Driver."""
        self._session, self._is_known = session or str(uuid.uuid4()), session is not None
        self._meter = ending.Meter(self._config.counted if session else None)
        command.write_servers(self._config)
        history = await self._start()
        begun = self._begun.result()
        return Opened(
            session=self._session,
            model=beginning.model(begun, self._config.model),
            version=beginning.version(begun),
            resumed=session is not None,
            heard=history.heard if history else None if session else [],
        )

    async def prompt(self, text: str) -> Completed:
        """See driver.Driver."""
        self._is_interrupted = self._is_cut_off = False
        self._quota = None
        if self._connection is None or self._connection.ended.done():
            await self._leave()
            await self._start()
        if self._goes_on and text != CONTINUE:
            await self._withdraw()
        if self._goes_on:
            self._expected = None
        else:
            self._expected = str(uuid.uuid4())
            self._is_known = True
            await self._send(protocol.user(text, self._expected))
        self._goes_on = False
        self._may_answer.set()
        try:
            return await self._turn()
        except BaseException:  # a signal to the host is one too
            await self._cut_off()
            raise

    async def interrupt(self) -> None:
        """See driver.Driver."""
        self._is_interrupted = True
        await self._send(protocol.interrupt())

    async def close(self) -> None:
        """See driver.Driver."""
        await self._leave()

    # -- a turn

    async def _turn(self) -> Completed:
        result = await self._result()
        while True:
            held = ending.deferred(result)
            if held is not None:
                if not await self._go_on(held):
                    return Completed("interrupted", ending.DEFERRED)
                result = await self._result()
            elif (more := await self._more(result)) is not None:
                result = more
            else:
                return self._completed(result)

    async def _go_on(self, held: ending.Deferred) -> bool:
        """Ask about a deferred call, and go on with the answer in another process; False if the turn is interrupted."""
        await self._leave()
        self._held = held.call
        shown = self._judge.calls.shown(held.call, held.input)
        try:
            answer = await self._room.ask(asking.wish(held.call, held.tool, shown, deferred=True))
            self._judge.keep(held.call, answer)
        except Interrupted:
            self._is_interrupted = True
        await self._start()
        self._held = None
        if self._is_interrupted:
            await self._withdraw()
            return False
        self._goes_on, self._expected = False, None
        self._may_answer.set()
        return True

    def _completed(self, result: Json) -> Completed:
        unanswered, self._judge.unanswered = self._judge.unanswered, set()
        return ending.completed(result, interrupted=self._is_interrupted, reset=self._quota, not_denied=unanswered)

    async def _more(self, result: Json) -> Json | None:
        """The turn's next result, while its own agents still run: with what they find it goes on by itself."""
        while self._judge.calls.agents_run() and not result.get("is_error") and not self._is_interrupted:
            self._expected = None
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    return await self._result()
            except TimeoutError:
                if not self._judge.calls.agents_run() and self._seconds_quiet() >= QUIET_SECONDS:
                    break
        return None

    async def _result(self) -> Json:
        """The next result that is the turn's. Raises AgentDied."""
        while True:
            result = await self._results.get()
            if result is None:
                raise await self._death()
            if self._is_mine(result):
                return result

    def _is_mine(self, result: Json) -> bool:
        """Not of a turn that it has begun by itself, for what ran in the background."""
        if self._expected is None or not self._names_turns:
            return True
        return self._expected in (result.get("user_message_uuids") or [result.get("user_message_uuid")])

    async def _death(self) -> BaseException:
        if self._failure is not None:
            return self._failure
        if self._connection is None:
            return AgentDied("claude was ended in the middle of a turn")
        status = await self._connection.status()
        how = "closed its output" if status is None else f"ended in the middle of a turn, with status {status}"
        return AgentDied(f"claude has {how}", "its stderr may say why")

    async def _cut_off(self) -> None:
        """Say what is under way, as far as it has come. What comes while the process is ended would say it again."""
        self._is_cut_off = True
        await self._room.say(*self._reader.cut_off(self._held))

    async def _withdraw(self) -> None:
        """Have a resumed session forget the call it was deferred for: nobody wants it any more."""
        asked, result = (asyncio.create_task(one) for one in (self._was_asked.wait(), self._results.get()))
        await asyncio.wait([asked, result], timeout=WITHDRAW_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if asked.done():
            await self._send(protocol.interrupt())
            await asyncio.wait([result], timeout=WITHDRAW_SECONDS)
        if result.done() and result.result() is None:
            self._results.put_nowait(None)  # it has ended
        for task in (asked, result):
            task.cancel()
        self._goes_on = False

    # -- its processes

    async def _start(self) -> transcript.History | None:
        """Start a process for the session. Raises SessionGone, NotInstalled, NotLoggedIn, DriverError."""
        self._reset_process()
        history = None
        if self._is_known:
            history = await asyncio.to_thread(transcript.load, self._session, {**os.environ, **self._env})
        if history is not None:
            self._meter = ending.Meter(history.counters)
        argv = command.command(self._config, self._session, resumes=self._is_known, mode=self._mode)
        self._connection = await Connection.start(argv, self._config.cwd, self._env, self._room, self._handle)
        self._connection.ended.add_done_callback(self._end)
        try:
            await self._begin()
        except BaseException:
            await self._leave()
            raise
        return history

    async def _begin(self) -> None:
        await self._send(protocol.begin())
        await self._send(protocol.list_rules())
        try:
            async with asyncio.timeout(BEGIN_SECONDS):
                begun = await asyncio.shield(self._begun)
        except TimeoutError as error:
            raise DriverError(f"claude has not begun after {BEGIN_SECONDS:.0f} seconds") from error
        if not beginning.is_logged_in(begun):
            raise NotLoggedIn("nobody has signed in to Claude Code", "claude auth login, or set ANTHROPIC_API_KEY")

    async def _leave(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        await connection.leave()

    def _end(self, ended: asyncio.Task[None]) -> None:
        """The process has ended, or what it said could not be handled, or is waited for no longer."""
        self._failure = None if ended.cancelled() else ended.exception()
        if not self._begun.done():
            self._begun.set_exception(
                self._failure or AgentDied("claude has ended before it began", "its stderr may say why")
            )
        self._results.put_nowait(None)

    async def _send(self, message: Json) -> None:
        if self._connection is not None:
            self._connection.send(message)
            await self._connection.drain()

    # -- what it says

    async def _handle(self, message: Json) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        if protocol.is_delta(message):
            self._handle_delta(message)
            return
        if self._reader.is_double(message):
            return
        self._judge.calls.follow(message)
        if not self._is_cut_off and (said := self._reader.read(message)):
            await self._room.say(*said)
        what = protocol.kind(message)
        if what == "result":
            await self._handle_result(message)
        elif what == "control_request":
            await self._handle_request(message)
        elif what == "command_lifecycle":
            self._handle_lifecycle(message)
        else:
            self._handle_rest(message)

    def _handle_delta(self, message: Json) -> None:
        self._judge.calls.follow(message)
        part = self._reader.read_part(message)
        if part is not None:
            self._room.live(*part)

    async def _handle_result(self, result: Json) -> None:
        if not self._begun.done():
            gone = ending.is_session_gone(result)
            error = SessionGone if gone else DriverError
            known = f"claude knows no session {self._session} here" if gone else ending.startup_error(result)
            self._begun.set_exception(error(known, "its sessions are kept by directory" if gone else ""))
            return
        if usage := self._meter.read(result.get("modelUsage")):
            await self._room.say(*usage)
        self._results.put_nowait(result)

    async def _handle_request(self, message: Json) -> None:
        if (call := protocol.hooked(message)) is not None:
            self._soon(call, self._judge.before)
        elif (call := protocol.wanted(message)) is not None:
            self._soon(call, self._judge.live)
        elif (unknown := protocol.unknown_request(message)) is not None:
            await self._send(protocol.cannot(unknown))

    def _handle_lifecycle(self, message: Json) -> None:
        if self._expected is not None and message.get("command_uuid") == self._expected:
            self._names_turns = True
        elif message.get("state") == "started" and self._is_known and not self._may_answer.is_set():
            self._goes_on = True

    def _handle_rest(self, message: Json) -> None:
        if (answer := protocol.answered(message)) is not None:
            request, response = answer
            if request == protocol.BEGIN and not self._begun.done():
                self._begun.set_result(response)
            elif request == protocol.RULES:
                self._judge.allowed = beginning.allow_rules(response)
        elif (request_id := protocol.withdrawn(message)) is not None:
            if request_id in self._tasks:
                self._tasks[request_id].cancel()
        elif (reset := ending.quota_reset(message)) is not None:
            self._quota = reset
        else:
            self._mode = protocol.mode(message) or self._mode
            self._session = protocol.session(message) or self._session

    # -- what it asks

    def _soon(self, call: Call, answer: Callable[[Call], Awaitable[Json]]) -> None:
        """Answer a request beside all else, once: a person may have to be asked."""
        if call.request not in self._tasks:
            self._was_asked.set()
            self._tasks[call.request] = asyncio.create_task(self._answer(call, answer))

    async def _answer(self, call: Call, answer: Callable[[Call], Awaitable[Json]]) -> None:
        try:
            await self._may_answer.wait()
            await self._send(await answer(call))
        except Interrupted:
            pass  # it withdraws the question itself
        except Exception as error:
            self._failure = error
            self._results.put_nowait(None)

    def _seconds_quiet(self) -> float:
        return asyncio.get_running_loop().time() - self._heard_at
