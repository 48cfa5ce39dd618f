"""The log is deleted or damaged under a supervisor and its agents: all goes on by itself, and nothing is lost."""

from __future__ import annotations

import os
from pathlib import Path

from support import agents
from support.agents import sh
from support.damage import overwrite
from support.looking import until
from support.supervisors import supervising
from swarm_daemon.run import Run, read_record
from swarm_store import health
from swarm_store.backup import backup
from swarm_store.bells import ring_all
from swarm_store.errors import LogUnusable
from swarm_store.log import Log

COUNT = 'n=0; until [ -e "$0/enough" ]; do echo $n; n=$((n+1)); sleep 0.01; done; echo end'


def counted(log: Log, agent_id: str) -> list[str]:
    return agents.output(log, agent_id).decode().split()


def is_whole(log: Log, agent_id: str) -> bool:
    """Whether everything that the counter has written is in the log, once and in order."""
    *numbers, last = counted(log, agent_id) or [""]
    return last == "end" and [int(number) for number in numbers] == list(range(len(numbers)))


def enough(log: Log) -> None:
    with open(os.path.join(log.home.path, "enough"), "w"):
        pass


def counters(log: Log) -> list[str]:
    """Three agents that write until it is enough, and have written."""
    ids = [agents.spawn(log, "sh", "-c", COUNT, log.home.path)["id"] for _ in range(3)]
    for one in ids:
        until(lambda one=one: len(counted(log, one)) > 3, "it writes")  # type: ignore[misc]
    return ids


def daemon_of(log: Log, agent_id: str) -> int:
    """The daemon's PID, from the run's files: the log is not to be asked."""
    who = read_record(Run(log.home, agent_id, 1).who)
    assert who is not None
    pid: int = who["daemon"]["pid"]
    return pid


def test_a_deleted_log_is_brought_back(log: Log) -> None:
    """The database is deleted and a daemon killed: the log is copied back, the run adopted, and every line is there."""
    with supervising(log.home) as supervisor:
        ids = counters(log)
        for name in os.listdir(log.home.path):
            if name.startswith("swarm.db"):
                os.unlink(os.path.join(log.home.path, name))
        agents.kill(daemon_of(log, ids[0]))
        until(lambda: os.path.exists(log.home.database), "the log is back")
        until(lambda: agents.get(log, ids[0])["epoch"] == 1, "it is adopted")
        enough(log)
        for one in ids:
            assert agents.ended(log, one)["state"] == "completed"
            assert is_whole(log, one), counted(log, one)
        assert supervisor.stop() == 0
        assert "copied back" in supervisor.complaints()
    assert health.integrity(log) == health.differing(log) == []


def test_a_damaged_log_is_set_aside_and_recovered(log: Log) -> None:
    """Pages of the database are overwritten: whoever meets that has it recovered, and the agents go on to their end."""
    with supervising(log.home) as supervisor:
        ids = counters(log)
        sh(log, "exit 3")
        log.give_back()  # all of it into the file, so that the damage is to what counts
        overwrite(log.home.database, 0.2, 0.7)
        until(lambda: _is_set_aside(log), "it is set aside")
        until(lambda: all(_is_known(log, one) for one in ids), "the agents are known again")
        enough(log)
        for one in ids:
            assert agents.ended(log, one)["state"] == "completed"
        assert supervisor.stop() == 0
        assert "damaged" in supervisor.complaints()
    assert health.integrity(log) == health.differing(log) == []


def test_a_log_that_was_replaced_is_read_from_where_it_is(log: Log, tmp_path: Path) -> None:
    """With an older copy in the log's place, what begins there is looked after at once, not when it has caught up."""
    backup(log, str(tmp_path / "copy"))
    with supervising(log.home) as supervisor:
        for _ in range(3):
            agents.ended(log, sh(log, "exit 0")["id"])
        os.rename(tmp_path / "copy", log.home.database)
        for beside in ("-wal", "-shm"):
            os.unlink(log.home.database + beside)
        ring_all(log.home)
        log.opening()
        agent = sh(log, "exit 3", restart="on-failure", max_restarts=1)
        until(lambda: agents.get(log, agent["id"])["run"] == 2, "the restart")
        until(lambda: agents.get(log, agent["id"])["no_more_restarts"], "the end of restarts")
        assert supervisor.stop() == 0 and "taken the place" in supervisor.complaints()


def _is_set_aside(log: Log) -> bool:
    """Whether it is; by looking into the damaged one, as anybody would who works with it."""
    try:
        with Log(log.home, write=False) as reader:
            reader.query("SELECT count(*), max(length(data)) FROM records")
            reader.query("SELECT max(length(bytes)) FROM payloads")
            reader.query("SELECT max(length(agent)) FROM agents")
    except LogUnusable:
        pass
    return any(".damaged-" in name for name in os.listdir(log.home.path))


def _is_known(log: Log, agent_id: str) -> bool:
    try:
        return bool(agents.get(log, agent_id)["state"] == "running")
    except (LogUnusable, AssertionError):
        return False
