"""`swarmctl approve`: yes to what an agent asks to be allowed."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from swarm_store.errors import WrongUsage

from .. import asking, who
from .options import HELP, ApprovalArgument, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def approve(
    approval: ApprovalArgument,
    always: Annotated[bool, typer.Option("--always", help="And just the same from now on, in this session.")] = False,
    edit: Annotated[
        str | None,
        typer.Option(metavar="JSON|-", help="With this input instead, a JSON object; - reads it from stdin."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Let an agent do what it asks for.

    Whoever answers first answers for all: a second answer is status 4, and says who was first. So is one to what is not
    asked any more, because the agent's process has died: it asks again.

    \b
    Examples:
      swarmctl approve k3m7
      swarmctl approve k3m7 --always
      swarmctl approve k3m7 --edit '{"command": "rm -r build/cache"}'
    """
    given = None if edit is None else _object(sys.stdin.read() if edit == "-" else edit)
    answered = asking.answer(approval, granted=True, by=who.user_at_host(), always=always, input=given)
    if as_json:
        print(json.dumps(answered))


def _object(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
        json.dumps(given, allow_nan=False)  # NaN, and 1e999 too
    except (ValueError, RecursionError) as error:
        raise WrongUsage(f"--edit is not JSON: {error}", "write the tool's whole input as a JSON object") from None
    if not isinstance(given, dict):
        raise WrongUsage("--edit is no JSON object", "write the tool's whole input, as approvals --json shows it")
    return given
