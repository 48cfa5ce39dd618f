"""`swarmctl supervisor`: run it, ask how it is, stop it."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from swarm_daemon.process import from_data, open_verified, send
from swarm_daemon.signals import signal
from swarm_daemon.watch import is_readable_within
from swarm_store.codec import encode
from swarm_store.errors import LogUnusable, SwarmError
from swarm_store.home import locate
from swarm_supervisor import singleton

from .. import __version__, elsewhere, home, render
from ..condition import supervision
from .options import HELP, JsonOption, new_verb
from .prune import Keep, LargerThan, OlderThan, retention

verb = new_verb()
STOP_SECONDS = 30.0


@verb.callback(context_settings=HELP)
def supervisor() -> None:
    """Keep the registry true: adopt what lost its daemon, restart by policy, end what is left over.

    One for each state directory. Agents do not need it to run, nor notice its end. systemd can run it: swarmctl
    systemd install.

    \b
    Examples:
      swarmctl supervisor run
      swarmctl supervisor status
    """


@verb.command(context_settings=HELP)
def run(
    once: Annotated[bool, typer.Option("--once", help="Do what is to be done now, and end.")] = False,
    older_than: OlderThan = None,
    keep: Keep = None,
    larger_than: LargerThan = None,
) -> None:
    """Supervise, in the foreground, until TERM or ^C. Agents go on.

    With --older-than, --keep or --larger-than it forgets ended agents, as swarmctl prune does, every ten minutes.

    \b
    Examples:
      swarmctl supervisor run
      swarmctl supervisor run --older-than 30d --keep 100
      swarmctl supervisor run --once
    """
    elsewhere.only_here("supervisor run")
    policy = retention(older_than, keep, larger_than)
    try:
        home.writing().close()  # here, because making a log loads what a supervisor never needs again
    except LogUnusable:
        pass  # what is the matter the supervisor says, and waits for its end, or has it mended
    os.environ["SWARM_VERSION"] = __version__
    # Another program in this process, rather than a call: it lives for months without what a command line loads.
    os.execv(
        sys.executable, [sys.executable, "-P", "-m", "swarm_supervisor", encode({"once": once, **policy._asdict()})]
    )


@verb.command(context_settings=HELP)
def status(json: JsonOption = False) -> int:
    """Whether there is a supervisor, since when, and what it did last. Status 1 where there is none.

    \b
    Examples:
      swarmctl supervisor status
      swarmctl supervisor status --json | jq .pid
    """
    far = elsewhere.far()
    known = supervision(locate()) if far is None else far.swarm.report("supervisor")
    last = known["last"]
    if json:
        print(render.as_json(known))
        return 0 if known["running"] else 1
    holder = known if known["running"] else None
    if holder is None:
        print("no supervisor runs")
    else:
        unit = f", systemd unit {holder['unit']}" if holder["unit"] else ""
        print(f"running: process {holder['pid']} on {holder['host']}, since {holder['since']}{unit}")
    if last is not None:
        did = ", ".join(f"{kind} {' '.join(ids)}" for kind, ids in last["did"].items()) or "nothing to do"
        print(f"last reconciled at {last['time']} ({last['cause']}): {did}")
    if holder is None:
        print("swarmctl: start one: swarmctl supervisor run, or swarmctl systemd install", file=sys.stderr)
    return 0 if holder else 1


@verb.command(context_settings=HELP)
def stop() -> None:
    """Stop the supervisor, and return when it has ended. Agents go on; systemd does not start it again by itself.

    \b
    Examples:
      swarmctl supervisor stop
    """
    elsewhere.only_here("supervisor stop")
    holder = singleton.holder(locate())
    if holder is None:
        raise SwarmError("no supervisor runs", "nothing was stopped")
    who = from_data(holder)
    file = open_verified(who)
    if file is not None and send(who, signal.SIGINT) and not is_readable_within(file, STOP_SECONDS):
        raise SwarmError(f"the supervisor, process {holder['pid']}, has not ended in {STOP_SECONDS:g} s", "kill -9 it")
