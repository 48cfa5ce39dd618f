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
    """Show one agent; of an AI agent its session too, its turns, what it has used, and what it asks to be allowed.

    \b
    Examples:
      swarmctl show build
      swarmctl show 7f3k --json | jq .exit_code
    """
    far = elsewhere.far()
    found = _found(agent, at) if far is None else far.shown(agent, at)
    if json:
        print(render.as_json(found))
        return
    for key, value in found.items():
        if key not in ("session", "approvals"):
            print(f"{key:<16} {_text(key, value, found)}")
    if found.get("session"):
        from .. import turns

        for key, text in turns.in_words(found["session"], found["approvals"]):
            print(f"{key:<16} {text}")
    if at is None:
        (far or home).hint_lost([found])


def _found(word: str, at: str | None) -> Agent:
    with home.reading() as log:
        found = agents.found(log, word, at)
        if at is None and found["kind"] is not None:
            from swarm_store import approvals, sessions  # what plain commands do without

            from .. import asking

            asked = asking.as_shown(log, approvals.asked(log, agent_id=found["id"]))
            found |= {"session": sessions.get(log, found["id"]), "approvals": asked}
        return found


def _budget(agent: Agent) -> str:
    """That of its spawn, or what somebody has made of it since."""
    most = (agent.get("session") or {}).get("budget") or agent["budget"] or {}
    usd, tokens = most.get("usd"), most.get("tokens")
    if usd is None and tokens is None:
        return "-"
    from ..spending import dollars  # what most agents do without

    words = ["" if usd is None else dollars(usd), "" if tokens is None else f"{tokens:,} tokens"]
    return ", ".join(filter(None, words))


def _text(key: str, value: Any, agent: Agent) -> str:
    if key == "budget":
        return _budget(agent)
    if value in (None, {}, []):
        return "-"
    if key == "command":
        return render.command_line(agent)
    if key in ("daemon", "keeper", "child", "spawner"):
        return f"pid {value['pid']}, started at tick {value['start']} of boot {value['boot']}"
    if isinstance(value, dict):
        return render.printable(", ".join(f"{name} {inner}" for name, inner in value.items()))
    return render.printable(str(value))
