"""Telling somebody that an agent waits, is done, or has failed: a shell command, or a URL that Apprise knows.

A command gets SWARM_EVENT (waiting, done, failed), SWARM_AGENT_ID, SWARM_AGENT_NAME, SWARM_STATE and SWARM_REASON in
its environment, which is otherwise the agent's, and one line to read on its stdin. It is ended where it takes too long.
A URL is a command too, one of ours: Apprise is loaded there alone.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from typing import IO, NamedTuple

from swarm_daemon import tree
from swarm_store import session_events
from swarm_store.conversation import Approval
from swarm_store.errors import SwarmError, WrongUsage
from swarm_store.events import AGENT_LOST, AGENT_START_FAILED, Record
from swarm_store.fold import Agent
from swarm_store.lifecycle import CANCELLED, COMPLETED, LOST

SECONDS = 30.0  # that a notification may take
GRACE = 1.0
WAITING, DONE, FAILED = "waiting", "done", "failed"
URL_VARIABLE = "SWARM_NOTIFY_URL"
MISSING = SwarmError("swarmctl[notify] is not installed", "pip install 'swarmctl[notify]'")
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.ASCII | re.IGNORECASE)
_WORDS = {"approval": "an approval", "turn": "its next turn", "quota": "its quota"}


class News(NamedTuple):
    """What is told: the event (WAITING, DONE, FAILED), the agent's state, why, and a line for people."""

    on: str
    state: str
    reason: str
    text: str


def is_url(target: str) -> bool:
    return _URL.match(target) is not None


def shown(target: str) -> str:
    """What everybody may know of who is told: URLs hold passwords and tokens."""
    found = _URL.match(target)
    return target if found is None else f"{found[0]}…"


def check(targets: list[str]) -> None:
    """Raises WrongUsage for what nobody can be told by, and SwarmError where Apprise is wanted and not there."""
    for target in targets:
        if not target.strip() or "\0" in target:
            raise WrongUsage("--notify has nothing to run", "give a shell command, or a URL")
    if urls := [one for one in targets if is_url(one)]:
        try:
            from apprise import Apprise
        except ModuleNotFoundError:
            raise MISSING from None
        logging.disable()  # it says on stderr what we say in our line
        bad = [url for url in urls if not Apprise().add(url)]
        logging.disable(logging.NOTSET)
        if bad:
            raise WrongUsage(f"no notification can go to {shown(bad[0])}", "Apprise's documentation lists its URLs")


def waiting(agent: Agent, what: str, asked: Approval | None) -> News:
    """That the agent waits: for an approval, which is `asked` then, a turn, quota."""
    text = f"{_name(agent)} waits for {_WORDS.get(what, what)}"
    if asked is not None:
        text += f" ({asked['id']}): {asked['title']}"
    elif agent["waiting_until"]:
        text += f" until {agent['waiting_until']}"
    return News(WAITING, WAITING, what, _line(text))


def ended(agent: Agent, end: Record) -> News | None:
    """How a run has ended, by the event that says so; None where that is no news: who cancels knows."""
    data = end.data
    state = LOST if end.type == AGENT_LOST else data["outcome"]
    if state == CANCELLED:
        return None
    reason = _why(end)
    if state == COMPLETED:
        return News(DONE, state, reason, _line(f"{_name(agent)} is done"))
    return News(
        FAILED, state, reason, _line(f"{_name(agent)} {'is lost' if state == LOST else 'has failed'}: {reason}")
    )


def _why(end: Record) -> str:
    data = end.data
    if data.get("reason") or end.type in (AGENT_LOST, AGENT_START_FAILED):
        return str(data.get("reason") or "")
    if data.get("signal"):
        return f"signal {data['signal']}"
    return f"exit status {data['exit_code']}" if data.get("exit_code") else ""


def _name(agent: Agent) -> str:
    return f"agent {agent['name']} ({agent['id']})" if agent["name"] else f"agent {agent['id']}"


def _line(text: str) -> str:
    return session_events.cut(" ".join(text.split()), 4096)


def tell(target: str, news: News, agent: Agent, env: dict[str, str], cwd: str) -> str | None:
    """Tell it; None once that is done, else why it could not be. Takes SECONDS at most."""
    about = {
        "SWARM_AGENT_ID": agent["id"],
        "SWARM_AGENT_NAME": agent["name"] or "",
        "SWARM_RUN_NUMBER": str(agent["run"]),
    }
    about |= {"SWARM_EVENT": news.on, "SWARM_STATE": news.state, "SWARM_REASON": news.reason}
    if is_url(target):
        command = [sys.executable, "-P", "-m", "swarmctl.notify_url"]
        env = {**os.environ, **{name: value for name, value in env.items() if name.lower().endswith("_proxy")}}
        about[URL_VARIABLE] = target
    else:
        command, env = ["/bin/sh", "-c", target], dict(env)
    env.pop(tree.MARK, None)  # it is no process of the agent's, nor of whoever spawned that
    return _bounded(command, news.text + "\n", {**env, **about}, cwd if os.path.isdir(cwd) else "/")


def _bounded(command: list[str], text: str, env: dict[str, str], cwd: str) -> str | None:
    with tempfile.TemporaryFile() as complaints:  # a pipe would be held open by whatever it leaves running
        try:
            process = subprocess.Popen(
                command,
                env=env,
                cwd=cwd,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,
            )
        except OSError as error:
            return f"cannot run it: {error.strerror}"
        assert process.stdin is not None
        try:
            process.stdin.write(text.encode("utf-8", "replace"))
            process.stdin.close()
        except BrokenPipeError:
            pass  # it does not want to know
        try:
            status = process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
            return f"it did not end in {SECONDS:g} s"
        return _outcome(status, _end_of(complaints)) if status else None


def _end_of(file: IO[bytes]) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
    return file.read()


def _outcome(status: int, complaints: bytes) -> str:
    last = complaints.decode("utf-8", "replace").strip().splitlines()[-1:]
    how = f"exit status {status}" if status > 0 else f"signal {-status}"
    return _line(": ".join([how, *last]))


def _end(process: subprocess.Popen[bytes]) -> None:
    """End it with all that it has started, as far as that has not left its group."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()
