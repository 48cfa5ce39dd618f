"""`swarmctl send`: a turn for an agent of a kind, input for a plain command."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from swarm_daemon import control
from swarm_store import registry
from swarm_store.errors import WrongUsage
from swarm_store.fold import Agent

from .. import elsewhere, home, values
from .options import HELP, AgentArgument, JsonOption, new_verb

if TYPE_CHECKING:
    from ..remote.session import Session
    from ..turns import Sending

verb = new_verb()

BLOCK = 1 << 20  # bytes that are committed together
MOST_TURN = 64 << 20  # bytes; no model reads as much
TIMED_OUT = 124


@verb.command(context_settings=HELP)
def send(
    agent: AgentArgument,
    text: Annotated[
        str | None, typer.Argument(metavar="[TEXT|-]", help="What to send; - sends our standard input.")
    ] = None,
    no_newline: Annotated[
        bool, typer.Option("-n", "--no-newline", help="To a command: no newline after TEXT.")
    ] = False,
    close: Annotated[bool, typer.Option("--close", help="To a command: then end its input.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for the turn's end, and print the answer.")] = False,
    timeout: Annotated[str | None, typer.Option(metavar="D", help="Wait no longer than this; status 124.")] = None,
    as_json: JsonOption = False,
) -> int:
    """Send a turn to an AI agent, or input to a command that was spawned with --input or --tty.

    A turn is a prompt, and all that the agent does for it. It is taken after all that were sent before it, once,
    whoever is killed; an agent that has ended is started again for it, with the session it had. With --wait the status
    is 0 where the turn was completed, else 1, and stderr says why and what it waits for meanwhile.

    Input reaches the standard input of a command once and in order too; the command may read it later, or never. TEXT
    is a line of it (in a terminal, TEXT and Enter), and what is piped in is sent as it comes. A new run does not get
    what was sent to an earlier one.

    \b
    Examples:
      swarmctl send fixer 'Now fix the second test too.'
      git diff | swarmctl send --wait reviewer -
      swarmctl send build yes
      swarmctl send --close build - < answers.txt
    """
    if text is None and not close:
        raise WrongUsage("nothing to send", "give a TEXT, or - for our standard input, or --close")
    seconds = None if timeout is None else values.duration(timeout)
    if seconds is not None and not wait:
        raise WrongUsage("--timeout is for --wait", "add --wait")
    shown = Shown(wait, seconds, as_json)
    if far := elsewhere.far():
        found = far.agent(agent)
        if _takes_turns(found, close or no_newline, wait or as_json):
            return _send_turn(found, text or "", far, shown)
        line = _line(found, text, no_newline)
        _send(lambda data, close: far.swarm.send(found["id"], data, close=close), text == "-", line, close)
        return 0
    with home.writing() as log:
        found = registry.resolve(log, agent)
        if _takes_turns(found, close or no_newline, wait or as_json):
            from ..turns import Sending  # what plain commands do without
            from .waiting import Orphans

            Orphans(log).look([found["id"]])
            return _send_turn(found, text or "", Sending(log), shown)
        line = _line(found, text, no_newline)
        _send(lambda data, close: control.send_input(log, found, data, close=close), text == "-", line, close)
    return 0


class Shown(NamedTuple):
    """What is shown of a turn: whether its end, waited for so many seconds, and how."""

    wait: bool
    timeout: float | None
    json: bool


def _takes_turns(agent: Agent, is_of_input: bool, is_of_turns: bool) -> bool:
    """Whether an agent is of a kind. Raises WrongUsage for options that are for the others."""
    if agent.get("kind") is not None:
        if is_of_input:
            raise WrongUsage("--close and --no-newline are for commands", f"agent {agent['id']} takes turns")
        return True
    if is_of_turns:
        raise WrongUsage("--wait and --json are for turns", f"agent {agent['id']} is a command")
    return False


def _line(agent: Agent, text: str | None, no_newline: bool) -> bytes:
    """TEXT as a line; in a terminal that ends by Enter, which says something else than a newline."""
    if text is None or text == "-":
        return b""
    return os.fsencode(text) + (b"" if no_newline else b"\r" if agent.get("tty") else b"\n")


def _send(send: Callable[[bytes, bool], None], is_piped: bool, line: bytes, close: bool) -> None:
    """Send our standard input if it is piped in, then a line if there is one, then the end if it is to be closed."""
    if is_piped:
        send(b"", False)  # refused before anything is read
        while block := os.read(0, BLOCK):
            send(block, False)
    if line or close:
        send(line, close)


def _send_turn(agent: Agent, text: str, there: Sending | Session, shown: Shown) -> int:
    from .. import who  # what plain commands do without

    prompt = _piped() if text == "-" else text
    if not prompt.strip():
        raise WrongUsage("nothing to send", "a turn is a text")
    turn, start = there.send_turn(agent, prompt, by=who.user_at_host())
    if shown.wait:
        return _wait(agent, there.answered(agent, turn, start, timeout=shown.timeout), as_json=shown.json)
    if shown.json:
        print(json.dumps({"id": agent["id"], "turn": turn}))
    return 0


def _piped() -> str:
    """Our standard input, whole."""
    read = sys.stdin.buffer.read(MOST_TURN + 1)
    if len(read) > MOST_TURN:
        raise WrongUsage(f"a turn has at most {MOST_TURN >> 20} MB", "put it into a file, and name that")
    return read.decode("utf-8", "surrogateescape")


def _wait(agent: Agent, answered: Iterator[dict[str, Any]], *, as_json: bool) -> int:
    from .. import asking

    try:
        for told in answered:
            if "outcome" in told:
                return _say(agent, told, as_json)
            what = f"{told['tool']}  {asking.what(told)}"
            print(f"swarmctl: it asks for {what}; swarmctl approve {told['id']}, or deny", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"swarmctl: the turn goes on: swarmctl logs -f {agent['id']}", file=sys.stderr)
        raise
    print(f"swarmctl: the turn still goes on: swarmctl logs -f {agent['id']}", file=sys.stderr)
    return TIMED_OUT


def _say(agent: Agent, ended: dict[str, Any], as_json: bool) -> int:
    """Print the answer, and on stderr why it is none; the status."""
    from ..conversation import indented, one_line

    if as_json:
        print(json.dumps({"id": agent["id"], **ended}))
    elif ended["text"] and sys.stdout.isatty():
        print(*indented(ended["text"], 0), sep="\n")
    elif ended["text"]:
        sys.stdout.buffer.write(ended["text"].encode("utf-8", "replace") + b"\n")
    if ended["outcome"] == "completed":
        return 0
    why = f": {one_line(ended['reason'])}" if ended["reason"] else ""
    print(f"swarmctl: the turn was {ended['outcome']}{why}", file=sys.stderr)
    return 1
