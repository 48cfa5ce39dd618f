"""Claude Code's protocol for tests, as a real process: it does what its prompt says, step by step.

Steps are parted by `;`: `say TEXT`, `part TEXT` (of a message that does not come), `tool ID` and `result ID` of a
command, `hold FIFO` (a process of another session keeps its stdout open until the FIFO is closed), `die`,
`mute` (close its own), `deaf` (until its input ends), and at the end `stay` (the turn is not ended) or `defer ID` (it
is, before that command). An interrupt it does not hear.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from typing import Any

SESSION = next((word.partition("=")[2] for word in sys.argv if word.startswith(("--session-id=", "--resume="))), "")


def send(type: str, **message: Any) -> None:
    sys.stdout.write(json.dumps({"type": type, "uuid": str(uuid.uuid4()), "session_id": SESSION, **message}) + "\n")
    sys.stdout.flush()


def say(role: str, **block: Any) -> None:
    send(role, message={"id": f"m-{uuid.uuid4()}", "role": role, "model": "x", "content": [block]})


def hold(fifo: str) -> None:
    """Have a process that is none of ours hold our output open."""
    with open(fifo) as file:
        subprocess.Popen(["cat"], stdin=file, start_new_session=True)


def do(step: str) -> None:
    verb, _, rest = step.strip().partition(" ")
    if verb == "say":
        say("assistant", type="text", text=rest)
    elif verb == "part":
        send("stream_event", event={"type": "content_block_delta", "delta": {"type": "text_delta", "text": rest}})
    elif verb == "tool":
        say("assistant", type="tool_use", id=rest, name="Bash", input={"command": "ls"})
    elif verb == "result":
        say("user", type="tool_result", tool_use_id=rest, content="done")
    elif verb == "hold":
        hold(rest)
    elif verb == "die":
        os._exit(9)
    elif verb == "mute":
        os.close(1)
    elif verb == "deaf":
        sys.stdin.read()


def control(asked: dict[str, Any]) -> None:
    what = asked["request"]["subtype"]
    if what != "interrupt":
        begun = {"account": {}, "models": [], "claude_code_version": "9"} if what == "initialize" else {}
        send("control_response", response={"request_id": asked["request_id"], "response": begun})


def turn(text: str, name: str) -> None:
    send("system", subtype="init", permissionMode="default")
    steps = text.split(";")
    for step in steps:
        do(step)
    verb, _, rest = steps[-1].strip().partition(" ")
    reason = "tool_deferred" if verb == "defer" else "end_turn"
    held = {"deferred_tool_use": {"id": rest, "name": "Bash", "input": {"command": "ls"}}} if verb == "defer" else {}
    if verb != "stay":
        send("result", subtype="success", stop_reason=reason, modelUsage={}, user_message_uuid=name, **held)


def main() -> None:
    for line in sys.stdin:
        heard = json.loads(line)
        if heard["type"] == "control_request":
            control(heard)
        elif heard["type"] == "user":
            turn(heard["message"]["content"], heard["uuid"])


if __name__ == "__main__":
    main()
