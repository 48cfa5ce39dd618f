"""`swarmctl show`: all that is known of one agent."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from swarm_store.fold import Agent

from .. import agents, elsewhere, home, render
from .options import HELP, AgentArgument, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def show(
    agent: AgentArgument,
    at: Annotated[
        str | None,
        typer.Option(metavar="POSITION|TIME", help="As it was then: a position in the log, or a time."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Show one agent.

    \b
    Examples:
      swarmctl show build
      swarmctl show 7f3k --json | jq .exit_code
    """
    far = elsewhere.far()
    found = _found(agent, at) if far is None else far.agent(agent, at)
    if json:
        print(render.as_json(found))
        return
    for key, value in found.items():
        print(f"{key:<16} {_text(key, value, found)}")
    if at is None:
        (far or home).hint_lost([found])


def _found(word: str, at: str | None) -> Agent:
    with home.reading() as log:
        return agents.found(log, word, at)


def _text(key: str, value: Any, agent: Agent) -> str:
    if value is None or value == {}:
        return "-"
    if key == "command":
        return render.command_line(agent)
    if key in ("daemon", "keeper", "child", "spawner"):
        return f"pid {value['pid']}, started at tick {value['start']} of boot {value['boot']}"
    if isinstance(value, dict):
        return render.printable(", ".join(f"{name} {inner}" for name, inner in value.items()))
    return render.printable(str(value))
