"""The blocking client: what is asked in `calls` and `streams`, asked with httpx.Client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


class Swarm:
    """A swarm behind `swarmctl serve`, at http://HOST:PORT, https://… or unix:PATH. Threads may share one.

    Every call may raise SwarmError: Unreachable where no server answers, NotAllowed where the token does not do, and
    what the command line raises: NoSuchAgent, NotPossible, NameTaken, CannotStart, WrongUsage, LogUnusable. Calls that
    are safe to repeat are repeated a few times; what follows (`wait`, `follow=True`, `watch`) waits for a server that
    is away as long as it takes, and goes on where it was.

    `timeout`: seconds for an answer. `insecure`: a token may go over plain http to another machine. `on_trouble` is
    told why a question is asked again, and how often it was by then; `token_name` is what messages call the token.
    """

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
        through = None if uds is None else httpx.HTTPTransport(uds=uds, limits=UNLIMITED)
        self._client = httpx.Client(transport=through, **self._connection.client())
        self._on_trouble = on_trouble or (lambda error, tries: None)

    def spawn(
        self, command: Sequence[str] = (), *, idempotency_key: str | None = None, **options: Unpack[SpawnOptions]
    ) -> Agent:
        """Spawn an agent there, and return when its command is executed; see SpawnOptions.

        Asked again with the same idempotency key (one is made for each call), it is the same agent. Raises CannotStart
        with the status that a shell would give.
        """
        return self.run(calls.spawn(command, options, idempotency_key))

    def agents(
        self,
        *,
        all: bool = False,
        states: Sequence[str] = (),
        labels: Sequence[str] = (),
        name: str | None = None,
        query: str | None = None,
        at: str | None = None,
    ) -> Iterator[Agent]:
        """The agents that live, with `all` the ended too: of these states, with these labels (`K` or `K=V`).

        `query` is part of an id, a name, the command or a label. `at`: as it was then, see `swarmctl list --help`.
        """
        return self._each(calls.agents(all=all, states=states, labels=labels, name=name, query=query, at=at))

    def get(self, agent: str, *, at: str | None = None) -> Agent:
        """The agent with this id, or an id that begins so, or this name; `at`: as it was then."""
        return self.run(calls.find(agent, at=at))

    def wait(self, agent: str, timeout: float | None = None, *, run: int | None = None) -> Agent:
        """The agent, when it has ended; with `run`, as that run ended. Raises TimeoutError after `timeout` seconds."""
        return calls.in_time(self.run(calls.ended(agent, run=run, timeout=timeout)), agent)

    def cancel(self, agent: str, *, signal: str = "TERM", grace: float | None = None, wait: bool = True) -> None:
        """End an agent: `signal` to all its processes, KILL after `grace` seconds. Returns when it has ended."""
        self.run(calls.cancel(agent, signal=signal, grace=grace))
        if wait:
            self.run(calls.ended(agent))

    def signal(self, agent: str, signal: str) -> None:
        """Send a signal to the agent's process group, and nothing more."""
        self.run(calls.signal(agent, signal))

    def restart(self, agent: str, *, grace: float | None = None) -> Agent:
        """Start an agent again, as a new run of the same agent; one that lives is ended first."""
        return self.run(calls.restart(agent, grace=grace))

    def send(self, agent: str, data: bytes, *, close: bool = False, idempotency_key: str | None = None) -> None:
        """Send bytes to the standard input of an agent that was spawned with `input`; `close` ends it."""
        self.run(calls.send(agent, data, close=close, key=idempotency_key))

    def send_turn(self, agent: str, text: str, *, by: str | None = None, idempotency_key: str | None = None) -> int:
        """Have an agent of a kind take another turn; its name. One that has ended goes on in a new run."""
        return self.run(calls.send_turn(agent, text, by=by, key=idempotency_key))

    def interrupt(self, agent: str, *, by: str | None = None) -> None:
        """End the turn that an agent is at; its session stays. A command is sent SIGINT."""
        self.run(calls.interrupt(agent, by=by))

    def session(self, agent: str) -> Session:
        """The session of an agent of a kind: its turns, what it waits for, what it has used. Raises NotPossible."""
        return self.run(calls.session(agent))

    def conversation(
        self, agent: str, *, follow: bool = False, last: int | None = None, run: int | None = None
    ) -> Iterator[Event]:
        """What was said and done in a session, all or the `last` events; with `follow` until the agent has ended."""
        return self._each(streams.conversation(agent, follow=follow, last=last, run=run))

    def approvals(self, *, agent: str | None = None, all: bool = False) -> Iterator[Approval]:
        """What agents, or one, ask to be allowed and wait for, in the order asked; with `all` the answered too."""
        return self._each(calls.approvals(agent=agent, all=all))

    def approve(
        self, approval: str, *, always: bool = False, input: Mapping[str, Any] | None = None, by: str | None = None
    ) -> Approval:
        """Let an agent do what it asks for: `always` the like of it too, with this `input` instead if it is `editable`.

        Raises NoSuchApproval, and AlreadyAnswered, which says who was first.
        """
        return self.run(calls.answer(approval, granted=True, always=always, input=input, by=by))

    def deny(
        self, approval: str, *, message: str | None = None, always: bool = False, by: str | None = None
    ) -> Approval:
        """Do not let an agent do what it asks for, and tell it why in a `message`. Raises as `approve`."""
        return self.run(calls.answer(approval, granted=False, always=always, message=message, by=by))

    def usage(
        self, *agents: str, by: Literal["agent", "kind", "label", "day", "model"] = "agent", label: str | None = None
    ) -> list[dict[str, Any]]:
        """Tokens and cost: of each agent its `own` and its `tree`'s, or summed by what is said; of all, or these trees.

        Cost is in millionths of a dollar, None where it is not known.
        """
        found: list[dict[str, Any]] = (self.run(calls.usage(agents, by=by, label=label)))["usage"]
        return found

    def remove(self, agent: str) -> None:
        """Forget an ended agent, with its output."""
        self.run(calls.remove(agent))

    def prune(
        self,
        *,
        older_than: float | None = None,
        keep: int | None = None,
        larger_than: int | None = None,
        labels: Sequence[str] = (),
        dry_run: bool = False,
    ) -> list[str]:
        """Forget ended agents by age (seconds), number, and the size of the log (bytes); their ids."""
        return self.run(
            calls.prune(older_than=older_than, keep=keep, larger_than=larger_than, labels=labels, dry_run=dry_run)
        )

    def output(
        self, agent: str, *, follow: bool = False, stream: StreamName | None = None, run: int | None = None
    ) -> Iterator[Chunk]:
        """What an agent has written, chunk by chunk; with `follow` what it writes, until it has ended.

        Both streams as they came, or one; of all runs, or one.
        """
        chunks = streams.Chunks(stream, run)
        for page in self.feed(streams.output(agent, follow=follow, run=run)):
            yield from chunks.of(page)

    def events(
        self, after: int = 0, *, agent: str | None = None, types: Sequence[str] = (), follow: bool = False
    ) -> Iterator[Event]:
        """What happened after a position of the log; output only where its type is asked for."""
        return self._each(streams.events(after, agent=agent, types=types, follow=follow))

    def watch(self) -> Iterator[Change]:
        """Every agent, and then each change of one as it comes, for ever."""
        return self._each(streams.watch())

    def report(self, of: str) -> Any:
        """What the server says of `info`, `supervisor` or `doctor`."""
        return self.run(calls.report(of))

    @contextmanager
    def download(self, what: str, *params: tuple[str, object]) -> Iterator[Iterator[bytes]]:
        """The bytes of a `backup` (a database), or of an `export` (JSON lines), as they come."""
        asked = self._connection.request(get(f"/v1/{what}", *params, waits=calls.LABOUR))
        with self._connection.in_words(), self._client.stream(**asked) as response:
            if response.status_code >= 300:
                response.read()
                answer = self._connection.answer(response)
                raise answer.as_error(answer)
            yield response.iter_bytes()

    def create_token(
        self,
        scope: Literal["read", "control"],
        *,
        agents: Sequence[str] | None = None,
        expires_in: float | None = None,
        uses: int | None = None,
    ) -> NewToken:
        """Make a token that reads or controls: everything or `agents`, for so many seconds, or so many requests.

        It is told this once. It ends with the token that makes it. Raises NotAllowed for one that would outlive that.
        """
        return self.run(calls.create_token(scope, agents=agents, expires_in=expires_in, uses=uses))

    def tokens(self, *, all: bool = False) -> list[Token]:
        """The tokens that open something, with `all` the others too: what is known of them, nothing that opens."""
        return self.run(calls.tokens(all=all))

    def revoke_token(self, token_id: str) -> None:
        """Have a token, and those that were made with it, open nothing any more."""
        self.run(calls.revoke_token(token_id))

    def take_in(self, lines: bytes | Iterable[bytes]) -> list[str]:
        """Import an export: its bytes, or a file of them; the ids of its agents."""
        return self.run(calls.take_in(lines))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Swarm:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(self, steps: Steps[T]) -> T:
        """What a call (see `calls`) returns."""
        step = advance(steps)
        while not isinstance(step, Done):
            step = advance(steps, self._do(step))
        return step.value

    def feed(self, feed: Feed[T]) -> Iterator[T]:
        """What a feed (see `streams`) gives, page by page."""
        step = advance(feed)
        while not isinstance(step, Done):
            if isinstance(step, Item):
                yield step.value
                step = advance(feed)
            else:
                step = advance(feed, self._do(step))

    def _each(self, feed: Feed[list[T]]) -> Iterator[T]:
        for page in self.feed(feed):
            yield from page

    def _do(self, step: Request | Pause) -> Answer | Unreachable | None:
        """Do what a call has yielded."""
        if isinstance(step, Pause):
            self._on_trouble(step.because, step.tries)
            time.sleep(step.seconds)
            return None
        try:
            with self._connection.in_words():
                return self._connection.answer(self._client.request(**self._connection.request(step)))
        except Unreachable as error:
            return error
