"""An agent's conversation in this terminal: what is said appears above a line in which somebody types.

The screen is a few lines at the bottom (screen.py), above which whole lines are printed. What is printed comes from the
log, by its bells; what is being written just now from the host's socket `live`, where there is one. What is done (a
turn, an answer, an interrupt) is done in a thread with a log of its own. Nothing ends when this does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from swarm_daemon import conversing
from swarm_daemon.run import Run
from swarm_store import approvals, events, registry, sessions
from swarm_store import session_events as said
from swarm_store.bells import NET, Bell
from swarm_store.conversation import Approval
from swarm_store.errors import LogUnusable, SwarmError, WrongUsage
from swarm_store.fold import Agent
from swarm_store.follow import PAGE
from swarm_store.lifecycle import TERMINAL
from swarm_store.log import Log

from ..asking import what as asked_what
from ..conversation import Conversation, Line, one_line
from ..host.live import connect
from ..render import printable
from ..transcript import has_colours, last_records, painted
from ..who import user_at_host
from . import keys
from .dialogue import ALWAYS, ANSWERS, NO, SEND, Typed, Written, wrapped

LEAVE_SECONDS = 3.0  # in which a second Ctrl-C leaves
FIRST_LINES = 200  # of the conversation so far, at most
TYPES = said.CONVERSATION_TYPES


def run(log: Log, agent: Agent, *, read_only: bool = False, detach_keys: str = "") -> int:
    """Attach this terminal to an agent of a kind until somebody detaches; the status. `detach_keys`: as in keys.parse.

    Raises WrongUsage where there is no terminal, or no such keys, and SwarmError where the extra `attach` is not
    installed or the agent is removed.
    """
    wanted = keys.parse(detach_keys) if detach_keys else b""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WrongUsage("attach needs a terminal", f"swarmctl logs -f {agent['id']}; swarmctl send types")
    try:
        from .screen import Screen
    except ModuleNotFoundError as error:
        raise SwarmError("swarmctl[attach] is not installed", "pip install 'swarmctl[attach]'") from error
    viewer = Viewer(log, agent, read_only=read_only)
    asyncio.run(viewer.attached(Screen(viewer, wanted)))
    who = agent["name"] or agent["id"]
    print(f"swarmctl: detached; {who} is left as it is: swarmctl attach {who}", file=sys.stderr)
    return 0


class Viewer:
    """What is known of the agent and its session, and what is done about it; a `screen` shows it."""

    def __init__(self, log: Log, agent: Agent, *, read_only: bool) -> None:
        self.log = log
        self.agent = agent
        self.read_only = read_only
        self.session: dict[str, Any] | None = None
        self.asked: Approval | None = None  # the approval that is to be answered next
        self.note = ""  # what was said to whoever types, until something else happens
        self.written = Written()
        self.name = printable(agent["kind"] or "agent")
        self._stream = events.agent_stream(agent["id"])
        self._conversation = Conversation(self.name)
        self._at = 0
        self._interrupted_at = 0.0
        self._news = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def attached(self, screen: Any) -> None:
        """Show and do until the screen is left."""
        self.screen = screen
        loop = asyncio.get_running_loop()
        with Bell(self.log.home, self._stream) as said_bell, Bell(self.log.home, events.REGISTRY) as life_bell:
            for bell in (said_bell, life_bell):
                loop.add_reader(bell.file, self._rung, bell)
            self._show_last()
            net = loop.create_task(self._look_again())
            live = loop.create_task(self._listen())
            try:
                await screen.shown()
            finally:
                for task in (net, live, *self._tasks):
                    task.cancel()
                for bell in (said_bell, life_bell):
                    loop.remove_reader(bell.file)

    # -- what the log says

    def _rung(self, bell: Bell) -> None:
        bell.clear()
        self.look()

    async def _look_again(self) -> None:
        """The net under the bells: a ring is lost with its ringer."""
        while True:
            await asyncio.sleep(NET)
            self.look()

    def _show_last(self) -> None:
        """The end of the conversation so far, as much as the terminal has room for."""
        self._at = self.log.head(self._stream)
        room = min(max(os.get_terminal_size().lines - 6, 4), FIRST_LINES)
        wanted = {"types": TYPES, "until": self._at, "limit": FIRST_LINES, "backwards": True}
        records = last_records(self.log.read(self._stream, **wanted), room)  # type: ignore[arg-type]
        self.screen.write(self._painted(list(self._conversation.all(records))[-room:]))
        self._take_stock()

    def look(self) -> None:
        """Read what is new, show it, and see how things stand."""
        try:
            while page := self.log.read(self._stream, start=self._at, types=TYPES, limit=PAGE):
                self._at = page[-1].offset + 1
                lines = [line for record in page for line in self._heard(record)]
                self.screen.write(self._painted(lines))
            self._take_stock()
        except LogUnusable as error:
            self.note = error.message
        self._news.set()
        self.screen.refresh()

    def _heard(self, record: events.Record) -> list[Line]:
        if record.type == said.MESSAGE:
            self.written.whole(record.data["role"], record.data["text"])
        elif record.type in (said.TURN_STARTED, said.TURN_COMPLETED):
            self.written.clear()
            self.note = ""
        return list(self._conversation.feed(record))

    def _take_stock(self) -> None:
        agent = registry.get(self.log, self.agent["id"])
        if agent is None:
            self.screen.leave(registry.no_such(self.agent["id"]))
            return
        self.agent = agent
        self.session = sessions.get(self.log, agent["id"])
        pending = approvals.asked(self.log, agent_id=agent["id"])
        self.asked = pending[0] if pending else None

    def _painted(self, lines: list[Line]) -> list[str]:
        width = os.get_terminal_size().columns
        pieces = [line._replace(text=piece) for line in lines for piece in wrapped(line.text, width)]
        return [painted(piece, colours=has_colours()) for piece in pieces]

    # -- what is being written just now

    async def _listen(self) -> None:
        """Take deltas from the run's host, from each run's in turn."""
        while True:
            self._news.clear()
            try:
                sock = connect(Run(self.log.home, self.agent["id"], self.agent["run"]).path)
                reader, writer = await asyncio.open_unix_connection(sock=sock)
                try:
                    while line := await reader.readline():
                        delta = json.loads(line)
                        self.written.add(str(delta["role"]), str(delta["text"]))
                        self.screen.refresh()
                finally:
                    writer.close()
            except (OSError, ValueError, KeyError):
                pass  # there is none, or not yet; messages come whole then
            await self._news.wait()

    # -- how it stands, in a line

    def status(self) -> str:
        """What somebody who looks at the screen must know just now."""
        if self.note:
            return self.note
        if self.asked is not None and not self.read_only:
            edit = "  [e]dit" if self.asked["editable"] else ""
            return f"{self.question()}   [y]es  [n]o  [a]lways{edit}"
        waiting = len(self.session["waiting"]) if self.session else 0
        more = f", {waiting} more wait{'s' if waiting == 1 else ''}" if waiting else ""
        if self.agent["state"] in TERMINAL:
            again = "" if self.read_only else "; a turn starts it again"
            return f"{self.name} has ended: {self.agent['state']}{again}. Ctrl-D leaves"
        if self.session and self.session["current"]:
            return f"{self.name} is at it{more}. Ctrl-C interrupts, Ctrl-D detaches"
        return f"{self.name} waits for a turn{more}. Ctrl-D detaches"

    def question(self) -> str:
        """What is to be answered next."""
        if self.asked is None:
            return ""
        return f"? {self.asked['id']}: {one_line(self.asked['tool'])}  {asked_what(self.asked)}"

    # -- what somebody does

    def do(self, wish: Typed) -> None:
        """Do what was typed, in a thread; what is wrong is shown."""
        self.note = ""
        if wish.what == SEND:
            self._act(lambda log, agent: conversing.send_turn(log, agent, wish.text, by=user_at_host()))
        elif wish.what in ANSWERS and self.asked is not None:
            self.answer(self.asked, wish)

    def answer(self, asked: Approval, wish: Typed, input: dict[str, Any] | None = None) -> None:
        """Answer an approval."""
        given: dict[str, Any] = {"granted": wish.what != NO, "always": wish.what == ALWAYS, "input": input}
        given["message"] = wish.text or None
        self._act(lambda log, agent: conversing.answer(log, asked["id"], by=user_at_host(), **given))

    def interrupt(self) -> None:
        """Interrupt the turn under way; once more, soon after, or where none is, leave."""
        is_second = time.monotonic() - self._interrupted_at < LEAVE_SECONDS
        self._interrupted_at = time.monotonic()
        if is_second:
            self.screen.leave()
            return
        is_under_way = self.session and self.session["current"] and self.agent["state"] not in TERMINAL
        if is_under_way and not self.read_only:
            self._act(lambda log, agent: conversing.interrupt(log, agent, by=user_at_host()))
            self.note = "interrupting; Ctrl-C once more leaves"
        else:
            self.note = "Ctrl-C once more leaves; all goes on"
        self.screen.refresh()

    def _act(self, act: Callable[[Log, Agent], Any]) -> None:
        task = asyncio.get_running_loop().create_task(self._acted(act))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _acted(self, act: Callable[[Log, Agent], Any]) -> None:
        try:
            await asyncio.to_thread(self._in_a_log_of_its_own, act)
        except SwarmError as error:
            self.note = one_line(f"{error.message}; {error.hint}" if error.hint else error.message)
        self.look()

    def _in_a_log_of_its_own(self, act: Callable[[Log, Agent], Any]) -> None:
        with Log(self.log.home) as log:
            agent = registry.get(log, self.agent["id"])
            if agent is None:
                raise registry.no_such(self.agent["id"])
            act(log, agent)
