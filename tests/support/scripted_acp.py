"""An agent over ACP for tests, as a real process: it does what its prompt says, step by step.

Steps are parted by `;`: `say TEXT`, `line JSON` (as it is, SESSION put in place), `call ID` and `done ID` of a command,
`hold FIFO` (a process of another session keeps its stdout open until the FIFO is closed), `die`, `once FILE` (die where
there is no such file, and make it), `deaf` (to all but the end of its
input).

SCRIPT_LOAD says how it loads a session: `gone`, it knows none; else what it tells of it, turns parted by `;`, each
`QUESTION=ANSWER`, before its answer, or with SCRIPT_PAUSE after that, with a pause of so many seconds before each.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any


def send(**message: Any) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def tell(session: str, what: str, **update: Any) -> None:
    send(method="session/update", params={"sessionId": session, "update": {"sessionUpdate": what, **update}})


def chunk(session: str, text: str, what: str = "agent_message_chunk") -> None:
    tell(session, what, content={"type": "text", "text": text})


def hold(fifo: str) -> None:
    """Have a process that is none of ours hold our output open."""
    with open(fifo) as file:
        subprocess.Popen(["cat"], stdin=file, start_new_session=True)


def die_once(path: str) -> None:
    if not Path(path).exists():
        Path(path).touch()
        os._exit(7)


def call(session: str, name: str) -> None:
    known = {"title": f"do {name}", "kind": "execute", "status": "in_progress", "rawInput": {"command": name}}
    tell(session, "tool_call", toolCallId=name, **known)


def do(session: str, step: str) -> None:
    verb, _, rest = step.strip().partition(" ")
    if verb == "say":
        chunk(session, rest)
    elif verb == "line":
        sys.stdout.write(rest.replace("SESSION", session) + "\n")
        sys.stdout.flush()
    elif verb == "call":
        call(session, rest)
    elif verb == "done":
        tell(session, "tool_call_update", toolCallId=rest, status="completed", rawOutput=f"did {rest}")
    elif verb == "hold":
        hold(rest)
    elif verb == "die":
        os._exit(7)
    elif verb == "once":
        die_once(rest)
    elif verb == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sys.stdin.read()


def tell_history(session: str, pause: float) -> None:
    for turn in os.environ.get("SCRIPT_LOAD", "").split(";"):
        time.sleep(pause)
        asked, _, answer = turn.partition("=")
        chunk(session, asked, "user_message_chunk")
        chunk(session, answer)


def load(request: int, session: str) -> None:
    pause = float(os.environ.get("SCRIPT_PAUSE", "0"))
    if os.environ.get("SCRIPT_LOAD") == "gone":
        send(id=request, error={"code": -32002, "message": "Resource not found"})
    elif pause:
        send(id=request, result={})
        threading.Thread(target=tell_history, args=(session, pause)).start()
    else:
        tell_history(session, 0)
        send(id=request, result={})


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        method, params = asked.get("method"), asked.get("params") or {}
        if method == "initialize":
            about = {"agentCapabilities": {"loadSession": True}, "agentInfo": {"name": "scripted", "version": "1"}}
            send(id=asked["id"], result={"protocolVersion": params["protocolVersion"], **about})
        elif method == "session/new":
            send(id=asked["id"], result={"sessionId": f"s-{os.getpid()}"})
        elif method == "session/load":
            load(asked["id"], params["sessionId"])
        elif method == "session/prompt":
            for step in params["prompt"][0]["text"].split(";"):
                do(params["sessionId"], step)
            send(id=asked["id"], result={"stopReason": "end_turn"})


if __name__ == "__main__":
    main()
