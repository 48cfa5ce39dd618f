"""`swarmctl top`: the swarm live in a terminal."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from swarm_store.errors import SwarmError, WrongUsage

from .. import elsewhere, home
from .options import HELP, new_verb

if TYPE_CHECKING:
    from ..top.source import Source

verb = new_verb()


@verb.command(context_settings=HELP)
def top(
    all: Annotated[bool, typer.Option("-a", "--all", help="Begin with the ended ones too.")] = False,
) -> int:
    """Show the swarm live: all agents, one agent's output, what happens; cancel, signal, restart, spawn.

    \b
    Keys:
      up down pgup pgdn home end    move; j k g G too; a click does as well
      enter, tab, esc               to the pane below the table, and back
      1 2 3                         the pane: output, the agent with its runs, events of all
      f                             in the output: follow again after scrolling back
      / a s R                       filter, the ended ones too, sort by another column, turn the order
      n c S r                       spawn, cancel, signal, restart
      z q                           the pane alone, quit

    \b
    Examples:
      swarmctl top
      swarmctl top --all
    """
    if not _is_on_terminal():
        raise WrongUsage("top needs a terminal", "swarmctl list and swarmctl events -f go anywhere")
    environment = dict(os.environ)  # before Textual takes NO_COLOR out of it
    try:
        from ..top.app import Top
    except ModuleNotFoundError as error:
        raise SwarmError(f"top needs {error.name}", "pip install 'swarmctl[top]'") from error
    screen = Top(_source(environment), ended=all)
    screen.run()
    if screen.failure:
        raise screen.failure
    return screen.return_code or 0


def _source(environment: dict[str, str]) -> Source:
    """The swarm that is looked at. Raises SwarmError where its log, or its server, cannot be used."""
    if (far := elsewhere.far()) is not None and elsewhere.chosen is not None:
        far.swarm.report("info")
        from ..top.remote import RemoteSource

        return RemoteSource(elsewhere.chosen, environment)
    from ..top.local import LocalSource

    with home.writing() as log:
        return LocalSource(log.home, environment)


def _is_on_terminal() -> bool:
    """Whether keys come from one, and what is drawn goes to one: Textual draws on stderr."""
    return os.environ.get("TERM", "dumb") != "dumb" and all(os.isatty(file) for file in (0, 1, 2))
