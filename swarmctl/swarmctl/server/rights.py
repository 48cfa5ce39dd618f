"""What a token may do: a pure function of the token, the method and the path as it was sent.

    scope      of all agents                  of some (--agent)
    read       GET, HEAD of everything        GET, HEAD of what is those agents' own
    control    everything                     every method on what is those agents' own

An agent's own are `/v1/stream/agents/ID` and its `/stdout` and `/stderr`, `/v1/agents/ID` and one word below it. The
path is compared as it was sent, before anything is decoded: what is spelled in any other way (`%2e`, `//`, a slash at
the end, a name instead of the id) is not theirs, whatever a part of the server would make of it.
"""

from __future__ import annotations

import re

from swarm_store.tokens import CONTROL, READ, Token

READING = ("GET", "HEAD")
KEYS = b"/v1/stream/__ds/jwks.json"  # public ones, for whoever receives a webhook
_OWN_TOKEN = re.compile(rb"/v1/stream/__ds/subscriptions/[^/]+/(?:callback|ack|release)")
SHELL = re.compile(rb"/(?:favicon\.ico|page/[A-Za-z0-9._/-]*)?")  # the page's own files, the same in every installation
_OWN = re.compile(rb"/v1/(?:stream/agents/([A-Za-z0-9_-]+)(?:/stdout|/stderr)?|agents/([A-Za-z0-9_-]+)(?:/[a-z]+)?)")


def is_open(method: str, path: bytes) -> bool:
    """Whether it needs no token of ours: the page, as a browser cannot send one when it opens it, and public keys.

    A worker that was woken has the token of its wake instead: subscriptions/part.py asks for that.
    """
    if method == "POST":
        return _OWN_TOKEN.fullmatch(path) is not None
    return method in READING and (path == KEYS or (SHELL.fullmatch(path) is not None and b".." not in path))


def may(token: Token, method: str, path: bytes) -> bool:
    """Whether the token's scope has this request; `path` is ASGI's raw_path, without the query."""
    if token.scope != CONTROL and not (token.scope == READ and method in READING):
        return False
    return token.agents is None or agent_of(path) in token.agents


def is_revocation(method: str, path: bytes) -> bool:
    """Whether a token is revoked: who revokes their own is to hear that it was done."""
    return method == "DELETE" and path.startswith(b"/v1/tokens/")


def agent_of(path: bytes) -> str | None:
    """The id of the agent whose own `path` is; None where it is nobody's alone."""
    match = _OWN.fullmatch(path)
    return (match[1] or match[2]).decode("ascii") if match else None
