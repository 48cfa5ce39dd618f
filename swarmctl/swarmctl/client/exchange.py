"""One question to a server and its answer, and which questions are asked again. No I/O but a look at the clock.

A call is a generator (`Steps`): it yields requests and pauses, is sent an answer for each request, or thrown
Unreachable, and returns what was asked for. A feed yields items too. So both clients share all of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from swarm_store.errors import SwarmError

from .errors import Unreachable

T = TypeVar("T")
DELAYS = (0.1, 0.3, 0.9)  # seconds before each further try
LONGEST_DELAY = 2.0  # seconds between tries of whoever follows
FOREVER = float("inf")  # whoever follows waits for a server that is away
BUSY = (429, 502, 503, 504)  # the server, or what is before it, asks to come again


@dataclass(frozen=True, slots=True)
class Request:
    """A question. `waits`: seconds that the server may take on purpose; `is_repeatable`: asked twice is done once."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | Iterable[bytes] | AsyncIterable[bytes] | None = None
    headers: tuple[tuple[str, str], ...] = ()
    waits: float = 0.0
    is_repeatable: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; the names of headers are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    as_error: Callable[[Answer], SwarmError]  # what it tells of, where it tells of one

    def json(self) -> Any:
        """What the body says. Raises SwarmError where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise self.as_error(self) from None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait so many seconds before asking again; `because` of what, after how many `tries`."""

    seconds: float
    because: SwarmError
    tries: int


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One of what a feed gives."""

    value: T


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a call returns; a feed has come to its end."""

    value: T


Steps = Generator[Request | Pause, Answer | None, T]
Feed = Generator[Request | Pause | Item[T], Answer | None, None]
S = TypeVar("S")


def advance(steps: Generator[S, Answer | None, T], outcome: Answer | Unreachable | None = None) -> S | Done[T]:
    """What a call or a feed yields next, once what it has yielded before was done with this outcome."""
    try:
        if isinstance(outcome, Unreachable):
            return steps.throw(outcome)
        return steps.send(outcome)
    except StopIteration as done:
        return Done(done.value)


def get(path: str, *params: tuple[str, object], waits: float = 0.0) -> Request:
    """A question that changes nothing; parameters that are None are left out."""
    return Request("GET", path, given(params), waits=waits, is_repeatable=True)


def post(path: str, body: Any, *, key: str | None = None, waits: float = 0.0) -> Request:
    """An order, with JSON; with an idempotency key it may be repeated."""
    headers = [("content-type", "application/json"), *([("idempotency-key", key)] if key else [])]
    sent = json.dumps(body).encode()
    return Request("POST", path, body=sent, headers=tuple(headers), waits=waits, is_repeatable=bool(key))


def given(params: tuple[tuple[str, object], ...]) -> tuple[tuple[str, str], ...]:
    """Parameters as they are sent, without those that are None."""
    shown = (
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, value in params
        if value is not None
    )
    return tuple(shown)


def ask(request: Request, *, until: float = 0.0) -> Steps[Answer]:
    """The answer to a request, asked again where that is safe: a few times, and `until` then (monotonic seconds).

    Raises SwarmError for the last answer, or where there was none.
    """
    tries = 0
    may_be_done = False
    while True:
        try:
            answer = yield request
            assert answer is not None
            if answer.status < 300:
                return answer
            error = answer.as_error(answer)
            may_repeat = answer.status in BUSY and request.is_repeatable
            wait = _retry_after(answer)
        except Unreachable as unreachable:
            may_be_done = may_be_done or (unreachable.was_sent and request.method != "GET")
            if may_be_done:
                unreachable.was_sent, unreachable.hint = True, "what was asked for may have been done"
            error, wait = unreachable, 0.0
            may_repeat = request.is_repeatable or not may_be_done
        if not may_repeat or (tries >= len(DELAYS) and time.monotonic() >= until):
            raise error
        delay = DELAYS[tries] if tries < len(DELAYS) else LONGEST_DELAY
        tries += 1
        yield Pause(max(delay, min(wait, LONGEST_DELAY)), error, tries)


def _retry_after(answer: Answer) -> float:
    said = answer.headers.get("retry-after", "")
    return float(said) if said.isascii() and said.isdigit() else 0.0
