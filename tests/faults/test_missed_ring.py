"""A writer that dies between its commit and its ring: sleepers see the record all the same."""

from __future__ import annotations

import time

import pytest

from support.facts import note, notes
from support.programs import Program
from swarm_store import follow
from swarm_store.bells import ALL, Bell, wait
from swarm_store.home import Home
from swarm_store.log import Log

DIES_BEFORE_RINGING = """
import signal
from swarm_store import transaction as module
module.ring = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
log = Log(home)
sys.stdin.readline()
log.append("s", [note(1)])
"""


@pytest.mark.parametrize("whole", [False, True])
def test_the_net_catches_a_missed_ring(home: Home, log: Log, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    """A follower looks again after its safety net's time, without having been woken."""
    monkeypatch.setattr(follow, "NET", 0.05)
    with Program(home, DIES_BEFORE_RINGING) as writer, Bell(home, "s") as bell, Bell(home, ALL) as every:
        pages = follow.follow_all(log, 0) if whole else follow.follow(log, {"s": 0})
        assert next(pages) == []
        writer.tell("")
        found = next(page for page in pages if page)
        assert notes(found) == [1]
        assert not wait([bell, every], 0), "somebody has rung"
        assert writer.process.wait(30) == -9


def test_the_next_writer_rings_for_both(home: Home, log: Log) -> None:
    """Whoever writes next to the stream wakes the sleepers, who then see both records."""
    with Program(home, DIES_BEFORE_RINGING) as writer, Bell(home, "s") as bell:
        writer.tell("")
        assert writer.process.wait(30) == -9
        assert not wait([bell], 0)
        log.append("s", [note(2)])
        assert wait([bell], 0)
        assert notes(log.read("s")) == [1, 2]


def test_waiting_for_a_stream_has_the_net_too(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A follower with a far deadline gives control again after the net's time though nobody rang."""
    monkeypatch.setattr(follow, "NET", 0.01)
    turns = follow.follow(log, {"s": 0}, deadline=time.monotonic() + 3600)
    assert [next(turns) for _ in range(3)] == [[]] * 3
    turns.close()  # type: ignore[attr-defined]
