"""Cursors of live responses, by which caches between us and readers tell one waiting from the next. Pure.

PROTOCOL.md, section 10.1: intervals of 20 seconds since 2024-10-09; never back, whatever a client says.
"""

from __future__ import annotations

import random
import time

EPOCH = 1728432000  # 2024-10-09T00:00:00Z
INTERVAL = 20
MOST_JITTER = 3600


def cursor(given: str | None, now: float | None = None) -> str:
    """The cursor of a response to a reader that has `given` its last one; `now` in seconds since 1970."""
    current = int((time.time() if now is None else now) - EPOCH) // INTERVAL
    if given is None or not (given.isascii() and given.isdigit()) or int(given[:18]) < current:
        return str(current)
    return str(int(given[:18]) + max(1, random.randint(1, MOST_JITTER) // INTERVAL))
