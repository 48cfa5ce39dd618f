"""`swarmctl agents`: the kinds of agents that there are, and what is here of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar

import typer

from .. import elsewhere, render, values
from ..progress import progress
from .options import HELP, JsonOption, new_group

T = TypeVar("T")
COLUMNS = ("KIND", "DRIVER", "INSTALLED", "VERSION", "LOGIN", "FROM")
AT_ONCE = 4  # that are looked at, or checked: some load for seconds
CHECK_SECONDS = "60s"
PROMPT = "Say hello, in one short sentence. Use no tools."

verb = new_group(
    """The kinds of agents that spawn --agent takes: what is installed, and whether it answers.

    \b
    Examples:
      swarmctl agents list
      swarmctl agents check codex
    """
)

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help="A kind, acp:COMMAND or api:PROFILE.")]
KindsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KIND]...",
        help="Kinds, acp:COMMAND or api:PROFILE; else all that are installed, signed in to, and have a model.",
    ),
]


@verb.command(name="list", context_settings=HELP)
def list_kinds(json: JsonOption = False) -> None:
    """List the kinds that there are: those built in, those of packages, and your own profiles.

    LOGIN is yes where a key or a file of a login is there, no where there is none, and unknown where that cannot be
    told without starting it: check does.

    \b
    Examples:
      swarmctl agents list
      swarmctl agents list --json | jq -r '.[] | select(.installed).kind'
    """
    elsewhere.only_here("agents list")
    from ..kinds import checking, finding

    looked = _each(checking.look, finding.names(), "looking at")
    if json:
        print(render.as_json([one._asdict() for one in looked]))
        return
    render.plain(COLUMNS, [_row(one) for one in looked])
    for one in looked:
        if one.driver is None and one.problem:
            print(f"     {one.kind}: {render.printable(one.problem)}")


@verb.command(context_settings=HELP)
def show(kind: KindArgument, json: JsonOption = False) -> None:
    """Show what a kind is: its profile with all that it extends, and where that stands.

    \b
    Examples:
      swarmctl agents show codex
      swarmctl agents show 'acp:goose acp' --json
    """
    elsewhere.only_here("agents show")
    from ..kinds import checking, look_up

    known = checking.as_dict(look_up(kind))
    if json:
        print(render.as_json(known))
    else:
        for name, value in known.items():
            print(f"{name + ':':<13}{render.printable(_text(value))}")


@verb.command(context_settings=HELP)
def check(
    kind: KindsArgument = None,
    ask: Annotated[bool, typer.Option("--ask", help="Take a turn too: it costs what the model costs.")] = False,
    timeout: Annotated[str, typer.Option(metavar="D", help="How long each may take.")] = CHECK_SECONDS,
    json: JsonOption = False,
) -> int:
    """Start each kind as a run would, open a session, and end it. Status 1 if one does not answer.

    With --ask it is asked to say hello, and is denied whatever it wants to do.

    \b
    Examples:
      swarmctl agents check
      swarmctl agents check claude codex --ask
    """
    elsewhere.only_here("agents check")
    from ..kinds import checking, finding

    seconds = values.duration(timeout)
    wanted = kind or [one.kind for one in _each(checking.look, finding.names(), "looking at") if _is_usable(one)]
    with _agents_unheard():
        checked = _each(lambda one: checking.check(one, seconds, PROMPT if ask else None), wanted, "checking")
    if json:
        print(render.as_json([one._asdict() for one in checked]))
    else:
        for one in checked:
            print(render.printable(_line(one)))
            if one.hint:
                print(f"     {'':<12} → {render.printable(one.hint)}")
    return 0 if all(one.ok for one in checked) else 1


@contextmanager
def _agents_unheard() -> Iterator[None]:
    """What agents write to stderr meanwhile is not shown: some are talkative. Ours is still there for ourselves."""
    heard, ours = sys.stderr, os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    os.close(nothing)
    try:
        with open(ours, "w", closefd=False) as sys.stderr:
            yield
    finally:
        sys.stderr = heard
        os.dup2(ours, 2)
        os.close(ours)


def _each(do: Callable[[str], T], names: list[str], what: str) -> list[T]:
    """Do it for each name, some at once; in order."""
    from concurrent.futures import ThreadPoolExecutor

    done: list[T] = []
    with ThreadPoolExecutor(AT_ONCE) as pool, progress(what, len(names)) as advance:
        for result in pool.map(do, names):
            done.append(result)
            advance()
    return done


def _is_usable(one: Any) -> bool:
    """Whether a check of all looks at it: what nobody has set up is no fault."""
    has_model = one.driver != "api" or one.model is not None
    return bool(one.installed) and one.login != "no" and has_model


def _row(one: Any) -> list[str]:
    if one.driver is None:
        return [one.kind, "-", "-", "-", "-", "wrong: see below"]
    installed = "yes" if one.installed else "no"
    return [one.kind, one.driver, installed, one.version or "-", one.login, one.source]


def _line(one: Any) -> str:
    if not one.ok:
        return f"BAD  {one.kind:<12} {one.problem}"
    found = " ".join(filter(None, [one.version, one.model])) or "it answers"
    said = f"; it said: {one.text}" if one.text else ""
    return f"ok   {one.kind:<12} {found} in {one.seconds:.1f} s{said}"


def _text(value: Any) -> str:
    import json as json_text

    if value in (None, "", [], {}):
        return "-"
    return value if isinstance(value, str) else json_text.dumps(value, ensure_ascii=False)
