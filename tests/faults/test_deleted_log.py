"""The log is deleted or replaced under running agents: no byte is lost, and all goes on when a log is there again."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from support import agents
from support.facts import note, notes
from support.looking import is_running, processes_of, state, until
from support.programs import Program
from swarm_daemon.run import Run
from swarm_store import registry
from swarm_store.errors import LogGone
from swarm_store.events import OUTPUT_LOST, agent_stream
from swarm_store.home import Home
from swarm_store.log import Log

# Numbers its lines; each line it is told on its FIFO of commands lets it write some more.
COUNTER = """
import os, sys
n = 0
for wish in open(sys.argv[1]):
    if wish == "end\\n":
        break
    for _ in range(int(wish)):
        print(n, flush=True)
        n += 1
"""


class Counter:
    """An agent that writes as many numbered lines as it is told."""

    def __init__(self, log: Log, tmp_path: Path, **options: str) -> None:
        self.log = log
        path = tmp_path / f"wishes-{len(list(tmp_path.iterdir()))}"
        os.mkfifo(path)
        self.agent = agents.spawn(log, sys.executable, "-S", "-c", COUNTER, str(path), **options)
        self.id = self.agent["id"]
        self._wishes = open(path, "w", buffering=1)  # noqa: SIM115
        self.written = 0

    def write(self, lines: int) -> None:
        self._wishes.write(f"{lines}\n")
        self.written += lines

    def end(self) -> None:
        self._wishes.write("end\n")
        self._wishes.close()

    def wanted(self) -> bytes:
        return b"".join(b"%d\n" % n for n in range(self.written))

    def is_published(self) -> bool:
        return agents.output(self.log, self.id) == self.wanted()

    def notes(self) -> str:
        return Path(Run(self.log.home, self.id, 1).notes).read_text()


def aside(home: Home) -> list[tuple[str, str]]:
    """Move the log's files out of the way, as a user might; where they are now."""
    moved = [(path, path + ".moved") for path in (home.database, home.database + "-wal", home.database + "-shm")]
    for path, to in moved:
        os.rename(path, to)
    return moved


LOOKS_OFTEN = """
from swarm_daemon import agent, main
agent.NET_SECONDS = 0.1
sys.argv[1:] = ["--adopt", sys.argv[1]]
main.main()
"""


def test_a_write_into_a_deleted_log_is_refused(home: Home) -> None:
    """A write transaction whose file was deleted says so and writes nothing; the next one goes on in what is there."""
    with Log(home) as log:
        log.append("s", [note(1)])
        moved = aside(home)
        with pytest.raises(LogGone, match="has been deleted"):
            log.append("s", [note(2)])
        with pytest.raises(LogGone):
            log.append("s", [note(3)])
        assert not os.path.exists(home.database)
        for path, to in moved:
            os.rename(to, path)
        log.append("s", [note(4)])
        assert notes(log.read("s")) == [1, 4]
        assert log.openings == 1


def test_a_write_into_a_replaced_log_is_refused(home: Home, tmp_path: Path) -> None:
    """Where another log has taken the file's place, one write is refused, and the next goes to the new one."""
    other = Home(str(tmp_path / "other"))
    with Log(other) as log:
        log.append("s", [note(10)])
    with Log(home) as log:
        log.append("s", [note(1)])
        aside(home)
        os.rename(other.database, home.database)
        with pytest.raises(LogGone, match="has been replaced"):
            log.append("s", [note(2)])
        log.append("s", [note(11)])
        assert notes(log.read("s")) == [10, 11]


def test_a_deleted_lock_keeps_writers_from_writing_beside_each_other(home: Home) -> None:
    """Who holds a deleted lock file writes nothing under it, and takes the new one for its next write."""
    with Log(home) as log:
        log.append("s", [note(1)])
        os.unlink(home.lock)
        with pytest.raises(LogGone):
            log.append("s", [note(2)])
        log.append("s", [note(3)])
        assert notes(log.read("s")) == [1, 3]


def test_a_reader_meets_the_log_that_is_there(home: Home) -> None:
    """An open reader says that the log was deleted, and reads the next one once it is there."""
    with Log(home) as log:
        log.append("s", [note(1)])
    with Log(home, write=False) as reader:
        assert notes(reader.read("s")) == [1]
        for path in Path(home.path).glob("swarm.db*"):
            path.unlink()
        with pytest.raises(LogGone):
            reader.read("s")
        with Log(home) as log:
            log.append("s", [note(2)])
        assert notes(reader.read("s")) == [2]


def test_closing_a_replaced_log_leaves_the_new_one_alone(home: Home) -> None:
    """Whoever closes a file that was deleted takes nothing of the one at its path with it."""
    old = Log(home)
    old.append("s", [note(1)])
    for path in Path(home.path).glob("swarm.db*"):
        path.unlink()
    with Log(home) as log:
        log.append("s", [note(2)])
        old.close()
        assert os.path.exists(home.database + "-wal")
        log.append("s", [note(3)])
        assert notes(log.read("s")) == [2, 3]


def test_a_daemon_keeps_its_bytes_while_the_log_is_away(log: Log, tmp_path: Path) -> None:
    """Output written while the log was away is in it once it is back, and the daemon has made none of its own."""
    counter = Counter(log, tmp_path)
    counter.write(1000)
    until(counter.is_published, "the first lines")
    moved = aside(log.home)
    counter.write(1000)
    until(lambda: "deleted" in counter.notes() or "is gone" in counter.notes(), "the daemon says so")
    assert not os.path.exists(log.home.database)
    for path, to in moved:
        os.rename(to, path)
    until(counter.is_published, "the rest")
    counter.end()
    assert agents.ended(log, counter.id)["exit_code"] == 0


def test_an_agent_that_ends_while_the_log_is_away_has_ended_when_it_is_back(log: Log, tmp_path: Path) -> None:
    """The end, the exit status and the last lines wait for the log."""
    counter = Counter(log, tmp_path)
    counter.write(10)
    until(counter.is_published, "the first lines")
    moved = aside(log.home)
    counter.write(10)
    counter.end()
    until(lambda: "gone" in counter.notes() or "deleted" in counter.notes(), "the daemon says so")
    for path, to in moved:
        os.rename(to, path)
    assert agents.ended(log, counter.id)["exit_code"] == 0
    assert counter.is_published()


def test_a_stopped_holder_of_the_lock_costs_no_byte(log: Log, tmp_path: Path) -> None:
    """While a stopped process holds the write lock the agent writes on; its daemon says who it is, and catches up."""
    counter = Counter(log, tmp_path)
    counter.write(10)
    until(counter.is_published, "the first lines")
    with Program(log.home, "log = Log(home)\nlog.lock.acquire()\nsay('held')\nsys.stdin.read()") as program:
        assert program.line() == "held"
        os.kill(program.pid, signal.SIGSTOP)
        counter.write(30_000)
        until(lambda: f"stopped process {program.pid}" in counter.notes(), "the daemon names it")
        os.kill(program.pid, signal.SIGCONT)
    counter.end()
    assert agents.ended(log, counter.id)["exit_code"] == 0
    assert counter.is_published()


def test_a_new_log_learns_of_an_agent_that_lives(log: Log, tmp_path: Path) -> None:
    """Where the log was deleted and a new one made, the agent is in it again, with what its journal has, to its end."""
    counter = Counter(log, tmp_path, name="counter")
    counter.write(1000)
    until(counter.is_published, "the first lines")
    before = agents.get(log, counter.id)
    for path in Path(log.home.path).glob("swarm.db*"):
        path.unlink()
    Path(log.home.database).touch(0o600)
    counter.write(10)
    until(lambda: "being made" in counter.notes(), "the daemon makes nothing of an empty file")
    os.unlink(log.home.database)
    shutil.move(log.home.agents, tmp_path / "agents")  # so that nothing is brought back
    Log(log.home).close()
    os.rmdir(log.home.agents)
    shutil.move(tmp_path / "agents", log.home.agents)
    until(lambda: registry.get(log, counter.id), "the agent is known again")
    until(counter.is_published, "all lines again")
    again = agents.get(log, counter.id)
    kept = ("name", "state", "command", "run", "daemon", "keeper", "child", "epoch", "monotonic")
    assert {key: again[key] for key in kept} == {key: before[key] for key in kept}
    counter.end()
    assert agents.ended(log, counter.id)["exit_code"] == 0


def test_what_neither_log_nor_journal_has_is_said(log: Log, tmp_path: Path) -> None:
    """Bytes that a deleted log had, and that had left the journal, are recorded as lost, and the rest goes on."""
    counter = Counter(log, tmp_path)
    counter.write(700_000)  # over 4 MB: the journal starts anew
    until(counter.is_published, "the first lines")
    run = Run(log.home, counter.id, 1)
    until(lambda: "stdout.0" not in os.listdir(run.path), "the journal has rotated")
    for path in Path(log.home.path).glob("swarm.db*"):
        path.unlink()
    shutil.move(log.home.agents, tmp_path / "agents")
    Log(log.home).close()
    os.rmdir(log.home.agents)
    shutil.move(tmp_path / "agents", log.home.agents)
    counter.write(1000)
    counter.end()
    until(lambda: registry.get(log, counter.id), "the agent is known again")
    agents.ended(log, counter.id)
    (lost,) = log.read(agent_stream(counter.id), types=[OUTPUT_LOST])
    assert (lost.data["stream"], lost.data["start"]) == ("stdout", 0)
    assert agents.output(log, counter.id) == counter.wanted()[lost.data["end"] :]


def test_the_whole_directory_removed(home: Home, tmp_path: Path) -> None:
    """Agents whose state directory is removed go on, their daemons neither end nor spin, and end when they are told."""
    with Log(home) as log:
        counter = Counter(log, tmp_path)
        counter.write(10)
        until(counter.is_published, "the first lines")
    shutil.rmtree(home.path)
    counter.write(10_000)
    daemon, child = counter.agent["daemon"]["pid"], counter.agent["child"]["pid"]
    before = _ticks(daemon)
    with Program(home, "import time; time.sleep(2); say('slept')") as sleeper:
        sleeper.line()
    assert is_running(daemon) and is_running(child)
    assert _ticks(daemon) - before < 50, "the daemon spins"
    counter.end()
    until(lambda: state(child) in (None, "Z"), "the agent ends as it would have")
    os.kill(daemon, 15)
    until(lambda: not processes_of(home.path), "nothing is left")


def test_a_daemon_that_looks_for_a_missed_ring_does_not_spin(log: Log, tmp_path: Path) -> None:
    """Where the log is away when a daemon looks at its inbox unasked, it tries again now and then, and goes on."""
    counter = Counter(log, tmp_path)
    agents.kill(counter.agent["daemon"]["pid"])
    with Program(log.home, LOOKS_OFTEN, counter.id) as daemon:
        until(lambda: agents.get(log, counter.id)["daemon"]["pid"] == daemon.pid, "it has taken over")
        moved = aside(log.home)
        before = _ticks(daemon.pid)
        with Program(log.home, "import time; time.sleep(2); say('slept')") as sleeper:
            sleeper.line()
        assert _ticks(daemon.pid) - before < 50, "the daemon spins"
        for path, to in moved:
            os.rename(to, path)
        counter.end()
        assert agents.ended(log, counter.id)["exit_code"] == 0
        daemon.process.wait(30)


def _ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return int(fields[11]) + int(fields[12])
