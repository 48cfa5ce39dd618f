"""A prune that is killed at any of its steps leaves nothing half there that the next one does not finish."""

from __future__ import annotations

import os

from support.facts import life
from support.programs import Program
from swarm_daemon import control
from swarm_store import health, registry
from swarm_store.events import agent_stream, output_written
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.retention import Policy

# Ends, as if killed, before the n-th time that it would take the lock or remove a file.
KILLED = """
import shutil
from swarm_daemon import control
from swarm_store.lock import WriteLock
from swarm_store.retention import Policy
left = int(sys.argv[1])
def counted(call):
    def step(*args, **given):
        global left
        left -= 1
        if left < 0:
            os._exit(7)
        return call(*args, **given)
    return step
log = Log(home)
WriteLock.acquire, shutil.rmtree = counted(WriteLock.acquire), counted(shutil.rmtree)
for agent in control.prune(log, Policy(keep=1)):
    pass
log.give_back()
say("done")
os._exit(0)
"""


def test_a_killed_prune_is_finished_by_the_next(home: Home) -> None:
    """Killed before any step: what is listed is whole, and the next prune leaves neither streams nor files behind."""
    steps, done = 0, False
    while not done:
        with Log(home) as log:
            for name in ("gone", "stays"):
                agent = f"{name}{steps}"
                registry.publish(log, *life(agent))
                for n in range(50):
                    log.append(agent_stream(agent), [output_written("stdout", 1, n * 10, b"123456789\n")])
                os.makedirs(home.agent(agent))
        with Program(home, KILLED, steps) as program:
            done = program.line() == "done"
        with Log(home) as log:
            for one in registry.agents(log, ended=True):
                assert log.head(agent_stream(one["id"])) == 50, f"killed before step {steps}: half of it is listed"
                assert len(log.read(agent_stream(one["id"]))) == 50
            list(control.prune(log, Policy(keep=1)))
            assert [one["id"] for one in registry.agents(log, ended=True)] == [f"stays{steps}"]
            assert log.query("SELECT name FROM streams WHERE name LIKE 'agents/%'") == [(f"agents/stays{steps}",)]
            assert os.listdir(home.agents) == [f"stays{steps}"]
            assert health.integrity(log) == [] and health.differing(log) == []
        steps += 1
    assert steps > 6
