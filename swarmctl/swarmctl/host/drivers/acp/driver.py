"""One session with an agent over ACP: opened or resumed, prompted turn by turn, interrupted, closed."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from typing import Any

from acp import schema
from acp.exceptions import RequestError
from acp.meta import CLIENT_METHODS

from ...driver import AgentDied, DriverError, Interrupted, Room, SessionSpec
from ...facts import Answer, Completed, Message, Opened, Permission, Said, Usage
from . import asking, counting, failing, gemini, opencode, opening, peer, traits
from .updates import Delta, Hearing

PERMISSION = CLIENT_METHODS["session_request_permission"]
SETTLE_SECONDS, UNSURE_SECONDS, SETTLE_MOST = 0.25, 2.0, 10.0  # see _settle


class AcpDriver:
    """See ../../driver.py. Of `options`: `mode` and `auth` (ids of the agent's), `meta` for the session's `_meta`,
    `mcp_servers` (each a name, command, args, and env as a table).
    """

    def __init__(self, config: SessionSpec, room: Room) -> None:
        self._config, self._room = config, room
        self._env = {**os.environ, **config.env}
        self._peer: peer.Peer | None = None
        self._session: str | None = None
        self._model = config.model
        self._hearing = Hearing(self._config.cwd)
        self._has_heard = asyncio.Event()
        self._is_prompting = self._is_interrupted = False
        self._ledger: counting.Ledger | None = None
        self._sums = counting.Counter(None)

    async def open(self, session: str | None) -> Opened:
        """See Driver."""
        if not self._config.command:
            raise DriverError("no command speaks for this kind", "name one in its profile")
        if session is not None:
            gemini.keep(session, self._env)
        self._hearing = Hearing(self._config.cwd)  # anew: where a session is gone, another is opened with us
        try:
            agent = await self._start(list(self._config.command))
            return await self._enter(agent, session)
        except BaseException:
            await self.close()
            raise

    async def prompt(self, text: str) -> Completed:
        """See Driver."""
        agent, session = self._opened
        self._is_prompting, self._is_interrupted = True, False
        self._hearing.begin()
        try:
            return await self._turn(agent, session, text)
        except BaseException:  # a signal to the host is one too
            await self._say(self._hearing.end())
            raise
        finally:
            self._is_prompting = False

    async def interrupt(self) -> None:
        """See Driver."""
        if self._peer is not None and self._session is not None:
            self._is_interrupted = self._hearing.is_interrupted = True
            await self._peer.notify("session_cancel", schema.CancelNotification(session_id=self._session))

    async def close(self) -> None:
        """See Driver."""
        agent, self._peer = self._peer, None
        if agent is not None:
            await agent.end(is_busy=self._is_prompting)
            await self._say(self._hearing.end())  # of what it has said since

    @property
    def _opened(self) -> tuple[peer.Peer, str]:
        if self._peer is None or self._session is None:
            raise AgentDied("the agent's process has been ended")
        return self._peer, self._session

    # -- opening

    async def _start(self, command: list[str]) -> opening.Agent:
        env = dict(self._config.env)
        if (ledger := opencode.ledger(command, self._env)) is not None:
            command, env = [*command, *ledger.arguments], env | ledger.env
            self._ledger = ledger
        cwd, room = self._config.cwd, self._room
        self._peer = await peer.start(command, cwd=cwd, env=env, room=room, update=self._hear, handle=self._handle)
        return await opening.initialize(self._peer)

    async def _enter(self, agent: opening.Agent, session: str | None) -> Opened:
        assert self._peer is not None
        self._hearing.traits = traits.of(agent.name)
        if agent.name == gemini.NAME:
            self._ledger = gemini.Ledger(self._env)
        heard: list[str] | None = []
        if session is None:
            told = await opening.new(self._peer, self._config)
        elif agent.loads:
            told, heard = await self._load(session)
        elif agent.resumes:
            told, heard = await opening.resume(self._peer, self._config, session), None
        else:
            raise DriverError(f"{self._peer.name} cannot resume a session", "spawn another agent")
        self._session = session or str(told.get("sessionId") or "")
        if not self._session:
            raise DriverError(f"{self._peer.name} has opened a session without an id")
        self._model = await opening.set_up(self._peer, self._config, self._session, told)
        self._sums = counting.Counter(await self._counted(session, heard))
        return Opened(self._session, self._model, agent.version, session is not None, heard)

    async def _load(self, session: str) -> tuple[dict[str, Any], list[str]]:
        """The session, and the user's turns in its history, which is not told again."""
        assert self._peer is not None
        self._hearing.is_replaying = True
        told = await opening.load(self._peer, self._config, session)
        if self._hearing.traits.replays_late:
            await self._settle()
        return told, self._hearing.heard()

    async def _settle(self) -> None:
        """Wait until the history that may come after its answer is over, which nothing says.

        It is where its last message is the last that the log has, and no more has come for a moment. Where it is not,
        as in a session that others have used, there may be a pause in it, and a longer one is waited for. To tell it
        from what is said in a turn there is no sound way: it has to be over before the turn begins.
        """
        deadline = time.monotonic() + SETTLE_MOST
        while time.monotonic() < deadline:
            is_whole = self._hearing.history.ends_with(self._config.said)
            self._has_heard.clear()
            try:
                async with asyncio.timeout(SETTLE_SECONDS if is_whole else UNSURE_SECONDS):
                    await self._has_heard.wait()
            except TimeoutError:
                return

    async def _counted(self, session: str | None, heard: list[str] | None) -> dict[str, Usage] | None:
        """What of the session's sums is told already: what earlier runs have reported. Others have used a session that
        is resumed and of which we have reported nothing, unless nothing but our first turn is in it: that is theirs.
        """
        counted, ledger = self._config.counted, self._ledger
        if session is not None and not counted and (heard is None or len(heard) > 1):
            sums = await ledger.sums(session) if ledger is not None else None
            return None if sums is None else {one.model or "": one for one in sums}
        return dict(counted) if ledger is not None and ledger.by_model else {"": counting.total(counted.values())}

    # -- what the agent says and asks

    async def _hear(self, params: dict[str, Any]) -> None:
        """One update, to its end; what is of other sessions, as of subagents, stays in the raw output."""
        self._has_heard.set()
        if self._session in (None, params.get("sessionId")):
            await self._say(self._hearing.hear(peer.table(params.get("update"))))

    async def _say(self, facts: Sequence[Said | Delta]) -> None:
        said: list[Said] = []
        for fact in facts:
            if isinstance(fact, Delta):
                self._room.live(fact.role, fact.text)
            else:
                said.append(fact)
        if said:
            await self._room.say(*said)

    async def _handle(self, method: str, params: Any, is_notification: bool) -> Any:
        """A request of the agent's, or a notification that is no update."""
        if is_notification:
            return None
        if method != PERMISSION:
            raise RequestError.method_not_found(method)
        try:
            said, wish = self._hearing.wish(peer.table(params))
        except ValueError as error:
            raise RequestError.invalid_params({"details": str(error)}) from error
        await self._say(said)
        try:
            answer = await self._room.ask(wish)
        except Interrupted:
            return asking.CANCELLED
        return asking.answered(await self._as_possible(answer, wish), wish.options)

    async def _as_possible(self, answer: Answer, wish: Permission) -> Answer:
        """The answer as it can be given: one that was edited cannot, so it is denied."""
        if answer.granted and answer.input is not None:
            await self._room.say(Message("notice", asking.NOT_EDITED))
            answer = Answer(False)
        if not answer.granted:
            self._hearing.deny(wish.call)
        return answer

    # -- a turn

    async def _turn(self, agent: peer.Peer, session: str, text: str) -> Completed:
        request = schema.PromptRequest(session_id=session, prompt=[schema.TextContentBlock(type="text", text=text)])
        result: dict[str, Any] = {}
        try:
            result = await agent.ask("session_prompt", request, None)
        except RequestError as error:
            completed = self._failed(error)
        else:
            completed = self._ended(result)
        if self._peer is None:
            raise AgentDied(f"{agent.name} was ended in the middle of a turn")  # some say then that it was cancelled
        await self._say([*self._hearing.end(), *await self._used(session, result)])
        return completed

    def _failed(self, error: RequestError) -> Completed:
        if self._is_interrupted:
            return Completed("interrupted", None, failing.reason(error))
        return failing.failed(error, time.time())

    def _ended(self, result: dict[str, Any]) -> Completed:
        hearing = self._hearing
        return failing.ended(
            result.get("stopReason"),
            is_failing=hearing.is_failing,
            has_denied=hearing.has_denied and not self._is_interrupted,
            notice=hearing.last_notice,
            now=time.time(),
        )

    async def _used(self, session: str, result: dict[str, Any]) -> list[Usage]:
        """What has been used since it was last told: the turn's tokens, and what the session costs more now."""
        ledger = self._ledger
        sums = await ledger.sums(session) if ledger is not None else None
        if sums is not None:
            return [one._replace(model=one.model or self._model) for one in self._sums.since(sums)]
        if ledger is not None and ledger.is_sure:
            return []  # its next sums have it
        told = counting.tokens(result, self._model)
        self._sums.tell(told)
        if self._hearing.cost is None:
            return told
        since = self._sums.since([Usage(None, cost=counting.dollars(self._hearing.cost))])
        cost = since[0].cost if since else None
        first, *others = told or [Usage(self._model)]
        return [first._replace(cost=cost), *others] if told or cost else []
