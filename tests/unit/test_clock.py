"""Time as the log keeps and shows it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from swarm_store.clock import SECOND, now, rfc3339


@given(st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))
def test_every_microsecond_is_shown(moment: datetime) -> None:
    """RFC 3339 in UTC, to the microsecond, and read back as the same moment, before 1970 too."""
    moment = moment.replace(tzinfo=UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86400 + since.seconds) * SECOND + since.microseconds
    shown = rfc3339(microseconds)
    assert datetime.fromisoformat(shown) == moment
    assert len(shown) == len("1970-01-01T00:00:00.000000Z")
    assert shown[-1] == "Z"


@given(st.integers(0, 4_000_000_000 * SECOND), st.integers(0, 4_000_000_000 * SECOND))
def test_times_sort_as_text(one: int, other: int) -> None:
    """The order of the shown times is the order of the moments."""
    assert (rfc3339(one) < rfc3339(other)) == (one < other)


def test_now_is_in_microseconds() -> None:
    """now() is the wall clock's whole microseconds."""
    before, moment, after = time.time_ns() // 1000, now(), time.time_ns() // 1000
    assert before <= moment <= after
