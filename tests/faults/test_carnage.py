"""Many agents write while daemons are killed at random: see support.carnage, which does it at any size."""

from __future__ import annotations

import random

from support.carnage import carnage
from swarm_store.log import Log


def test_nothing_is_lost_and_nothing_doubled(log: Log) -> None:
    """Every line of every agent is in the log once and in order, and every exit status is known."""
    seed = random.randrange(10**6)
    result = carnage(agents=16, kill=8, lines=1500, seed=seed)
    assert (result.problems, result.killed) == ([], 8), f"seed {seed}"
