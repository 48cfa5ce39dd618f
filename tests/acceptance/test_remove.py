"""`swarmctl rm`, `prune` and `doctor`: forgetting what has ended, and saying what is wrong."""

from __future__ import annotations

import json
import os

from support.cli import Swarm
from support.looking import is_running, until


def test_rm_forgets_an_ended_agent(swarm: Swarm) -> None:
    """`rm` deletes agents with their output and files; their lifecycle stays in the log."""
    kept, gone, named = swarm.ended("echo 1"), swarm.ended("echo 2"), swarm.ended("echo 3", "--name", "n")
    swarm.ok("rm", gone, "n")
    assert swarm.ok("list", "--all", "-q").split() == [kept]
    swarm.refused(3, "logs", gone)
    assert not (swarm.home / "agents" / gone).exists()
    removed = {record["agent"] for record in swarm.json("events", "--type", "agent:removed")}
    assert removed == {gone, named}
    written = swarm.json("events", "--type", "stdout:written")
    assert [record["stream"] for record in written] == [f"agents/{kept}"]


def test_rm_refuses_the_living(swarm: Swarm) -> None:
    """`rm` of a living agent is status 4, and removes none of those named."""
    ended, living = swarm.ended("true"), swarm.spawn("--", "sleep", "60")
    assert living in swarm.refused(4, "rm", ended, living)
    assert swarm.ok("list", "--all", "-q").split() == [ended, living]


def test_rm_refuses_all_where_one_is_unknown(swarm: Swarm) -> None:
    """`rm` removes nothing where one of the words means no agent."""
    ended = swarm.ended("true")
    swarm.refused(3, "rm", ended, "nobody")
    assert swarm.agent(ended)["state"] == "completed"


def test_prune_deletes_what_is_old(swarm: Swarm) -> None:
    """`prune` deletes agents that ended longer ago than it says, prints their ids, and leaves the others."""
    old = [swarm.ended("echo x"), swarm.ended("false")]
    living = swarm.spawn("--", "sleep", "60")
    assert swarm.ok("prune", "--older-than", "1h") == ""
    assert swarm.ok("prune", "--older-than", "0s").split() == old
    assert swarm.ok("list", "--all", "-q").split() == [living]


def test_prune_gives_space_back(swarm: Swarm) -> None:
    """After a prune the log's file is smaller."""
    swarm.ended("head -c 3000000 /dev/urandom")
    before = _size(swarm)
    swarm.ok("prune", "--older-than", "0s")
    assert _size(swarm) < before - 2_500_000


def _size(swarm: Swarm) -> int:
    """The bytes of the log with what is not checkpointed yet."""
    return sum(file.stat().st_size for file in swarm.home.glob("swarm.db*"))


def test_prune_needs_a_limit(swarm: Swarm) -> None:
    """`prune` without a limit is wrong usage: it never means everything by accident."""
    swarm.refused(2, "prune")
    swarm.refused(2, "prune", "--label", "a=b")
    swarm.refused(2, "prune", "--larger-than", "many")


def test_prune_keeps_the_newest(swarm: Swarm) -> None:
    """`--keep N` deletes all but the newest N; what a dry run says is what is deleted; labels narrow the choice."""
    ended = [swarm.ended("echo x", "--label", f"n={n % 2}") for n in range(5)]
    assert swarm.ok("prune", "--keep", "3", "--dry-run").split() == ended[:2]
    assert swarm.ok("list", "--all", "-q").split() == ended
    assert swarm.ok("prune", "--keep", "3", "--older-than", "1h") == ""
    assert swarm.ok("prune", "--keep", "3").split() == ended[:2]
    assert swarm.ok("prune", "--keep", "1", "--label", "n=0").split() == [ended[2]]
    assert swarm.ok("list", "--all", "-q").split() == ended[3:]


def test_prune_makes_the_log_small(swarm: Swarm) -> None:
    """`--larger-than S` deletes the oldest until the log is no larger than that, and no more."""
    ended = [swarm.ended("head -c 2000000 /dev/urandom") for _ in range(3)]
    assert swarm.ok("prune", "--larger-than", "1G") == ""
    assert swarm.ok("prune", "--larger-than", "5M").split() == ended[:1]
    assert _size(swarm) < 5 << 20
    assert swarm.ok("list", "--all", "-q").split() == ended[1:]


def test_prune_leaves_what_may_be_restarted(swarm: Swarm) -> None:
    """An ended agent that its restart policy may start again is not pruned; one that it will not, is."""
    again, done = swarm.ended("exit 1", "--restart", "on-failure"), swarm.ended("true", "--restart", "on-failure")
    assert swarm.ok("prune", "--keep", "0").split() == [done]
    assert swarm.ok("list", "--all", "-q").split() == [again]


def test_doctor_finds_a_sound_home(swarm: Swarm) -> None:
    """`doctor` of a sound home has status 0, every check ok, and says which SQLite is in use."""
    agent = swarm.spawn("--", "sleep", "60")
    findings = swarm.json("doctor")
    assert all(finding["ok"] for finding in findings) and agent
    assert any(finding["check"] == "sqlite" and "SQLite 3." in finding["found"] for finding in findings)
    assert all(line.startswith("ok ") for line in swarm.ok("doctor").splitlines())


def test_doctor_of_an_empty_home_makes_nothing(fresh: Swarm) -> None:
    """`doctor` works where nothing has ever been spawned, and only looks."""
    fresh.ok("doctor")
    assert not fresh.home.exists()


def test_doctor_names_a_dead_daemon(swarm: Swarm) -> None:
    """`doctor` has status 1 and names the agent whose daemon was killed, and what to do; cancel then ends it."""
    agent = swarm.spawn("--", "sleep", "60")
    known = swarm.agent(agent)
    os.kill(known["daemon"]["pid"], 9)
    until(lambda: not is_running(known["daemon"]["pid"]), "the daemon is dead")
    got = swarm.run("doctor", "--json")
    (bad,) = [finding for finding in json.loads(got.out) if not finding["ok"]]
    assert got.status == 1 and agent in bad["found"] and "cancel" in bad["hint"]
    assert is_running(known["child"]["pid"])
    swarm.ok("cancel", agent)
    assert swarm.agent(agent)["state"] == "cancelled"


def test_doctor_names_a_damaged_log(swarm: Swarm) -> None:
    """`doctor` of a home whose log is no database has status 1 and says what to do, in text and in JSON."""
    (swarm.home / "swarm.db").write_bytes(b"not a database" * 1000)
    got = swarm.run("doctor")
    assert got.status == 1 and "BAD" in got.text and "damaged" in got.text
    findings = json.loads(swarm.run("doctor", "--json").out)
    assert [finding["check"] for finding in findings if not finding["ok"]] == ["log"]
