"""The supervisor forgets what its retention policy says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from support import agents
from support.agents import DEADLINE, spawn
from support.looking import until
from swarm_daemon import tree
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


def test_who_prunes_is_not_taken_for_what_an_agent_has_left(log: Log) -> None:
    """The supervisor's child that prunes is marked as one of ours: a sweep, which looks at its children, spares it."""
    environment = {**os.environ, "SWARM_HOME": log.home.path}
    supervisor = subprocess.Popen([sys.executable, "-m", "swarm_supervisor", '{"keep":1}'], env=environment)

    def look() -> bool:
        for pid in tree.children(supervisor.pid):
            try:
                is_it = b"swarm_supervisor.prune" in Path(f"/proc/{pid}/cmdline").read_bytes()
                if is_it:
                    return b"SWARM_DAEMON=" in Path(f"/proc/{pid}/environ").read_bytes()
            except OSError:
                pass  # it has just ended
        return False

    try:
        until(look, "the one that prunes, marked")
    finally:
        supervisor.terminate()
        assert supervisor.wait(DEADLINE) == 0
