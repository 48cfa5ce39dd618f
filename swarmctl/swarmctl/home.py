"""The log as a command opens it, and the agents that its words mean."""

from __future__ import annotations

from swarm_store import registry
from swarm_store.fold import Agent
from swarm_store.home import locate
from swarm_store.log import Log


def reading() -> Log:
    """The log, for reading alone. Raises NoLog where nothing has ever been spawned."""
    return Log(locate(), write=False)


def writing() -> Log:
    """The log, made if need be."""
    return Log(locate())


def resolve_all(log: Log, words: list[str]) -> list[Agent]:
    """The agents that `words` mean, each once, in order. Raises NoSuchAgent or WrongUsage for the first bad one."""
    found = {agent["id"]: agent for agent in (registry.resolve(log, word) for word in words)}
    return list(found.values())


def complete_agent(incomplete: str) -> list[tuple[str, str]]:
    """Ids and names that begin so, with what they are: for shell completion, which must never fail."""
    try:
        with reading() as log:
            agents = registry.agents(log, ended=True)
    except Exception:
        return []
    words = []
    for agent in agents[-500:]:
        what = " ".join([agent["state"], *agent["command"]])[:60]
        words += [(word, what) for word in (agent["name"], agent["id"]) if word and word.startswith(incomplete)]
    return words
