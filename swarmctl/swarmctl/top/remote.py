"""The swarm of a server: its streams are read by offset, and listened to by long-polls in one event loop.

The threads of `watch` ask, and wait for the answers; a question to a server that is away is asked until it is answered,
which is said meanwhile. What is listened to is not asked for its end again until it has rung.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from threading import Event, Thread
from typing import Any, ParamSpec, TypeVar, cast

from swarm_store.errors import NoSuchAgent, SwarmError
from swarm_store.events import Record, agent_stream
from swarm_store.fold import Agent

from ..client import AsyncSwarm, calls, streams
from ..client.errors import NotFound
from ..client.exchange import FOREVER, Steps, ask, get
from ..client.types import record
from ..elsewhere import Server
from . import verbs
from .source import Stopped, Trouble

T = TypeVar("T")
P = ParamSpec("P")
TELL_AT = 3  # tries
WINDOW = 32  # records that are asked for at least, where they are read backwards
MOST_HELD = 4 << 20  # bytes of output
MOST_RECORDS = 4000
GATHER = 1 / 15  # seconds between two answers of what is listened to
MOST_AGENTS = 100  # whose last lines are asked for together


class RemoteSource:
    """The swarm of a server; its verbs are run in `environment`, which has the token: `ps` shows command lines."""

    def __init__(self, server: Server, environment: Mapping[str, str]) -> None:
        self._server = server
        kept = {name: value for name, value in environment.items() if name not in ("SWARM_TOKEN", "SWARM_TOKEN_FILE")}
        self._environment = kept if server.token is None else {**kept, "SWARM_TOKEN": server.token}
        self._loop = asyncio.new_event_loop()
        Thread(target=self._loop.run_forever, name="server", daemon=True).start()

    @property
    def where(self) -> str:
        return self._server.url

    def connect(self, trouble: Trouble) -> RemoteConnection:
        return RemoteConnection(self._server, self._loop, trouble)

    def command(self, words: Sequence[str]) -> str:
        options = ["--server", self._server.url, *(["--insecure"] if self._server.insecure else [])]
        return verbs.run([*options, *words], self._environment)


class RemoteConnection:
    """One thread's way to a server. All that is done with the client is done in `loop`."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, trouble: Trouble) -> None:
        self._loop = loop
        self._trouble = trouble
        self._swarm = AsyncSwarm(
            server.url,
            token=server.token,
            token_name=server.token_name,
            insecure=server.insecure,
            on_trouble=self._tell,
        )
        self._is_away = False
        self._stopped, self._rung = Event(), Event()
        self._asked: Future[Any] | None = None
        self._listening: list[asyncio.Task[None]] = []
        self._wanted: frozenset[str] = frozenset()
        self._ends: dict[str, int] = {}  # of the streams that are listened to
        self._held = Held("", [], 0)
        self._log = ""  # which it is
        self.opening = 0
        self._failure: SwarmError | None = None

    def agents(self, *, ended: bool) -> list[Agent]:
        return self._do(self._agents, ended)

    def agent(self, agent_id: str) -> Agent | None:
        try:
            found = self._do(self._ask, calls.find(agent_id, patient=True))
        except NoSuchAgent:
            return None
        return cast(Agent, found) if found["id"] == agent_id else None  # it may be another's name by now

    def head(self, stream: str) -> int:
        known = self._ends.get(stream)
        return self._do(self._end, stream) if known is None else known

    def read(
        self,
        stream: str,
        *,
        start: int = 0,
        until: int | None = None,
        types: Sequence[str] = (),
        key: str | None = None,
        limit: int = 64,
        backwards: bool = False,
    ) -> list[Record]:
        if key is not None:
            found = [one for one in self._do(self._history, key) if one.stream == stream]
            return found[-limit:][::-1] if backwards else found[:limit]
        if backwards:
            return self._do(self._back, stream, start, until, types, limit)
        return self._do(self._forth, stream, start, FOREVER if until is None else until, types, limit)

    def listen(self, streams: Iterable[str]) -> None:
        wanted = frozenset(streams)
        if wanted != self._wanted:
            self._wanted = wanted
            self._do(self._listen, sorted(wanted))

    def wait(self, seconds: float) -> None:
        self._check()
        if not self._rung.wait(seconds):
            self._do(self._look_at_log)
        self._rung.clear()
        self._check()

    def pause(self, seconds: float) -> None:
        self._stopped.wait(seconds)
        self._check()

    def close(self) -> None:
        async def close() -> None:
            self._end_listening()
            await self._swarm.close()

        asyncio.run_coroutine_threadsafe(close(), self._loop)

    def wake(self) -> None:
        self._rung.set()

    def stop(self) -> None:
        self._stopped.set()
        self._rung.set()
        asked = self._asked
        if asked is not None:
            asked.cancel()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise Stopped
        if self._failure is not None:
            raise self._failure

    def _do(self, ask: Callable[P, Coroutine[Any, Any, T]], *args: P.args, **named: P.kwargs) -> T:
        """What a coroutine of the loop gives. Raises Stopped, also while it waits."""

        async def work() -> T:
            if not self._log:
                await self._look_at_log()
            return await ask(*args, **named)

        asked: Future[T] = asyncio.run_coroutine_threadsafe(work(), self._loop)
        self._asked = asked
        if self._stopped.is_set():
            asked.cancel()
        try:
            return asked.result()
        except CancelledError:
            raise Stopped from None
        finally:
            self._asked = None

    # -- in the loop

    async def _ask(self, steps: Steps[T]) -> T:
        answer = await self._swarm.run(steps)
        await self._be_well()
        return answer

    def _tell(self, error: SwarmError, tries: int) -> None:
        if tries >= TELL_AT:
            self._is_away = True
            self._trouble(f"{error.message}; waiting for its return; {error.hint}")

    async def _be_well(self) -> None:
        if self._is_away:
            self._is_away = False
            await self._look_at_log()
            self._trouble("")

    async def _look_at_log(self) -> None:
        """Find out whether it is another log than before."""
        info = await self._swarm.run(calls.report("info", patient=True))
        before, self._log = self._log, f"{info['log']}.{info['epoch']}"
        if before not in ("", self._log):
            self.opening += 1
            self._ends.clear()
            self._held = Held("", [], 0)
            if self._wanted:
                await self._listen(sorted(self._wanted))
        await self._be_well()

    async def _agents(self, ended: bool) -> list[Agent]:
        found: list[Agent] = []
        async for page in self._swarm.feed(calls.agents(all=ended, patient=True)):
            found += cast(list[Agent], page)
        await self._be_well()
        return found

    async def _history(self, agent_id: str) -> list[Record]:
        try:
            feed = self._swarm.feed(streams.events(agent=agent_id))
            return [record(event) async for page in feed for event in page]
        except NoSuchAgent:
            return []

    async def _end(self, stream: str) -> int:
        try:
            answer = await self._ask(ask(get(streams.path_of(stream), ("offset", "now")), until=FOREVER))
        except (NotFound, NoSuchAgent):  # removed
            return 0
        end = _number(answer.headers["stream-next-offset"])
        if stream in self._wanted:
            self._ends[stream] = end
        return end

    async def _forth(
        self, stream: str, start: int, until: int | float, types: Sequence[str], limit: int
    ) -> list[Record]:
        found: list[Record] = []
        while start < until and len(found) < limit:
            page = self._held.after(stream, start)
            if not page:
                page, is_end = await self._page(stream, start)
                if not page and is_end:
                    break
            found += [one for one in page if one.offset < until and (not types or one.type in types)]
            start = page[-1].offset + 1 if page else self._held.end
        return found[:limit]

    async def _back(self, stream: str, start: int, until: int | None, types: Sequence[str], limit: int) -> list[Record]:
        low = await self._end(stream) if until is None else until
        found: list[Record] = []
        while low > start and len(found) < limit:
            high, low = low, max(start, self._held.first(stream, low, low - max(WINDOW, limit)))
            found = await self._forth(stream, low, high, types, high - low) + found
        return found[-limit:][::-1]

    async def _page(self, stream: str, start: int) -> tuple[list[Record], bool]:
        """What one answer has from `start` on, which is held then; and whether that is all."""
        reader = streams.Reader(stream, _offset(start))
        try:
            messages = await self._ask(reader.read(live=False))
        except (NotFound, NoSuchAgent):  # removed
            return [], True
        page = [record(message) for message in messages]
        self._held = self._held.with_more(stream, start, page, _number(reader.offset))
        return page, reader.is_at_end

    async def _listen(self, wanted: list[str]) -> None:
        self._end_listening()
        self._ends = {stream: end for stream, end in self._ends.items() if stream in wanted}
        if len(wanted) == 1:
            works = [partial(self._hear, wanted[0])]
        else:
            ids = [stream.removeprefix(agent_stream("")) for stream in wanted]
            works = [partial(self._hear_lines, ids[n : n + MOST_AGENTS]) for n in range(0, len(ids), MOST_AGENTS)]
        self._listening = [self._loop.create_task(self._until_it_fails(work)) for work in works]

    def _end_listening(self) -> None:
        for task in self._listening:
            task.cancel()

    async def _until_it_fails(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except (NotFound, NoSuchAgent):  # removed: there is nothing to hear any more
            self._rung.set()
        except SwarmError as error:
            self._failure = error
            self._rung.set()

    async def _hear(self, stream: str) -> None:
        """Ring when a stream goes on; what has come is held. What is more than an answer has is left out."""
        known = self._ends.get(stream, -1)
        reader = streams.Reader(stream, _offset(await self._end(stream)))
        reader.is_at_end = True
        if self._ends.get(stream) != known:
            self._rung.set()
        while True:
            start = _number(reader.offset)
            page = [record(message) for message in await self._ask(reader.read(live=True))]
            end = _number(reader.offset)
            if end != start:
                self._held = self._held.with_more(stream, start, page, end)
                self._ends[stream] = end
                self._rung.set()
            if not reader.is_at_end:
                reader.offset, reader.is_at_end = _offset(await self._end(stream)), True
            await asyncio.sleep(GATHER)

    async def _hear_lines(self, ids: list[str]) -> None:
        """Ring when one of some agents writes a line."""
        after, wait = -1, 0.0
        while True:
            request = get("/v1/last", *(("agent", one) for one in ids), ("after", after), ("wait", wait), waits=wait)
            answer = (await self._ask(ask(request, until=FOREVER))).json()
            after, wait = answer["next"], calls.PATIENCE
            for agent_id, line in answer["last"].items():
                stream = agent_stream(agent_id)
                if line["offset"] >= self._ends.get(stream, 0):
                    self._ends[stream] = line["offset"] + 1
                    self._rung.set()
            await asyncio.sleep(GATHER)


class Held:
    """Records of a stream that lie side by side: those of offsets up to `end`. It is not changed, but replaced."""

    def __init__(self, stream: str, records: list[Record], end: int) -> None:
        self._stream = stream
        self._records = records
        self.end = end

    def after(self, stream: str, start: int) -> list[Record]:
        """Those from `start` on; none where some are missing."""
        if stream != self._stream or not self._records or not self._records[0].offset <= start < self.end:
            return []
        return [one for one in self._records if one.offset >= start]

    def first(self, stream: str, before: int, otherwise: int) -> int:
        """Where what is held without a gap up to `before` begins; where nothing is, `otherwise`."""
        if stream != self._stream or not self._records or not self._records[0].offset < before <= self.end:
            return otherwise
        return self._records[0].offset

    def with_more(self, stream: str, start: int, page: list[Record], end: int) -> Held:
        """With the page that was read from `start` to `end`; without what it does not go on from."""
        before = self._records if stream == self._stream and start == self.end else []
        size = sum(len(one.payload or b"") for one in before)
        if size > MOST_HELD or len(before) > MOST_RECORDS:
            before = []
        return Held(stream, [*before, *page], end)


def _offset(number: int) -> str:
    return f"{0:016d}_{number:016d}"


def _number(offset: str) -> int:
    """The place in the stream that an offset of this server names."""
    return int(offset.rpartition("_")[2])
