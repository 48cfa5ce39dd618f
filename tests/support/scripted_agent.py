"""An agent for tests, as a real process: it does what its prompt says, line by line, and remembers it in a file.

JSON lines on stdin and stdout. A prompt's lines: `say TEXT`, `think TEXT`, `ask TOOL COMMAND`, `defer TOOL COMMAND`,
`both COMMAND COMMAND` (asked at once), `note WORD` (among its `notes`), `wait NAME` (until there is a file of that
name), `die`, `fail WHY`, `quota SECONDS`, `use INPUT OUTPUT`. Its session is a file too: what it was told, and how far
it has come, so that one that is resumed goes on there, and can tell what it has heard. While there is a file
`hold-open`, it opens no session.
"""

from __future__ import annotations

import json
import os
import select
import sys
import time
import uuid
from pathlib import Path
from typing import Any

CONTINUE = "You were interrupted. Go on where you left off."
PLACE = Path(os.environ["SCRIPT_PLACE"])


class Interrupted(Exception):
    """It was told to end its turn."""


def tell(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def hear() -> dict[str, Any]:
    line = sys.stdin.readline()
    if not line:
        raise SystemExit(0)
    heard: dict[str, Any] = json.loads(line)
    if "interrupt" in heard:
        raise Interrupted
    return heard


class Session:
    """What is remembered of a conversation: `heard`, the lines that are to be done, and how many are."""

    def __init__(self, name: str, known: dict[str, Any]) -> None:
        self.path, self.known = PLACE / f"session-{name}", known

    def keep(self) -> None:
        aside = self.path.with_suffix(".new")
        aside.write_text(json.dumps(self.known))
        aside.rename(self.path)

    def take(self, text: str) -> None:
        self.known["heard"].append(text)
        if text != CONTINUE:
            self.known |= {"lines": text.splitlines(), "done": 0, "turns": self.known["turns"] + 1}
        self.keep()

    def lines(self) -> list[str]:
        found: list[str] = self.known["lines"][self.known["done"] :]
        return found

    def did(self) -> None:
        self.known["done"] += 1
        self.keep()


def wait_for(name: str) -> None:
    """Until there is the file, or an interrupt."""
    while not (PLACE / name).exists():
        if select.select([sys.stdin], [], [], 0.01)[0]:
            hear()


def ask(verb: str, rest: str, session: Session) -> None:
    tool, _, command = rest.partition(" ")
    call = f"call-{session.known['turns']}-{session.known['done']}"  # the same when it comes again
    tell(ask=call, tool=tool, command=command, deferred=verb == "defer")
    answer = hear()
    with open(PLACE / "answers", "a") as file:
        file.write(f"{command}: {'yes' if answer['granted'] else 'no'} {answer['message'] or ''}".strip() + "\n")


def do(line: str, session: Session) -> dict[str, Any] | None:
    """One line; what ends the turn, if it does."""
    verb, _, rest = line.partition(" ")
    if verb in ("say", "think"):
        tell(say=rest, role="assistant" if verb == "say" else "thought")
    elif verb in ("ask", "defer"):
        ask(verb, rest, session)
    elif verb == "both":
        tell(both=rest.split())
        hear()
    elif verb == "note":
        session.known["notes"].append(rest)
    elif verb == "wait":
        wait_for(rest)
    elif verb == "use":
        tell(use=[int(word) for word in rest.split()])
    elif verb == "die":
        session.did()
        os._exit(3)
    elif verb == "fail":
        return {"end": "failed", "why": rest}
    elif verb == "quota":
        return {"end": "failed", "why": "out of quota", "retry_at": time.time() + float(rest)}
    return None


def turn(session: Session) -> dict[str, Any]:
    try:
        for line in session.lines():
            if line.startswith("use "):  # one that was killed has said it or not, and says it no more
                session.did()
                do(line, session)
                continue
            ended = do(line, session)
            session.did()
            if ended is not None:
                return ended
    except Interrupted:
        return {"end": "interrupted"}
    return {"end": "completed"}


def main() -> None:
    wanted = json.loads(sys.stdin.readline())["open"]
    name = wanted or uuid.uuid4().hex
    session = Session(name, {"heard": [], "lines": [], "done": 0, "turns": 0, "notes": []})
    if wanted and not session.path.exists():
        return tell(gone=True)
    if wanted:
        session.known = json.loads(session.path.read_text())
    session.keep()
    while (PLACE / "hold-open").exists():
        time.sleep(0.01)
    tell(session=name, resumed=bool(wanted), heard=session.known["heard"])
    while True:
        try:
            session.take(hear()["prompt"])
        except Interrupted:
            continue  # it came late: the turn had ended
        tell(**turn(session))


if __name__ == "__main__":
    main()
