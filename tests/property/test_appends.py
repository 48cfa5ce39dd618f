"""Appends of many processes at once, and appends repeated at random."""

from __future__ import annotations

import itertools
import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.facts import is_dense, note, notes
from support.programs import Program
from swarm_store import follow, health
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Producer

FRESH = itertools.count()

WRITER = """
import json, random
from swarm_store import transaction as module
module.CHECKPOINT_BYTES, module.CHECKPOINT_SECONDS = 1 << 16, 0
who, count = int(sys.argv[1]), int(sys.argv[2])
chance = random.Random(who)
written = {"shared": [], "other": [], str(who): []}
with Log(home) as log:
    n = 0
    while n < count:
        with log.transaction(durable=chance.random() < 0.1) as transaction:
            for stream in chance.sample(sorted(written), chance.randint(1, 3)):
                some = [who * 1000000 + n + i for i in range(chance.randint(1, 3))]
                n += len(some)
                transaction.append(stream, [note(one) for one in some])
                written[stream] += some
say(json.dumps(written))
"""


def test_concurrent_appends_stay_dense_and_in_order(home: Home, log: Log) -> None:
    """Processes append to shared streams and checkpoint at once: no gap, no loss, positions in commit order."""
    writers = [Program(home, WRITER, who, 150) for who in range(1, 5)]
    seen: list[int] = []
    pages = follow.follow_all(log, 0)
    try:
        while any(writer.process.poll() is None for writer in writers):
            seen += [record.position for record in next(pages)]
        written = [json.loads(writer.end()) for writer in writers]
    finally:
        for writer in writers:
            writer.__exit__()
    while page := next(pages):
        seen += [record.position for record in page]
    everything = log.read(limit=1 << 20)
    assert seen == [record.position for record in everything] == list(range(1, len(everything) + 1))
    for who, mine in enumerate(written, 1):
        for stream, expected in mine.items():
            records = log.read(stream, limit=1 << 20)
            assert is_dense(records)
            assert [n for n in notes(records) if n // 1000000 == who] == expected
    assert len(everything) == sum(len(some) for mine in written for some in mine.values())
    assert health.integrity(log) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(attempts=st.lists(st.tuples(st.sampled_from(["p", "q"]), st.integers(1, 12)), max_size=40))
def test_random_repeats_are_written_once(log: Log, attempts: list[tuple[str, int]]) -> None:
    """Of any appends, repeated or late, those above all that their producer had are in the log, once and in order."""
    stream = f"s{next(FRESH)}"
    last = {"p": 0, "q": 0}
    expected = []
    for producer, sequence in attempts:
        fresh = sequence > last[producer]
        landed = log.append(stream, [note(sequence)], producer=Producer(producer, 0, sequence))
        assert landed.duplicate != fresh
        if fresh:
            expected.append(sequence)
            last[producer] = sequence
        assert log.sequence(stream, producer) == last[producer]
    records = log.read(stream)
    assert notes(records) == expected
    assert is_dense(records)
    assert log.head(stream) == len(expected)
