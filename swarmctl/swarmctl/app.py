"""The verbs, and the one place where errors become a line on stderr and an exit status.

A verb's module is imported when it is called, so that `list` does not pay for what `doctor` needs.
"""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from swarm_store.errors import SwarmError

from . import __version__, elsewhere

# Verb → its module, whose `verb` has one command, or several: then they are verbs below it. The order is the help's.
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
    "send": "send",
    "attach": "attach",
    "interrupt": "interrupt",
    "approvals": "approvals",
    "approve": "approve",
    "deny": "deny",
    "budget": "budget",
    "usage": "usage",
    "restart": "restart",
    "rm": "rm",
    "prune": "prune",
    "backup": "backup",
    "export": "export",
    "import": "import_log",
    "serve": "serve",
    "token": "token",
    "worktree": "worktree",
    "mcp": "mcp",
    "top": "top",
    "agents": "kinds",
    "supervisor": "supervisor",
    "doctor": "doctor",
    "systemd": "systemd",
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
    invoke_without_command=True,
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
    context: typer.Context,
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Show the version."),
    server: str = typer.Option(
        None,
        metavar="URL",
        help="Use the swarm behind this swarmctl serve: http://HOST:PORT, https://… or unix:PATH; else $SWARM_SERVER.",
    ),
    token: str = typer.Option(None, metavar="T", help="The token for it; better in a file, or in $SWARM_TOKEN."),
    token_file: str = typer.Option(None, metavar="FILE", help="A file with the token; else $SWARM_TOKEN_FILE."),
    insecure: bool = typer.Option(False, "--insecure", help="Let the token go to another machine unencrypted."),
) -> None:
    """Run AI agents, or any commands, for hours: detached, logged, nothing lost whoever dies.

    State lives in $SWARM_HOME, else in $XDG_STATE_HOME/swarmctl; or on the machine of a --server.
    """
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        raise typer.Exit(2)
    elsewhere.choose(server, token, token_file, insecure)


def run() -> int:
    """Run the command line; its status."""
    status = _run()
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        status = _closed_pipe()
    except OSError as error:
        status = _unwritable(error)
    return status


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
        if error.filename is None and error.errno in (errno.EBADF, errno.ENOSPC, errno.EIO):
            return _unwritable(error)
        where = f" {error.filename}" if error.filename else ""
        return _complain(f"{error.strerror or error}{where}", "", 1)
    except SystemExit as left:  # what Typer makes of a broken pipe
        if isinstance(left.__context__, OSError) and left.__context__.errno == errno.EPIPE:
            return _closed_pipe()
        raise


def _sentence(error: typer.TyperException) -> str:
    message = error.format_message().strip().rstrip(".")
    return " ".join(message.split())


def _usage(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return f"see {context.command_path if context is not None else 'swarmctl'} --help"


def _complain(message: str, hint: str, status: int) -> int:
    """One line: what is wrong; what to do."""
    from .render import printable  # what is quoted in a message may be anything, and steers no terminal

    line = f"swarmctl: {message}; {hint}" if hint else f"swarmctl: {message}"
    try:
        print(printable(line.replace("\n", " ")), file=sys.stderr)
    except OSError:
        pass
    return status


def _unwritable(error: OSError) -> int:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # so that what is left in buffers fails no more
    return _complain(f"cannot write to stdout: {error.strerror}", "what was asked for may have been done", 1)


def _closed_pipe() -> int:
    """Whoever read our output has had enough: end quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return CLOSED_PIPE
