"""The token with which an agent steers its own tree: made for a run by its host, checked at each call.

It opens nothing else, and nothing at all once its agent has ended or was removed, whoever was killed before the token
could be revoked.
"""

from __future__ import annotations

from swarm_store import registry, tokens
from swarm_store.errors import SwarmError
from swarm_store.fold import Agent
from swarm_store.lifecycle import LIVE
from swarm_store.log import Log


class AccessRefused(SwarmError):
    """The token opens no agent's tree."""


def grant(log: Log, agent_id: str) -> str:
    """A new token for the tree of an agent, told this once; those that earlier runs of it had are revoked."""
    revoke(log, agent_id)
    return tokens.create(log, tokens.TREE, agents=[agent_id])


def revoke(log: Log, agent_id: str) -> None:
    """From now on no token opens the agent's tree."""
    mine = frozenset([agent_id])
    known = tokens.read(log).values()
    found = [one.id for one in known if one.scope == tokens.TREE and one.agents == mine and one.revoked is None]
    if found:
        tokens.revoke(log, found)


def check(log: Log, presented: str) -> Agent:
    """The living agent whose tree the token opens. Raises AccessRefused."""
    if not presented:
        raise AccessRefused("no token in SWARM_TOKEN", "spawn the agent with --with-swarm, which gives it one")
    token = tokens.read(log).get(tokens.id_of(presented))
    if token is None or not tokens.is_same(token, presented):
        raise AccessRefused("the token in SWARM_TOKEN is none of this log", "spawn the agent with --with-swarm")
    if token.scope != tokens.TREE or token.agents is None:
        raise AccessRefused(f"token {token.id} opens no agent's tree", "spawn the agent with --with-swarm")
    state = tokens.state(token, log.clock())
    if state != tokens.GOOD:
        raise AccessRefused(f"token {token.id} is {state}", "another run of the agent gets another")
    (agent_id,) = token.agents
    agent = registry.get(log, agent_id)
    if agent is None or agent["state"] not in LIVE:
        what = "was removed" if agent is None else f"has ended: it is {agent['state']}"
        raise AccessRefused(f"agent {agent_id}, whose token this is, {what}", "another run of it gets another token")
    return agent
