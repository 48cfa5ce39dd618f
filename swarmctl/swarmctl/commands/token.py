"""`swarmctl token`: who else may use the server."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from swarm_store import registry, tokens
from swarm_store.errors import WrongUsage
from swarm_store.opening import NoLog

from .. import elsewhere, home, render, values
from ..completion import complete_agent
from .options import HELP, JsonOption, new_verb

verb = new_verb()
COLUMNS = ("ID", "SCOPE", "AGENTS", "CREATED", "EXPIRES", "USES LEFT", "LAST USED", "STATE")


@verb.callback(context_settings=HELP)
def token() -> None:
    """Make, list and revoke tokens for `swarmctl serve`, with which others may read or control.

    Your own, which may do everything, is in the file `token` of the state directory; the server's first start makes it.
    Delete that file and start the server again to have another.

    \b
    Examples:
      swarmctl token create --read --expires 7d
      swarmctl token list
    """


@verb.command(context_settings=HELP)
def create(
    read: Annotated[bool, typer.Option("--read", help="It may look at everything.")] = False,
    control: Annotated[bool, typer.Option("--control", help="It may do everything: spawn, cancel, remove.")] = False,
    agent: Annotated[
        list[str] | None,
        typer.Option(
            "--agent", metavar="AGENT", help="Of this agent alone; may be repeated.", autocompletion=complete_agent
        ),
    ] = None,
    expires: Annotated[str | None, typer.Option(metavar="D", help="For so long: 90s, 30m, 7d.")] = None,
    uses: Annotated[int | None, typer.Option(metavar="N", min=1, help="For so many requests.")] = None,
) -> None:
    """Make a token and print it, this once: the log has only its hash.

    \b
    Examples:
      swarmctl token create --read
      swarmctl token create --control --agent build --expires 1h
    """
    if read == control:
        raise WrongUsage("what it may do is not said" if not read else "it reads, or controls", "--read or --control")
    seconds = None if expires is None else values.duration(expires)
    if seconds == 0:
        raise WrongUsage("it would never open anything", "--expires 1h")
    scope: Literal["read", "control"] = "read" if read else "control"
    if (far := elsewhere.far()) is not None:
        print(far.swarm.create_token(scope, agents=agent, expires_in=seconds, uses=uses)["token"])
        return
    with home.writing() as log:
        agents = None if not agent else [str(registry.resolve(log, word)["id"]) for word in agent]
        print(tokens.create(log, scope, agents=agents, seconds=seconds, uses=uses))


@verb.command(name="list", context_settings=HELP)
def list_tokens(
    all: Annotated[bool, typer.Option("-a", "--all", help="Those too that open nothing any more.")] = False,
    json: JsonOption = False,
) -> None:
    """List tokens, without what opens anything. When one was last used is known where its uses are counted.

    \b
    Examples:
      swarmctl token list
      swarmctl token list --all --json
    """
    shown = _listed(all)
    if json:
        print(render.as_json(shown))
    else:
        render.plain(COLUMNS, [_row(one) for one in shown])


@verb.command(context_settings=HELP)
def revoke(
    id: Annotated[list[str], typer.Argument(metavar="ID...", help="As swarmctl token list shows them.")],
) -> None:
    """From now on these tokens, and those made with them through a server, open nothing; what is being read ends.

    \b
    Examples:
      swarmctl token revoke k3f9x2ab
    """
    if (far := elsewhere.far()) is not None:
        far.revoke_tokens(id)
        return
    with home.writing() as log:
        tokens.revoke(log, id)


def _listed(all: bool) -> list[dict[str, Any]]:
    if (far := elsewhere.far()) is not None:
        return [dict(one) for one in far.swarm.tokens(all=all)]
    try:
        with home.reading() as log:
            return tokens.listed(log, all=all)
    except NoLog:
        return []


def _row(token: dict[str, Any]) -> list[str]:
    return [
        token["id"],
        token["scope"],
        "all" if token["agents"] is None else ",".join(token["agents"]),
        token["created"],
        token["expires"] or "-",
        "-" if token["uses_left"] is None else str(token["uses_left"]),
        token["last_used"] or "-",
        token["state"],
    ]
