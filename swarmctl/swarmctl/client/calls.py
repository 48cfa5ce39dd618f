"""What can be asked of a server, one function a question. Pure, see `exchange`.

What takes long on the server (a wait, a cancel) is asked for in pieces of PATIENCE seconds, so that no proxy on the way
loses patience first.
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import AsyncIterable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast
from urllib.parse import quote

from swarm_store.events import Record

from .exchange import FOREVER, Feed, Item, Request, Steps, ask, get, post
from .types import Agent, Approval, NewToken, Session, SpawnOptions, Token, record

PATIENCE = 20.0  # seconds that the server is asked to wait in one request
PAGE = 500
TURN_WAITS = 60.0  # seconds that a server may take for a turn: the agent's last run may have to end first
LABOUR = 600.0  # seconds that a server may take for what is long work: gigabytes to delete, to check or to copy


def path_of(agent: str, *more: str) -> str:
    """The path of an agent's resource; every word of a path is one segment."""
    return "/".join(["/v1/agents", quote(agent, safe=""), *more])


def spawn(command: Sequence[str], options: SpawnOptions, key: str | None) -> Steps[Agent]:
    """Have an agent spawned; with the same `key` (made here if None) the same agent, however often it is asked."""
    body: dict[str, Any] = {k: v for k, v in options.items() if v is not None}
    if command:
        body["command"] = list(command)
    stdin = body.get("stdin")
    if isinstance(stdin, bytes):
        del body["stdin"]
        body["stdin_base64"] = base64.b64encode(stdin).decode("ascii")
    answer = yield from ask(post("/v1/agents", body, key=key or new_key()))
    return cast(Agent, answer.json())


def new_key() -> str:
    """An idempotency key that nobody else makes."""
    return os.urandom(16).hex()


def find(agent: str, *, at: str | None = None, patient: bool = False) -> Steps[Agent]:
    """The agent that a word means, or meant: an id, the start of one, or a name.

    `patient`: a server that is away is waited for.
    """
    answer = yield from ask(get(path_of(agent), ("at", at)), until=FOREVER if patient else 0.0)
    return cast(Agent, answer.json())


def agents(
    *,
    all: bool = False,
    states: Sequence[str] = (),
    labels: Sequence[str] = (),
    name: str | None = None,
    query: str | None = None,
    at: str | None = None,
    patient: bool = False,
) -> Feed[list[Agent]]:
    """Pages of agents, in the order they were spawned: those that live, with `all` the ended too."""
    params: list[tuple[str, object]] = [("all", all or None), *(("state", one) for one in states)]
    params += [*(("label", one) for one in labels), ("name", name), ("q", query), ("at", at), ("limit", PAGE)]
    after = None
    while True:
        request = get("/v1/agents", *params, ("after", after))
        page = (yield from ask(request, until=FOREVER if patient else 0.0)).json()
        yield Item(page["agents"])
        after = page["next"]
        if after is None:
            return


class Last(NamedTuple):
    """The end of an agent's output: the chunks with the last lines, those before, and the offset to go on at."""

    before: list[Record]
    chunks: list[Record]
    next: str


def last_output(
    agent: str,
    lines: int,
    *,
    stream: str | None = None,
    run: int | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Steps[Last]:
    """The chunks that hold the last lines of what an agent has written; times in RFC 3339."""
    chosen = (("stream", stream), ("run", run), ("since", since), ("until", until))
    found = (yield from ask(get(path_of(agent, "output", "last"), ("lines", lines), *chosen))).json()
    return Last(list(map(record, found["before"])), list(map(record, found["chunks"])), found["next"])


def ended(agent: str, *, run: int | None = None, timeout: float | None = None) -> Steps[Agent | None]:
    """The agent, when its run (by default its latest) has ended; None if it has not within `timeout` seconds.

    A server that goes away meanwhile is waited for too.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = PATIENCE if deadline is None else max(0.0, min(PATIENCE, deadline - time.monotonic()))
        request = get(path_of(agent, "wait"), ("timeout", f"{left:.3f}"), ("run", run), waits=left)
        answer = yield from ask(request, until=FOREVER if deadline is None else deadline)
        if answer.status == 200:
            return cast(Agent, answer.json())
        if deadline is not None and time.monotonic() >= deadline:
            return None


def in_time(agent: Agent | None, word: str) -> Agent:
    """The agent that was waited for. Raises TimeoutError where it has not ended."""
    if agent is None:
        raise TimeoutError(f"agent {word} has not ended")
    return agent


def cancel(agent: str, *, signal: str, grace: float | None) -> Steps[None]:
    """Have an agent ended, or its restart withdrawn; returns when it has been asked."""
    yield from ask(post(path_of(agent, "cancel"), {"signal": signal, "grace": grace}))


def signal(agent: str, name: str) -> Steps[None]:
    """Have a signal sent to an agent's process group."""
    yield from ask(post(path_of(agent, "signal"), {"signal": name}))


def restart(agent: str, *, grace: float | None) -> Steps[Agent]:
    """Have an agent started again, as a new run; one that lives is ended first."""
    answer = yield from ask(
        post(path_of(agent, "restart"), {} if grace is None else {"grace": grace}, waits=LABOUR + (grace or 0))
    )
    return cast(Agent, answer.json())


def send(agent: str, data: bytes, *, close: bool, key: str | None) -> Steps[None]:
    """Have bytes sent to an agent's standard input, once however often they are asked for with the same `key`."""
    body = {"base64": base64.b64encode(data).decode("ascii"), "close": close}
    yield from ask(post(path_of(agent, "input"), body, key=key or new_key()))


def send_turn(agent: str, text: str, *, by: str | None, key: str | None) -> Steps[int]:
    """Have an agent take another turn, once however often it is asked for with the same `key`; the turn's name."""
    body = {"text": text, "by": by}
    answer = yield from ask(post(path_of(agent, "turns"), body, key=key or new_key(), waits=TURN_WAITS))
    return int(answer.json()["turn"])


def interrupt(agent: str, *, by: str | None) -> Steps[None]:
    """Have the turn ended that an agent is at."""
    yield from ask(post(path_of(agent, "interrupt"), {"by": by}))


def session(agent: str) -> Steps[Session]:
    """The session of an agent of a kind."""
    return cast(Session, (yield from ask(get(path_of(agent, "session")))).json())


def approvals(*, agent: str | None = None, all: bool = False, patient: bool = False) -> Feed[list[Approval]]:
    """Pages of what agents ask to be allowed, in the order asked; with `all` the answered too."""
    after = None
    while True:
        request = get("/v1/approvals", ("agent", agent), ("all", all or None), ("limit", PAGE), ("after", after))
        page = (yield from ask(request, until=FOREVER if patient else 0.0)).json()
        yield Item(page["approvals"])
        after = page["next"]
        if after is None:
            return


def approval(approval_id: str, *, patient: bool = False) -> Steps[Approval]:
    """One approval, pending or answered."""
    path = f"/v1/approvals/{quote(approval_id, safe='')}"
    return cast(Approval, (yield from ask(get(path), until=FOREVER if patient else 0.0)).json())


def answer(
    approval_id: str,
    *,
    granted: bool,
    always: bool = False,
    input: Mapping[str, Any] | None = None,
    message: str | None = None,
    by: str | None = None,
) -> Steps[Approval]:
    """Answer an approval. Never asked twice: the second time it would be answered already."""
    said = {"granted": granted, "always": always, "input": input, "message": message, "by": by}
    answer = yield from ask(post(f"/v1/approvals/{quote(approval_id, safe='')}", said))
    return cast(Approval, answer.json())


def usage(agents: Sequence[str], *, by: str, label: str | None) -> Steps[dict[str, Any]]:
    """What was used, summed `by`: `usage`, and the `total`."""
    params = (*(("agent", one) for one in agents), ("by", by), ("label", label))
    return cast(dict[str, Any], (yield from ask(get("/v1/usage", *params))).json())


def remove(agent: str) -> Steps[None]:
    """Have an ended agent forgotten."""
    yield from ask(Request("DELETE", path_of(agent), waits=LABOUR))


def prune(
    *, older_than: float | None, keep: int | None, larger_than: int | None, labels: Sequence[str], dry_run: bool
) -> Steps[list[str]]:
    """Have ended agents forgotten by age (seconds), number or the log's size (bytes); their ids."""
    body = {"older_than": older_than, "keep": keep, "larger_than": larger_than}
    body |= {"labels": list(labels), "dry_run": dry_run}  # type: ignore[dict-item]
    answer = yield from ask(post("/v1/prune", body, waits=LABOUR))
    return [str(one) for one in answer.json()["removed"]]


def report(of: str, *, patient: bool = False) -> Steps[Any]:
    """What the server says of itself (`info`), of the `supervisor`, or of the state directory (`doctor`)."""
    return (
        yield from ask(get(f"/v1/{of}", waits=LABOUR if of == "doctor" else 0.0), until=FOREVER if patient else 0.0)
    ).json()


def create_token(
    scope: str, *, agents: Sequence[str] | None, expires_in: float | None, uses: int | None
) -> Steps[NewToken]:
    """Have a token made. Never asked twice: each time it would be another."""
    body = {"scope": scope, "agents": list(agents) if agents else None, "expires_in": expires_in, "uses": uses}
    answer = yield from ask(post("/v1/tokens", body))
    return cast(NewToken, answer.json())


def tokens(*, all: bool) -> Steps[list[Token]]:
    """What is known of the tokens that open something, with `all` of the others too."""
    answer = yield from ask(get("/v1/tokens", ("all", all or None)))
    return cast(list[Token], answer.json()["tokens"])


def revoke_token(token_id: str) -> Steps[None]:
    """Have a token open nothing any more."""
    yield from ask(Request("DELETE", f"/v1/tokens/{quote(token_id, safe='')}", is_repeatable=True))


def take_in(lines: bytes | Iterable[bytes] | AsyncIterable[bytes]) -> Steps[list[str]]:
    """Have agents of an export taken in; their ids."""
    headers = (("content-type", "application/x-ndjson"),)
    answer = yield from ask(Request("POST", "/v1/import", body=lines, headers=headers, waits=LABOUR))
    found: Mapping[str, Any] = answer.json()
    return [str(one) for one in found["imported"]]
