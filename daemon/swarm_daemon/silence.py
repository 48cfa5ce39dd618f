"""How long an agent has been silent, counting only time in which it could have been heard.

A suspended laptop, a paused container or a stopped daemon is no silence: the clock is the boot's monotonic one, which
does not run while the machine sleeps, and whoever oversleeps was not running, and so perhaps neither was the agent.
Pure: what time it is and how long a sleep took is told.
"""

from __future__ import annotations

OVERSLEPT = 1.0  # seconds beyond what was asked for; a machine under load wakes later than it should


class Silence:
    """The silence of one run: `limit` seconds make one (None: never), `since` is when it was last heard."""

    __slots__ = ("_awake", "is_silent", "limit", "since")

    def __init__(self, limit: float | None, moment: float, *, is_silent: bool = False) -> None:
        self.limit = limit
        self.since = moment
        self._awake = moment  # when whoever listens was last seen to be running
        self.is_silent = is_silent

    def hear(self, moment: float) -> bool:
        """Output came, or something that excuses its absence; whether that ends a silence."""
        self.since = moment
        ended, self.is_silent = self.is_silent, False
        return ended

    def wake(self, asked: float, moment: float) -> None:
        """Whoever listens has woken from a sleep of at most `asked` seconds; too late, and the count starts anew.

        Between two such moments there is nothing but that sleep and what takes no time.
        """
        if moment - self._awake > asked + OVERSLEPT and not self.is_silent:
            self.since = moment
        self._awake = moment

    def due_in(self, moment: float) -> float | None:
        """Seconds until this is a silence; None where it cannot become one (any more)."""
        if self.limit is None or self.is_silent:
            return None
        return max(0.0, self.since + self.limit - moment)
