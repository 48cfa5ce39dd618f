"""Following the log as it grows: everything once, in order, without a gap and without polling."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable

import pytest

from support.facts import is_dense, note, notes
from support.programs import DEADLINE, Program
from swarm_store import bells, follow
from swarm_store.bells import Bell
from swarm_store.events import Event, Record
from swarm_store.home import Home
from swarm_store.log import Log

WRITER = """
count, width = int(sys.argv[1]), int(sys.argv[2])
with Log(home) as log:
    for n in range(0, count, width):
        log.append("s", [note(i) for i in range(n, min(n + width, count))])
"""


def gathered(pages: Iterable[list[Record]], count: int) -> list[Record]:
    """The first `count` records of `pages`, which must come before the deadline."""
    deadline = time.monotonic() + DEADLINE
    found: list[Record] = []
    for page in pages:
        found += page
        assert time.monotonic() < deadline, f"{len(found)} of {count} records have come"
        if len(found) >= count:
            break
    return found


@pytest.mark.parametrize("width", [1, 7, 500])
def test_a_follower_of_a_busy_writer_misses_nothing(home: Home, log: Log, width: int) -> None:
    """While another process appends thousands, each record comes exactly once and in order."""
    count = 3000
    with Program(home, WRITER, count, width) as writer:
        found = gathered(follow.follow(log, {"s": 0}), count)
        writer.end()
    assert notes(found) == list(range(count))
    assert is_dense(found)


def test_a_follower_of_the_whole_log_misses_nothing(home: Home, log: Log) -> None:
    """Two processes append to one stream; by position each record comes once, and none later than its successor."""
    with Program(home, WRITER, 1000, 3) as one, Program(home, WRITER, 1000, 2) as other:
        found = gathered(follow.follow_all(log, 0), 2000)
        one.end()
        other.end()
    assert [record.position for record in found] == list(range(1, 2001))
    assert is_dense(found)


def test_a_follower_that_starts_late_gets_what_was_there(log: Log) -> None:
    """From its offset on, each stream apart, page by page; then an empty page says that this was all for now."""
    log.append("s", [note(n) for n in range(200)])
    log.append("t", [note(n) for n in range(1000, 1003)])
    pages = []
    for page in follow.follow(log, {"s": 50, "t": 1, "none": 0}):
        if not page:
            break
        pages.append(page)
    assert max(map(len, pages)) == follow.PAGE
    assert notes(one for page in pages for one in page if one.stream == "s") == list(range(50, 200))
    assert notes(one for page in pages for one in page if one.stream == "t") == [1001, 1002]


def test_a_follower_can_choose(home: Home) -> None:
    """Types, key and kind choose as they do in reading."""
    moment = 0
    with Log(home, clock=lambda: moment) as log:
        for moment in (1, 2):
            log.append("s", [note(moment), Event("x:y", {}, "k", None), Event("x:z", {}, "l", None)])
        page = next(follow.follow(log, {"s": 3}, types=["x:y", "note:taken"]))
        assert [(record.type, record.time) for record in page] == [("note:taken", 2), ("x:y", 2)]
        page = next(follow.follow_all(log, 3, lifecycle=True))
        assert [record.position for record in page] == [3, 5, 6]
        assert [record.position for record in next(follow.follow_all(log, 0, key="k", types=["x:y"]))] == [2, 5]


@pytest.mark.parametrize("whole", [False, True])
def test_a_follower_does_not_poll(home: Home, log: Log, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    """It reads once to learn that there is nothing, then sleeps until a ring, and reads twice for each."""
    reads = 0
    sleeps: list[float | None] = []
    with Log(home) as writer:
        read = log.read

        def counted(*place: str, **chosen: object) -> list[Record]:
            nonlocal reads
            reads += 1
            return read(*place, **chosen)  # type: ignore[arg-type]

        def asleep(hung: Iterable[Bell], timeout: float | None) -> bool:
            sleeps.append(timeout)
            assert not bells.wait(hung, 0), "it was woken for nothing"
            writer.append("s", [note(len(sleeps))])
            return bells.wait(hung, timeout)

        monkeypatch.setattr(log, "read", counted)
        monkeypatch.setattr(follow, "wait", asleep)
        pages = follow.follow_all(log, 0) if whole else follow.follow(log, {"s": 0})
        assert notes(gathered(pages, 10)) == list(range(1, 11))
    assert sleeps == [bells.NET] * 10
    assert reads == 1 + 2 * 10 - 1


def test_a_record_that_comes_between_reading_and_sleeping_is_not_missed(
    home: Home, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is committed after the last read and before the sleep ends that sleep at once."""
    woken: list[bool] = []

    def late(hung: Iterable[Bell], timeout: float | None) -> bool:
        log.append("s", [note(1)])
        woken.append(bells.wait(hung, 0))
        return woken[-1]

    monkeypatch.setattr(follow, "wait", late)
    for pages in (follow.follow(log, {"s": 0}), follow.follow_all(log, 0)):
        assert len(gathered(pages, 1)) == 1
    assert woken == [True]


def test_nothing_is_left_of_a_follower(home: Home, log: Log) -> None:
    """Whoever stops following, by an error or by turning away, leaves no bell hanging."""
    log.append("s", [note(1)])
    for pages in (follow.follow(log, {"s": 0, "t": 0}), follow.follow_all(log, 0)):
        next(pages)
        assert os.listdir(home.bells) != []
        pages.close()  # type: ignore[attr-defined]
        assert os.listdir(home.bells) == []


def test_a_follower_holds_up_no_checkpoint(home: Home, log: Log) -> None:
    """Between its pages a follower has no transaction open: the whole WAL can be copied back and cut."""
    with Log(home, write=False) as reader:
        log.append("s", [note(n) for n in range(200)])
        pages = follow.follow(reader, {"s": 0})
        next(pages)
        log.database.execute("PRAGMA busy_timeout=0")
        busy, _, _ = log.database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
        assert notes(gathered(pages, 136)) == list(range(64, 200))


def test_waiting_ends_at_its_deadline(log: Log) -> None:
    """A follower with a deadline gives control at once, and for the last time when it has passed; no ring is needed."""
    deadline = time.monotonic() + 0.05
    assert list(follow.follow(log, {"s": 0}, deadline=deadline)) == [[], []]
    assert time.monotonic() >= deadline
    assert list(follow.follow(log, {"s": 0}, deadline=0)) == [[]]


def test_waiting_ends_with_a_growing_stream(home: Home, log: Log) -> None:
    """A follower gives control again when the stream has grown, long before its deadline."""
    turns = follow.follow(log, {"s": 0}, deadline=time.monotonic() + 3600)
    assert next(turns) == []
    with Program(home, WRITER, 1, 1) as writer:
        assert len(next(page for page in turns if page)) == 1
        writer.end()
    turns.close()  # type: ignore[attr-defined]
