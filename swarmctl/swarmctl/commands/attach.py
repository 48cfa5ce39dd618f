"""`swarmctl attach`: an agent in this terminal."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Annotated

import typer

from swarm_store import registry
from swarm_store.errors import NotPossible, SwarmError, WrongUsage
from swarm_store.fold import Agent
from swarm_store.lifecycle import TERMINAL
from swarm_store.log import Log

from .. import elsewhere, home
from .options import HELP, AgentArgument, new_verb
from .waiting import FAILED_OURSELVES, in_an_agents_place, status

verb = new_verb()

DETACH_KEYS = "ctrl-\\,ctrl-\\"


@verb.command(context_settings=HELP)
def attach(
    agent: AgentArgument,
    read_only: Annotated[bool, typer.Option("-r", "--read-only", help="Only look: no key goes to it.")] = False,
    detach_keys: Annotated[
        str, typer.Option(metavar="KEYS", help="What leaves it running: ctrl-a,d or the like.")
    ] = DETACH_KEYS,
) -> int:
    """Attach this terminal to an agent that was spawned with --tty, as if it ran here, or to an AI agent.

    Of an AI agent it is the conversation: what is said appears as it is written; a line that is typed is a turn, or the
    answer to what the agent asks. Ctrl-C ends the turn under way, Ctrl-D or /detach leaves, and all goes on.

    Ctrl-\\ pressed twice detaches: the agent goes on, and can be attached to again, from anywhere on the machine. Where
    several are attached, its terminal has the size of the smallest. When the agent ends, the status is its own.

    \b
    Examples:
      swarmctl spawn --name editor --tty -- vim notes.txt; swarmctl attach editor
      swarmctl attach --detach-keys ctrl-a,d editor
      swarmctl attach --read-only editor
      swarmctl spawn --name fixer --agent claude "fix the tests"; swarmctl attach fixer
    """
    if elsewhere.far():
        raise NotPossible("a terminal is attached to on its own machine, not through a server", "log in there")
    with home.writing() as log, in_an_agents_place():
        found = registry.resolve(log, agent)
        if found.get("tty"):
            return _terminal(log, found, detach_keys, read_only)
        if found.get("kind"):
            conversation = import_module("swarmctl.attach.conversation")
            return int(conversation.run(log, found, read_only=read_only, detach_keys=detach_keys))
        raise NotPossible(f"agent {found['id']} has no terminal", f"swarmctl logs -f {found['id']} follows its output")


def _terminal(log: Log, agent: Agent, detach_keys: str, read_only: bool) -> int:
    try:
        from ..attach import keys, terminal, window
    except ModuleNotFoundError as error:
        raise SwarmError("swarmctl[attach] is not installed", "pip install 'swarmctl[attach]'") from error
    wanted = keys.parse(detach_keys)
    if not window.is_terminal():
        raise WrongUsage("attach needs a terminal", f"swarmctl logs -f {agent['id']}; swarmctl send types")
    if agent["state"] in TERMINAL:
        raise NotPossible(f"agent {agent['id']} has ended: it is {agent['state']}", f"swarmctl logs {agent['id']}")
    who = agent["name"] or agent["id"]
    if not terminal.run(log, agent, keys=wanted, read_only=read_only):
        print(f"swarmctl: detached; {who} goes on: swarmctl attach {who}", file=sys.stderr)
        return 0
    ended = registry.get(log, agent["id"])
    print(f"swarmctl: {who} has ended: {ended['state'] if ended else 'removed'}", file=sys.stderr)
    return status(ended) if ended else FAILED_OURSELVES
