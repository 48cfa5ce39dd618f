"""A turn with a model API: ask the model, run what it calls, tell it what came of that, until it calls nothing.

Everything is in the history before anything follows from it. So a turn that comes again goes on exactly where it was:
an answer that was there is not asked for again, a call that was not begun is asked for (its approval may have been
answered meanwhile), and one that was begun is told to have been interrupted.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from typing import Any

import httpx2
import openai

from ... import decide
from ...driver import DriverError, Interrupted, NotLoggedIn, Room, SessionSpec
from ...facts import Answer as Permitted
from ...facts import Completed, Message, Opened, Permission, Said, ToolCalled, ToolFinished
from . import history, tools
from .answers import Answer, ending, whole
from .chunks import Malformed, read
from .errors import failed
from .history import History
from .options import Options

NO_KEY = "none"  # the client wants one, also where the service does not
KEY = re.compile("[!-~]+")
BROKEN = (openai.APIConnectionError, httpx2.HTTPError)
NOT_RUN = "It was not run: the turn was interrupted."
CUT_OFF = "It was interrupted, and may have been run in part."


class ApiDriver:
    """See host.driver.Driver."""

    def __init__(self, config: SessionSpec, room: Room) -> None:
        self._config, self._room = config, room
        self._options = Options.model_validate(config.options)
        self._history: History | None = None
        self._client: openai.AsyncOpenAI | None = None
        self._turn: asyncio.Task[Completed] | None = None
        self._is_interrupted = False
        self._is_counted = False  # what earlier runs had no time to say was said
        environment = {**os.environ, **config.env}
        self._key = environment.pop(self._options.key_env, "") if self._options.key_env else None
        self._tools = tools.Tools(config.cwd, environment, self._options.tool_seconds, self._options.tool_output)

    async def open(self, session: str | None) -> Opened:
        """Open the session's history. The service is not asked before there is something to ask."""
        self._check_key()
        if self._config.model is None:
            raise DriverError(f"{self._config.kind} names no model", "spawn with --model M")
        home = self._config.home
        place = os.path.join(home, "agents", self._config.agent_id)
        if session is None:
            self._history = history.begin(place if os.path.isdir(place) else home)
        else:
            self._history = history.resume(place, os.path.join(home, "agents"), session)
        self._client = openai.AsyncOpenAI(
            api_key=self._key or NO_KEY,
            base_url=self._options.base_url,
            timeout=self._options.request_seconds,
            max_retries=self._options.retries,
            default_headers=self._options.headers,
        )
        known = self._history
        return Opened(known.session, self._config.model, resumed=session is not None, heard=known.heard)

    def _check_key(self) -> None:
        """See that the service can be sent the key; the client would refuse it with its value. Raises NotLoggedIn."""
        name, key = self._options.key_env, self._key
        if key == "":
            why = f"{self._config.kind} needs a key, and ${name} is not set"
            raise NotLoggedIn(why, f"set {name}, or spawn with --env")
        if key is not None and not KEY.fullmatch(key):
            why = (
                f"{self._config.kind} needs a key, and ${name} holds none: a key is of printable ASCII, without spaces"
            )
            raise NotLoggedIn(why, f"set {name} anew; lines of a file from Windows end with a CR")

    async def reach(self) -> None:
        """See kinds.checking.Service."""
        assert self._client is not None
        try:
            await self._client.with_options(max_retries=0).models.list()
        except (openai.NotFoundError, openai.PermissionDeniedError):
            pass  # it answers; it only does not list its models
        except Exception as error:
            raise DriverError(self._failed(error).reason or "") from error

    async def prompt(self, text: str) -> Completed:
        """One turn; a continuation adds nothing to the history where that tells what to go on with."""
        self._is_interrupted = False
        self._turn = asyncio.ensure_future(self._take(text))
        try:
            return await self._turn
        except (Interrupted, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and not self._is_interrupted:
                raise
            await self._settle()
            return Completed("interrupted", "interrupted")
        finally:
            self._turn = None

    async def interrupt(self) -> None:
        """Let go of whatever is under way."""
        if self._turn is not None and not self._turn.done():
            self._is_interrupted = True
            self._turn.cancel()

    async def close(self) -> None:
        """Drop the connection; there is no process to end."""
        if self._turn is not None:
            self._turn.cancel()
            await asyncio.gather(self._turn, return_exceptions=True)
        if self._client is not None:
            await self._client.close()
            self._client = None
        if self._history is not None:
            self._history.close()

    # -- a turn

    async def _take(self, text: str) -> Completed:
        known = self._known
        await self._catch_up()
        if text != decide.CONTINUE or not known.messages or known.is_cut:
            await self._settle()
            known.add({"role": "user", "content": text})
        elif known.is_finished:
            return Completed("completed", "stop")  # it had ended, and only that was not written down
        for _ in range(self._options.requests):
            await self._run_open_calls()
            try:
                answer = await self._ask()
            except (openai.OpenAIError, httpx2.HTTPError, Malformed) as error:
                return self._failed(error)
            ended = ending(answer)
            await self._hear(answer, cut=ended is not None and ended.outcome != "completed")
            if ended is not None:
                return ended
        await self._settle()
        return Completed("limited", "max_turns", f"the model was asked {self._options.requests} times in this turn")

    async def _catch_up(self) -> None:
        """Say what an earlier run had no time to say."""
        if self._is_counted:
            return
        self._is_counted = True
        said = [fact for message in self._known.unsaid for fact in _facts(message)]
        said += self._known.uncounted(self._config.counted)
        if said:
            await self._room.say(*said)
        self._known.said()

    @property
    def _known(self) -> History:
        assert self._history is not None, "open comes first"
        return self._history

    # -- the model

    async def _ask(self) -> Answer:
        """The model's answer; a stream that breaks is begun anew. Of one that fails for good is said what came."""
        assert self._config.model is not None
        for left in reversed(range(self._options.retries + 1)):
            answer = Answer(self._config.model)
            try:
                await self._stream(answer)
                return answer
            except BaseException as error:
                if left and isinstance(error, BROKEN):
                    continue
                if answer.text or answer.usage:
                    await self._hear(answer, cut=True)
                raise
        raise AssertionError("there is a last try")

    async def _stream(self, answer: Answer) -> None:
        assert self._client is not None
        stream = await self._client.chat.completions.create(**self._request())
        async with stream:
            try:
                async for chunk in stream:
                    for role, text in answer.take(read(chunk), self._options.price):
                        self._room.live(role, text)
            except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8
                raise Malformed(str(error)) from error

    def _request(self) -> dict[str, Any]:
        options = self._options
        system = options.system.replace("{cwd}", self._config.cwd)
        asked: dict[str, Any] = {
            "model": self._config.model,
            "messages": [{"role": "system", "content": system}, *self._known.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if options.tools:
            asked["tools"] = tools.described(options.tools)
        if options.max_tokens is not None:
            asked["max_tokens"] = options.max_tokens
        if options.temperature is not None:
            asked["temperature"] = options.temperature
        return {**asked, "extra_body": options.extra or None, "extra_headers": {"x-session-id": self._known.session}}

    def _failed(self, error: Exception) -> Completed:
        return failed(error, self._options.base_url, self._key, time.time())

    async def _hear(self, answer: Answer, *, cut: bool) -> None:
        """Write an answer down, and then say it; one that is cut off as far as it came."""
        message = self._known.told_apart(answer.message(cut=cut))
        self._known.add(message, answer.usage, cut=cut)
        self._room.raw(json.dumps({**message, "usage": answer.usage and answer.usage._asdict()}).encode())
        said: list[Said] = [Message("thought", answer.thought)] if answer.thought else []
        said += [*_facts(message), *([answer.usage] if answer.usage else [])]
        await self._room.say(*said)
        self._known.said()

    # -- its calls

    async def _run_open_calls(self) -> None:
        for call in self._known.open_calls():
            await self._run(call)

    async def _run(self, call: dict[str, Any]) -> None:
        """One call, from its permission to its result."""
        id, name = call["id"], call["function"]["name"]
        if self._known.was_begun(id):
            return await self._finish(id, "interrupted", CUT_OFF)
        try:
            given = tools.check(name, tools.decoded(call["function"]["arguments"]), self._options.tools)
        except tools.Bad as error:
            return await self._finish(id, "failed", f"Not run: {error}.")
        title, reads_only = tools.title(name, given), name in tools.READS_ONLY
        wish = Permission(id, name, title, given, (), reads_only, deferred=True, editable=True)
        answer = await self._room.ask(wish)
        if not answer.granted:
            await self._finish(id, "denied", _denied(answer))
        else:
            await self._run_granted(id, name, given if answer.input is None else answer.input)
        return None

    async def _run_granted(self, id: str, name: str, given: dict[str, Any]) -> None:
        try:
            given = tools.check(name, given, self._options.tools)  # somebody may have edited it
        except tools.Bad as error:
            return await self._finish(id, "failed", f"Not run: {error}.")
        self._known.begin(id)
        self._room.pending(id)  # the answer has come to whoever asked
        result = await self._tools.run(name, given)
        return await self._finish(id, result.status, result.output)

    async def _finish(self, id: str, status: Any, output: str) -> None:
        """The result is in the history, and then in the log. A cancellation comes after both."""
        output = whole(output)
        self._known.add({"role": "tool", "tool_call_id": id, "content": output})
        self._room.pending(id)
        await self._room.say(ToolFinished(id, status, output))

    async def _settle(self) -> None:
        """End a turn that was interrupted: no call is left without a result."""
        self._known.said()
        for call in self._known.open_calls():
            begun = self._known.was_begun(call["id"])
            await self._finish(call["id"], "interrupted", CUT_OFF if begun else NOT_RUN)


def _facts(message: dict[str, Any]) -> list[Said]:
    """What a message of the model is, for the log."""
    said: list[Said] = [Message("assistant", message["content"])] if message["content"] else []
    for call in message.get("tool_calls") or ():
        name = call["function"]["name"]
        try:
            given = tools.decoded(call["function"]["arguments"])
        except tools.Bad:
            given = None
        given = given if isinstance(given, dict) else {}
        said.append(ToolCalled(call["id"], name, tools.title(name, given), given))
    return said


def _denied(answer: Permitted) -> str:
    return f"Denied: {answer.message}" if answer.message else "Denied by whoever runs you."
