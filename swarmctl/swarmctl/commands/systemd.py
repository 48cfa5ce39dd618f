"""`swarmctl systemd`: have systemd run the supervisor, and the server."""

from __future__ import annotations

import os
import pwd
import sys
from pathlib import Path
from typing import Annotated

import typer

from swarm_store.errors import SwarmError

from .. import elsewhere
from ..units import SERVER, SUPERVISOR, Manager, run
from .options import HELP, new_group

verb = new_group(
    """Have systemd run the supervisor, and the server if you like. Agents go on through all of it.

    \b
    Examples:
      swarmctl systemd show
      swarmctl systemd install --user
      sudo swarmctl systemd install --system
    """
)

Whose = Annotated[
    bool | None,
    typer.Option("--system/--user", help="The system's systemd or yours; by default, root's is the system's."),
]
Serve = Annotated[bool, typer.Option("--serve", help="The server's unit too: see swarmctl serve.")]
LINGER = "/var/lib/systemd/linger"


@verb.command(context_settings=HELP)
def show(system: Whose = None, serve: Serve = False) -> None:
    """Print what would be installed, and where; nothing is written.

    \b
    Examples:
      swarmctl systemd show --user
      swarmctl systemd show --system
    """
    for path, text in _manager(system).files(_units(serve)).items():
        print(f"# {path}\n{text}")


@verb.command(context_settings=HELP)
def install(
    system: Whose = None,
    serve: Serve = False,
    no_start: Annotated[bool, typer.Option("--no-start", help="Start with the next boot or login only.")] = False,
) -> None:
    """Install the supervisor's unit, enable it and start it; prints the files. Again after an upgrade does no harm.

    --system makes the user swarmctl too, whose agents it looks after, with the home /var/lib/swarmctl.

    \b
    Examples:
      swarmctl systemd install --user --serve
      sudo swarmctl systemd install --system
    """
    manager, units = _manager(system), _units(serve)
    manager.check()
    for path, text in manager.files(units).items():
        _write(path, text)
        print(path)
    if manager.kind == "system":
        run(["systemd-sysusers", "/etc/sysusers.d/swarmctl.conf"], "make the user swarmctl by hand")
        run(["systemd-tmpfiles", "--create", "/etc/tmpfiles.d/swarmctl.conf"], "make /var/lib/swarmctl by hand")
    manager.ask("daemon-reload")
    for unit in units:
        manager.ask("enable", unit)
        if not no_start:
            manager.ask("restart", unit)
    if manager.kind == "user" and not os.path.exists(f"{LINGER}/{_me()}"):
        print("swarmctl: you do not linger: when you log out, systemd ends your supervisor", file=sys.stderr)
        print(f"swarmctl: so that it goes on: loginctl enable-linger {_me()}", file=sys.stderr)


@verb.command(context_settings=HELP)
def uninstall(system: Whose = None) -> None:
    """Stop the supervisor, and the server, and remove what install has written; prints the files.

    The log stays, and with --system the user swarmctl and its home.

    \b
    Examples:
      swarmctl systemd uninstall --user
      sudo swarmctl systemd uninstall --system
    """
    manager = _manager(system)
    manager.check()
    there = [path for path in manager.files(_units(True)) if path.exists()]
    if not there:
        raise SwarmError(f"nothing of ours is installed with the {manager.kind}'s systemd", "nothing is left to do")
    for unit in [path.name for path in there if path.name in (SUPERVISOR, SERVER)]:
        manager.ask("disable", "--now", unit)
    for path in there:
        path.unlink()
        print(path)
    manager.ask("daemon-reload")


def _units(serve: bool) -> list[str]:
    return [SUPERVISOR, SERVER] if serve else [SUPERVISOR]


def _manager(system: bool | None) -> Manager:
    elsewhere.only_here("systemd")
    return Manager(system=os.geteuid() == 0 if system is None else system)


def _me() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _write(path: Path, text: str) -> None:
    """All of it or nothing: systemd may read at any moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        aside.write_text(text, encoding="utf-8")
        aside.chmod(0o644)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
