"""What goes on in threads beside the screen: each follows one thing, and tells what is new of it.

Nothing polls: a bell wakes them, and they gather what comes together. `run` is a thread's work, until `stop`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

from swarm_store.bells import NET
from swarm_store.events import OUTPUT_TYPES, REGISTRY, Record, agent_stream
from swarm_store.fold import Agent

from .source import Connection, Source, Stopped, Trouble

GATHER = 0.1  # seconds in which changes are told together
LINES_GATHER = 0.25
FRAME = 1 / 15
FAST_FRAME = 1 / 8  # where what comes is more than can be read anyhow
PAGE = 500
RECENT_EVENTS = 500
PIECE = 48 * 1024  # bytes of output that are read, and shown, at once
PIECE_RECORDS = 1000
TYPES = tuple(OUTPUT_TYPES.values())


class Watch:
    """A thread's work on a connection of its own."""

    def __init__(self, source: Source, trouble: Trouble) -> None:
        self._source = source
        self._trouble = trouble
        self._connection: Connection | None = None
        self._lock = Lock()
        self._is_stopped = False

    def run(self) -> None:
        """Follow until `stop` is called. Raises SwarmError where the log cannot be used at all."""
        connection = self._source.connect(self._trouble)
        with self._lock:
            self._connection = connection
            if self._is_stopped:
                connection.stop()
        try:
            self.follow(connection)
        except Stopped:
            pass
        finally:
            with self._lock:
                self._connection = None
            connection.close()

    def follow(self, connection: Connection) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """End the thread's work; may be called in any thread."""
        with self._lock:
            self._is_stopped = True
            if self._connection is not None:
                self._connection.stop()

    def wake(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.wake()


@dataclass
class News:
    """What is new of the registry. `whole`: it is all that there is, and what was known before does not count."""

    whole: bool
    agents: dict[str, Agent | None] = field(default_factory=dict)
    events: list[Record] = field(default_factory=list)


class RegistryWatch(Watch):
    """Which agents there are, and what happens to them. The ended ones are read once somebody wants to see them."""

    def __init__(self, source: Source, trouble: Trouble, tell: Callable[[News], None], *, ended: bool) -> None:
        super().__init__(source, trouble)
        self._tell = tell
        self._wants_ended = ended

    def want_ended(self) -> None:
        """Tell of the ended agents too, from now on."""
        self._wants_ended = True
        self.wake()

    def follow(self, connection: Connection) -> None:
        connection.listen([REGISTRY])
        opening, ended, offset = -1, False, 0
        while True:
            if opening != connection.opening or ended != self._wants_ended:
                opening, ended = connection.opening, self._wants_ended
                offset = self._tell_all(connection, ended)
            page = connection.read(REGISTRY, start=offset, limit=PAGE)
            if opening != connection.opening:
                continue
            if page:
                offset = page[-1].offset + 1
                ids = {record.key for record in page if record.key is not None}
                self._tell(News(False, {one: connection.agent(one) for one in ids}, page))
                connection.pause(GATHER)
            else:
                connection.wait(NET)

    def _tell_all(self, connection: Connection, ended: bool) -> int:
        """Tell how everything is; the offset from which what happens then is read."""
        head = connection.head(REGISTRY)
        agents = connection.agents(ended=ended)
        events = connection.read(REGISTRY, until=head, limit=RECENT_EVENTS, backwards=True)
        self._tell(News(True, {agent["id"]: agent for agent in agents}, events[::-1]))
        return head


@dataclass
class Glance:
    """What is to be seen of one agent beyond the registry: the end of its output, and its status."""

    agent_id: str
    chunks: list[Record]
    agent: Agent | None = None


class LinesWatch(Watch):
    """The last lines of the agents that are on the screen, and of no others: each is a bell that is listened to."""

    def __init__(self, source: Source, trouble: Trouble, tell: Callable[[list[Glance]], None]) -> None:
        super().__init__(source, trouble)
        self._tell = tell
        self._wanted: tuple[str, ...] = ()

    def look_at(self, ids: Iterable[str]) -> None:
        """Follow these agents."""
        wanted = tuple(ids)
        if wanted != self._wanted:
            self._wanted = wanted
            self.wake()

    def follow(self, connection: Connection) -> None:
        heads: dict[str, int] = {}
        opening, next_look = connection.opening, 0.0
        while True:
            wanted = self._wanted
            connection.listen(agent_stream(one) for one in wanted)
            if opening != connection.opening:
                opening = connection.opening
                heads.clear()
            told = [glance for one in wanted if (glance := self._glance(connection, heads, one))]
            if time.monotonic() >= next_look:  # that a daemon has died rings no bell
                next_look = time.monotonic() + NET
                told += [Glance(one, [], connection.agent(one)) for one in wanted]
            if told:
                self._tell(told)
                connection.pause(LINES_GATHER)
            connection.wait(NET)

    def _glance(self, connection: Connection, heads: dict[str, int], agent_id: str) -> Glance | None:
        head = connection.head(agent_stream(agent_id))
        if heads.get(agent_id) == head:
            return None
        heads[agent_id] = head
        return Glance(agent_id, connection.read(agent_stream(agent_id), types=TYPES, limit=4, backwards=True)[::-1])


Wish = Literal["end", "first", "before", "after", "hold"]


@dataclass
class Piece:
    """A piece of an agent's output, as it was wished for; or what has come since ("more"), or its end ("skip")."""

    agent_id: str
    what: Wish | Literal["more", "skip"]
    chunks: list[Record]
    is_newest: bool = True


class OutputWatch(Watch):
    """One agent's output: its end, as it grows, or any piece of it from the log.

    Where more comes than a screen can show, what is between is left out: it can be read back from the log.
    """

    def __init__(self, source: Source, trouble: Trouble, tell: Callable[[Piece], None]) -> None:
        super().__init__(source, trouble)
        self._tell = tell
        self._wished: tuple[str, Wish, int] | None = None
        self._wishing = Lock()

    def show(self, agent_id: str, wish: Wish = "end", offset: int = 0) -> None:
        """Wish for the end and all that follows it, for the first piece, or the one before or after an offset.

        "hold" wishes that nothing more comes by itself.
        """
        with self._wishing:
            self._wished = (agent_id, wish, offset)
        self.wake()

    def follow(self, connection: Connection) -> None:
        agent_id, next_offset = "", -1  # nothing is followed where it is negative
        opening = connection.opening
        while True:
            with self._wishing:
                wished, self._wished = self._wished, None
            if wished is None and opening != connection.opening and agent_id:
                wished = (agent_id, "end", 0)
            opening = connection.opening
            if wished is not None:
                agent_id, wish, offset = wished
                stream = agent_stream(agent_id)
                connection.listen([stream] if wish == "end" else [])
                head = connection.head(stream)
                next_offset = head if wish == "end" else -1
                if wish != "hold":
                    self._tell(_piece(connection, agent_id, wish, offset, head))
            elif next_offset >= 0 and (head := connection.head(agent_stream(agent_id))) > next_offset:
                chunks, is_whole = back(connection, agent_id, next_offset, head)
                self._tell(Piece(agent_id, "more" if is_whole else "skip", chunks))
                next_offset = head
                connection.pause(FRAME if is_whole else FAST_FRAME)
            else:
                connection.wait(NET)


def _piece(connection: Connection, agent_id: str, wish: Wish, offset: int, head: int) -> Piece:
    if wish in ("end", "before"):
        chunks, _ = back(connection, agent_id, 0, head if wish == "end" else offset)
        return Piece(agent_id, wish, chunks, wish == "end")
    chunks = forth(connection, agent_id, 0 if wish == "first" else offset)
    return Piece(agent_id, wish, chunks, not chunks or chunks[-1].offset + 1 >= head)


def back(connection: Connection, agent_id: str, start: int, until: int) -> tuple[list[Record], bool]:
    """The last chunks before `until`, about a piece of them; and whether they reach back to `start`."""
    taken: list[Record] = []
    size, limit = 0, 1
    while size < PIECE and len(taken) < PIECE_RECORDS:
        page = connection.read(
            agent_stream(agent_id), start=start, until=until, types=TYPES, limit=limit, backwards=True
        )
        taken += page
        if len(page) < limit:
            return taken[::-1], True
        until, limit = page[-1].offset, limit * 2
        size += sum(len(record.payload or b"") for record in page)
    return taken[::-1], False


def forth(connection: Connection, agent_id: str, start: int) -> list[Record]:
    """The first chunks from `start` on, about a piece of them."""
    taken: list[Record] = []
    size, limit = 0, 1
    while size < PIECE and len(taken) < PIECE_RECORDS:
        page = connection.read(agent_stream(agent_id), start=start, types=TYPES, limit=limit)
        taken += page
        if len(page) < limit:
            break
        start, limit = page[-1].offset + 1, limit * 2
        size += sum(len(record.payload or b"") for record in page)
    return taken
