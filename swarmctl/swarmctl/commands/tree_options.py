"""The options of `spawn` that hold for an agent with all below it, and what they come to."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .. import values

UsdOption = Annotated[
    str | None, typer.Option("--budget-usd", metavar="USD", help="It and all below it may cost so much.")
]
TokensOption = Annotated[
    str | None, typer.Option("--budget-tokens", metavar="N", help="They may use so many tokens: 200k, 1.5M.")
]
DepthOption = Annotated[
    int | None, typer.Option("--max-depth", metavar="N", min=0, help="Agents below it may be so deep.")
]
ChildrenOption = Annotated[
    int | None,
    typer.Option("--max-children", metavar="N", min=0, help="So many agents may live below it; 200 if not said."),
]


def tree(usd: str | None, tokens: str | None, depth: int | None, children: int | None) -> dict[str, Any]:
    """What swarm_daemon.spawn.request takes of them. Raises WrongUsage."""
    return values.tree(
        usd=None if usd is None else values.dollars(usd),
        tokens=None if tokens is None else values.tokens(tokens),
        depth=depth,
        children=children,
    )
