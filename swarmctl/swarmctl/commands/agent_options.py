"""The options of `spawn` that are of agents of a kind, where they may stand, and what they come to."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from swarm_store.errors import WrongUsage

from .. import values

KindOption = Annotated[
    str | None,
    typer.Option("--agent", metavar="KIND", help="An AI agent: claude, codex, ...; see swarmctl agents list."),
]
ModelOption = Annotated[str | None, typer.Option(metavar="M", help="Its model; the kind's own if not said.")]
SessionOption = Annotated[str | None, typer.Option(metavar="ID", help="Go on with this session of the agent's own.")]
ApproveOption = Annotated[
    str | None,
    typer.Option(metavar="HOW", help="What it asks to be allowed: ask (the default), never, auto-read or all."),
]
AllowOption = Annotated[
    list[str] | None, typer.Option(metavar="RULE", help="Allow it unasked: 'Bash(git *)'; may be repeated.")
]
DenyOption = Annotated[
    list[str] | None, typer.Option(metavar="RULE", help="Deny it unasked, and beat --allow; may be repeated.")
]
TimeoutOption = Annotated[
    str | None, typer.Option("--approval-timeout", metavar="D", help="Deny what nobody answers for so long.")
]
StayOption = Annotated[bool, typer.Option("--stay", help="Wait for more turns: swarmctl send.")]
QuotaOption = Annotated[
    bool, typer.Option("--resume-after-quota", help="Wait where a quota or rate is reached, and go on.")
]
SwarmOption = Annotated[
    bool, typer.Option("--with-swarm", help="Give it the swarm as tools, for agents of its own: swarmctl mcp.")
]
PromptFileOption = Annotated[str | None, typer.Option(metavar="FILE", help="Its prompt; - is our standard input.")]


class SpawnCommand(TyperCommand):
    """What follows a command is that command's own. With --agent before it, it is a prompt: options may follow that."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        given, _, _ = self.make_parser(ctx).parse_args(list(args))
        ctx.allow_interspersed_args = "agent" in given
        return super().parse_args(ctx, args)


def asked(kind: str | None, words: list[str], **given: Any) -> dict[str, Any] | None:
    """What is asked of an agent of a kind, checked; None where none is named. Raises WrongUsage."""
    if kind is None:
        for name, value in given.items():
            if value:
                raise WrongUsage(f"--{name.replace('_', '-')} needs --agent", "swarmctl spawn --agent KIND PROMPT")
        return None
    from .. import prompting  # what a plain command needs not load

    prompt = prompting.read_prompt(words, given.pop("prompt_file"))
    timeout = given.pop("approval_timeout")
    given["approval_timeout"] = None if timeout is None else values.duration(timeout)
    given |= {"allow": given["allow"] or [], "deny": given["deny"] or [], "approve": given["approve"] or "ask"}
    return prompting.check({"agent": kind, "prompt": prompt, **given})
