"""How long a writer gathers before its next commit."""

from __future__ import annotations

from swarm_daemon.output import GATHER_LEAST, GATHER_MOST, gather


def test_alone_it_never_gathers() -> None:
    """A writer that has never queued commits at once."""
    assert gather(0.0, queued=False) == 0.0


def test_queueing_doubles_up_to_a_limit() -> None:
    """Each commit that had to queue doubles the time, from the least to the most."""
    seconds = gather(0.0, queued=True)
    assert seconds == GATHER_LEAST
    for _ in range(10):
        seconds = gather(seconds, queued=True)
    assert seconds == GATHER_MOST


def test_without_a_queue_it_comes_back_to_nothing() -> None:
    """However long it gathered, it commits at once again when nobody is in the way any more."""
    seconds = GATHER_MOST
    for _ in range(1000):
        seconds = gather(seconds, queued=False)
    assert seconds == 0.0
