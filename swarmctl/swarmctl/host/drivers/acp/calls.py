"""A call of a tool, as it becomes known: some agents tell its name first, what it is given later, and its end. Pure."""

from __future__ import annotations

import json
from typing import Any

from ...rules import is_named
from .places import named, places
from .traits import Traits

STARTED = ("in_progress", "completed", "failed")
ENDED = ("completed", "failed")
CHANGES = ("edit", "delete", "move")
STATUS = frozenset(("exit_code", "exitCode", "signal"))  # of a raw output that says no more


class Call:
    """What is known of one call so far; the agent works in `cwd`.

    is_told: that it is one was said; is_denied: by an answer of ours.
    """

    def __init__(self, call: str, cwd: str) -> None:
        self.id = call
        self._cwd = cwd
        self.kind = "other"
        self.status: str | None = None
        self.is_told = self.is_denied = False
        self._name = self._title = ""
        self._input: dict[str, Any] = {}
        self._raw: Any = None
        self._streamed: list[str] = []  # pieces of a terminal's output
        self._content: list[Any] = []
        self._places: list[str] = []

    def merge(self, update: dict[str, Any], traits: Traits) -> None:
        """Take what an update, or a request of permission, says."""
        self._name = text(update.get("name")) or text(traits.tool(update)) or self._name
        self._title = text(update.get("title")) or self._title
        self.kind = text(update.get("kind")) or self.kind
        self.status = text(update.get("status")) or self.status
        given = update.get("rawInput")
        if isinstance(given, dict) and len(given) >= len(self._input):
            self._input = given
        self._raw = update.get("rawOutput") or self._raw
        if self.status in ENDED:
            self._content = listed(update.get("content"))  # before that it shows what the call is
        self._streamed += _streamed(update)
        self._places = list(dict.fromkeys([*self._places, *places(update)]))

    @property
    def is_known(self) -> bool:
        """Whether it is known with what it is called."""
        return self.status in STARTED or self._has_input

    @property
    def _has_input(self) -> bool:
        return any(name != "cwd" for name in self._input)

    @property
    def name(self) -> str:
        """The tool's, or what kind of a tool it is."""
        return self._name or self.kind

    @property
    def title(self) -> str:
        """For a person. Of several files no agent names more than that it edits some."""
        return named(self._paths, self._cwd) if self._paths else self._title or self.name

    @property
    def input(self) -> dict[str, Any]:
        """What the tool is given. Where the agent does not say it, what the title and the places tell."""
        if self._paths:
            return {**self._input, "paths": self._paths}
        if self._has_input:
            return self._input
        if self.kind == "execute" and self._title:
            return {"command": self._title, **self._input}
        return {"path": self._places[0], **self._input} if self._places else self._input

    @property
    def _paths(self) -> list[str]:
        """All its files, where it changes several: each must be allowed. What looks at some is told by its input."""
        is_told = self.kind not in CHANGES and is_named(self._input)
        is_told = is_told or (self.kind == "execute" and bool(self._title))
        return self._places if len(self._places) > 1 and not is_told else []

    @property
    def output(self) -> str:
        """What the tool gave, as text: streamed, as the agent has it, or as it shows it."""
        if self._streamed:
            return "".join(self._streamed)
        raw = self._raw
        if isinstance(raw, str):
            return raw
        if isinstance(raw, dict):
            for name in ("output", "error", "stdout", "content"):
                if isinstance(raw.get(name), str):
                    return str(raw[name])
        shown = "\n".join(one for one in map(text_of, self._content) if one)
        says_no_more = raw is None or (isinstance(raw, dict) and STATUS.issuperset(raw))
        return shown or ("" if says_no_more else json.dumps(raw, ensure_ascii=False))


def text_of(content: Any) -> str:
    """A content block as text; what has none is named."""
    if not isinstance(content, dict):
        return ""
    kind = content.get("type")
    if kind == "text":
        return text(content.get("text")) or ""
    if kind == "content":
        return text_of(content.get("content"))
    if kind == "diff":
        return f"{content.get('path', '')}\n{content.get('newText') or ''}"
    return "" if kind == "terminal" else f"[{kind or 'content'}{' ' + str(content['uri']) if 'uri' in content else ''}]"


def _streamed(update: dict[str, Any]) -> list[str]:
    """codex: a terminal's output comes in pieces, beside the protocol."""
    found: Any = update.get("_meta")
    for name in ("terminal_output_delta", "data"):
        found = found.get(name) if isinstance(found, dict) else None
    return [found] if isinstance(found, str) else []


def text(value: Any) -> str | None:
    """The value, if it is a text that says something."""
    return value if isinstance(value, str) and value else None


def listed(value: Any) -> list[Any]:
    """The value, if it is a list."""
    return value if isinstance(value, list) else []
