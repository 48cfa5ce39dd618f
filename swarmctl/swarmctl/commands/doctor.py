"""`swarmctl doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from swarm_daemon.repair import repair
from swarm_store.home import locate

from .. import elsewhere, render
from ..condition import examined
from .options import HELP, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def doctor(
    json: JsonOption = False,
    fix: Annotated[bool, typer.Option("--fix", help="Do what is safe first, and say what was done.")] = False,
) -> int:
    """Check the state directory, the log and what runs. Status 1 if anything is wrong.

    --fix closes files to others, sets a damaged log aside and recovers what can be read, brings a deleted one back from
    the processes that have it open, has runs without a daemon adopted, and clears up; then it looks again.

    \b
    Examples:
      swarmctl doctor
      swarmctl doctor --fix
      swarmctl doctor --json | jq '.[] | select(.ok | not)'
    """
    if fix:
        elsewhere.only_here("doctor --fix")
        for done in repair(locate()):
            print(render.printable(f"fixed: {done}" if not done.startswith("failed") else done), file=sys.stderr)
    far = elsewhere.far()
    findings = examined(locate()) if far is None else far.findings()
    if json:
        print(render.as_json([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'BAD '} {finding.check:<12} {render.printable(finding.found)}")
            if not finding.ok:
                print(f"     {'':<12} → {finding.hint}")
    return 0 if all(finding.ok for finding in findings) else 1
