"""Appending and reading: offsets, positions, filters, expectations, producers, cursors."""

from __future__ import annotations

import os

import pytest

from support.facts import happened, is_dense, note, notes
from swarm_store.errors import OffsetConflict, ProducerFenced
from swarm_store.events import Event, output_written
from swarm_store.home import Home
from swarm_store.log import VACUUM_PAGES, Log
from swarm_store.transaction import Appended, Producer


def test_what_is_appended_is_read(home: Home) -> None:
    """Every field of an event comes back as it was given, in its place, from another opening of the log too."""
    event = Event("a:b", {"k": ["v", 1, None]}, "key", b"\0\xff\n")
    with Log(home, clock=lambda: 1234) as log:
        log.append("other", [note(0)])
        assert log.append("s", [event]) == Appended(0, 1, False)
    with Log(home, write=False) as log:
        (record,) = log.read("s")
    assert tuple(record) == (2, "s", 0, 1234, "a:b", "key", {"k": ["v", 1, None]}, b"\0\xff\n")


def test_offsets_are_dense_and_positions_increase(log: Log) -> None:
    """Each stream counts for itself from 0; the whole log counts all."""
    for n in range(10):
        log.append(f"s{n % 3}", [note(n), note(n)])
    for stream in ("s0", "s1", "s2"):
        assert is_dense(log.read(stream))
        assert log.head(stream) == len(log.read(stream))
    assert [record.position for record in log.read()] == list(range(1, 21))
    assert log.position() == 20


def test_an_empty_log_has_nothing(log: Log) -> None:
    """Nothing has been written: no records, no position, no heads, no cursors."""
    assert (log.read(), log.read("s"), log.position(), log.position_at(1 << 60)) == ([], [], 0, 0)
    assert (log.head("s"), log.cursor("c", "s"), log.sequence("s", "p")) == (0, 0, 0)


def test_reading_is_bounded(log: Log) -> None:
    """start is included, until is not, limit counts; by offset in a stream, by position in the whole log."""
    for n in range(10):
        log.append("x", [note(-1)])
        log.append("s", [note(n)])
    assert notes(log.read("s", start=3, until=7)) == [3, 4, 5, 6]
    assert notes(log.read("s", start=3, limit=2)) == [3, 4]
    assert notes(log.read("s", start=10)) == []
    assert [record.position for record in log.read(start=3, until=6)] == [3, 4, 5]
    assert [(record.stream, record.offset) for record in log.read(start=19)] == [("x", 9), ("s", 9)]


def test_reading_backwards_takes_the_last(log: Log) -> None:
    """The last ones, last first, within the same bounds."""
    log.append("s", [note(n) for n in range(10)])
    assert notes(log.read("s", backwards=True, limit=3)) == [9, 8, 7]
    assert notes(log.read("s", backwards=True, start=2, until=5)) == [4, 3, 2]
    assert [record.position for record in log.read(backwards=True, limit=2)] == [10, 9]


def test_reading_by_time(home: Home) -> None:
    """since is included, to is not; position_at is the last record but output that is not later."""
    moment = 0

    def clock() -> int:
        return moment

    with Log(home, clock=clock) as log:
        for moment in (100, 200, 200, 300):
            log.append("s", [note(moment)._replace(key="k")])
        assert notes(log.read("s", since=200, to=300)) == [200, 200]
        assert notes(log.read(since=201)) == [300]
        assert notes(log.read(to=200)) == [100]
        assert [log.position_at(time) for time in (99, 100, 199, 200, 299, 300, 999)] == [0, 1, 1, 3, 3, 4, 4]


def test_a_transaction_has_one_time(home: Home) -> None:
    """All records of one transaction carry the moment at which it got the lock."""
    ticks = iter(range(100))
    with Log(home, clock=lambda: next(ticks)) as log:
        log.append("s", [note(1), note(2)])
        log.append("s", [note(3)])
        assert [record.time for record in log.read("s")] == [0, 0, 1]


def test_reading_by_type_key_and_kind(log: Log) -> None:
    """types and key choose, lifecycle leaves output out, and payloads stay behind where nobody wants them."""
    output = output_written("stdout", 1, 0, b"bytes")
    log.append("agents/a", [output, Event("output:closed", {}, "a", None), Event("x:y", {}, "b", b"z")])
    log.append("agents/b", [output, Event("x:y", {}, "a", None)])

    def places(**chosen: object) -> list[int]:
        return [record.position for record in log.read(**chosen)]  # type: ignore[arg-type]

    assert places(types=["stdout:written", "output:closed"]) == [1, 2, 4]
    assert places(types=["none:such"]) == []
    assert places(key="a") == [2, 5]
    assert places(key="a", types=["x:y"]) == [5]
    assert places(lifecycle=True) == [2, 3, 5]
    assert places(lifecycle=True, stream="agents/a", backwards=True) == [3, 2]
    assert places(key="a", stream="agents/b") == [5]
    assert [record.payload for record in log.read("agents/a")] == [b"bytes", None, b"z"]
    assert [record.payload for record in log.read("agents/a", payloads=False)] == [None] * 3


def test_an_expected_offset_is_checked(log: Log) -> None:
    """A writer that expects the offset it gets succeeds; any other writes nothing and learns where the stream is."""
    log.append("s", [note(0)], expected=0)
    log.append("s", [note(1)], expected=1)
    for wrong in (0, 1, 3):
        with pytest.raises(OffsetConflict, match=f"is at offset 2, not at {wrong}"):
            log.append("s", [note(9)], expected=wrong)
    with pytest.raises(OffsetConflict):
        log.append("new", [note(9)], expected=1)
    assert notes(log.read()) == [0, 1]
    assert log.query("SELECT count(*) FROM streams") == [(1,)]


def test_a_repeated_append_is_dropped(log: Log) -> None:
    """An append whose sequence the producer has used, or passed, writes nothing and says so."""
    assert log.append("s", [note(1), note(2)], producer=Producer("p", 0, 5)) == Appended(0, 2, False)
    for sequence in (5, 4, 0):
        assert log.append("s", [note(9)], producer=Producer("p", 0, sequence)) == Appended(2, 2, True)
    assert log.append("s", [note(3)], producer=Producer("p", 0, 9)) == Appended(2, 3, False)
    assert notes(log.read("s")) == [1, 2, 3]
    assert log.sequence("s", "p") == 9


def test_producers_are_apart(log: Log) -> None:
    """A producer's place is its own, and one for each stream."""
    for stream in ("s", "t"):
        for producer in ("p", "q"):
            assert not log.append(stream, [note(1)], producer=Producer(producer, 0, 1)).duplicate
    assert log.sequence("s", "r") == 0


def test_a_repeat_is_no_conflict(log: Log) -> None:
    """A retry that also names its offset is recognised before the offset is compared."""
    log.append("s", [note(1)], producer=Producer("p", 0, 1), expected=0)
    assert log.append("s", [note(1)], producer=Producer("p", 0, 1), expected=0).duplicate


def test_a_fenced_producer_cannot_write(log: Log) -> None:
    """Once a newer epoch has written, the older one is told that it has been taken over."""
    log.append("s", [note(1)], producer=Producer("p", 0, 1))
    log.append("s", [note(2)], producer=Producer("p", 1, 2))
    with pytest.raises(ProducerFenced, match="epoch 1 is newer than 0"):
        log.append("s", [note(9)], producer=Producer("p", 0, 3))
    log.append("s", [note(3)], producer=Producer("p", 1, 3))
    assert notes(log.read("s")) == [1, 2, 3]


def test_streams_are_written_together_or_not_at_all(log: Log) -> None:
    """What one transaction appends to several streams is there at once; after an error none of it is."""
    with Log(log.home, write=False) as reader:
        with log.transaction() as transaction:
            transaction.append("s", [note(1)])
            transaction.append("t", [note(2)], producer=Producer("p", 0, 1))
            transaction.move_cursor("c", "s", 1)
            assert reader.read() == []
        assert notes(reader.read()) == [1, 2]
        with pytest.raises(RuntimeError), log.transaction() as transaction:
            transaction.append("s", [note(3)])
            transaction.append("t", [note(4)], producer=Producer("p", 0, 2))
            transaction.append("u", [output_written("stdout", 1, 0, b"x")])
            transaction.move_cursor("c", "s", 2)
            raise RuntimeError
        assert notes(reader.read()) == [1, 2]
        assert (reader.head("s"), reader.head("u"), reader.sequence("t", "p")) == (1, 0, 1)
        assert reader.cursor("c", "s") == 1
        assert reader.query("SELECT count(*) FROM payloads") == [(0,)]
    log.append("s", [note(5)])
    assert is_dense(log.read("s"))


def test_an_illegal_event_takes_the_whole_transaction_with_it(log: Log) -> None:
    """Output appended beside a registry event that cannot follow is not there either."""
    with pytest.raises(Exception, match="cannot follow"), log.transaction() as transaction:
        transaction.append("agents/a", [note(1)])
        transaction.append("registry", [happened("a", "agent:started")])
    assert log.read() == []


def test_cursors_are_kept(home: Home, log: Log) -> None:
    """A reader's acknowledged offset is there for the next process, for each reader and stream apart."""
    log.append("s", [note(n) for n in range(5)])
    log.append("t", [note(n) for n in range(5)])
    with log.transaction() as transaction:
        transaction.move_cursor("c", "s", 3)
        transaction.move_cursor("c", "t", 5)
        transaction.move_cursor("d", "s", 1)
    with Log(home, write=False) as reader:
        assert [reader.cursor(*at) for at in (("c", "s"), ("c", "t"), ("d", "s"), ("d", "t"))] == [3, 5, 1, 0]


def test_a_cursor_beyond_the_head_is_detected(log: Log) -> None:
    """Neither can a cursor be moved past its stream, nor does one that is there go unnoticed after a restore."""
    log.append("s", [note(1), note(2)])
    with pytest.raises(OffsetConflict, match="ends at offset 2"), log.transaction() as transaction:
        transaction.move_cursor("c", "s", 3)
    with log.transaction() as transaction:
        transaction.move_cursor("c", "s", 2)
    log.database.execute("UPDATE streams SET head = 1")
    with pytest.raises(OffsetConflict, match="an older copy"):
        log.cursor("c", "s")


def test_positions_never_come_back(home: Home) -> None:
    """After the newest records are deleted, the next one still gets a new position, in another opening too."""
    with Log(home) as log:
        log.append("s", [note(n) for n in range(5)])
        with log.transaction() as transaction:
            assert transaction.delete("s", 100)
        assert (log.read(), log.position()) == ([], 5)
    with Log(home) as again:
        again.append("s", [note(1)])
        assert [(record.position, record.offset) for record in again.read("s")] == [(6, 0)]


def test_deleting_goes_in_steps_from_the_oldest(log: Log) -> None:
    """Each step takes at most its limit, with the bytes; the stream, its producers and cursors go with the last."""
    chunk = output_written("stdout", 1, 0, os.urandom(10))
    log.append("s", [chunk] * 5, producer=Producer("p", 0, 1))
    log.append("t", [chunk])
    with log.transaction() as transaction:
        transaction.move_cursor("c", "s", 5)
        assert not transaction.delete("s", 2)
    assert [record.offset for record in log.read("s")] == [2, 3, 4]
    assert log.append("s", [chunk]).first == 5
    with log.transaction() as transaction:
        assert not transaction.delete("s", 4)
        assert transaction.delete("s", 4)
        assert transaction.delete("none", 4)
    for table, left in (("records", 1), ("payloads", 1), ("streams", 1), ("producers", 0), ("cursors", 0)):
        assert log.query(f"SELECT count(*) FROM {table}") == [(left,)], table
    assert len(log.read("t")) == 1


def test_deleted_space_is_given_back(home: Home, log: Log) -> None:
    """Pages that a deletion has freed go back to the file system, many at a time, and nothing else is lost."""
    log.append("s", [output_written("stdout", 1, 0, os.urandom(1 << 16))] * 300)
    log.append("t", [note(1)])
    with log.transaction() as transaction:
        assert transaction.delete("s", 1000)
    log.give_back()
    assert log.query("PRAGMA freelist_count")[0][0] < VACUUM_PAGES
    assert os.path.getsize(home.database) < (VACUUM_PAGES + 100) * 4096
    assert os.path.getsize(home.database + "-wal") == 0
    assert notes(log.read()) == [1]


def test_the_log_knows_itself(home: Home, log: Log) -> None:
    """A log has a UUID of its own, an epoch, and says the oldest schema whose programs may write."""
    uuid = log.fact("log")
    assert len(uuid) == 36
    assert (log.fact("epoch"), log.fact("oldest_writer")) == ("0", "1")
    with Log(home, write=False) as reader:
        assert reader.fact("log") == uuid
