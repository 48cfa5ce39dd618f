"""Any bytes, cut anywhere, come back as they were written."""

from __future__ import annotations

import itertools

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.facts import is_dense
from swarm_store.events import Event, output_written
from swarm_store.log import Log
from swarm_store.output import STREAM_OF, Line, Lines, last_chunks

# Every byte value, and newlines often enough to matter.
BYTES = st.binary(max_size=60) | st.lists(st.sampled_from([b"\n", b"a", b"\r\n", b"\0", b"\xff\xfe"])).map(b"".join)
WRITTEN = st.lists(st.tuples(st.sampled_from(["stdout", "stderr"]), BYTES.filter(bool)), max_size=30)
FRESH = itertools.count()

shared_log = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def chunks(written: list[tuple[str, bytes]]) -> list[Event]:
    ends = {"stdout": 0, "stderr": 0}
    made = []
    for stream, payload in written:
        made.append(output_written(stream, 1, ends[stream], payload))
        ends[stream] += len(payload)
    return made


def lines_of(lines: Lines, records: list[object]) -> list[Line]:
    whole = [line for record in records for line in lines.feed(record)]  # type: ignore[arg-type]
    return whole + lines.rest()


@shared_log
@given(written=WRITTEN)
def test_bytes_come_back_as_written(log: Log, written: list[tuple[str, bytes]]) -> None:
    """Through the log, and through the lines made of it, each stream's bytes are what the child wrote."""
    name = f"agents/{next(FRESH)}"
    log.append(name, chunks(written))
    records = log.read(name)
    assert is_dense(records)
    assert [(STREAM_OF[record.type], record.payload) for record in records] == written
    lines = lines_of(Lines(), [*records])
    for stream in ("stdout", "stderr"):
        expected = b"".join(payload for at, payload in written if at == stream)
        assert b"".join(line.bytes + b"\n" * line.whole for line in lines if line.stream == stream) == expected
        assert [line.bytes for line in lines if line.stream == stream] == expected.removesuffix(b"\n").split(b"\n") * (
            expected != b""
        )


@shared_log
@given(written=WRITTEN, count=st.integers(1, 8))
def test_the_last_chunks_hold_the_last_lines(log: Log, written: list[tuple[str, bytes]], count: int) -> None:
    """The last whole lines, made of the chunks that are taken for them, are those made of everything."""
    name = f"agents/{next(FRESH)}"
    log.append(name, chunks(written))
    everything = [line for line in lines_of(Lines(), [*log.read(name)]) if line.whole]
    taken = last_chunks(log.read(name, backwards=True), count)
    some = [line for line in lines_of(Lines(cut=True), [*taken]) if line.whole]
    assert some[-count:] == everything[-count:]
