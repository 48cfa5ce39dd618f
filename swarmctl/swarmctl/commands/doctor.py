"""`swarmctl doctor`: what is wrong here, and what to do about it."""

from __future__ import annotations

from swarm_daemon import diagnosis

from .. import render
from .options import HELP, JsonOption, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def doctor(json: JsonOption = False) -> int:
    """Check the state directory, the log and what runs. Status 1 if anything is wrong.

    \b
    Examples:
      swarmctl doctor
      swarmctl doctor --json | jq '.[] | select(.ok | not)'
    """
    findings = list(diagnosis.examine())
    if json:
        print(render.as_json([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            print(f"{'ok  ' if finding.ok else 'BAD '} {finding.check:<12} {render.printable(finding.found)}")
            if not finding.ok:
                print(f"     {'':<12} → {finding.hint}")
    return 0 if all(finding.ok for finding in findings) else 1
