"""The awaiting client: what is asked in `calls` and `streams`, asked with httpx.AsyncClient."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Literal, TypeVar, Unpack

import httpx

from swarm_store.errors import SwarmError

from . import calls, streams
from .connection import UNLIMITED, Connection
from .errors import Unreachable
from .exchange import Answer, Done, Feed, Item, Pause, Request, Steps, advance, get
from .types import Agent, Approval, Change, Chunk, Event, NewToken, Session, SpawnOptions, StreamName, Token

T = TypeVar("T")


class AsyncSwarm:
    """Swarm, with coroutines and async iterators: what each means stands there. For one event loop."""

    def __init__(
        self,
        server: str,
        *,
        token: str | None = None,
        timeout: float = 30.0,
        insecure: bool = False,
        token_name: str = "the client's",
        on_trouble: Callable[[SwarmError, int], None] | None = None,
    ) -> None:
        self._connection = Connection(server, token=token, token_name=token_name, timeout=timeout, insecure=insecure)
        uds = self._connection.target.uds
        through = None if uds is None else httpx.AsyncHTTPTransport(uds=uds, limits=UNLIMITED)
        self._client = httpx.AsyncClient(transport=through, **self._connection.client())
        self._on_trouble = on_trouble or (lambda error, tries: None)

    async def spawn(
        self, command: Sequence[str] = (), *, idempotency_key: str | None = None, **options: Unpack[SpawnOptions]
    ) -> Agent:
        return await self.run(calls.spawn(command, options, idempotency_key))

    def agents(
        self,
        *,
        all: bool = False,
        states: Sequence[str] = (),
        labels: Sequence[str] = (),
        name: str | None = None,
        query: str | None = None,
        at: str | None = None,
    ) -> AsyncIterator[Agent]:
        return self._each(calls.agents(all=all, states=states, labels=labels, name=name, query=query, at=at))

    async def get(self, agent: str, *, at: str | None = None) -> Agent:
        return await self.run(calls.find(agent, at=at))

    async def wait(self, agent: str, timeout: float | None = None, *, run: int | None = None) -> Agent:
        return calls.in_time(await self.run(calls.ended(agent, run=run, timeout=timeout)), agent)

    async def cancel(self, agent: str, *, signal: str = "TERM", grace: float | None = None, wait: bool = True) -> None:
        await self.run(calls.cancel(agent, signal=signal, grace=grace))
        if wait:
            await self.run(calls.ended(agent))

    async def signal(self, agent: str, signal: str) -> None:
        await self.run(calls.signal(agent, signal))

    async def restart(self, agent: str, *, grace: float | None = None) -> Agent:
        return await self.run(calls.restart(agent, grace=grace))

    async def send(self, agent: str, data: bytes, *, close: bool = False, idempotency_key: str | None = None) -> None:
        await self.run(calls.send(agent, data, close=close, key=idempotency_key))

    async def send_turn(
        self, agent: str, text: str, *, by: str | None = None, idempotency_key: str | None = None
    ) -> int:
        return await self.run(calls.send_turn(agent, text, by=by, key=idempotency_key))

    async def interrupt(self, agent: str, *, by: str | None = None) -> None:
        await self.run(calls.interrupt(agent, by=by))

    async def session(self, agent: str) -> Session:
        return await self.run(calls.session(agent))

    def conversation(
        self, agent: str, *, follow: bool = False, last: int | None = None, run: int | None = None
    ) -> AsyncIterator[Event]:
        return self._each(streams.conversation(agent, follow=follow, last=last, run=run))

    def approvals(self, *, agent: str | None = None, all: bool = False) -> AsyncIterator[Approval]:
        return self._each(calls.approvals(agent=agent, all=all))

    async def approve(
        self, approval: str, *, always: bool = False, input: Mapping[str, Any] | None = None, by: str | None = None
    ) -> Approval:
        return await self.run(calls.answer(approval, granted=True, always=always, input=input, by=by))

    async def deny(
        self, approval: str, *, message: str | None = None, always: bool = False, by: str | None = None
    ) -> Approval:
        return await self.run(calls.answer(approval, granted=False, always=always, message=message, by=by))

    async def usage(
        self, *agents: str, by: Literal["agent", "kind", "label", "day", "model"] = "agent", label: str | None = None
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.run(calls.usage(agents, by=by, label=label)))["usage"]
        return found

    async def remove(self, agent: str) -> None:
        await self.run(calls.remove(agent))

    async def prune(
        self,
        *,
        older_than: float | None = None,
        keep: int | None = None,
        larger_than: int | None = None,
        labels: Sequence[str] = (),
        dry_run: bool = False,
    ) -> list[str]:
        return await self.run(
            calls.prune(older_than=older_than, keep=keep, larger_than=larger_than, labels=labels, dry_run=dry_run)
        )

    async def output(
        self, agent: str, *, follow: bool = False, stream: StreamName | None = None, run: int | None = None
    ) -> AsyncIterator[Chunk]:
        chunks = streams.Chunks(stream, run)
        async for page in self.feed(streams.output(agent, follow=follow, run=run)):
            for chunk in chunks.of(page):
                yield chunk

    def events(
        self, after: int = 0, *, agent: str | None = None, types: Sequence[str] = (), follow: bool = False
    ) -> AsyncIterator[Event]:
        return self._each(streams.events(after, agent=agent, types=types, follow=follow))

    def watch(self) -> AsyncIterator[Change]:
        return self._each(streams.watch())

    async def report(self, of: str) -> Any:
        return await self.run(calls.report(of))

    @asynccontextmanager
    async def download(self, what: str, *params: tuple[str, object]) -> AsyncIterator[AsyncIterator[bytes]]:
        asked = self._connection.request(get(f"/v1/{what}", *params, waits=calls.LABOUR))
        with self._connection.in_words():
            async with self._client.stream(**asked) as response:
                if response.status_code >= 300:
                    await response.aread()
                    answer = self._connection.answer(response)
                    raise answer.as_error(answer)
                yield response.aiter_bytes()

    async def create_token(
        self,
        scope: Literal["read", "control"],
        *,
        agents: Sequence[str] | None = None,
        expires_in: float | None = None,
        uses: int | None = None,
    ) -> NewToken:
        return await self.run(calls.create_token(scope, agents=agents, expires_in=expires_in, uses=uses))

    async def tokens(self, *, all: bool = False) -> list[Token]:
        return await self.run(calls.tokens(all=all))

    async def revoke_token(self, token_id: str) -> None:
        await self.run(calls.revoke_token(token_id))

    async def take_in(self, lines: bytes | AsyncIterable[bytes]) -> list[str]:
        return await self.run(calls.take_in(lines))

    async def close(self) -> None:
        await self._client.aclose()

    async def __aenter__(self) -> AsyncSwarm:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def run(self, steps: Steps[T]) -> T:
        step = advance(steps)
        while not isinstance(step, Done):
            step = advance(steps, await self._do(step))
        return step.value

    async def feed(self, feed: Feed[T]) -> AsyncIterator[T]:
        step = advance(feed)
        while not isinstance(step, Done):
            if isinstance(step, Item):
                yield step.value
                step = advance(feed)
            else:
                step = advance(feed, await self._do(step))

    async def _each(self, feed: Feed[list[T]]) -> AsyncIterator[T]:
        async for page in self.feed(feed):
            for one in page:
                yield one

    async def _do(self, step: Request | Pause) -> Answer | Unreachable | None:
        if isinstance(step, Pause):
            from asyncio import sleep  # loading it takes 35 ms, which whoever only blocks need not wait for

            self._on_trouble(step.because, step.tries)
            await sleep(step.seconds)
            return None
        try:
            with self._connection.in_words():
                return self._connection.answer(await self._client.request(**self._connection.request(step)))
        except Unreachable as error:
            return error
