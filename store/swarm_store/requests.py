"""Requests that their callers name, so that one that is sent again is not done again: see HTTP's Idempotency-Key.

The first to append to the request's own stream has it, in the transaction that does what was asked for: whoever else
asks, over whichever server and whenever, finds what came of it. Named after the key's hash: a key may be a secret.
"""

from __future__ import annotations

import hashlib
from collections import namedtuple

from .events import Event, request_accepted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .log import Log

STREAMS = "requests/"


class Once(namedtuple("Once", ("key", "body"))):
    """What is to be done once: the `key` that the caller has chosen, and what was asked for."""

    __slots__ = ()
    key: str
    body: bytes

    @property
    def stream(self) -> str:
        return STREAMS + hashlib.sha256(self.key.encode()).hexdigest()

    def claim(self, done: Event) -> tuple[str, Event]:
        """The request's stream, and its only event, which says that it led to `done`."""
        assert done.key is not None
        return self.stream, request_accepted(done.key, body=self._digest())

    def earlier(self, log: Log) -> tuple[str, bool] | None:
        """The agent that this key has led to, and whether the same was asked for; None where it was not used yet."""
        found = log.read(self.stream, limit=1)
        return (str(found[0].key), found[0].data.get("body") == self._digest()) if found else None

    def _digest(self) -> str:
        return hashlib.sha256(self.body).hexdigest()
