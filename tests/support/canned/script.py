"""What a prompt makes the model do. Pure.

A prompt is a script, a step a line; what comes before a directive in its line is ignored. Each step but the last kinds
is one answer with tool calls, and the next step follows when all their results are there:

    TOOL:<command>        one call of the agent's shell tool        (with ESC in the prompt: outside codex's sandbox)
    TOOLS:<a> && <b>      a call of the shell tool for each, in one answer: they are parted by &&
    LOOP:<command>        calls for ever, each with another number behind a #
    MCP:<tool> <json>     a call of the tool whose name ends so; the JSON object is its input
    CALL:<tool> <json>    the same
    THINK:<text>          not a step: the next answer has this thought before it
    HOLD[:<name>]         not a step: the next answer waits until the test lets it go
    FAIL:<status>[*N] [retry-after=S] [reset=S]     the HTTP error, or only N times; the headers say when to try again
    SLOW[:<chunks>]       ends the turn with a text in pieces; each waits for the test
    SAY:<text>            ends the turn with this text
    STOP:length|refusal   ends the turn as if the answer had grown too long, or the model had refused

At its end a script gives `DONE tool_result=<its last result>`; a prompt without one `HELLO users=<n> last=<it>`.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from support.canned.dialogue import Asked

# The shell tools of the agents, and how a command is said to each.
SHELLS = {
    "Bash": "command",
    "bash": "command",
    "run_shell_command": "command",
    "exec_command": "cmd",
    "shell_command": "command",
    "shell": "argv",
}
DIRECTIVE = re.compile(
    r"\b(?:(TOOL|TOOLS|LOOP|MCP|CALL|THINK|FAIL|SAY|STOP):[ ]?(.*)|(HOLD|SLOW)\b(?::(\S+))?)", re.MULTILINE
)
FAILURE = re.compile(r"(\d{3})(?:\*(\d+))?")
SLOW_CHUNKS = 20
SHOWN = 160  # characters of a result that are said again


class Call(NamedTuple):
    """A tool that the model wants called."""

    name: str
    input: dict[str, object]


class Reply(NamedTuple):
    """What is answered: `calls`, else the text made of `chunks`. `status` other than 200 is an error instead.

    hold: the name of the gate that opens it. gated: each chunk but the first waits for a step.
    """

    chunks: tuple[str, ...] = ()
    calls: tuple[Call, ...] = ()
    thought: str = ""
    stop: str = "end"  # end | tools | length | refusal
    status: int = 200
    headers: dict[str, str] = {}
    hold: str | None = None
    gated: bool = False

    @property
    def text(self) -> str:
        return "".join(self.chunks)


class Step(NamedTuple):
    """One line of the script; `holds` and `thought` are those of the lines before it."""

    verb: str
    said: str
    hold: str | None
    thought: str


def answer(asked: Asked, failures: int) -> Reply:
    """What the model says now; `failures` counts those that this turn has had."""
    if asked.aside:
        return Reply(('{"title": "aside", "reasoning": "aside", "next_speaker": "user", "model_choice": "flash"}',))
    prompt = asked.users[-1] if asked.users else ""
    done = len(asked.results)
    for step in steps(prompt):
        if step.verb == "FAIL":
            if (failed := _failure(step, failures)) is not None:
                return failed
            continue
        calls = _calls(step, asked, done, prompt)
        if step.verb == "LOOP" or done < len(calls) or not calls:
            return _reply(step, calls)
        done -= len(calls)
    return Reply((_ending(asked, prompt),))


def steps(prompt: str) -> list[Step]:
    """The script that a prompt is."""
    found, hold, thought = [], None, ""
    for verb, said, gate, name in DIRECTIVE.findall(prompt):
        if gate == "HOLD":
            hold = name or "hold"
        elif verb == "THINK":
            thought = said
        else:
            found.append(Step(verb or gate, said.strip() or name, hold, thought))
            hold, thought = None, ""
    if hold or thought:
        found.append(Step("SAY", "", hold, thought))
    return found


def _calls(step: Step, asked: Asked, done: int, prompt: str) -> tuple[Call, ...]:
    if step.verb in ("MCP", "CALL"):
        name, _, given = step.said.partition(" ")
        return (Call(_ending_so(asked.tools, name), json.loads(given or "{}")),)
    commands = {
        "TOOL": lambda: [step.said],
        "TOOLS": lambda: [part.strip() for part in step.said.split("&&")],
        "LOOP": lambda: [f"{step.said} #{done}"],
    }.get(step.verb, list[str])()
    return tuple(shell(asked.tools, command, escalated=bool(re.search(r"\bESC\b", prompt))) for command in commands)


def shell(tools: tuple[str, ...], command: str, *, escalated: bool = False) -> Call:
    """A call of the agent's shell."""
    name = next((one for one in SHELLS if one in tools), "bash")
    given: dict[str, object] = {"command": command, "description": "canned"}
    if SHELLS[name] == "cmd":
        given = {"cmd": command}
    elif SHELLS[name] == "argv":
        given = {"command": ["bash", "-lc", command]}
    elif name == "shell_command":
        given = {"command": command}
    if escalated and name in ("exec_command", "shell_command", "shell"):
        given |= {"sandbox_permissions": "require_escalated", "justification": "the script wants it"}
    return Call(name, given)


def _ending_so(tools: tuple[str, ...], name: str) -> str:
    return next((one for one in tools if one == name), next((one for one in tools if one.endswith(name)), name))


def _failure(step: Step, failures: int) -> Reply | None:
    found = FAILURE.match(step.said)
    assert found, f"FAIL:{step.said}"
    if found[2] and failures >= int(found[2]):
        return None
    headers = {name: value for name, _, value in (word.partition("=") for word in step.said.split()[1:])}
    return Reply(status=int(found[1]), headers=headers, hold=step.hold)


def _reply(step: Step, calls: tuple[Call, ...]) -> Reply:
    if calls:
        return Reply(calls=calls, thought=step.thought, stop="tools", hold=step.hold)
    if step.verb == "SLOW":
        count = int(step.said or SLOW_CHUNKS)
        chunks = tuple(f"chunk{number} " for number in range(count))
        return Reply(chunks, thought=step.thought, hold=step.hold, gated=True)
    if step.verb == "STOP":
        return Reply(("cut ",), thought=step.thought, stop=step.said, hold=step.hold)
    return Reply((step.said or "LET GO",), thought=step.thought, hold=step.hold)


def _ending(asked: Asked, prompt: str) -> str:
    if asked.results:
        return "DONE tool_result=" + " ".join(asked.results[-1].split())[:SHOWN]
    return f"HELLO users={len(asked.users)} last={' '.join(prompt.split())[:60]}"
