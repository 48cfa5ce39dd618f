"""A damaged or deleted log is set aside, never overwritten, and what can be read of it is in a sound new one."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
from pathlib import Path

import pytest

from support import agents
from support.damage import WAYS
from support.facts import life, note, notes
from support.looking import until
from support.programs import Program, run
from support.small_disk import SmallDisk
from swarm_store import health, recovery, registry
from swarm_store.errors import LogBusy, LogDamaged, LogGone, LogUnusable
from swarm_store.events import OUTPUT_LOST, RECORD_LOST, agent_stream, output_written
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Producer

AGENTS, CHUNKS = 20, 12


def payload(agent: int, chunk: int) -> bytes:
    return b"agent %d chunk %d\n" % (agent, chunk) * (50 * (chunk + 1))


def fill(home: Home) -> None:
    """Agents that have ended, each with output, and a stream of notes; all in the file, none in the WAL."""
    with Log(home) as log:
        for agent in range(AGENTS):
            registry.publish(log, *life(f"agent{agent}", name=f"n{agent}"))
            end = 0
            for chunk in range(CHUNKS):
                event = output_written("stdout", 1, end, payload(agent, chunk))
                end = event.data["end"]
                with log.transaction() as transaction:
                    producer = Producer("run-1/stdout", 0, end)
                    transaction.append(agent_stream(f"agent{agent}"), [event], producer=producer)
            log.append("notes", [note(n) for n in range(agent * 10, agent * 10 + 10)])


def digest(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@pytest.mark.parametrize("way", WAYS)
def test_what_is_readable_is_recovered(home: Home, way: str) -> None:
    """Whatever is damaged: the file is kept aside as it was; the new log is sound, and nothing in it is false."""
    fill(home)
    WAYS[way](home.database)
    damaged = digest(home.database)
    report = recovery.recover_if_needed(home, check=True)
    assert report is not None and report.how == recovery.RECOVERED and report.aside is not None
    assert digest(report.aside) == damaged
    with Log(home) as log:
        assert health.integrity(log) == [] and health.differing(log) == []
        assert log.fact("epoch") == "1"
        wrote = {payload(agent, chunk): agent for agent in range(AGENTS) for chunk in range(CHUNKS)}
        for record in log.read(limit=1 << 20):
            if record.payload is not None:
                assert record.stream == agent_stream(f"agent{wrote[record.payload]}")
        assert set(notes(log.read("notes", types=["note:taken"]))) <= set(range(AGENTS * 10))
        log.append("notes", [note(-1)])
        assert log.position() > AGENTS * (CHUNKS + 4 + 10) or way == "everything"
    assert recovery.recover_if_needed(home, check=True) is None


@pytest.mark.parametrize("way", ["header", "first page"])
def test_a_lost_beginning_costs_nothing(home: Home, way: str) -> None:
    """Where only the first page is damaged, every record and every agent is recovered, in its place."""
    fill(home)
    with Log(home) as log:
        before, known, uuid = log.read(limit=1 << 20), registry.agents(log, ended=True), log.fact("log")
    WAYS[way](home.database)
    report = recovery.recover_if_needed(home)
    assert report is not None and (report.lost, report.left_out) == (0, ())
    with Log(home) as log:
        assert log.read(limit=1 << 20) == before
        assert registry.agents(log, ended=True) == known
        assert log.fact("log") == uuid


@pytest.mark.parametrize("way", ["middle", "end", "truncated", "scattered"])
def test_damage_costs_what_it_hits_and_says_so(home: Home, way: str) -> None:
    """Most survives damage of a part of the file, and lost records in the middle of a stream are marked as lost."""
    fill(home)
    WAYS[way](home.database)
    report = recovery.recover_if_needed(home, check=True)
    assert report is not None
    whole = AGENTS * (CHUNKS + 4 + 10)
    assert 0.2 * whole < report.records <= whole
    assert report.lost or report.records < whole
    with Log(home) as log:
        marks = log.read(types=[RECORD_LOST, OUTPUT_LOST], limit=1 << 20)
        assert len(marks) == report.lost
        for mark in marks:
            if mark.type == OUTPUT_LOST:
                assert mark.data["end"] > mark.data["start"] and mark.data["stream"] == "stdout"


def test_an_agent_without_its_beginning_is_left_out_and_named(home: Home) -> None:
    """Events of an agent whose first is lost make no agent, and the report says whose they are."""
    fill(home)
    with Log(home) as log:
        log.database.execute("DELETE FROM records WHERE key = 'agent3' AND type = 'agent:spawned'")
    report = recovery.set_aside_and_recover(home)
    assert report.left_out == ("agent3",) and report.lost == 1 and "agent3" in str(report)
    with Log(home) as log:
        assert len(registry.agents(log, ended=True)) == AGENTS - 1
        assert health.integrity(log) == [] and health.differing(log) == []


def test_commits_in_the_wal_are_recovered(home: Home) -> None:
    """What was committed and not checkpointed yet when the file was damaged is recovered too."""
    fill(home)
    writer = "log = Log(home)\nlog.append('s', [note(n) for n in range(500)])\nsay('written')\nsys.stdin.read()"
    with Program(home, writer) as program:
        assert program.line() == "written"
        program.kill()
    WAYS["first page"](home.database)
    recovery.set_aside_and_recover(home)
    with Log(home, write=False) as log:
        assert notes(log.read("s")) == list(range(500))


def test_a_log_of_another_program_is_let_be(home: Home) -> None:
    """A sound database that is no event log is not touched."""
    import sqlite3

    other = sqlite3.connect(home.database)
    other.execute("CREATE TABLE mine(x)")
    other.close()
    before = digest(home.database)
    assert recovery.recover_if_needed(home, check=True) is None
    assert digest(home.database) == before


def test_nothing_is_made_where_nothing_was(home: Home) -> None:
    """Where there has never been a log, none is made."""
    assert recovery.recover_if_needed(home) is None
    assert os.listdir(home.path) == []


KILLED = """
from swarm_store import recovery
left = int(sys.argv[1])
def counted(call):
    def step(*args, **given):
        global left
        left -= 1
        if left < 0:
            os._exit(7)
        return call(*args, **given)
    return step
os.rename, os.unlink, os.fsync = counted(os.rename), counted(os.unlink), counted(os.fsync)
recovery.recover_if_needed(home)
say("done")
"""


def test_a_recovery_that_is_killed_is_taken_up_again(home: Home, tmp_path: Path) -> None:
    """Killed before any of its steps and run again, a recovery loses nothing and keeps the damaged file."""
    fill(home)
    with Log(home) as log:
        before = log.read(limit=1 << 20)
    WAYS["header"](home.database)
    damaged = digest(home.database)
    pristine = tmp_path / "pristine"
    shutil.copytree(home.path, pristine)
    for steps in range(100):
        shutil.rmtree(home.path)
        shutil.copytree(pristine, home.path)
        with Program(home, KILLED, steps) as program:
            done = program.line() == "done"
        recovery.recover_if_needed(home)
        with Log(home, write=False) as log:
            assert log.read(limit=1 << 20) == before, f"killed before step {steps}"
        names = os.listdir(home.path)
        kept = [name for name in names if name.startswith("swarm.db.damaged-") and not name.endswith("-wal")]
        assert [digest(os.path.join(home.path, name)) for name in kept] == [damaged], f"killed before step {steps}"
        if done:
            assert steps > 4
            return
    raise AssertionError("it never came to its end")


def test_where_there_is_no_room_all_stays_as_it_was(tmp_path: Path) -> None:
    """A recovery that finds the disk full leaves the damaged log where it was, and succeeds when there is room."""
    disk = SmallDisk(tmp_path / "disk", 32)
    try:
        home = Home(str(disk.path))
        fill(home)
        WAYS["header"](home.database)
        damaged = digest(home.database)
        (disk.path / "ballast").write_bytes(bytes(shutil.disk_usage(disk.path).free - 200_000))
        with pytest.raises((LogUnusable, OSError)):
            recovery.recover_if_needed(home)
        assert digest(home.database) == damaged
        left = {name for name in os.listdir(home.path) if name.startswith("swarm")}
        assert left <= {"swarm.db", "swarm.db.lock", "swarm.db.suspect"}
        (disk.path / "ballast").unlink()
        report = recovery.recover_if_needed(home)
        assert report is not None and report.lost == 0
    finally:
        disk.unmount()


def test_a_stopped_holder_of_the_lock_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recovery does not go past a process that holds the write lock; it names it."""
    fill(home)
    monkeypatch.setattr(recovery, "LOCK_TIMEOUT", 0.2)
    with Program(home, "log = Log(home)\nlog.lock.acquire()\nsay('held')\nsys.stdin.read()") as program:
        assert program.line() == "held"
        os.kill(program.pid, signal.SIGSTOP)
        WAYS["header"](home.database)
        until(lambda: program.state() == "T", "it is stopped")
        with pytest.raises(LogBusy, match=f"stopped process {program.pid}"):
            recovery.recover_if_needed(home)
    assert recovery.recover_if_needed(home) is not None


def test_a_deleted_log_is_copied_back(home: Home) -> None:
    """A log that was deleted while a process has it open comes back whole, and that process goes on in it."""
    writer = """
log = Log(home, create=False)
for line in sys.stdin:
    try:
        log.append('s', [note(int(line))])
        say('yes')
    except Exception as error:
        say(type(error).__name__)
"""
    fill(home)
    with Log(home, write=False) as log:
        before = log.read(limit=1 << 20)
    with Program(home, writer) as program:
        program.tell("1")
        assert program.line() == "yes"
        for path in Path(home.path).glob("swarm.db*"):
            path.unlink()
        program.tell("2")
        assert program.line() == "LogGone"
        assert recovery.restore_deleted(home) == recovery.Report(recovery.RESTORED, None, len(before) + 1)
        program.tell("3")
        assert program.line() == "yes"
        with Log(home, write=False) as log:
            assert log.read(limit=1 << 20)[: len(before)] == before
            assert notes(log.read("s")) == [1, 3]
    assert recovery.recover_if_needed(home) is None


def test_a_log_deleted_under_agents_comes_back(log: Log) -> None:
    """A log that was deleted under running agents is brought back with every line, and they go on in it."""
    agent = agents.sh(log, "i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); sleep 0.005; done")
    until(lambda: agents.output(log, agent["id"]).count(b"\n") > 50, "some output")
    for path in Path(log.home.path).glob("swarm.db*"):
        path.unlink()
    with pytest.raises(LogGone):
        log.position()
    report = recovery.recover_if_needed(log.home)
    assert report is not None and report.how == recovery.RESTORED
    assert agents.ended(log, agent["id"])["exit_code"] == 0
    assert agents.output(log, agent["id"]) == b"".join(b"%d\n" % n for n in range(400))


def test_a_log_corrupted_under_agents_comes_back(log: Log) -> None:
    """A log that was overwritten under a running agent is recovered; the agent goes on and its journal fills it up."""
    agent = agents.sh(log, "i=0; while [ $i -lt 400 ]; do echo $i; i=$((i+1)); sleep 0.005; done; exit 3")
    until(lambda: agents.output(log, agent["id"]).count(b"\n") > 50, "some output")
    WAYS["everything"](log.home.database)
    os.truncate(log.home.database + "-wal", 0)
    until(lambda: recovery.recover_if_needed(log.home, check=True), "the damage is found")
    until(lambda: registry.get(log, agent["id"]), "the daemon tells the new log of its agent")
    assert agents.ended(log, agent["id"])["exit_code"] == 3
    assert agents.output(log, agent["id"]) == b"".join(b"%d\n" % n for n in range(400))
    assert health.integrity(log) == [] and health.differing(log) == []


def test_damage_is_told_from_other_trouble(home: Home) -> None:
    """Opening a file that is no database raises LogDamaged, which names the way out."""
    Path(home.database).write_bytes(b"garbage" * 10_000)
    with pytest.raises(LogDamaged) as damaged:
        Log(home)
    assert "doctor --fix" in damaged.value.hint
    run(home, "from swarm_store import recovery; recovery.recover_if_needed(home); Log(home).close()")
