"""The verbs, and the one place where errors become a line on stderr and an exit status.

A verb's module is imported when it is called, so that `list` does not pay for what `doctor` needs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from swarm_store.errors import SwarmError

from . import __version__

# Verb → its module. The order is that of the help.
VERBS = {
    "spawn": "spawn",
    "list": "list_agents",
    "ls": "list_agents",
    "show": "show",
    "logs": "logs",
    "events": "events",
    "wait": "wait",
    "cancel": "cancel",
    "signal": "signal_agent",
    "rm": "rm",
    "prune": "prune",
    "doctor": "doctor",
}
CLOSED_PIPE = 141  # 128 + SIGPIPE, as a shell reports it
INTERRUPTED = 130


class Verbs(TyperGroup):
    """Commands that are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [verb for verb in VERBS if verb != "ls"]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in VERBS:
            return None
        verb: typer.Typer = import_module(f"swarmctl.commands.{VERBS[cmd_name]}").verb
        command = typer.main.get_command(verb)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=Verbs,
    name="swarmctl",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"swarmctl {__version__}")
        raise typer.Exit


@app.callback()
def swarmctl(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
) -> None:
    """Run AI agents, or any commands, for hours: detached, logged, nothing lost whoever dies.

    State lives in $SWARM_HOME, else in $XDG_STATE_HOME/swarmctl.
    """


def main() -> None:
    """Run the command line and exit with its status."""
    _open_standard_files()
    status = _run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = _closed_pipe()
    except OSError as error:
        status = _complain(f"cannot write to stdout: {error.strerror}", "", 1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(status)


def _open_standard_files() -> None:
    """See that 0, 1 and 2 are open, so that nothing else we open is taken for one of them."""
    while (file := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(file)


def _run() -> int:
    try:
        result = typer.main.get_command(app)(standalone_mode=False)
        return result if isinstance(result, int) else 0
    except SwarmError as error:
        return _complain(error.message, error.hint, error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        return _closed_pipe()
    except typer.Exit as exit:
        return exit.exit_code
    except typer.TyperException as error:
        return _complain(_sentence(error), _usage(error), error.exit_code)
    except OSError as error:
        where = f" {error.filename}" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}", "", 1)


def _sentence(error: typer.TyperException) -> str:
    message = error.format_message().strip().rstrip(".")
    return " ".join(message.split())


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"see {context.command_path} --help" if context is not None else ""


def _complain(message: str, hint: str, status: int) -> int:
    """One line: what is wrong; what to do."""
    line = f"swarmctl: {message}; {hint}" if hint else f"swarmctl: {message}"
    try:
        print(" ".join(line.split("\n")), file=sys.stderr)
    except OSError:
        pass
    return status


def _closed_pipe() -> int:
    """Whoever read our output has had enough: end quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return CLOSED_PIPE
