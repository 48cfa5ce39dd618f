"""Claude Code's side of a recorded conversation, for the driver: in this process, or as a process of its own.

A recording is JSON lines: first `play`, what was prompted and answered, then each line of each process, in order, with
`dir` (in: what the driver wrote, out: what came), and `start` where another process began. What the driver writes now
stands for what it wrote then: the ids that it makes anew are put in place of those that were recorded.

As a process: `played_claude.py RECORDING [ARGUMENTS of claude...]`. Where it was started before, in the same directory,
it plays the next process of the recording. PLAY_CHUNK=N writes N bytes at a time.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Json = dict[str, Any]
RECORDINGS = Path(__file__).parents[1] / "recordings" / "claude"


class Step(NamedTuple):
    """One line of a process: `dir` is in or out."""

    dir: str
    line: str


class Recording(NamedTuple):
    """`play` says what to do with the driver; `processes` what each process was told and said."""

    name: str
    play: Json
    processes: list[list[Step]]


def load(path: Path) -> Recording:
    """Read one."""
    play: Json = {}
    processes: list[list[Step]] = []
    for text in path.read_text().splitlines():
        entry = json.loads(text)
        if "play" in entry:
            play = entry["play"]
        elif "start" in entry:
            processes.append([])
        else:
            processes[-1].append(Step(entry["dir"], entry["line"]))
    return Recording(path.name.split(".")[0], play, processes)


def recordings() -> list[Path]:
    """All that there are."""
    return sorted(RECORDINGS.glob("*.duplex.jsonl"))


class Played:
    """One process of a recording. What it says comes with `begin`, and after each line that it `hear`s."""

    def __init__(self, steps: Iterable[Step], argv: list[str]) -> None:
        self._steps = list(steps)
        self._place = 0
        self._names: dict[str, str] = {}
        self.unexpected: list[str] = []
        given = next((word.partition("=")[2] for word in argv if word.startswith(("--session-id=", "--resume="))), "")
        recorded = next((said["session_id"] for said in map(_read, self._steps) if "session_id" in said), given)
        self._names[recorded] = self.session = given

    def begin(self) -> list[str]:
        """What it says unasked."""
        return list(self._say())

    def hear(self, line: str) -> list[str]:
        """What it says to that, which must be what was written then."""
        if self._place < len(self._steps):
            recorded = _read(self._steps[self._place])
            written = json.loads(line)
            if _shape(recorded) == _shape(written):
                if "uuid" in recorded:
                    self._names[recorded["uuid"]] = written["uuid"]
                self._place += 1
                return list(self._say())
        self.unexpected.append(line)
        return []

    @property
    def is_over(self) -> bool:
        """Whether it has said all."""
        return self._place >= len(self._steps)

    def _say(self) -> Iterator[str]:
        while not self.is_over and self._steps[self._place].dir == "out":
            line = self._steps[self._place].line
            for recorded, now in self._names.items():
                line = line.replace(recorded, now)
            self._place += 1
            yield line


def _read(step: Step) -> Json:
    try:
        said = json.loads(step.line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _shape(message: Json) -> Any:
    """What must be the same of what is written: all but the uuids, and whom a request of ours is from."""
    if message.get("type") == "control_request":
        return message["request"]["subtype"]
    return {key: value for key, value in message.items() if key != "uuid"}


def main(path: Path, argv: list[str]) -> None:
    """Be the next process of the recording."""
    recording = load(path)
    mark = Path(f"played-{recording.name}")
    number = int(mark.read_text()) if mark.exists() else 0
    mark.write_text(str(number + 1))
    played = Played(recording.processes[number], argv)
    _write(played.begin())
    for line in sys.stdin:
        _write(played.hear(line))
    sys.exit(recording.play.get("statuses", {}).get(str(number), 0))


def _write(lines: Iterable[str]) -> None:
    chunk = int(os.environ.get("PLAY_CHUNK", "0"))
    for line in lines:
        data = line.encode() + b"\n"
        for start in range(0, len(data), chunk or len(data)):
            os.write(1, data[start : start + (chunk or len(data))])
            if chunk:
                time.sleep(0.001)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
