"""What an earlier version has left, or a power failure has taken (locks, rows, specs) is gone on with all the same."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from support import agents
from support.looking import until
from support.supervisors import history, supervising
from swarm_daemon import control
from swarm_daemon import spawn as spawning
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.errors import CannotStart, NotPossible
from swarm_store.home import Home
from swarm_store.log import Log

# What the first version knew of an agent beside its state, and of how to start it.
SPEC = ("command", "cwd", "env", "umask", "stdin", "timeout", "grace")
NEW = (
    *("seconds", "limited_by", "silent_since", "max_restarts", "restarts", "no_more_restarts"),
    *("silence", "on_silence", "limits", "spawner", "input", "notify", "worktree", "owed"),
)


def as_the_first_version(log: Log, agent_id: str) -> None:
    """Make the agent's row and spec what the first version would have written."""
    with sqlite3.connect(log.home.database) as database:
        paths = [f"$.{name}" for name in NEW]
        places = ", ".join("?" * len(paths))
        database.execute(f"UPDATE agents SET agent = json_remove(agent, {places}) WHERE id = ?", (*paths, agent_id))
    database.close()
    path = Path(Run(log.home, agent_id, 1).spec_path)
    known: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
    path.write_text(json.dumps({key: known[key] for key in SPEC}), encoding="ascii")


def test_a_daemon_of_the_first_version_is_one(home: Home) -> None:
    """A run whose lock is held as the first version held it, by flock, has a daemon, and gets no second one."""
    run = Run(home, "agentid2", 1)
    run.make()
    file = os.open(os.path.join(run.path, "lock"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_EX)
    assert run.has_daemon() and not run.acquire()
    os.close(file)
    assert not run.has_daemon() and run.acquire() and Run(home, "agentid2", 1).has_daemon()
    run.release()


def test_looking_turns_no_daemon_away(home: Home) -> None:
    """Whoever only looks whether a run has a daemon keeps none from becoming it."""
    run = Run(home, "agentid2", 1)
    run.make()
    file = os.open(os.path.join(run.path, "lock"), os.O_RDWR | os.O_CREAT)
    fcntl.flock(file, fcntl.LOCK_SH)  # in the middle of a look
    assert run.acquire() and Run(home, "agentid2", 1).has_daemon()
    os.close(file)
    run.release()


def test_what_the_first_version_wrote_is_supervised(log: Log) -> None:
    """Its running agents are seen as such and adopted, its ended ones restarted by their policy."""
    runs = agents.spawn(log, "sleep", "1000", name="runs")
    ended = agents.sh(log, "exit 3", restart="on-failure")
    agents.ended(log, ended["id"])
    for one in (runs, ended):
        as_the_first_version(log, one["id"])
    assert not control.has_lost_daemon(log.home, registry.resolve(log, "runs"))
    agents.kill(runs["daemon"]["pid"])
    with supervising(log.home):
        until(lambda: agents.get(log, runs["id"])["epoch"] == 1, "the adoption")
        until(lambda: agents.get(log, ended["id"])["run"] == 2, "the restart")
        agents.kill(runs["child"]["pid"])
        assert agents.ended(log, runs["id"])["signal"] == "SIGKILL"
        control.withdraw_restart(log, agents.ended(log, ended["id"]))


def test_a_spec_that_is_empty_ends_no_supervisor(log: Log) -> None:
    """Of what a power failure has left of a spec nothing is started, which is recorded, and others are looked after."""
    other = agents.spawn(log, "sleep", "1000")
    wish = spawning.request(log.home, ["true"])
    Run(log.home, wish.agent_id, 1).prepare(wish.spec)
    spawned = wish.event._replace(data={**wish.event.data, "spawner": None})
    registry.publish(log, spawned)
    Path(Run(log.home, wish.agent_id, 1).spec_path).write_bytes(b"")
    agents.kill(other["daemon"]["pid"])
    with supervising(log.home):
        failed = agents.ended(log, wish.agent_id)
        assert failed["state"] == "failed" and "no spec" in failed["reason"]
        until(lambda: agents.get(log, other["id"])["epoch"] == 1, "the adoption of the other")


@pytest.mark.parametrize("damage", [os.unlink, lambda path: Path(path).write_bytes(b"")])
def test_a_run_without_its_spec_is_adopted(log: Log, damage: Any) -> None:
    """A successor takes from the registry what it needs of a spec that is lost; only another run is impossible."""
    agent = agents.sh(log, "echo a; exec sleep 1000", timeout=900)
    until(lambda: agents.output(log, agent["id"]))
    damage(Run(log.home, agent["id"], 1).spec_path)
    agents.kill(agent["daemon"]["pid"])
    with supervising(log.home):
        until(lambda: agents.get(log, agent["id"])["epoch"] == 1, "the adoption")
        agents.kill(agent["child"]["pid"])
        assert agents.ended(log, agent["id"])["signal"] == "SIGKILL"
    assert len(history(log, agent["id"], events.AGENT_ADOPTED)) == 1
    with pytest.raises((CannotStart, NotPossible)):
        spawning.restart(log, agents.get(log, agent["id"]))
