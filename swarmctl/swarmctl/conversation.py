"""A session's events as a conversation that a person reads. Pure: events in, lines out.

What begins at a line's first column is ours alone: texts are indented by two, what tools gave by four, and control
characters in them are shown in letters, so that nothing an agent says can pass for what swarmctl says of it, or steer a
terminal. Messages are whole; inputs and outputs of tools are cut, with how much was left out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from swarm_store import session_events as said
from swarm_store.conversation import added
from swarm_store.events import Record

from .render import printable
from .spending import dollars, in_words

TAB = 8
MOST_INPUT = 160  # characters of a tool's input
MOST_WIDTH = 400  # characters of a line that a tool gave
HEAD, TAIL = 6, 4  # lines of it
TELLING = ("command", "cmd", "file_path", "path", "filePath", "url", "pattern", "query", "prompt")  # an input's gist


class Line(NamedTuple):
    """A line without its newline, when it was said, and what it is: a key of STYLES."""

    text: str
    style: str
    time: int


# What a line is → how it looks where there are colours (SGR).
STYLES = {
    "text": "",
    "user": "1;36",
    "agent": "1;32",
    "thought": "2",
    "tool": "34",
    "result": "2",
    "asked": "1;33",
    "good": "32",
    "bad": "31",
    "note": "2",
}


class Block(NamedTuple):
    """What one event says: a heading if it needs one, and lines."""

    head: tuple[str, str] | None
    lines: list[tuple[str, str]]


class Conversation:
    """Makes lines of one session's events, as they come; `name` is what the agent is called in its headings."""

    def __init__(self, name: str) -> None:
        self._name = printable(name)
        self._last = ""  # what was said last: a heading, or a call
        self._has_begun = False
        self._calls: dict[str, str] = {}  # calls that are under way → the tool
        self._asked_for: dict[str, str] = {}  # approvals → the call
        self._spent: dict[
            int | None, dict[str, int] | None
        ] = {}  # turns whose beginning was seen → what they have used

    def feed(self, record: Record) -> Iterator[Line]:
        """The lines that an event makes."""
        block = self._block(record)
        if block is None:
            return
        if block.head is not None and block.head[0] != self._last:
            if self._has_begun:
                yield Line("", "text", record.time)
            yield Line(*block.head, record.time)
            self._last = block.head[0]
        for text, style in block.lines:
            yield Line(text, style, record.time)
        self._has_begun = True

    def all(self, records: Iterable[Record]) -> Iterator[Line]:
        """The lines of several events."""
        for record in records:
            yield from self.feed(record)

    def _block(self, record: Record) -> Block | None:
        make = _BLOCKS.get(record.type)
        return make(self, record.data) if make else None

    def _session(self, data: dict[str, Any]) -> Block:
        what = [str(data[key]) for key in ("kind", "version", "model") if data.get(key)]
        begun = "goes on" if data["resumed"] else "begins"
        return self._ours(f"- session {data['session']} {begun}: {', '.join(what)}", "note")

    def _turn(self, data: dict[str, Any]) -> Block | None:
        if data["again"]:
            return self._ours("- the turn goes on where it was cut off", "note")
        self._spent[data["turn"]] = None
        return None

    def _message(self, data: dict[str, Any]) -> Block | None:
        role, text = data["role"], data["text"]
        if not text.strip():
            return None
        if role == "notice":
            return self._ours(f"- {one_line(text)}", "note")
        head = {"user": ("user:", "user"), "thought": (f"{self._name}, thinking:", "thought")}
        style = "thought" if role == "thought" else "text"
        return Block(head.get(role, (f"{self._name}:", "agent")), [(one, style) for one in indented(text, 2)])

    def _called(self, data: dict[str, Any]) -> Block:
        name = self._calls[data["call"]] = data["name"] or "tool"
        return self._ours(f"* {name}  {gist(data)}", "tool", call=data["call"])

    def _finished(self, data: dict[str, Any]) -> Block:
        name, is_next = self._calls.pop(data["call"], "tool"), self._last == f"call {data['call']}"
        lines = [] if is_next else self._ours(f"* {name}: what it gave", "tool").lines
        if data["status"] != "completed":
            lines.append((f"    {printable(data['status'])}", "bad"))
        self._last = ""
        return Block(None, lines + [(one, "result") for one in cut(data["output"])])

    def _usage(self, data: dict[str, Any]) -> None:
        if data["turn"] in self._spent:
            self._spent[data["turn"]] = added(self._spent[data["turn"]], data)

    def _asked(self, data: dict[str, Any]) -> Block:
        until = f"; without an answer denied at {data['until']}" if data["until"] else ""
        self._asked_for[data["approval"]] = data["call"]
        return self._ours(
            f"? {data['approval']}: may it use {data['tool']}  {gist(data)}{until}", "asked", call=data["call"]
        )

    def _granted(self, data: dict[str, Any]) -> Block:
        changed = f", with {compact(data['input'])}" if data.get("input") is not None else ""
        call = self._asked_for.pop(data["approval"], "")
        return self._ours(f"? {data['approval']}: granted {by_whom(data)}{changed}", "good", call=call)

    def _denied(self, data: dict[str, Any]) -> Block:
        call = self._asked_for.pop(data["approval"], "")
        return self._ours(f"? {data['approval']}: denied {by_whom(data)}{told_why(data)}", "bad", call=call)

    def _voided(self, data: dict[str, Any]) -> Block:
        return self._ours(f"? {data['approval']}: void: {data['reason']}", "note")

    def _completed(self, data: dict[str, Any]) -> Block:
        self._calls.clear()
        spent = self._spent.pop(data["turn"], None)
        words = [data["outcome"], f"{data['denials']} denied" if data["denials"] else "", f"{data['seconds']:.1f} s"]
        words.append(in_words(spent) if spent else "")
        why = f": {data['reason']}" if data.get("reason") else ""
        style = "good" if data["outcome"] == said.COMPLETED else "bad"
        return self._ours(f"= {', '.join(filter(None, words))}{why}", style)

    def _quota(self, data: dict[str, Any]) -> Block:
        until = f" until {data['until']}" if data["until"] else ""
        return self._ours(f"- no quota{until}: {data['reason']}", "bad")

    def _budget(self, data: dict[str, Any]) -> Block:
        is_money = data["limit"] == "usd"
        spent, budget = (dollars(data[key]) if is_money else f"{data[key]:,} tokens" for key in ("spent", "budget"))
        return self._ours(f"- {spent} of the budget of {budget} spent", "bad")

    def _ours(self, line: str, style: str, *, call: str = "") -> Block:
        """A line of our own, of a `call` if it is; whatever heading was before is over."""
        self._last = f"call {call}" if call else ""
        return Block(None, [(one_line(line), style)])


_BLOCKS = {
    said.SESSION_STARTED: Conversation._session,
    said.TURN_STARTED: Conversation._turn,
    said.MESSAGE: Conversation._message,
    said.TOOL_CALLED: Conversation._called,
    said.TOOL_FINISHED: Conversation._finished,
    said.USAGE_REPORTED: Conversation._usage,
    said.APPROVAL_REQUESTED: Conversation._asked,
    said.APPROVAL_GRANTED: Conversation._granted,
    said.APPROVAL_DENIED: Conversation._denied,
    said.APPROVAL_VOIDED: Conversation._voided,
    said.TURN_COMPLETED: Conversation._completed,
    said.QUOTA_REACHED: Conversation._quota,
    said.BUDGET_WARNED: Conversation._budget,
    said.BUDGET_EXHAUSTED: Conversation._budget,
}


def indented(text: str, by: int) -> list[str]:
    """The lines of a text, harmless and indented."""
    return [" " * by + printable(line.expandtabs(TAB)) for line in text.rstrip().replace("\r\n", "\n").split("\n")]


def cut(output: str) -> list[str]:
    """What a tool gave, indented: its first and last lines, and how much was left out between."""
    lines = indented(output, 4) if output.strip() else []
    if len(lines) > HEAD + TAIL + 1:
        between = lines[HEAD:-TAIL]
        size = sum(len(line.encode()) - 4 + 1 for line in between)
        lines = [*lines[:HEAD], f"    ... {len(between)} lines, {size:,} bytes left out ...", *lines[-TAIL:]]
    return [shortened(line, MOST_WIDTH) for line in lines]


def gist(data: dict[str, Any]) -> str:
    """What a tool is to do, in one line: what tells most of its input, else its title, else all of the input."""
    given = data["input"] if isinstance(data["input"], dict) else {}
    telling = _telling(given)
    if telling is None and data["title"] and data["title"] != data.get("name", data.get("tool")):
        telling = data["title"]
    return shortened(one_line(telling if telling is not None else compact(given) if given else ""), MOST_INPUT)


def _telling(given: dict[str, Any]) -> str | None:
    """A change to several files is told by all of them; `str_replace` tells little without the file."""
    if isinstance(given.get("paths"), list):
        return ", ".join(map(str, given["paths"]))
    found = [given[key] for key in TELLING if isinstance(given.get(key), str)]
    return " ".join(found[:2]) if found else None


def compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def shortened(line: str, most: int) -> str:
    """A line, or its beginning and how much was left out."""
    return line if len(line) <= most else f"{line[:most]}... {len(line) - most:,} more"


def one_line(text: str) -> str:
    """A text as one line, harmless; line breaks are shown as blanks."""
    return printable(" ".join(text.splitlines()).expandtabs(1)).rstrip()


def by_whom(data: dict[str, Any]) -> str:
    """Who answered an approval, and with what."""
    by, rule = data.get("by"), data.get("rule")
    who = {"timeout": "because nobody answered in time", "policy": "by its policy", "rule": f"by the rule {rule}"}
    return who.get(by or "", f"by {by or 'somebody'}") + (", for good" if data.get("always") else "")


def told_why(data: dict[str, Any]) -> str:
    """What somebody wrote beside an answer; what a rule, a policy or the clock tells the agent says `by_whom`."""
    is_ours = data.get("by") in ("timeout", "policy", "rule")
    return f": {one_line(data['message'])}" if data.get("message") and not is_ours else ""
