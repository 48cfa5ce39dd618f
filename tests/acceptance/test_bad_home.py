"""A state directory that cannot be used: refused with what to do, or, while agents run, waited for."""

from __future__ import annotations

import os

import pytest

from support.cli import Swarm
from support.homes import fill

READS = [("list",), ("show", "x"), ("logs", "x"), ("events",)]
WRITES = [("spawn", "--", "true"), ("cancel", "--all"), ("prune", "--older-than", "1d")]


@pytest.mark.parametrize("args", READS + WRITES, ids=" ".join)
def test_open_to_others(swarm: Swarm, args: tuple[str, ...]) -> None:
    """A home that others can read is refused by every verb, and the line has the chmod that helps."""
    swarm.home.chmod(0o755)
    assert f"chmod 700 {swarm.home}" in swarm.refused(1, *args)
    swarm.home.chmod(0o700)
    assert swarm.json("list", "--all") == []


@pytest.mark.parametrize("args", READS + WRITES, ids=" ".join)
def test_a_damaged_log(swarm: Swarm, args: tuple[str, ...]) -> None:
    """A log that is no database is refused by every verb, not replaced, and the line warns not to delete it."""
    damaged = os.urandom(20_000)
    (swarm.home / "swarm.db").write_bytes(damaged)
    line = swarm.refused(1, *args)
    assert "damaged" in line and "do not delete" in line
    assert (swarm.home / "swarm.db").read_bytes() == damaged


def test_somebody_elses_database(swarm: Swarm) -> None:
    """A database that is no event log is not written to."""
    (swarm.home / "swarm.db").unlink()
    made = f"import sqlite3; sqlite3.connect({str(swarm.home / 'swarm.db')!r}).execute('CREATE TABLE mine(a)')"
    assert swarm.command(["python", "-c", made]).status == 0
    before = (swarm.home / "swarm.db").read_bytes()
    assert "not an event log" in swarm.refused(1, "spawn", "--", "true")
    assert (swarm.home / "swarm.db").read_bytes() == before


@pytest.mark.parametrize("place", ["/proc/swarm", "/etc/passwd", "/etc/passwd/inner"])
def test_a_place_that_cannot_be(fresh: Swarm, place: str) -> None:
    """A home that cannot be made is refused with its path and with the variable that names another."""
    line = fresh.refused(1, "spawn", "--", "true", SWARM_HOME=place)
    assert place in line and "SWARM_HOME" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_place_without_permission(fresh: Swarm) -> None:
    """A home in a directory that one cannot write to is refused with its path."""
    fresh.cwd.chmod(0o500)
    line = fresh.refused(1, "spawn", "--", "true", SWARM_HOME=str(fresh.cwd / "home"))
    fresh.cwd.chmod(0o700)
    assert str(fresh.cwd / "home") in line


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_another_users_home(swarm: Swarm) -> None:
    """A home that belongs to somebody else is refused."""
    os.chown(swarm.home, 65534, 65534)
    assert "65534" in swarm.refused(1, "list")
    os.chown(swarm.home, 0, 0)


def test_a_deleted_directory(swarm: Swarm) -> None:
    """From a directory that has been deleted, reads work, and a spawn works with --cwd."""
    script = "mkdir d && cd d && rmdir ../d && "
    assert swarm.shell(script + "swarmctl list -q") == (0, b"", b"")
    got = swarm.shell(script + "swarmctl spawn --wait --cwd / -- pwd")
    assert (got.status, swarm.logs(got.text.strip())) == (0, b"/\n")


def test_no_space_for_a_spawn(small: Swarm) -> None:
    """On a full disk a spawn is refused in words and leaves no agent; when there is room again, it works."""
    small.ended("true")
    fill(small)
    assert "space" in small.refused(1, "spawn", "--", "true")
    assert len(small.json("list", "--all")) == 1
    (small.home.parent / "fill").unlink()
    small.ended("true")


def test_reads_work_on_a_full_disk(small: Swarm) -> None:
    """On a full disk, what is in the log can still be read."""
    agent = small.ended("echo kept")
    fill(small)
    assert small.logs(agent) == b"kept\n"
    assert small.agent(agent)["state"] == "completed"
