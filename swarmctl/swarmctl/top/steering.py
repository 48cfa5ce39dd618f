"""What is done to agents: it is asked for on the screen first, then a verb of swarmctl is run beside it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from threading import Thread
from typing import Any

from textual.app import App

from swarm_store.errors import SwarmError

from ..conversation import gist
from ..render import printable
from .dialogs import Ask, Confirm
from .picture import Seen
from .source import Source

SAID_SECONDS, COMPLAINED_SECONDS = 3, 8  # how long it is on the screen


class Steering:
    """Asks on the screen of `app`, and acts on `source`."""

    def __init__(self, app: App[Any], source: Source) -> None:
        self._app = app
        self._source = source

    def spawn(self) -> None:
        """Ask for a command line and spawn it."""
        hint = "A command, or options of `swarmctl spawn` and -- before it: --name build -- make -j4"
        self._app.push_screen(Ask("Spawn", hint), self._spawn)

    def _spawn(self, line: str | None) -> None:
        if line is None:
            return
        try:
            words = shlex.split(line)
        except ValueError as error:
            self._complain(f"not a command line: {error}")
            return
        has_options = words[:1] and words[0].startswith("-")
        self._do(["spawn", *words] if has_options else ["spawn", "--", *words], "spawned {}")

    def cancel(self, one: Seen) -> None:
        self._confirm("Cancel", one, ["cancel", one.id], f"{one.title} is cancelled")

    def restart(self, one: Seen) -> None:
        self._confirm("Restart", one, ["restart", one.id], f"{one.title} is restarted")

    def signal(self, one: Seen) -> None:
        """Ask which signal, and send it."""

        def send(name: str | None) -> None:
            if name:
                self._do(["signal", one.id, name], f"{name} is sent to {one.title}")

        self._app.push_screen(Ask(f"Signal for {one.title}", "HUP, USR1, STOP, CONT, … or a number"), send)

    def answer(self, one: Seen, verb: str) -> None:
        """Ask about the first thing that an agent asks to be allowed, and answer it: `verb` is approve or deny."""

        def look() -> None:
            try:
                found = json.loads(self._source.command(["approvals", one.id, "--json"]))
            except (SwarmError, ValueError) as error:
                self._tell(self._complain, str(error))
                return
            if not found:
                self._tell(self._complain, f"{one.title} asks for nothing")
            elif self._app.is_running:
                self._app.call_from_thread(self._ask_about, one, verb, found[0])

        Thread(target=look, daemon=True).start()

    def _ask_about(self, one: Seen, verb: str, asked: dict[str, Any]) -> None:
        def answered(answer: bool | None) -> None:
            if answer:
                self._do([verb, asked["id"]], f"{one.title}: {asked['id']} is answered")

        question = f"{one.title} asks to use {printable(asked['tool'])}\n{gist(asked)}"
        self._app.push_screen(Confirm(question, verb.capitalize()), answered)

    def _confirm(self, yes: str, one: Seen, words: list[str], done: str) -> None:
        def answered(answer: bool | None) -> None:
            if answer:
                self._do(words, done)

        self._app.push_screen(Confirm(f"{yes} {one.title} ({one.status})?\n{one.command}", yes), answered)

    def _do(self, words: list[str], done: str) -> None:
        """Run a verb in a thread, and say what came of it; `{}` in `done` is what it prints.

        Nobody waits for that thread: a verb goes on when the screen is closed.
        """

        def run() -> None:
            try:
                printed = self._source.command(words)
            except SwarmError as error:
                self._tell(self._complain, error.message)
            else:
                self._tell(self._say, done.replace("{}", printed))

        Thread(target=run, daemon=True).start()

    def _tell(self, say: Callable[[str], None], what: str) -> None:
        if self._app.is_running:
            self._app.call_from_thread(say, what)

    def _say(self, what: str) -> None:
        self._app.notify(what, markup=False, timeout=SAID_SECONDS)

    def _complain(self, what: str) -> None:
        self._app.notify(what, severity="error", markup=False, timeout=COMPLAINED_SECONDS)
