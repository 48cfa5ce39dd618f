"""A wish for an agent of a kind: what is asked for is checked here, and made into what is spawned: a session's host.

What was asked for stays as it was written until the kind is looked up, which is done where the agent is to run.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from swarm_daemon import spawn as spawning
from swarm_daemon.prompted import Prompted
from swarm_store.errors import WrongUsage
from swarm_store.home import Home

from .host import rules
from .kinds import Kind, require, resolve
from .who import user_at_host

HOST_COMMAND = [sys.executable, "-P", "-E", "-m", "swarmctl.host"]  # nothing of the user's reaches our interpreter
MOST_PROMPT = 8 << 20  # bytes
CAREFUL_MODES = ("default", "plan", "dontAsk")  # of Claude Code: in these it allows itself nothing more
# What is taken over as it is asked for; the rest is the kind's, or both's.
ASKED = ("session", "approve", "approval_timeout", "stay", "resume_after_quota")


def check(asked: dict[str, Any]) -> dict[str, Any]:
    """The same: `agent` (a kind), `prompt`, `model`, `allow`, `deny`, ASKED; times in seconds. Raises WrongUsage.

    `by_agent`, where it is there and true: an agent asks, whose child may do no more than itself.
    """
    if not (asked["prompt"] or "").strip():
        raise WrongUsage(f"--agent {asked['agent']} needs a prompt", "write it as one word, or use --prompt-file FILE")
    if len(asked["prompt"].encode("utf-8", "surrogateescape")) > MOST_PROMPT:
        raise WrongUsage("the prompt is too long", f"{MOST_PROMPT >> 20} MB is the most: have the agent read a file")
    if asked["approve"] not in rules.POLICIES:
        known = ", ".join(rules.POLICIES)
        raise WrongUsage(f"no such policy for approvals: {asked['approve']!r}", f"there are {known}")
    for rule in (*asked["allow"], *asked["deny"]):
        rules.check(rule)
    if asked["approval_timeout"] is not None and asked["approval_timeout"] <= 0:
        raise WrongUsage("--approval-timeout 0 would deny all", "--approve never does")
    for name in ("model", "session"):
        if asked[name] is not None and not (asked[name] and asked[name].isprintable()):
            raise WrongUsage(f"bad {name}: {asked[name]!r}", "write it as the agent's own command line takes it")
    return asked


def request(home: Home, wish: dict[str, Any], *, by: str | None = None, **more: Any) -> spawning.Request:
    """As swarm_daemon.spawn.request, of a wish that may have `agent`, as `check` gives it, instead of a command.

    `by`: who asks for it, where that is not the user of this process.

    Raises also WrongUsage where there is no such kind, CannotStart where it is not installed.
    """
    given = {**wish, **more}
    asked = given.pop("agent", None)
    if asked is not None:
        given |= _hosted(asked, given, by or user_at_host())
    return spawning.request(home, given.pop("command"), **given)


def _hosted(asked: dict[str, Any], given: dict[str, Any], by: str) -> dict[str, Any]:
    """What makes a session's host of the wish for an agent of a kind."""
    if given.get("input") or given.get("stdin") is not None:
        raise WrongUsage("--agent excludes --input and --stdin", "its prompt may come from a file: --prompt-file FILE")
    kind = resolve(asked["agent"], asked["model"])
    if asked.get("by_agent"):
        kind = _without_leave(kind)
    caller = os.environ if given.get("caller") is None else given["caller"]
    if asked.get("with_swarm"):
        from .mcp import handing

        handing.check(kind.driver)
    require(kind, {**caller, **(given.get("env") or {})}, given.get("cwd"))
    session = {
        **{key: asked[key] for key in ASKED},
        "kind": kind.kind,
        "driver": kind.driver,
        "command": kind.command,
        "env": {name: value for name, value in kind.env.items() if name not in (given.get("env") or {})},
        "model": kind.model,
        "allow": [*asked["allow"], *kind.allow],
        "deny": [*asked["deny"], *kind.deny],
        "options": kind.options,
        "with_swarm": asked.get("with_swarm", False),
    }
    return {"command": HOST_COMMAND, "prompted": Prompted(session, asked["prompt"], by)}


def _without_leave(kind: Kind) -> Kind:
    """The kind as an agent may spawn it: what that may do unasked its child may, and not what the profile allows."""
    left_out = () if kind.options.get("permission_mode") in CAREFUL_MODES else ("permission_mode",)
    return kind._replace(allow=[], options={key: one for key, one in kind.options.items() if key not in left_out})


def read_prompt(words: list[str], file: str | None) -> str:
    """The prompt of a command line: a word, or what a file or (-) our standard input has. Raises WrongUsage."""
    if len(words) > 1:
        raise WrongUsage(f"a prompt is one word, and these are {len(words)}", "put it in quotes")
    if words and file is not None:
        raise WrongUsage("--prompt-file and a prompt exclude each other", "leave one out")
    if file is None and words != ["-"]:
        return words[0] if words else ""
    return read_file("-" if file is None else file)


def read_file(path: str) -> str:
    """A prompt from a file, or standard input for `-`. Raises WrongUsage."""
    if not path or "\0" in path:
        raise WrongUsage(f"the file of a prompt has a name, and {path!r} is none", "name a file with the prompt, or -")
    try:
        if path == "-":
            raw = sys.stdin.buffer.read()
        else:
            with open(path, "rb") as file:
                raw = file.read(MOST_PROMPT + 1)
    except OSError as error:
        raise WrongUsage(f"cannot read {path}: {error.strerror}", "name a file with the prompt, or -") from error
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise WrongUsage(f"the prompt in {path} is no text in UTF-8", "convert it, or have the agent read it") from None
