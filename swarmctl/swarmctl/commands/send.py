"""`swarmctl send`: input for a running agent."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated

import typer

from swarm_daemon import control
from swarm_store import registry
from swarm_store.errors import WrongUsage

from .. import elsewhere, home
from .options import HELP, AgentArgument, new_verb

verb = new_verb()

BLOCK = 1 << 20  # bytes that are committed together


@verb.command(context_settings=HELP)
def send(
    agent: AgentArgument,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT|-]", help="A line to send; - sends our standard input as it is.")
    ] = None,
    no_newline: Annotated[bool, typer.Option("-n", "--no-newline", help="No newline after TEXT.")] = False,
    close: Annotated[bool, typer.Option("--close", help="Then end its input: it reads the end of a file.")] = False,
) -> None:
    """Send input to an agent that was spawned with --input.

    It is in the log when this returns, and reaches the agent's standard input once and in order, whoever is killed;
    the agent may read it later, or never. What is piped in is sent as it comes. A new run does not get what was sent
    to an earlier one.

    \b
    Examples:
      swarmctl send build yes
      swarmctl send --close build - < answers.txt
      git diff | swarmctl send review -
    """
    if text is None and not close:
        raise WrongUsage("nothing to send", "give a TEXT, or - for our standard input, or --close")
    line = b"" if text in (None, "-") else os.fsencode(text or "") + (b"" if no_newline else b"\n")
    if far := elsewhere.far():
        found_there = far.agent(agent)["id"]
        _send(lambda data, close: far.swarm.send(found_there, data, close=close), text == "-", line, close)
        return
    with home.writing() as log:
        found = registry.resolve(log, agent)
        _send(lambda data, close: control.send_input(log, found, data, close=close), text == "-", line, close)


def _send(send: Callable[[bytes, bool], None], is_piped: bool, line: bytes, close: bool) -> None:
    """Send our standard input if it is piped in, then a line if there is one, then the end if it is to be closed."""
    if is_piped:
        send(b"", False)  # refused before anything is read
        while block := os.read(0, BLOCK):
            send(block, False)
    if line or close:
        send(line, close)
