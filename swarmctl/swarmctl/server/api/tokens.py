"""Tokens: create, list, revoke. Who may make which is said in swarm_store.tokens."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from swarm_store import registry, tokens
from swarm_store.log import Log
from swarm_store.tokens import Token

from ..wire import TOKEN
from . import bodies, models
from .answers import as_json, new_router
from .queries import ListTokens, TokenId
from .work import Here

router = new_router("tokens")


@router.post("/tokens", response_model=models.NewToken, status_code=201)
async def create_token(here: Here, request: Request, body: bodies.CreateToken) -> Response:
    """Make a token, and tell it this once: the log has only its hash.

    It may be made with a token that controls everything, and whose uses are not counted; it ends with that one, whether
    that is revoked or expires. What would outlive it is refused (403).
    """
    maker: Token | None = request.scope.get(TOKEN)

    def create(log: Log) -> str:
        agents = None if body.agents is None else [str(registry.resolve(log, word)["id"]) for word in body.agents]
        return tokens.create(log, body.scope, agents=agents, seconds=body.expires_in, uses=body.uses, maker=maker)

    made = await here.write(create)
    return as_json({"id": tokens.id_of(made), "token": made}, 201)


@router.get("/tokens", response_model=models.Tokens)
async def list_tokens(here: Here, query: Annotated[ListTokens, Query()]) -> Response:
    """The tokens that open something, or with `all` the others too: neither they themselves, nor their hashes."""
    return as_json({"tokens": await here.read(lambda log: tokens.listed(log, all=query.all))})


@router.delete("/tokens/{id}", status_code=204)
async def revoke_token(here: Here, id: TokenId) -> Response:
    """From now on it and those that were made with it open nothing; what is being read with them ends."""
    await here.write(lambda log: tokens.revoke(log, [id]))
    return Response(status_code=204)
