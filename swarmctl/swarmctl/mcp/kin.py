"""Which of the agents of a tree a word means: others are as if they were not there."""

from __future__ import annotations

from swarm_store import registry
from swarm_store.errors import NoSuchAgent, WrongUsage
from swarm_store.fold import Agent
from swarm_store.lifecycle import LIVE


def resolve(agents: list[Agent], word: str) -> Agent:
    """The one of `agents` that `word` means: an id, a name (the living one, else the latest), or the start of one id.

    Raises NoSuchAgent, also for an agent of another tree, and WrongUsage where several ids start so.
    """
    found = [one for one in agents if one["id"] == word]
    if not found:
        named = [one for one in agents if one["name"] == word]
        found = [one for one in named if one["state"] in LIVE] or named
    if not found and word:
        found = [one for one in agents if one["id"].startswith(word)]
        if len(found) > 1:
            raise registry.ambiguous(word, [one["id"] for one in found])
    if not found:
        raise NoSuchAgent(f"there is no agent {word!r} in your tree", "list shows those that you have spawned")
    return found[-1]


def resolve_all(agents: list[Agent], words: list[str]) -> list[Agent]:
    """The agents that `words` mean, each once, in order. Raises as resolve, and WrongUsage for no words."""
    if not words:
        raise WrongUsage("no agent is named", "give the ids that spawn has returned")
    found = {one["id"]: one for one in (resolve(agents, word) for word in words)}
    return list(found.values())
