"""`swarmctl doctor`: what is wrong, what to do, and what `--fix` does of it."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support.cli import Swarm, output_of, read_until
from support.damage import WAYS
from support.looking import is_running, until

CHECKS = {
    *("directory", "space", "permissions", "sqlite", "integrity", "projection", "clock", "daemons", "orphans"),
    *("left", "files", "temporary", "supervisor"),
}


def bad(swarm: Swarm, *options: str) -> dict[str, dict[str, Any]]:
    """What doctor finds wrong, by check; its status says whether there is anything."""
    got = swarm.run("doctor", "--json", *options)
    findings = json.loads(got.out)
    wrong = {finding["check"]: finding for finding in findings if not finding["ok"]}
    assert got.status == bool(wrong), got
    assert all(finding["hint"] for finding in wrong.values())
    return wrong


def test_a_sound_home(swarm: Swarm) -> None:
    """A sound home with a living and an ended agent has every check, and all are ok."""
    swarm.ended("echo x")
    swarm.spawn("--", "sleep", "60")
    findings = swarm.json("doctor")
    assert {finding["check"] for finding in findings} == CHECKS
    assert bad(swarm) == {}
    assert swarm.run("doctor", "--fix").error == ""


@pytest.mark.parametrize("way", ["middle", "header", "truncated"])
def test_a_corrupt_log_is_recovered(swarm: Swarm, way: str) -> None:
    """A corrupt log is named; --fix sets it aside and recovers it; what was readable is there, and all is sound."""
    ids = [swarm.ended(f"head -c 40000 /dev/zero | tr '\\0' {n}; echo") for n in range(9)]
    (swarm.home / "swarm.db-wal").unlink(missing_ok=True)
    WAYS[way](str(swarm.home / "swarm.db"))
    assert set(bad(swarm)) & {"integrity", "log"}
    got = swarm.run("doctor", "--fix")
    assert "recovered" in got.error and "swarm.db.damaged-" in got.text
    assert set(bad(swarm)) <= {"files"}  # of agents that are lost altogether, the directories are there
    left = swarm.ok("list", "--all", "-q").split()
    assert set(left) <= set(ids) and (way != "header" or left == ids)
    assert len(list(swarm.home.glob("swarm.db.damaged-*"))) == 1


def test_every_line_of_a_log_deleted_under_writers(swarm: Swarm) -> None:
    """A log that is deleted while agents write is brought back by --fix, and every line of theirs is in it, once."""
    go = swarm.cwd / "go"
    script = f"i=0; while [ ! -e {go} ]; do echo $i; i=$((i+1)); sleep 0.01; done; echo last $i"
    ids = [swarm.sh(script) for _ in range(4)]
    until(lambda: all(len(swarm.logs(one)) > 50 for one in ids), "they write")
    follower = swarm.start("logs", "-f", ids[0])
    seen = read_until(follower.stdout, b"\n20\n")
    for path in swarm.home.glob("swarm.db*"):
        path.unlink()
    assert "gone" in bad(swarm)["log"]["found"]
    got = swarm.run("doctor", "--fix")
    assert got.status == 0 and "copied back" in got.error, got
    go.touch()
    swarm.ok("wait", *ids)
    for one in ids:
        lines = swarm.logs(one).decode().splitlines()
        assert lines == [*map(str, range(len(lines) - 1)), f"last {len(lines) - 1}"]
    assert seen + output_of(follower).out == swarm.logs(ids[0])
    assert bad(swarm) == {}


def test_spawn_brings_a_deleted_log_back(swarm: Swarm) -> None:
    """Where agents run and their log was deleted, the next spawn brings it back instead of beginning a new one."""
    agent = swarm.sh("echo here; exec sleep 60")
    until(lambda: swarm.logs(agent) == b"here\n", "it writes")
    for path in swarm.home.glob("swarm.db*"):
        path.unlink()
    other = swarm.spawn("--", "sleep", "60")
    assert set(swarm.ok("list", "-q").split()) == {agent, other}
    assert swarm.logs(agent) == b"here\n"


def test_a_dead_daemon(swarm: Swarm) -> None:
    """A run without a daemon is named; --fix has it adopted, and its output goes on."""
    os.mkfifo(swarm.cwd / "go")
    agent = swarm.sh("echo one; read x < go; echo two; exec sleep 60", "--cwd", str(swarm.cwd))
    known = swarm.agent(agent)
    os.kill(known["daemon"]["pid"], 9)
    until(lambda: not is_running(known["daemon"]["pid"]), "the daemon is dead")
    assert agent in bad(swarm)["daemons"]["found"]
    assert bad(swarm, "--fix") == {}
    (swarm.cwd / "go").write_text("x\n")
    until(lambda: swarm.logs(agent) == b"one\ntwo\n", "its output goes on")
    assert swarm.agent(agent)["child"] == known["child"]


def test_open_modes_are_closed(swarm: Swarm) -> None:
    """Files that others could open are named, and closed by --fix; so is the directory itself."""
    agent = swarm.ended("true")
    for path in (swarm.home / "swarm.db", swarm.home / "agents" / agent):
        path.chmod(0o755)
    assert str(swarm.home / "agents" / agent) in bad(swarm)["permissions"]["found"]
    swarm.home.chmod(0o755)
    assert set(bad(swarm)) == {"directory"}
    assert bad(swarm, "--fix") == {}
    assert swarm.home.stat().st_mode & 0o777 == 0o700


def test_rows_that_differ_are_written_anew(swarm: Swarm) -> None:
    """Where an agent's row is not what its events say, --fix writes it anew from them."""
    agent = swarm.ended("exit 3")
    database = sqlite3.connect(swarm.home / "swarm.db")
    with database:
        database.execute("UPDATE agents SET agent = json_set(agent, '$.exit_code', 0)")
    database.close()
    assert agent in bad(swarm)["projection"]["found"]
    assert bad(swarm, "--fix") == {}
    assert swarm.agent(agent)["exit_code"] == 3


def test_leftovers_are_cleared_up(swarm: Swarm) -> None:
    """Bells of the dead, halves of recoveries and runs of ended agents go with --fix; damaged logs stay."""
    agent = swarm.ended("true")
    run = swarm.home / "agents" / agent / "run-1"
    until(lambda: not run.exists(), "the daemon has cleared up")
    run.mkdir(mode=0o700)
    bell = swarm.home / "bells" / "registry"
    bell.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.mkfifo(bell / "4194303.1", 0o600)
    for name in ("swarm.db.new", "swarm.db.restoring-wal", "swarm.db.damaged-1"):
        (swarm.home / name).touch(0o600)
    wrong = bad(swarm)
    assert set(wrong) == {"files", "temporary"}
    assert agent in wrong["files"]["found"] and "4194303.1" in wrong["temporary"]["found"]
    assert bad(swarm, "--fix") == {}
    assert not run.exists() and not (bell / "4194303.1").exists()
    assert {path.name for path in swarm.home.glob("swarm.db.*")} == {"swarm.db.damaged-1", "swarm.db.lock"}


def test_processes_that_nobody_accounts_for(swarm: Swarm) -> None:
    """A process that carries the mark of no known agent, or of one that has ended, is named and left alone."""
    agent = swarm.ended("(setsid sleep 60 >/dev/null 2>&1 &) ; exit 0")
    stray = subprocess.Popen(["sleep", "60"], env={"SWARM_RUN": "nobody.1", "SWARM_HOME": str(swarm.home)})
    try:
        assert f"{stray.pid} (nobody.1)" in bad(swarm)["orphans"]["found"]
        assert stray.poll() is None
    finally:
        stray.kill()
        stray.wait()
    until(lambda: "left" in bad(swarm), "what the agent left is named, once its daemon has cleared up")
    found = bad(swarm, "--fix")["left"]["found"]
    assert f"({agent}.1)" in found
    os.kill(int(found.partition(": ")[2].split()[0]), 9)
    until(lambda: bad(swarm) == {}, "nothing is left")


def test_a_clock_that_was_set_back(swarm: Swarm) -> None:
    """Records of the future say that the clock was set back."""
    swarm.ended("true")
    database = sqlite3.connect(swarm.home / "swarm.db")
    with database:
        database.execute("UPDATE records SET time = time + 86400000000 WHERE type = 'agent:removed' OR key = 'none'")
        database.execute(
            "INSERT INTO records(stream_id, offset, time, type, key, data)"
            " SELECT stream_id, max(offset) + 1, max(time) + 86400000000, 'clock:seen', 'none', '{}' FROM records"
            " WHERE stream_id = 1"
        )
        database.execute("UPDATE streams SET head = head + 1 WHERE id = 1")
    database.close()
    wrong = bad(swarm)
    assert set(wrong) == {"clock"} and "set back by about 86" in wrong["clock"]["found"]


def test_a_half_removed_agent(swarm: Swarm) -> None:
    """What a removal that was killed has left is named, and deleted by --fix."""
    agent = swarm.ended("echo x")
    swarm.ok("rm", agent)
    database = sqlite3.connect(swarm.home / "swarm.db")
    with database:
        database.execute("INSERT INTO streams(name, head) VALUES (?, 0)", (f"agents/{agent}",))
    database.close()
    assert agent in bad(swarm)["files"]["found"]
    assert bad(swarm, "--fix") == {}


def test_a_read_only_home_is_only_looked_at(swarm: Swarm) -> None:
    """Where nothing may be written, doctor still says what it finds, and --fix what it could not do."""
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    swarm.ended("true")
    Path(swarm.home).chmod(0o500)
    try:
        assert "log" in bad(swarm) or bad(swarm) == {}
    finally:
        Path(swarm.home).chmod(0o700)
