"""Time as the log keeps it: whole microseconds since 1970 in UTC, shown as RFC 3339."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Clock = Callable[[], int]

SECOND = 1_000_000


def now() -> int:
    """The wall clock, in microseconds since the epoch."""
    return time.time_ns() // 1000


def microseconds(text: str) -> int:
    """The moment that rfc3339 has written as `text`."""
    from calendar import timegm  # daemons never read a time

    parts = [int(text[start : start + 2]) for start in (5, 8, 11, 14, 17)]
    return timegm((int(text[:4]), *parts)) * SECOND + int(text[20:26])


def rfc3339(moment: int) -> str:
    """`moment` (microseconds since the epoch) as RFC 3339 in UTC, to the microsecond."""
    year, month, day, hour, minute, second, *_ = time.gmtime(moment // SECOND)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}.{moment % SECOND:06d}Z"
