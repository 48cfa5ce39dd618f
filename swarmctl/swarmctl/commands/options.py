"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from ..completion import complete_agent, complete_approval

AgentArgument = Annotated[
    str,
    typer.Argument(metavar="AGENT", help="An id, the start of one, or a name.", autocompletion=complete_agent),
]
AgentsArgument = Annotated[
    list[str],
    typer.Argument(metavar="AGENT...", help="Ids, starts of ids, or names.", autocompletion=complete_agent),
]
OptionalAgents = Annotated[
    list[str] | None,
    typer.Argument(metavar="[AGENT]...", help="Ids, starts of ids, or names.", autocompletion=complete_agent),
]
ApprovalArgument = Annotated[
    str,
    typer.Argument(metavar="ID", help="An approval's id, or the start of it.", autocompletion=complete_approval),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document, for programs.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")]
FollowOption = Annotated[bool, typer.Option("-f", "--follow", help="Go on as more comes.")]


def new_verb() -> typer.Typer:
    """A Typer app of one verb, whose help keeps its examples as they are written."""
    return typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


def new_group(does: str) -> typer.Typer:
    """A Typer app of a verb that has verbs below it; `does` is its help, with examples."""
    return typer.Typer(
        help=does,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings=HELP,
    )


HELP = {"help_option_names": ["-h", "--help"]}
