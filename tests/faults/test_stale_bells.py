"""A follower is killed, and nobody rings its bell any more."""

from __future__ import annotations

import os
import subprocess

from support import agents
from support.cli import SWARMCTL
from support.looking import until
from swarm_store import events
from swarm_store.bells import is_listened_to
from swarm_store.log import Log


def test_the_supervisor_sweeps_what_a_killed_follower_left(log: Log) -> None:
    """Of a follower that was killed, and whose agent says no more, nothing is left once a supervisor has looked."""
    agent = agents.spawn(log, "sleep", "1000")
    stream = events.agent_stream(agent["id"])
    follower = subprocess.Popen([SWARMCTL, "logs", "-f", agent["id"]])
    until(lambda: is_listened_to(log.home, stream), "it follows")
    follower.kill()
    follower.wait()
    assert is_listened_to(log.home, stream)
    subprocess.run([SWARMCTL, "supervisor", "run", "--once"], check=True, timeout=30)
    assert not is_listened_to(log.home, stream)
    assert os.listdir(log.home.bells), "the daemon's own"
