"""`swarmctl usage`: what AI agents have used, in tokens and money."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from swarm_store.errors import WrongUsage
from swarm_store.opening import NoLog

from .. import elsewhere, home, render, spending, spent
from .options import HELP, JsonOption, OptionalAgents, new_verb

verb = new_verb()
COUNTS = ("IN", "CACHED", "OUT", "COST")
TREE = ("TREE IN", "TREE OUT", "TREE COST")


@verb.command(context_settings=HELP)
def usage(
    agent: OptionalAgents = None,
    by: Annotated[
        str | None,
        typer.Option(metavar="WHAT", help="agent, kind, label, day or model; agent if not said."),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="K", help="By this label's values.")] = None,
    json: JsonOption = False,
) -> None:
    """Show what AI agents have used: tokens, and what they cost as far as that is known.

    Of each agent what it has used itself, and what its tree has: with all that it has spawned, and those, and so on.
    Where agents are named, it is of their trees alone. IN is all that was read, CACHED what of it came from a cache;
    days are those of UTC. A cost that is not known is unknown, never 0.

    \b
    Examples:
      swarmctl usage
      swarmctl usage fixer --by model
      swarmctl usage --by day --json | jq '.[] | [.day, .cost / 1e6]'
      swarmctl usage --by label --label team
    """
    group = by or ("label" if label else "agent")
    if group not in spending.GROUPS:
        raise WrongUsage(f"usage cannot be summed by {group!r}", f"it is one of {', '.join(spending.GROUPS)}")
    if (group == "label") != (label is not None):
        raise WrongUsage("--by label and --label K belong together", "name the label: --by label --label team")
    far = elsewhere.far()
    summed, total = (_used if far is None else far.usage)(agent or [], group, label)
    if json:
        print(render.as_json(summed))
    elif summed:
        _table(group, label, summed, total)


def _used(words: list[str], group: str, label: str | None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    try:
        with home.reading() as log:
            return spent.summed(log, home.resolve_all(log, words), group, label)
    except NoLog:
        if words:
            raise
        return [], {}


def _table(group: str, label: str | None, summed: list[dict[str, Any]], total: dict[str, Any]) -> None:
    if group == "agent":
        names: tuple[str, ...] = ("ID", "NAME", "KIND", *COUNTS, *TREE)
        cells = [
            [one["id"], one["name"] or "-", one["kind"] or "-", *_own(one["own"]), *_tree(one["tree"])]
            for one in summed
        ]
        last = ["total", "", "", *_own(total), "", "", ""]
    else:
        names = ((label or group).upper(), *COUNTS)
        cells = [[render.printable(str(one[group] or "-")), *_own(one)] for one in summed]
        last = ["total", *_own(total)]
    if len(cells) > 1:
        cells.append(last)
    render.columns(names, cells, right=(*COUNTS, *TREE))


def _own(sums: dict[str, Any]) -> list[str]:
    counted = (spending.taken_in(sums), sums["cache_read"], sums["output"])
    return [*(f"{count:,}" for count in counted), spending.cost_in_words(sums)]


def _tree(sums: dict[str, Any]) -> list[str]:
    return [f"{spending.taken_in(sums):,}", f"{sums['output']:,}", spending.cost_in_words(sums)]
