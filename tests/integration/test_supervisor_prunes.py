"""The supervisor forgets what its retention policy says."""

from __future__ import annotations

import os
import subprocess
import sys

from support import agents
from support.agents import DEADLINE, spawn
from support.looking import until
from swarm_store import registry
from swarm_store.log import Log


def test_a_supervisor_with_a_policy_forgets(log: Log) -> None:
    """Of ended agents all but the newest `keep` are forgotten, with their files; what lives stays."""
    ended = [spawn(log, "true")["id"] for _ in range(3)]
    for one in ended:
        agents.ended(log, one)
    living = spawn(log, "sleep", "1000")["id"]
    supervisor = subprocess.Popen(
        [sys.executable, "-m", "swarm_supervisor", '{"keep":1}'],
        env={**os.environ, "SWARM_HOME": log.home.path},
        stderr=subprocess.DEVNULL,
    )
    try:
        newest = max(ended, key=lambda one: agents.get(log, one)["ended_at"])
        until(lambda: {one["id"] for one in registry.agents(log, ended=True)} == {living, newest}, "only two are left")
        until(lambda: set(os.listdir(log.home.agents)) == {living, newest}, "their files are gone too")
    finally:
        supervisor.terminate()
        assert supervisor.wait(DEADLINE) == 0
