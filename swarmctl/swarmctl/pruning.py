"""Forgetting ended agents by a policy: what `prune` shares with the server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swarm_daemon import control
from swarm_store import registry
from swarm_store.clock import now
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarm_store.retention import Policy, expired

from . import values


def due(log: Log, policy: Policy, labels: Sequence[str] = ()) -> list[Agent]:
    """The agents with all `labels` (K or K=V) that the policy forgets now."""
    agents = (agent for agent in registry.agents(log, ended=True) if values.has_labels(agent["labels"], list(labels)))
    return [one for one in expired(agents, now(), policy, used=log.used_bytes()) if control.may_be_pruned(log, one)]


def prune(log: Log, policy: Policy, labels: Sequence[str] = ()) -> Iterator[Agent]:
    """Forget them, each as it is done, and at the end give their space back."""
    yield from control.prune(log, policy, chosen=lambda agent: values.has_labels(agent["labels"], list(labels)))
    log.give_back()
