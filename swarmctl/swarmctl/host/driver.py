"""What a driver is: the part that starts one kind of agent and speaks its protocol.

A driver never touches the log, the wall clock or stdout: what the agent says it tells the `Room` that it was given,
and what the agent wants it asks there. A third party's is named by an entry point of the group `swarmctl.drivers`, and
a profile's `driver`. It is made as `Driver(config, room)`; then come `open` once, `prompt` for each turn, `close` at
the end, and `interrupt` from another task while `prompt` runs. A signal to the host cancels what runs: Python 3.11's
asyncio.wait_for may swallow that, asyncio.timeout does not.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from swarm_store.errors import SwarmError

from .facts import Answer, Completed, Opened, Permission, Said, Usage


class SessionSpec(NamedTuple):
    """What a driver is to start. `env` is beside the host's own environment, which is the agent's.

    `command`: argv of the agent's process, None where it needs none (api). `counted`: by model, what earlier runs of
    this agent have reported in this session, for kinds whose counters go on over resumes; of a model that is unknown
    the key is "". `said`: the beginning of what the agent has said last, as the log has it. `agent_id`, `home` and
    `run_path` (the run's directory, for sockets and hooks, gone with the run) are for a driver that starts helpers.
    """

    kind: str
    command: list[str] | None
    env: dict[str, str]
    cwd: str
    model: str | None
    options: dict[str, Any]
    with_swarm: bool
    counted: dict[str, Usage]
    agent_id: str
    home: str
    run_path: str
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    approve: str = "ask"
    said: str | None = None


class Driver(Protocol):
    def __init__(self, config: SessionSpec, room: Room) -> None: ...

    async def open(self, session: str | None) -> Opened:
        """Start the agent's process, with a new session or `session` resumed.

        Raises SessionGone, NotInstalled, NotLoggedIn, DriverError; nothing is left running then.
        """

    async def prompt(self, text: str) -> Completed:
        """One turn, to its end.

        Raises AgentDied where the process ends in it, DriverError where it cannot be gone on with.
        """

    async def interrupt(self) -> None:
        """End the turn under way and keep the session: `prompt` comes back with "interrupted"."""

    async def close(self) -> None:
        """End the agent's process, if it has one; called in any state, also twice."""


class Room(Protocol):
    """What the host gives a driver."""

    async def say(self, *said: Said) -> None:
        """Put facts into the log. Waits while that or stdout cannot be written: what the agent says next waits too."""

    def live(self, role: str, text: str) -> None:
        """A token delta, for whoever looks just now; kept nowhere."""

    def raw(self, line: bytes) -> None:
        """A line as it came from the agent, without its newline; token deltas are left out."""

    async def ask(self, wish: Permission) -> Answer:
        """Whether that is allowed: by a rule, or by whoever answers. Raises Interrupted where the turn is."""

    def pending(self, call: str) -> Answer | None:
        """The answer to a deferred permission of an earlier process, by the tool call's id, which is handed out so."""


class DriverError(SwarmError):
    """The agent's process or service does what its driver cannot go on with."""


class AgentDied(DriverError):
    """Its process has ended in the middle of a turn; another run may resume the session."""


class SessionGone(DriverError):
    """The agent no longer knows the session."""


class NotInstalled(DriverError):
    """The agent's command line, or a library that its driver needs, is not here."""

    exit_code = 127


class NotLoggedIn(DriverError):
    """It is installed, but nobody has signed in."""


class Interrupted(Exception):
    """A permission is not answered any more: its turn is being interrupted."""
