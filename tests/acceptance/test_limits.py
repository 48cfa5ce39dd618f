"""Limits of agents without systemd: by a cgroup of the run's own, by what each process inherits, or not at all."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from support.cli import SWARMCTL, Swarm
from support.looking import is_running, until
from swarm_daemon import cgroup

HUNGRY = ("python", "-c", "x = bytearray(300_000_000); print('fed')")
FORKS = """
import os, signal, time
children = []
try:
    while True:
        children.append(os.fork())
        if children[-1] == 0:
            time.sleep(60)
except BlockingIOError:
    print(len(children))
for child in children:
    os.kill(child, signal.SIGKILL)
    os.wait()
"""


def cgroups_of(agent: str) -> list[str]:
    """The cgroups that are named after the agent, in every hierarchy."""
    return [place for place, _, _ in os.walk("/sys/fs/cgroup") if place.endswith(f"/{agent}.1")]


@pytest.fixture
def limited() -> None:
    """Only where this user may make cgroups that limit, and systemd does not do it."""
    if Path("/run/systemd/private").exists():
        pytest.skip("here systemd makes the cgroups: see the tests in a box")
    found = cgroup.places(os.getpid(), {"memory": 0, "cpu": 0, "tasks": 0})
    if len(found) < 3 or not all(os.access(directory, os.W_OK) for directory, _ in found.values()):
        pytest.skip("no cgroup controllers that this user may use")
    if any(version == 2 for _, version in found.values()):
        pytest.skip("version 2 limits nothing below a cgroup that has processes, as this one has")


def confined(swarm: Swarm, *args: str) -> list[str]:
    """The words that run swarmctl where no cgroups can be used: by root where none are mounted, by others as it is."""
    script = 'umount -lR /sys/fs/cgroup; exec "$@"'
    hide = ["unshare", "--mount", "sh", "-c", script, "sh"] if os.geteuid() == 0 else []
    return [*hide, SWARMCTL, *args]


@pytest.mark.usefixtures("limited")
def test_limits_are_shown_and_in_force(swarm: Swarm) -> None:
    """An agent with limits shows them and what enforces them; daemon and keeper are in its cgroup too."""
    agent = swarm.sh("sleep 60", "--memory", "64M", "--cpu", "150%", "--tasks", "9")
    known = swarm.agent(agent)
    assert known["limits"] == {"memory": 64 << 20, "cpu": 1.5, "tasks": 9}
    assert known["limited_by"] == "cgroup"
    places = {known[who]["pid"]: cgroup.paths(known[who]["pid"]) for who in ("daemon", "keeper", "child")}
    for paths in places.values():
        assert all(paths[one].endswith(f"/swarmctl/{agent}.1") for one in ("memory", "cpu", "pids")), paths
    assert all(cgroup.enforces(pid, known["limits"]) for pid in places)
    (memory,) = cgroup.memory_directory(known["child"]["pid"])
    assert (Path(memory) / "memory.limit_in_bytes").read_text().strip() == str(64 << 20)


@pytest.mark.usefixtures("limited")
def test_its_cgroups_end_with_it(swarm: Swarm) -> None:
    """When an agent with limits has ended, nothing is left of its cgroups, whoever ended it."""
    one, other = (swarm.sh("sleep 60", "--memory", "64M", "--tasks", "9") for _ in range(2))
    assert len(cgroups_of(one)) == len(cgroups_of(other)) == 2
    swarm.ok("cancel", one)
    os.kill(swarm.agent(other)["daemon"]["pid"], signal.SIGKILL)
    until(lambda: swarm.run("cancel", other).status in (0, 4), "the other is cancelled without a daemon")
    until(lambda: not cgroups_of(one) + cgroups_of(other), "their cgroups are gone")


@pytest.mark.usefixtures("limited")
def test_killed_for_memory(swarm: Swarm) -> None:
    """An agent that the kernel kills because it wants more memory than it may have has failed for that reason."""
    agent = swarm.spawn("--memory", "64M", "--", *HUNGRY)
    assert swarm.run("wait", agent).status == 128 + signal.SIGKILL
    known = swarm.agent(agent)
    assert (known["state"], known["signal"], known["reason"]) == ("failed", "SIGKILL", "memory")


@pytest.mark.usefixtures("limited")
def test_killed_for_another_reason(swarm: Swarm) -> None:
    """An agent with a limit of memory that is killed by somebody has not failed for memory."""
    agent = swarm.spawn("--memory", "64M", "--", "sleep", "60")
    os.kill(swarm.agent(agent)["child"]["pid"], signal.SIGKILL)
    swarm.run("wait", agent)
    assert swarm.agent(agent)["reason"] is None


@pytest.mark.usefixtures("limited")
def test_tasks_are_the_agents_own(swarm: Swarm) -> None:
    """An agent has as many processes as it may, beside its daemon and keeper, and no more."""
    agent = swarm.spawn("--tasks", "4", "--", "python", "-c", FORKS)
    assert swarm.run("wait", agent).status == 0
    assert swarm.logs(agent) == b"3\n"


@pytest.mark.usefixtures("limited")
def test_what_is_left_running_keeps_its_limits(swarm: Swarm) -> None:
    """What an agent leaves running stays in its cgroup; once that is empty, the next that needs one removes it."""
    agent = swarm.ended("sleep 60 >/dev/null 2>&1 &", "--tasks", "9")
    daemon = swarm.agent(agent)["daemon"]["pid"]
    until(lambda: not is_running(daemon), "its daemon has cleared up")
    (place,) = cgroups_of(agent)
    (left,) = (Path(place) / "cgroup.procs").read_text().split()
    os.kill(int(left), signal.SIGKILL)
    until(lambda: not (Path(place) / "cgroup.procs").read_text(), "it is empty")
    swarm.ended("true", "--tasks", "9")
    assert not cgroups_of(agent)


def test_without_cgroups_memory_is_limited_by_process(swarm: Swarm) -> None:
    """Where no cgroup can be had, each process may have as much memory as the agent, and is denied more."""
    if os.geteuid() != 0 and Path(f"/run/user/{os.geteuid()}/systemd/private").exists():
        pytest.skip("here systemd may make the cgroups: see the tests in a box")
    got = swarm.command(confined(swarm, "spawn", "--memory", "200M", "--", *HUNGRY))
    assert got.status == 0, got
    agent = got.text.strip()
    swarm.run("wait", agent)
    known = swarm.agent(agent)
    assert (known["limited_by"], known["state"], known["exit_code"]) == ("rlimit", "failed", 1)
    assert b"MemoryError" in swarm.logs("--stream", "stderr", agent)


def test_what_nothing_enforces_is_refused(swarm: Swarm) -> None:
    """Where nothing can enforce a limit, one line says so, and no process of the agent is left."""
    if os.geteuid() != 0 and Path(f"/run/user/{os.geteuid()}/systemd/private").exists():
        pytest.skip("here systemd may make the cgroups: see the tests in a box")
    got = swarm.command(confined(swarm, "spawn", "--memory", "200M", "--tasks", "9", "--", "sleep", "60"))
    assert got.status == 125 and got.out == b""
    assert got.error.startswith("swarmctl: nothing here enforces --memory and --tasks") and got.error.count("\n") == 1
    (known,) = swarm.json("list", "--all")
    assert (known["state"], known["limited_by"]) == ("failed", None)
