"""Which agents somebody asks for, now or as they were then: what `list` and `show` share with the server."""

from __future__ import annotations

from typing import NamedTuple

from swarm_store import lifecycle, registry
from swarm_store.errors import WrongUsage
from swarm_store.fold import Agent
from swarm_store.log import Log

from . import home, values


class Wanted(NamedTuple):
    """Which agents: the living, with `ended` all, or those in `states`; with all `labels` (K or K=V), the `name`, and
    `part` in their id, name, command or labels."""

    ended: bool = False
    states: frozenset[str] = frozenset()
    labels: tuple[str, ...] = ()
    name: str | None = None
    part: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether ended agents may be among them."""
        return self.ended or not self.states <= lifecycle.LIVE

    def fits(self, agent: Agent) -> bool:
        states = self.states or (lifecycle.STATES if self.ended else lifecycle.LIVE)
        return (
            agent["state"] in states
            and (self.name is None or agent["name"] == self.name)
            and values.has_labels(agent["labels"], list(self.labels))
            and (not self.part or _mentions(agent, self.part.casefold()))
        )


def _mentions(agent: Agent, part: str) -> bool:
    said = [agent["id"], agent["name"] or "", " ".join(agent["command"])]
    said += (f"{key}={value}" for key, value in agent["labels"].items())
    return any(part in text.casefold() for text in said)


def check_states(states: list[str] | None) -> frozenset[str]:
    """The same states. Raises WrongUsage for one that there is not."""
    for one in states or ():
        if one not in lifecycle.STATES:
            raise WrongUsage(f"no such state: {one!r}", f"states are {', '.join(lifecycle.STATES)}")
    return frozenset(states or ())


def listed(log: Log, wanted: Wanted, at: str | None = None) -> list[Agent]:
    """The agents that are wanted, in the order they were spawned; as they are now with their status."""
    if at is not None:
        return list(filter(wanted.fits, registry.agents_at(log, position_of(log, at)).values()))
    return home.with_status(log, list(filter(wanted.fits, registry.agents(log, ended=wanted.has_ended))))


def found(log: Log, word: str, at: str | None = None) -> Agent:
    """The one agent that `word` means, as it is now with its status, or as it was. Raises NoSuchAgent, WrongUsage."""
    if at is None:
        return home.with_status(log, [registry.resolve(log, word)])[0]
    agents = registry.agents_at(log, position_of(log, at))
    alike = [agent for agent in agents.values() if word in (agent["id"], agent["name"])]
    alike = alike or [agent for agent in agents.values() if agent["id"].startswith(word)]
    if not alike:
        raise registry.no_such(word)
    return alike[-1]


def position_of(log: Log, at: str) -> int:
    """The position that `--at` means: a bare number is one, anything else a time. Raises WrongUsage."""
    if not (at.isascii() and at.isdigit()):
        return log.position_at(values.moment(at))
    if int(at) > log.position():
        raise WrongUsage(f"position {at} has not been written", f"the last one is {log.position()}")
    return int(at)
