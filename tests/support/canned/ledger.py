"""What was served, exactly: so that a test can compare what agents, and swarmctl, count.

The tokens of each request are others, so that one that is counted twice, or left out, is told by the sum.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

from support.canned.dialogue import Asked
from support.canned.script import Reply


class Tokens(NamedTuple):
    """As swarmctl counts: `input` is without what the cache columns count, `output` with the `reasoning` in it."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0

    def plus(self, other: Tokens) -> Tokens:
        return Tokens(*(mine + its for mine, its in zip(self, other, strict=True)))

    @property
    def total(self) -> int:
        """All but the reasoning, which is in the output."""
        return self.input + self.output + self.cache_read + self.cache_write


NOTHING = Tokens()


class Request(NamedTuple):
    """One request. outcome: served | failed (an HTTP error) | dropped (whoever asked went away before the end)."""

    api: str
    path: str
    asked: Asked
    reply: Reply
    tokens: Tokens
    outcome: str


class Conversation(NamedTuple):
    """users: the user's turns as the last request told them. requests: those served whole, without the others."""

    name: str
    api: str
    users: tuple[str, ...]
    requests: int
    failed: int
    dropped: int
    tokens: Tokens

    @property
    def turns(self) -> int:
        return len(self.users)


class Served(NamedTuple):
    """conversations: by name, in the order they began. tokens, requests: of their whole requests; `asides` apart: what
    agents ask of their own accord (titles, quota, counting)."""

    conversations: dict[str, Conversation]
    requests: int
    tokens: Tokens
    asides: int
    aside_tokens: Tokens

    @property
    def only(self) -> Conversation:
        """The only conversation there was."""
        (one,) = self.conversations.values()
        return one


def price(number: int, reply: Reply, *, writes_cache: bool) -> Tokens:
    """The tokens of the request of this number (from 1)."""
    if reply.status != 200:
        return NOTHING
    return Tokens(
        input=1000 + 7 * number,
        output=40 + number,
        cache_read=100 + 3 * number,
        cache_write=20 + 2 * number if writes_cache else 0,
        reasoning=5 if reply.thought else 0,
    )


class Ledger:
    """All requests, in the order they ended. Used by the threads of the server and by the test."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun = 0
        self._failures: dict[tuple[str, int], int] = {}
        self.requests: list[Request] = []
        self.others: list[str] = []  # "METHOD path" of what is no question to a model

    def number(self) -> int:
        """A number for a request that begins, from 1."""
        with self._lock:
            self._begun += 1
            return self._begun

    def failures(self, asked: Asked) -> int:
        """How often the turn that is asked for was failed already."""
        with self._lock:
            return self._failures.get(_turn(asked), 0)

    def write(self, request: Request) -> None:
        with self._lock:
            self.requests.append(request)
            if request.outcome == "failed":
                turn = _turn(request.asked)
                self._failures[turn] = self._failures.get(turn, 0) + 1

    def served(self, api: str | None = None) -> Served:
        """What there was, of all APIs or of one."""
        with self._lock:
            known = [one for one in self.requests if api in (None, one.api)]
        asides = [one for one in known if one.asked.aside]
        told = [one for one in known if not one.asked.aside]
        names = list(dict.fromkeys(name_of(one.asked) for one in told))
        made = {name: _conversation(name, [one for one in told if name_of(one.asked) == name]) for name in names}
        whole = [one for one in told if one.outcome == "served"]
        return Served(made, len(whole), _sum(whole), len(asides), _sum(asides))


def name_of(asked: Asked) -> str:
    """The agent's own name of the conversation; else what the user first said."""
    return asked.conversation or (asked.users[0][:80] if asked.users else "")


def _turn(asked: Asked) -> tuple[str, int]:
    return name_of(asked), len(asked.users)


def _sum(requests: list[Request]) -> Tokens:
    total = NOTHING
    for one in requests:
        if one.outcome == "served":
            total = total.plus(one.tokens)
    return total


def _conversation(name: str, requests: list[Request]) -> Conversation:
    outcomes = [one.outcome for one in requests]
    last = requests[-1]
    return Conversation(
        name,
        last.api,
        last.asked.users,
        outcomes.count("served"),
        outcomes.count("failed"),
        outcomes.count("dropped"),
        _sum(requests),
    )
