"""Record what the driver and the real Claude Code say to each other, against the canned API.

`AGENT_CLIS=NODE_MODULES python -m support.record_claude [NAME...]` writes tests/recordings/claude anew. What is long
and of no interest (commands, models, tools) is cut; the place it was recorded in is called /home/user/project.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from agents import homes
from support.canned import Canned, canning
from support.claude_plays import Play, take
from support.claude_room import KeepingRoom, spec
from support.played_claude import RECORDINGS
from swarmctl.host.driver import Room
from swarmctl.host.drivers.claude import ClaudeDriver, driver
from swarmctl.host.drivers.claude.connection import Connection
from swarmctl.host.drivers.claude.protocol import Json

QUESTION = {
    "questions": [
        {
            "question": "Which colour?",
            "header": "Colour",
            "multiSelect": False,
            "options": [{"label": "red", "description": "warm"}, {"label": "blue", "description": "cold"}],
        }
    ]
}
SUBAGENT = {"description": "look", "subagent_type": "general-purpose", "prompt": "TOOL:touch sub"}
SUBAGENT_LIVE = {**SUBAGENT, "run_in_background": False}
YES, NO = {"granted": True}, {"granted": False, "message": "not today"}
SCENARIOS: dict[str, Play] = {
    "01-hello": Play(["hello", "THINK:hm\nSAY:again"], outcomes=["completed", "completed"]),
    "02-free-tool": Play(["TOOL:ls"], outcomes=["completed"]),
    "03-deferred-allowed": Play(["TOOL:touch made"], [YES], ["completed"]),
    "04-deferred-denied": Play(["TOOL:touch made", "hello"], [NO], ["denied", "completed"]),
    "05-deferred-edited": Play(["TOOL:touch made"], [{**YES, "input": {"command": "touch other"}}], ["completed"]),
    "06-two-calls": Play(["TOOLS:touch one && touch two"], [YES, YES], ["completed"]),
    "07-interrupted-in-text": Play(["SLOW:5", "hello"], [], ["interrupted", "completed"], interrupt="part"),
    "08-interrupted-while-deferred": Play(
        ["TOOL:touch made", "hello"], [], ["interrupted", "completed"], interrupt="asked"
    ),
    "09-api-error": Play(["FAIL:400"], outcomes=["failed"]),
    "10-quota": Play(["FAIL:429 retry-after=3600"], outcomes=["failed"]),
    "11-question": Play(
        [f"CALL:AskUserQuestion {json.dumps(QUESTION)}"],
        [{**YES, "input": {"answers": {"Which colour?": "blue"}}}],
        ["completed"],
    ),
    "12-subagent": Play([f"CALL:Task {json.dumps(SUBAGENT_LIVE)}"], [YES], ["completed"]),
    "13-subagent-in-background": Play([f"CALL:Task {json.dumps(SUBAGENT)}"], [YES], ["completed"]),
    "14-refused-once": Play(["STOP:refusal"], outcomes=["completed"]),
    "15-too-long-once": Play(["STOP:length"], outcomes=["completed"]),
    "16-retried": Play(["FAIL:500*1\nSAY:at last"], outcomes=["completed"]),
    "17-free-and-deferred": Play(["TOOLS:ls && touch made && pwd"], [YES], ["completed"]),
}


class Recorder(Connection):
    """A connection that writes down what goes through it."""

    lines: list[Json] = []

    @classmethod
    async def start(
        cls,
        argv: Sequence[str],
        cwd: str,
        env: Mapping[str, str],
        room: Room,
        handle: Callable[[Json], Awaitable[None]],
    ) -> Connection:
        async def note(message: Json) -> None:
            cls.lines.append({"dir": "out", "line": json.dumps(_cut(message))})
            await handle(message)

        cls.lines.append({"start": True})
        return await super().start(argv, cwd, env, room, note)

    def send(self, message: Json) -> None:
        self.lines.append({"dir": "in", "line": json.dumps(message)})
        super().send(message)


def _cut(message: Json) -> Json:
    """Without what is long and says nothing to us."""
    if message.get("subtype") == "init":
        kept = ("type", "subtype", "session_id", "model", "permissionMode", "claude_code_version", "uuid")
        return {key: message[key] for key in kept}
    response = message.get("response")
    if isinstance(response, dict) and "commands" in response.get("response", {}):
        begun = response["response"]
        cut = {
            key: begun[key] for key in ("account", "claude_code_version", "current_permission_mode", "hooks_applied")
        }
        cut["models"] = begun["models"][:1]
        return {**message, "response": {**response, "response": cut}}
    return message


async def _record(name: str, play: Play, canned: Canned, place: Path) -> None:
    project = place / "project"
    project.mkdir()
    env = {**homes.furnish(place / "home", canned.url), "PATH": f"{homes.path(_modules())}:/usr/bin:/bin"}
    room = KeepingRoom()
    made = ClaudeDriver(spec(str(project), ["claude"], env), room)
    Recorder.lines = [{"play": play._asdict()}]
    if play.interrupt == "part":
        canned.step(1)
    got = await take(made, room, play)
    assert got == play.outcomes, (name, got, room.said)
    text = "".join(json.dumps(line) + "\n" for line in Recorder.lines)
    dashed = str(project).replace("/", "-").replace("_", "-")
    for found, shown in (
        (str(project), "/home/user/project"),
        (str(place), "/home/user"),
        (dashed, "-home-user-project"),
    ):
        text = text.replace(found, shown)
    (RECORDINGS / f"{name}.duplex.jsonl").write_text(text)
    print(f"{name}: {len(text)} bytes")


def _modules() -> Path:
    found = homes.modules()
    assert found is not None, "AGENT_CLIS says where the command lines are"
    return found


def main(names: list[str]) -> None:
    RECORDINGS.mkdir(parents=True, exist_ok=True)
    os.environ["PATH"] = f"{homes.path(_modules())}:{os.environ['PATH']}"
    driver.__dict__["Connection"] = Recorder
    for name in names or SCENARIOS:
        with canning() as canned, tempfile.TemporaryDirectory(prefix="swarm-record-") as place:
            asyncio.run(_record(name, SCENARIOS[name], canned, Path(place)))


if __name__ == "__main__":
    main(sys.argv[1:])
