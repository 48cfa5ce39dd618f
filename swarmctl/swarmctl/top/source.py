"""What the picture is made from: an interface, so that a swarm elsewhere can be looked at in the same way.

Reading is done in threads, each with a connection of its own, because a log belongs to one thread. What is done to
agents is asked for in the command line's own words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from swarm_store.events import Record
from swarm_store.fold import Agent

Trouble = Callable[[str], None]  # told what is wrong with the log, and "" when it is well again


class Stopped(Exception):
    """The connection was stopped while it waited."""


class Connection(Protocol):
    """One thread's way to read a swarm. Where the log is gone, reading waits for its return, and raises Stopped."""

    @property
    def opening(self) -> int:
        """Which log this is, counted: where it has changed, another has taken its place, and nothing known holds."""

    def agents(self, *, ended: bool) -> list[Agent]:
        """The living agents, with `ended` the others too, as spawned; each with its `status`."""

    def agent(self, agent_id: str) -> Agent | None:
        """One agent, with its `status`; None where it is not there any more."""

    def head(self, stream: str) -> int:
        """The offset that the next record of `stream` will get."""

    def read(
        self,
        stream: str,
        *,
        start: int = 0,
        until: int | None = None,
        types: Sequence[str] = (),
        key: str | None = None,
        limit: int = 64,
        backwards: bool = False,
    ) -> list[Record]:
        """Records of a stream, as Log.read gives them."""

    def listen(self, streams: Iterable[str]) -> None:
        """Have `wait` wake when something is written to one of these streams, and to no others."""

    def wait(self, seconds: float) -> None:
        """Sleep until that happens, or `wake` is called, or for so long. Listen first, then read, then wait."""

    def pause(self, seconds: float) -> None:
        """Sleep so long, whatever happens, so that what comes at once is read at once. Raises Stopped."""

    def close(self) -> None:
        """Stop listening; called in the connection's own thread, at its end."""

    # These two may be called in any thread.
    def wake(self) -> None:
        """End a `wait` that is under way, or the next one."""

    def stop(self) -> None:
        """Have whatever waits or is called next raise Stopped."""


class Source(Protocol):
    """A swarm that can be looked at, and steered."""

    @property
    def where(self) -> str:
        """What it is called: its state directory, or its address."""

    def connect(self, trouble: Trouble) -> Connection:
        """A connection, for the thread that calls."""

    def command(self, words: Sequence[str]) -> str:
        """Run a verb of swarmctl on this swarm to its end; what it prints. Raises SwarmError with its complaint."""
