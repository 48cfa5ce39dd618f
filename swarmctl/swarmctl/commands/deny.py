"""`swarmctl deny`: no to what an agent asks to be allowed."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .. import asking, who
from .options import HELP, ApprovalArgument, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def deny(
    approval: ApprovalArgument,
    message: Annotated[str | None, typer.Option("-m", "--message", metavar="M", help="What the agent is told.")] = None,
    always: Annotated[bool, typer.Option("--always", help="And just the same from now on, in this session.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Do not let an agent do what it asks for; it goes on without.

    Whoever answers first answers for all: a second answer is status 4, and says who was first.

    \b
    Examples:
      swarmctl deny k3m7
      swarmctl deny k3m7 --message 'Use git stash instead.'
    """
    answered = asking.answer(approval, granted=False, by=who.user_at_host(), always=always, message=message)
    if as_json:
        print(json.dumps(answered))
