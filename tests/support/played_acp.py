"""The agent's side of a recorded conversation over ACP: as a state that is told what came, and as a real process.

A recording is JSON lines, `dir` in for what the client wrote, out for what the agent did. What the client writes now
stands for what it wrote then, by its method, or as the answer to the same request; ids of requests are put in place.

As a process: `played_acp.py RECORDING`. PLAY_CUT=N ends it with status 3 after N messages; PLAY_BYTES=N writes N bytes
at a time; PLAY_BANNER=TEXT is a line before all.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]
RECORDINGS = Path(__file__).parents[1] / "recordings"
PROMPT, PERMISSION, CANCEL = "session/prompt", "session/request_permission", "session/cancel"


class Entry(NamedTuple):
    """One message: `dir` is in or out."""

    dir: str
    message: Json


class Recording(NamedTuple):
    """A conversation of one process with its client."""

    path: Path
    entries: list[Entry]

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    def sent(self, method: str) -> list[Json]:
        """What the client has sent of a method: the parameters."""
        return [
            one.message["params"] for one in self.entries if one.dir == "in" and one.message.get("method") == method
        ]

    @property
    def prompts(self) -> list[str]:
        return [params["prompt"][0]["text"] for params in self.sent(PROMPT)]

    @property
    def session(self) -> str | None:
        """The session that was resumed; None where it was new."""
        resumed = [*self.sent("session/load"), *self.sent("session/resume")]
        return resumed[0]["sessionId"] if resumed else None

    @property
    def options(self) -> Json:
        """What a profile says to have it so."""
        said: Json = {}
        for params in self.sent("session/set_mode"):
            said["mode"] = params["modeId"]
        for params in [*self.sent("session/new"), *self.sent("session/load"), *self.sent("session/resume")]:
            if "_meta" in params:
                said["meta"] = params["_meta"]
        return said

    def answers(self) -> dict[str, str]:
        """By tool call, what was answered: the kind of the option that was chosen, or cancelled."""
        asked = {one.message["id"]: one.message["params"] for one in self.entries if _is_permission(one)}
        found = {}
        for entry in self.entries:
            if entry.dir == "in" and "method" not in entry.message:
                params, outcome = asked[entry.message["id"]], entry.message["result"]["outcome"]
                kinds = {option["optionId"]: option["kind"] for option in params["options"]}
                found[params["toolCall"]["toolCallId"]] = kinds.get(outcome.get("optionId", ""), "cancelled")
        return found

    @property
    def said(self) -> int:
        """How many messages are the agent's."""
        return sum(entry.dir == "out" for entry in self.entries)


def _is_permission(entry: Entry) -> bool:
    return entry.dir == "out" and entry.message.get("method") == PERMISSION


def load(name: str) -> Recording:
    """One recording, as acp-codex/03-approve."""
    path = RECORDINGS / f"{name}.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return Recording(path, [Entry(line["dir"], line["msg"]) for line in lines])


def names() -> list[str]:
    """All recordings."""
    return sorted(f"{path.parent.name}/{path.stem}" for path in RECORDINGS.glob("acp-*/*.jsonl"))


class Played:
    """How far the agent has come. `awaited`: what the client is to send next; None at the end."""

    def __init__(self, recording: Recording) -> None:
        self._rest = list(recording.entries)
        self._ids: dict[Any, Any] = {}  # of the client's requests: recorded → now

    @property
    def awaited(self) -> Json | None:
        return self._rest[0].message if self._rest and self._rest[0].dir == "in" else None

    def speak(self) -> list[Json]:
        """What the agent says now, until it awaits something."""
        said = []
        while self._rest and self._rest[0].dir == "out":
            message = self._rest.pop(0).message
            if "method" not in message and message["id"] in self._ids:
                message = {**message, "id": self._ids[message["id"]]}
            said.append(message)
        return said

    def hear(self, message: Json) -> list[Json]:
        """What the agent says to a message; nothing to one that it does not await, or before the others have come."""
        for at, (direction, awaited) in enumerate(self._rest):
            if direction == "out":
                break
            if _is_same(awaited, message):
                if "method" in message and "id" in message:
                    self._ids[awaited["id"]] = message["id"]
                del self._rest[at]
                return self.speak()
        return []


def _is_same(awaited: Json, message: Json) -> bool:
    if "method" in awaited or "method" in message:
        return awaited.get("method") == message.get("method")
    return bool(awaited.get("id") == message.get("id"))


def line_of(message: Json) -> bytes:
    return json.dumps(message).encode() + b"\n"


class _Voice:
    """Stdout, as the environment has it."""

    def __init__(self) -> None:
        self._left = int(os.environ.get("PLAY_CUT", "-1"))
        self._size = int(os.environ.get("PLAY_BYTES", "0")) or sys.maxsize

    def say(self, data: bytes) -> None:
        if self._left == 0:
            os._exit(3)
        self._left -= 1
        for at in range(0, len(data), self._size):
            os.write(1, data[at : at + self._size])
            if self._size < len(data):
                time.sleep(0)  # another piece, another read, mostly


def main(path: str) -> None:
    voice, played = _Voice(), Played(load("/".join(Path(path).with_suffix("").parts[-2:])))
    if banner := os.environ.get("PLAY_BANNER"):
        os.write(1, banner.encode() + b"\n")
    for line in sys.stdin.buffer:
        for message in played.hear(json.loads(line)):
            voice.say(line_of(message))
    sys.exit(0)


if __name__ == "__main__":
    main(sys.argv[1])
