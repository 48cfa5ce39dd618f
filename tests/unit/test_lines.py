"""From chunks of bytes to lines, and which chunks the last lines need."""

from __future__ import annotations

from collections.abc import Iterable

from swarm_store.events import Record, output_written
from swarm_store.output import Line, Lines, Once, last_chunks


def chunks(*written: tuple[str, bytes], run: int = 1) -> list[Record]:
    """Records of what a run wrote, with the right byte ranges."""
    ends = {"stdout": 0, "stderr": 0}
    made = []
    for n, (stream, payload) in enumerate(written):
        event = output_written(stream, run, ends[stream], payload)
        ends[stream] += len(payload)
        made.append(Record(n + 1, "agents/a", n, n, event.type, None, event.data, payload))
    return made


def shown(lines: Iterable[Line]) -> list[tuple[str, bytes, bool]]:
    return [(line.stream, line.bytes, line.whole) for line in lines]


def fed(lines: Lines, records: Iterable[Record]) -> list[Line]:
    return [line for record in records for line in lines.feed(record)]


def test_a_chunk_may_hold_many_lines() -> None:
    """Each newline ends a line, an empty one too, and no carriage return is touched."""
    lines = fed(Lines(), chunks(("stdout", b"a\r\n\nb\n")))
    assert shown(lines) == [("stdout", b"a\r", True), ("stdout", b"", True), ("stdout", b"b", True)]


def test_a_line_may_span_chunks() -> None:
    """It belongs to the chunk in which it ends."""
    records = chunks(("stdout", b"a"), ("stdout", b"b"), ("stdout", b"c\nd"))
    lines = Lines()
    (line,) = fed(lines, records)
    assert (line.bytes, line.record) == (b"abc", records[2])
    (rest,) = lines.rest()
    assert (rest.bytes, rest.whole, rest.record) == (b"d", False, records[2])


def test_the_two_streams_do_not_mix() -> None:
    """A line of stdout that stderr interrupts comes whole."""
    lines = fed(Lines(), chunks(("stdout", b"ou"), ("stderr", b"err\n"), ("stdout", b"t\n")))
    assert shown(lines) == [("stderr", b"err", True), ("stdout", b"out", True)]


def test_two_runs_do_not_mix() -> None:
    """What one run left unfinished is not the beginning of the next run's line."""
    lines = Lines()
    first = fed(lines, chunks(("stdout", b"half")))
    second = fed(lines, chunks(("stdout", b"whole\n"), run=2))
    assert (shown(first), shown(second)) == ([], [("stdout", b"whole", True)])
    assert shown(lines.rest()) == [("stdout", b"half", False)]


def test_the_rest_is_given_once() -> None:
    """After the rest has been asked for there is none, and none where all lines have ended."""
    lines = Lines()
    fed(lines, chunks(("stdout", b"a\n"), ("stderr", b"b")))
    assert shown(lines.rest()) == [("stderr", b"b", False)]
    assert lines.rest() == []


def test_a_cut_beginning_is_dropped() -> None:
    """Reading from the middle, the end of a line whose beginning is not there is not shown as one."""
    records = chunks(("stdout", b"a1"), ("stdout", b"a2"), ("stdout", b"a3\nb\n"), ("stderr", b"e\n"))
    assert shown(fed(Lines(cut=True), records[1:])) == [("stdout", b"b", True), ("stderr", b"e", True)]
    assert shown(fed(Lines(), records[1:]))[0] == ("stdout", b"a2a3", True)


def test_a_stream_that_begins_in_view_is_not_cut() -> None:
    """The first bytes of a stream are the beginning of a line."""
    assert shown(fed(Lines(cut=True), chunks(("stdout", b"a\n")))) == [("stdout", b"a", True)]


def test_bytes_that_were_deleted_by_a_gap_are_not_invented() -> None:
    """A chunk with no payload holds no lines."""
    (record,) = chunks(("stdout", b"x"))
    assert fed(Lines(), [record._replace(payload=None)]) == []


def test_last_chunks_take_no_more_than_they_need() -> None:
    """With a line a chunk, the last two lines need at most five chunks: a cut one for each stream, and one over."""
    records = chunks(*[("stdout", b"%d\n" % n) for n in range(100)])
    taken = last_chunks(reversed(records), 2)
    assert 2 < len(taken) <= 5
    assert taken == records[-len(taken) :]


def test_last_chunks_come_oldest_first() -> None:
    """A short output is taken whole, in the order it was written."""
    records = chunks(("stdout", b"a\n"), ("stderr", b"b\n"))
    assert last_chunks(reversed(records), 10) == records
    assert last_chunks([], 10) == []


def test_a_chunk_counts_its_own_lines_and_bytes() -> None:
    """A chunk says which bytes of its stream it is and how many newlines it has."""
    (record,) = chunks(("stderr", b"a\nb\nc"))
    assert record.data == {"run": 1, "start": 0, "end": 5, "lines": 2}
    assert record.type == "stderr:written"


def test_what_is_published_again_is_given_once() -> None:
    """Chunks that repeat bytes, as after a recovery, give only what is new in them."""
    once = Once()
    first = chunks(("stdout", b"one\ntw"), ("stderr", b"e"))
    again = chunks(("stdout", b"one\n"), ("stdout", b"two\nthree\n"), ("stderr", b"e"))
    fresh = [new for record in [*first, *again] if (new := once.fresh(record))]
    assert [record.payload for record in fresh] == [b"one\ntw", b"e", b"o\nthree\n"]
    assert fresh[-1].data["start"] == 6
