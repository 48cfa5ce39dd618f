"""The options of `spawn` for what is done around an agent's runs."""

from __future__ import annotations

from typing import Annotated

import typer

NotifyOption = Annotated[
    list[str] | None,
    typer.Option(metavar="COMMAND|URL", help="Tell it when the agent waits, is done, has failed; may be repeated."),
]
WorktreeOption = Annotated[bool, typer.Option("--worktree", help="In a git worktree and branch of its own.")]
BranchOption = Annotated[str | None, typer.Option(metavar="B", help="The branch; swarm/NAME, or swarm/ID.")]
WorktreeEndOption = Annotated[
    str | None,
    typer.Option(metavar="HOW", help="At its end: keep, remove, or auto, which keeps commits. No work is ever lost."),
]
