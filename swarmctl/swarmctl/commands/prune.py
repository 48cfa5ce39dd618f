"""`swarmctl prune`: forget what has ended, by age, number or size, and give its space back."""

from __future__ import annotations

from typing import Annotated

import typer

from swarm_store.errors import WrongUsage
from swarm_store.retention import Policy

from .. import elsewhere, home, pruning, values
from ..progress import progress
from .options import HELP, new_verb
from .rm import say_left

verb = new_verb()

OlderThan = Annotated[str | None, typer.Option(metavar="D", help="Those that ended longer ago than this.")]
Keep = Annotated[int | None, typer.Option(metavar="N", min=0, help="All but the newest N, which stay.")]
LargerThan = Annotated[
    str | None, typer.Option(metavar="S", help="The oldest, until the log takes no more than this: 500M, 2G.")
]


def retention(older_than: str | None, keep: int | None, larger_than: str | None) -> Policy:
    """The policy that these options say. Raises WrongUsage."""
    return Policy(
        None if older_than is None else values.duration(older_than),
        keep,
        None if larger_than is None else values.size(larger_than),
    )


@verb.command(context_settings=HELP)
def prune(
    older_than: OlderThan = None,
    keep: Keep = None,
    larger_than: LargerThan = None,
    label: Annotated[list[str] | None, typer.Option(metavar="K[=V]", help="Only those with this label.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only print which it would be.")] = False,
) -> None:
    """Delete ended agents with their output; prints their ids. What its policy may restart is not touched.

    It works in small steps beside whatever runs; killed at any moment, it can be run again.

    \b
    Examples:
      swarmctl prune --older-than 7d
      swarmctl prune --older-than 1d --keep 50
      swarmctl prune --larger-than 2G --dry-run
    """
    if older_than is None and keep is None and larger_than is None:
        raise WrongUsage("what to delete is not said", "give --older-than, --keep or --larger-than")
    policy = retention(older_than, keep, larger_than)
    labels = label or []
    if far := elsewhere.far():
        for one in far.swarm.prune(**policy._asdict(), labels=labels, dry_run=dry_run):
            print(one)
        return
    with home.reading() if dry_run else home.writing() as log:
        due = pruning.due(log, policy, labels)
        if dry_run:
            for agent in due:
                print(agent["id"])
            return
        with progress("pruning", len(due)) as advance:
            for agent in pruning.prune(log, policy, labels):
                print(agent["id"], flush=True)
                say_left([agent])
                advance()
