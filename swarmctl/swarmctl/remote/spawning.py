"""Agents spawned elsewhere, from options that are given here: files that they name are read here, and sent."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple, cast

from swarm_store.errors import NoSuchAgent, SwarmError, WrongUsage
from swarm_store.events import OUTPUT_TYPES
from swarm_store.fold import Agent

from .. import values
from ..client import SpawnOptions
from ..commands.logs import Shown
from ..commands.spawn import Outcomes, Said, failures, say_going_on, status_of_all
from ..commands.waiting import FAILED_OURSELVES, status
from ..output import Chosen
from ..progress import progress
from ..who import user_at_host
from .output import show
from .session import Session


class Wish(NamedTuple):
    """What to run and how; `line` is where it stood in a file of many."""

    command: list[str]
    options: SpawnOptions
    line: str


def spawn(session: Session, given: list[dict[str, Any]], said: Said, *, follow: bool, wait: bool) -> int:
    """Spawn agents, say what became of each, and wait for them where that is wanted; the command's status.

    Each by itself: where one cannot be, the others are nevertheless.
    """
    wishes = [_wish(one) for one in given]
    with progress("spawning", len(wishes)) as advance:
        spawned = session.of_each(lambda wish: _spawned(session, wish, advance), wishes)
    outcomes: Outcomes = {}
    agents: list[Agent] = []
    for wish, outcome in zip(wishes, spawned, strict=True):
        if isinstance(outcome, SwarmError):
            outcomes[wish.line] = outcome
        else:
            outcomes[outcome["id"]] = {"daemon": outcome["daemon"], "child": outcome["child"]}
            agents.append(outcome)
    said.say(outcomes)
    if follow and not failures(outcomes):
        return _follow(session, agents[0])
    if wait:
        return status_of_all(outcomes, agents, session.ends(agents, None))
    return failures(outcomes)


def _wish(given: dict[str, Any]) -> Wish:
    """A wish as the server takes it. Raises WrongUsage for a file that cannot be read here."""
    left = dict(given)
    command, line = left.pop("command", []), left.pop("line", "")
    if "agent" in left:
        left |= left.pop("agent") | {"by": user_at_host()}
    options = {**left, **left.pop("limits")}
    del options["limits"]
    options |= _of_tree(options.pop("budget"), options.pop("caps"))
    if options["stdin"] is not None:
        options["stdin"] = _read(options["stdin"], line)
    return Wish(command, cast(SpawnOptions, options), line)


def _of_tree(budget: dict[str, Any] | None, caps: dict[str, Any] | None) -> dict[str, Any]:
    """The budget and the caps of a tree, as the server takes them."""
    budget, caps = budget or {}, caps or {}
    usd = budget.get("usd")
    said = {"budget_usd": None if usd is None else usd / values.MICRO, "budget_tokens": budget.get("tokens")}
    return said | {"max_depth": caps.get("depth"), "max_children": caps.get("children")}


def _read(path: str, line: str) -> bytes:
    try:
        if path == "-":
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        where, spared = (f"{line}: ", "; nothing was spawned") if line else ("", "")
        what = f"{where}not a file that can be read: {path}"
        raise WrongUsage(what, f"name another with --stdin, or - for our own{spared}") from error


def _spawned(session: Session, wish: Wish, advance: Callable[[], None]) -> Agent | SwarmError:
    try:
        return cast(Agent, session.swarm.spawn(wish.command, **wish.options))
    except SwarmError as error:
        return error
    finally:
        advance()


def _follow(session: Session, agent: Agent) -> int:
    """Show the agent's output until it ends; leaving does not end it."""
    shown = Shown(times=False, json="no", last=None, follow=True, cut=False)
    try:
        show(session.swarm, [agent], Chosen(list(OUTPUT_TYPES.values())), shown)
        return next(map(status, session.ends([agent], None)), FAILED_OURSELVES)
    except KeyboardInterrupt:
        say_going_on([agent["id"]])
        raise
    except NoSuchAgent:
        return FAILED_OURSELVES
