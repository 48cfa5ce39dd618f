"""The fold of tokens, and what each kind of token may do."""

from __future__ import annotations

import itertools

import pytest

from swarm_store import events, tokens
from swarm_store.clock import SECOND, rfc3339
from swarm_store.events import Event, Record
from swarm_store.tokens import EXPIRED, GOOD, REVOKED, USED_UP, Token
from swarmctl.server.rights import agent_of, is_open, may

NOW = 1_800_000_000 * SECOND
EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def history(*happened: Event) -> list[Record]:
    """Events as records of the stream `tokens`, a second apart."""
    return [
        Record(n + 1, events.TOKENS, n, NOW + n * SECOND, one.type, one.key, one.data, None)
        for n, one in enumerate(happened)
    ]


def created(token_id: str = "t", secret: str = "t.secret", **spec: object) -> Event:
    """A token was created, of a scope that does not matter if none is given."""
    return events.token_created(token_id, **{"hash": tokens.digest(secret), "scope": "read", **spec})


def folded(*happened: Event) -> Token:
    """The token `t` after all that."""
    return tokens.fold(history(*happened))["t"]


def token(scope: str, *agents: str) -> Token:
    """A good token; for all agents if none is named."""
    return folded(created(scope=scope, agents=list(agents) or None))


def test_a_new_token_is_good() -> None:
    """A token that was created, without more, is good at any time and known by its hash alone."""
    made = folded(created(agents=["b", "a"]))
    assert (made.scope, made.agents, made.created) == ("read", frozenset("ab"), NOW)
    assert tokens.state(made, NOW + 10**15) == GOOD
    assert tokens.is_same(made, "t.secret") and not tokens.is_same(made, "t.secreT")
    assert "secret" not in str(made)


def test_it_expires() -> None:
    """From the moment that it was created for, a token is expired."""
    made = folded(created(expires=rfc3339(NOW + SECOND)))
    assert (tokens.state(made, NOW + SECOND - 1), tokens.state(made, NOW + SECOND)) == (GOOD, EXPIRED)


def test_it_is_used_up() -> None:
    """A token of two uses is good until it has been used twice, and says when it was used last."""
    used = [events.token_used("t")] * 2
    once, twice = folded(created(uses=2), *used[:1]), folded(created(uses=2), *used)
    assert (tokens.state(once, NOW), tokens.state(twice, NOW)) == (GOOD, USED_UP)
    assert twice.last_used == NOW + 2 * SECOND


def test_it_is_revoked_for_ever() -> None:
    """A revoked token stays so, whatever else is said of it, and a second one of its id is not believed."""
    made = folded(created(), events.token_revoked("t"), events.token_revoked("t"), created(secret="t.other"))
    assert (tokens.state(made, NOW), made.revoked) == (REVOKED, NOW + SECOND)
    assert tokens.is_same(made, "t.secret")


def test_a_lost_record_revokes() -> None:
    """Where a damaged log has lost a record, tokens from before open nothing: it may have revoked them."""
    lost = Event(events.RECORD_LOST, {}, None, None)
    known = tokens.fold(history(created("old"), lost, created("new")))
    assert [tokens.state(one, NOW) for one in known.values()] == [REVOKED, GOOD]


def test_what_is_not_known_changes_nothing() -> None:
    """A use or a revocation of an unknown token, and types of a newer version, are passed over."""
    newer = Event("token:renamed", {"id": "t"}, events.TOKENS, None)
    assert folded(events.token_used("t"), events.token_revoked("x"), created(), newer) == folded(
        events.token_used("t"), events.token_revoked("x"), created()
    )


def test_what_it_made_ends_with_it() -> None:
    """A revoked token takes with it those that were made with it, theirs too, and one that is made a moment later."""
    made = [created(one, maker=by) for one, by in (("a", None), ("b", "a"), ("c", "b"), ("other", None))]
    known = tokens.fold(history(*made, events.token_revoked("a"), created("late", maker="c")))
    assert [one.id for one in known.values() if tokens.state(one, NOW) == GOOD] == ["other"]
    again = tokens.fold(history(*made, events.token_revoked("b"), events.token_revoked("a")))
    assert (again["b"].revoked, again["c"].revoked) == (NOW + 4 * SECOND,) * 2


@pytest.mark.parametrize("method", EVERY_METHOD)
@pytest.mark.parametrize(
    "path",
    [
        b"/v1/agents",
        b"/v1/tokens",
        b"/v1/tokens/t",
        b"/v1/stream/registry",
        b"/metrics",
        b"/v1/stream/mine",
        b"/v1/prune",
    ],
)
def test_of_all_agents(method: str, path: bytes) -> None:
    """Of all agents, read has GET and HEAD of everything, and control every method."""
    assert may(token("read"), method, path) == (method in ("GET", "HEAD"))
    assert may(token("control"), method, path)


OWN = [
    b"/v1/agents/ab",
    b"/v1/agents/ab/wait",
    b"/v1/agents/ab/cancel",
    b"/v1/agents/ab/input",
    b"/v1/agents/ab/output",
    b"/v1/stream/agents/ab",
    b"/v1/stream/agents/ab/stdout",
    b"/v1/stream/agents/ab/stderr",
]
NOT_OWN = [
    b"",
    b"/",
    b"*",
    b"/v1/agents",
    b"/v1/agents/",
    b"/v1/agents/a",
    b"/v1/agents/abc",
    b"/v1/agents/AB",
    b"/v1/agents/ab/",
    b"/v1/agents//ab",
    b"//v1/agents/ab",
    b"/V1/agents/ab",
    b"/v1/agents/ab/../abc",
    b"/v1/agents/ab/..",
    b"/v1/agents/ab/.",
    b"/v1/agents/./ab",
    b"/v1/agents/x/../ab",
    b"/v1/agents/ab%2f..%2fabc",
    b"/v1/agents/ab%2F",
    b"/v1/agents/%61b",
    b"/v1/agents/ab%00",
    b"/v1/agents/ab%20",
    b"/v1/agents/ab;x",
    b"/v1/agents/ab\n",
    b"/v1/agents/ab/wait/more",
    b"/v1/agents/ab,abc",
    b"/v1/agents/build",
    b"/v1/stream/agents",
    b"/v1/stream/agents/",
    b"/v1/stream/agents/abc",
    b"/v1/stream/agents/ab/",
    b"/v1/stream/agents/ab/stdin",
    b"/v1/stream/agents/ab/stdout/",
    b"/v1/stream/agents/ab/%2e%2e/abc",
    b"/v1/stream/agents/ab%2fstdout",
    b"/v1/stream/agents%2fab",
    b"/v1/stream/inbox/ab",
    b"/v1/stream/registry",
    b"/v1/stream/state/agents",
    b"/v1/stream/tokens",
    b"/v1/stream/ab",
    b"/v1/stream/__ds/subscriptions/ab",
    b"/v1/tokens",
    b"/v1/tokens/ab",
    b"/v1/events",
    b"/v1/export",
    b"/v1/backup",
    b"/v1/info",
    b"/metrics",
    b"/healthz",
    b"/x/v1/agents/ab",
    b"http://localhost/v1/agents/ab",
]


@pytest.mark.parametrize("path", OWN)
def test_an_agents_own(path: bytes) -> None:
    """What is an agent's own its tokens may read, or do everything with; another's may not so much as look."""
    for method in EVERY_METHOD:
        assert may(token("read", "ab"), method, path) == (method in ("GET", "HEAD"))
        assert may(token("control", "zz", "ab"), method, path)
        for scope, other in itertools.product(("read", "control"), ("a", "abc", "AB", "b")):
            assert not may(token(scope, other), method, path)


@pytest.mark.parametrize("path", NOT_OWN)
def test_nobody_elses(path: bytes) -> None:
    """Lists, spawning, client streams, another's, an own path in any other spelling: none is an agent's token's."""
    for scope, method in itertools.product(("read", "control"), EVERY_METHOD):
        assert not may(token(scope, "ab"), method, path)


def test_a_token_of_no_agent_opens_nothing() -> None:
    """An empty list of agents is none, not all; and a scope that is not known allows nothing."""
    nobody = folded(created(scope="control", agents=[]))
    assert not any(may(nobody, "GET", path) for path in (*OWN, *NOT_OWN))
    assert not any(may(token("write"), method, b"/v1/agents") for method in EVERY_METHOD)


def test_the_page_is_open() -> None:
    """Without a token there are the page's own files, to be read, and nothing else."""
    shell = (b"/", b"/page/app.js", b"/page/fonts/a.woff2", b"/favicon.ico")
    assert all(is_open("GET", path) and is_open("HEAD", path) and not is_open("POST", path) for path in shell)
    closed = (b"/page/../v1/agents", b"/page/%2e%2e/v1", b"/page", b"//", b"/v1/agents", b"/healthz", b"/metrics", b"")
    assert not any(is_open("GET", path) for path in closed)


def test_whose_path() -> None:
    """The agent is named by the path's id, in the control API and in streams."""
    assert [agent_of(path) for path in (OWN[0], OWN[-1], b"/v1/agents", b"/")] == ["ab", "ab", None, None]
