"""Following the log as it grows: first what is there, then each record as it is committed. No polling, no gap.

The order keeps the gap closed: listen, then read to the end, then sleep until a bell rings. Whole-log followers let
writers gather for 20 ms, because a bell that wakes on every commit of many costs all of them.
"""

from __future__ import annotations

import time

from .bells import ALL, NET, Bell, wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .events import Record
    from .log import Log

PAGE = 64  # records; with chunks of 64 KB that is 4 MB at most
GATHER = 0.02


def follow(
    log: Log,
    starts: dict[str, int],
    *,
    types: Sequence[str] = (),
    run: int | None = None,
    deadline: float | None = None,
) -> Iterator[list[Record]]:
    """Pages of the streams named in `starts`, each from its offset there on; types and run as in Log.read.

    An empty page says that the end of all has been reached for now: the caller may look at something else, or stop.
    When it asks for more, the generator sleeps until a bell rings, and at most NET seconds; it stops when `deadline`
    (monotonic seconds) has passed. Where another log takes the place of the one that is followed, it goes on at the
    same offset, or at its end if that comes before.
    """
    places = dict(starts)
    bells: list[Bell] = []
    opening = log.openings
    try:
        bells += (Bell(log.home, stream) for stream in places)
        while True:
            found = False
            for stream, start in places.items():
                page = log.read(stream, start=start, types=types, run=run, limit=PAGE)
                if log.openings != opening:
                    opening, found = log.openings, True
                    places = {one: min(place, log.head(one)) for one, place in places.items()}
                    _renew(bells)
                    break
                if page:
                    places[stream] = page[-1].offset + 1
                    found = True
                    yield page
            if not found:
                yield []
                left = NET if deadline is None else min(NET, deadline - time.monotonic())
                if left <= 0:
                    return
                wait(bells, left)
    finally:
        for bell in bells:
            bell.close()


def follow_all(
    log: Log, start: int, *, types: Sequence[str] = (), key: str | None = None, lifecycle: bool = False
) -> Iterator[list[Record]]:
    """Pages of the whole log from position `start` on, otherwise as `follow`."""
    opening = log.openings
    with Bell(log.home, ALL) as bell:
        while True:
            page = log.read(start=start, types=types, key=key, lifecycle=lifecycle, limit=PAGE)
            if log.openings != opening:
                opening, start = log.openings, min(start, log.position() + 1)
                _renew([bell])
                continue
            if page:
                start = page[-1].position + 1
            yield page
            if not page and wait([bell], NET):
                time.sleep(GATHER)


def _renew(bells: list[Bell]) -> None:
    for bell in bells:
        try:
            bell.renew()
        except OSError:
            pass  # without it we look every NET seconds
