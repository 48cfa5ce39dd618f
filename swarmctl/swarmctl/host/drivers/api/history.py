"""The session of a model API: what was said in it, as JSON lines in the agent's directory.

A line is a fact: the session itself; a message, as the API takes it, with what it cost; that a call was `begun`; that
what the file has so far was `said` to the log. It is on disk before anything follows from it, so that whoever resumes
knows exactly what was done: what was not begun is asked for again, what was begun and has no result was interrupted.
A last line that is not whole was never acted upon, and is cut off.
"""

from __future__ import annotations

import glob
import json
import os
import re
import uuid
from typing import Any

from ...driver import DriverError, SessionGone
from ...facts import Usage

ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
COUNTED = ("input", "output", "cache_read", "cache_write", "reasoning")
Message = dict[str, Any]


class History:
    """One session, open for appending.

    `unsaid`: messages of the model that the log may not have. `is_cut`: the last message is half an answer, with which
    no turn is over.
    """

    def __init__(self, path: str, lines: list[dict[str, Any]], file: int) -> None:
        self._file = file
        self.path = path
        self.session: str = lines[0]["session"]
        self.messages: list[Message] = []
        self.unsaid: list[Message] = []
        self.is_cut = False
        self._begun: set[str] = set()
        self._calls: set[str] = set()
        self._usage: dict[str, Usage] = {}
        for line in lines[1:]:
            self._take(line)

    # -- what there is

    @property
    def heard(self) -> list[str]:
        """The user's turns."""
        return [one["content"] for one in self.messages if one["role"] == "user"]

    @property
    def is_finished(self) -> bool:
        """Whether the model has said all that it had to say in the last turn."""
        return bool(self.messages) and self.messages[-1]["role"] == "assistant" and not self.open_calls()

    def open_calls(self) -> list[dict[str, Any]]:
        """The calls of tools, in order, that have no result yet."""
        answered = set()
        for message in reversed(self.messages):
            if message["role"] == "tool":
                answered.add(message["tool_call_id"])
            else:
                return [one for one in message.get("tool_calls") or () if one["id"] not in answered]
        return []

    def was_begun(self, call: str) -> bool:
        """Whether the call may have done something already."""
        return call in self._begun

    def told_apart(self, message: Message) -> Message:
        """The model's message, with another id for each call whose own is empty, or that of one before it.

        Services promise no more than that an id is of one answer; here it names what was begun, asked and answered.
        """
        calls, seen = [], set(self._calls)
        for call in message.get("tool_calls") or ():
            id = call["id"] if call["id"] and call["id"] not in seen else f"call_{uuid.uuid4().hex[:24]}"
            seen.add(id)
            calls.append({**call, "id": id})
        return {**message, "tool_calls": calls} if calls else message

    def uncounted(self, counted: dict[str, Usage]) -> list[Usage]:
        """What was used beyond what the log has: a run was killed between the answer and its writing down."""
        found = []
        for model, used in self._usage.items():
            known = counted.get(model, Usage(model))
            more = {name: max(0, getattr(used, name) - getattr(known, name)) for name in COUNTED}
            if any(more.values()):
                cost = None if used.cost is None else max(0, used.cost - (known.cost or 0))
                found.append(Usage(model, **more, cost=cost))
        return found

    # -- what happens

    def add(self, message: Message, usage: Usage | None = None, *, cut: bool = False) -> None:
        """A message is part of the session from now on."""
        more = {"usage": usage and usage._asdict(), "cut": cut}
        self._write({"message": message, **{name: value for name, value in more.items() if value}})

    def begin(self, call: str) -> None:
        """A call is about to do something."""
        self._write({"begun": call})

    def said(self) -> None:
        """The log has all messages of the model."""
        if self.unsaid:
            self._write({"said": True})

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, line: dict[str, Any]) -> None:
        _append(self._file, self.path, line)
        self._take(line)

    def _take(self, line: dict[str, Any]) -> None:
        if "message" in line:
            self.messages.append(line["message"])
            self.is_cut = line.get("cut", False)
            self._calls.update(one["id"] for one in line["message"].get("tool_calls") or ())
            if line["message"]["role"] == "assistant":
                self.unsaid.append(line["message"])
            if line.get("usage"):
                self._count(Usage(**line["usage"]))
        elif "begun" in line:
            self._begun.add(line["begun"])
        elif "said" in line:
            self.unsaid = []

    def _count(self, used: Usage) -> None:
        known = self._usage.get(used.model or "", Usage(used.model))
        costs = [one for one in (known.cost, used.cost) if one is not None]
        sums = {name: getattr(known, name) + getattr(used, name) for name in COUNTED}
        self._usage[used.model or ""] = Usage(used.model, **sums, cost=sum(costs) if costs else None)


def begin(place: str) -> History:
    """A new session, whose file is in the directory `place`."""
    session = str(uuid.uuid4())
    return _start(place, session, [])


def resume(place: str, agents: str, session: str) -> History:
    """A session of `place`; or a copy of another agent's, below the directory `agents`. Raises SessionGone."""
    if ID.fullmatch(session):
        path = _path(place, session)
        if os.path.exists(path):
            return _open(path)
        for other in glob.glob(os.path.join(glob.escape(agents), "*", os.path.basename(path))):
            return _start(place, session, [_uncounted(line) for line in _read(other)[0][1:]])
    raise SessionGone(f"there is no session {session!r} here", "spawn another agent, without --session")


def _uncounted(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "usage"}


def _path(place: str, session: str) -> str:
    return os.path.join(place, f"session-{session}.jsonl")


def _start(place: str, session: str, lines: list[dict[str, Any]]) -> History:
    """Write a file that begins with these lines, whole or not at all."""
    path = _path(place, session)
    aside = f"{path}.{os.getpid()}"
    try:
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for line in [{"session": session}, *lines]:
                _append(file, aside, line)
        finally:
            os.close(file)
        os.rename(aside, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    return _open(path)


def _open(path: str) -> History:
    lines, whole = _read(path)
    if not lines or "session" not in lines[0]:
        raise DriverError(f"{path} is no session", "spawn another agent")
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    os.truncate(file, whole)
    return History(path, lines, file)


def _read(path: str) -> tuple[list[dict[str, Any]], int]:
    """The lines of a file, and the bytes of those that are whole."""
    try:
        with open(path, "rb") as file:
            text = file.read()
    except OSError as error:
        raise DriverError(f"cannot read {path}: {error.strerror}", "spawn another agent") from error
    whole = text.rfind(b"\n") + 1
    try:
        return [json.loads(line) for line in text[:whole].splitlines()], whole
    except ValueError as error:
        raise DriverError(f"{path} is damaged: {error}", "spawn another agent") from error


def _append(file: int, path: str, line: dict[str, Any]) -> None:
    """One line at the end, on disk when this returns; where that fails, nothing of it stays."""
    text = json.dumps(line, ensure_ascii=True).encode() + b"\n"
    before = os.fstat(file).st_size
    try:
        written = 0
        while written < len(text):
            written += os.write(file, text[written:])
        os.fdatasync(file)
    except OSError as error:
        os.ftruncate(file, before)
        raise _unwritable(path, error) from error


def _unwritable(path: str, error: OSError) -> DriverError:
    return DriverError(f"cannot write {path}: {error.strerror}", "make room, and send the turn again")
