"""The tokens as one server knows them: the admin's from its file, the others by following the log's stream of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from swarm_store import registry, tokens
from swarm_store.bells import NET, Bell
from swarm_store.clock import now
from swarm_store.errors import LogUnusable
from swarm_store.events import TOKENS
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.tokens import Token


class Keys:
    """Which token opens what, at this moment. `changed` is called when the log's tokens have changed.

    Makes the log and the admin's token where they are not there. Raises SwarmError where either cannot be used.
    """

    def __init__(self, home: Home, changed: Callable[[], None]) -> None:
        Log(home).close()
        self._home = home
        self._admin = tokens.admin(home)
        self._changed = changed
        self._known: dict[str, Token] = {}
        self._next = self._opening = 0
        self._looked = 0.0
        self._counter = ThreadPoolExecutor(1, "tokens")  # one thread: its log is its own

    def start(self) -> None:
        """Read the log, and follow it. Raises SwarmError where that cannot be."""
        self._log = Log(self._home, write=False)
        self._bell = Bell(self._home, TOKENS)
        self._look()
        asyncio.get_running_loop().add_reader(self._bell.file, self._look)

    def stop(self) -> None:
        """Follow no more."""
        asyncio.get_running_loop().remove_reader(self._bell.file)
        self._counter.shutdown(wait=True)
        self._bell.close()
        self._log.close()

    def find(self, presented: str) -> tuple[Token | None, str]:
        """The token that is presented, and its state; None for one that is unknown."""
        if time.monotonic() - self._looked > NET:  # a ring is lost with its ringer
            self._look()
        named = tokens.id_of(presented)
        token = self._known.get(named, self._admin)
        if not tokens.is_same(token, presented):
            return None, tokens.REVOKED
        return token, tokens.state(token, now())

    def is_over(self, token_id: str) -> bool:
        """Whether what was begun with a token is to end too: it was revoked, or has expired."""
        token = self._known.get(token_id)
        return token is None or tokens.state(token, now()) in (tokens.REVOKED, tokens.EXPIRED)

    def is_agent(self, agent_id: str | None) -> bool:
        """Whether an agent has that very id: once it is removed, another may bear it as its name. Raises SwarmError."""
        return agent_id is not None and registry.get(self._log, agent_id) is not None

    async def use(self, token: Token) -> str:
        """Count one use where uses are counted: good, or why it opens nothing. Raises SwarmError where it cannot be."""
        if token.uses is None:
            return tokens.GOOD
        return await asyncio.get_running_loop().run_in_executor(self._counter, self._count, token.id)

    def _count(self, token_id: str) -> str:
        with Log(self._home, create=False) as log:
            return tokens.use(log, token_id)

    def _look(self) -> None:
        self._looked = time.monotonic()
        self._bell.clear()
        before = self._known
        try:
            while True:
                opening = self._log.opening()
                if opening != self._opening:  # another log: what is known is not known of it
                    self._opening, self._known, self._next = opening, {}, 0
                    self._bell.renew()
                known, after = tokens.read_on(self._log, self._known, self._next)
                if self._log.openings == opening:
                    break
        except (LogUnusable, OSError):
            return  # what is known stays so until the log can be read again
        self._known, self._next = known, after
        if known != before:
            self._changed()
