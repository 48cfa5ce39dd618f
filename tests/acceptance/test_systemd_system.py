"""A real systemd, the system's: scopes, limits, and a supervisor that may be stopped, killed and frozen."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.looking import until
from support.systemd_box import Box, opened
from swarm_daemon import cgroup

SWARMCTL = str(Path(sys.executable).parent / "swarmctl")
UNIT = "swarmctl-supervisor.service"
FILES = (f"/etc/systemd/system/{UNIT}", "/etc/sysusers.d/swarmctl.conf", "/etc/tmpfiles.d/swarmctl.conf")
COUNT = "n=0; while :; do n=$((n+1)); echo $n; sleep 0.01; done"
Swarmctl = Callable[..., str]


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A systemd that has the machine's controllers."""
    with opened(unified=False) as made:
        yield made


@pytest.fixture
def installed(box: Box) -> Iterator[Swarmctl]:
    """The system's supervisor runs; gives swarmctl as the user swarmctl calls it."""
    box.ok(SWARMCTL, "systemd", "install", "--system")

    def swarmctl(*words: str) -> str:
        as_them = ["runuser", "-u", "swarmctl", "--", "env", "HOME=/var/lib/swarmctl"]
        return box.ok(*as_them, SWARMCTL, *words)

    yield swarmctl
    swarmctl("cancel", "--all", "--grace", "0s")
    box.ok(SWARMCTL, "systemd", "uninstall", "--system")


def agent(swarmctl: Swarmctl, word: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(swarmctl("show", word, "--json"))
    return known


def root(box: Box) -> Swarmctl:
    """swarmctl as root calls it."""
    return lambda *words: box.ok(SWARMCTL, *words)


def supervisor(box: Box) -> int:
    """The PID of the supervisor that systemd considers up, or 0."""
    said = dict(line.split("=", 1) for line in box.ok("systemctl", "show", UNIT, "-p", "ActiveState,MainPID").split())
    return int(said["MainPID"]) if said["ActiveState"] == "active" else 0


def another_supervisor(box: Box, than: int) -> int:
    return until(lambda: (pid := supervisor(box)) not in (0, than) and pid, "another supervisor is up", seconds=15) or 0


def test_an_agent_has_a_scope(box: Box) -> None:
    """Keeper, daemon and child of an agent of root's are in a scope of the run's own, below one slice."""
    one = root(box)("spawn", "--", "sleep", "60")
    known = agent(root(box), one)
    for who in ("keeper", "daemon", "child"):
        assert box.cgroup_of(known[who]["pid"]) == f"/swarmctl.slice/swarm-{one}-1.scope"
    root(box)("cancel", one)
    until(lambda: not box.ok("systemctl", "list-units", "--no-legend", f"swarm-{one}*"), "the scope is gone")


def test_a_systemd_that_hangs_fails_no_spawn(box: Box) -> None:
    """While systemd does not answer, an agent is spawned all the same, where its spawner is."""
    os.kill(box.init, signal.SIGSTOP)
    try:
        one = root(box)("spawn", "--", "sleep", "60")
    finally:
        os.kill(box.init, signal.SIGCONT)
    known = agent(root(box), one)
    assert known["state"] == "running"
    assert "swarm" not in box.cgroup_of(known["child"]["pid"])
    root(box)("cancel", one)


@pytest.mark.parametrize("script", ["sleep 60", "trap 'exit 0' TERM; sleep 60 & wait", "setsid sleep 60 & sleep 60"])
def test_a_scope_that_is_stopped_is_an_orderly_end(box: Box, script: str) -> None:
    """`systemctl stop` of an agent's scope ends it as a cancel would: everything is in the log, and nothing is left."""
    one = root(box)("spawn", "--", "sh", "-c", f"echo begun; {script}")
    box.ok("systemctl", "stop", f"swarm-{one}-1.scope")
    until(lambda: agent(root(box), one)["ended_at"], "it has ended")
    known = agent(root(box), one)
    assert (known["state"], known["reason"]) == ("cancelled", "shutdown")
    assert root(box)("logs", one) == "begun"
    assert not box.run("pgrep", "-f", f"/{one}/").stdout


def test_a_scope_limits(box: Box) -> None:
    """Where systemd has the controllers, limits are the scope's, and what it is killed for is known."""
    asked = {"memory": 64 << 20, "cpu": 1.5, "tasks": 9}
    if len(cgroup.places(1, asked)) < len(asked):
        pytest.skip("the machine has not all the controllers")
    one = root(box)("spawn", "--memory", "64M", "--cpu", "150%", "--tasks", "9", "--", "sleep", "60")
    known = agent(root(box), one)
    assert (known["limits"], known["limited_by"]) == (asked, "scope")
    said = box.ok("systemctl", "show", f"swarm-{one}-1.scope", "-p", "MemoryMax,CPUQuotaPerSecUSec,TasksMax")
    assert set(said.split()) == {f"MemoryMax={64 << 20}", "CPUQuotaPerSecUSec=1.500000s", "TasksMax=11"}
    root(box)("cancel", one)
    hungry = root(box)("spawn", "--memory", "64M", "--", "python", "-c", "x = bytearray(300_000_000); print(len(x))")
    until(lambda: agent(root(box), hungry)["ended_at"], "it has ended")
    known = agent(root(box), hungry)
    assert (known["state"], known["signal"], known["reason"]) == ("failed", "SIGKILL", "memory")


def test_install_and_uninstall(box: Box) -> None:
    """`systemd install --system` makes the user and starts the unit, twice too; uninstall leaves no file of it."""
    assert box.ok(SWARMCTL, "systemd", "install").splitlines() == list(FILES)
    first = supervisor(box)
    assert first and box.ok("stat", "-c", "%U", f"/proc/{first}") == "swarmctl"
    assert box.ok("systemctl", "is-enabled", UNIT) == "enabled"
    assert box.ok("systemctl", "show", UNIT, "-p", "StatusText") == "StatusText=0 agents"
    assert box.ok("stat", "-c", "%U %a", "/var/lib/swarmctl") == "swarmctl 700"
    box.ok(SWARMCTL, "systemd", "install")
    assert supervisor(box) not in (0, first)
    assert box.ok(SWARMCTL, "systemd", "uninstall").splitlines() == list(FILES)
    assert not supervisor(box)
    assert box.run("ls", *FILES).stdout == ""
    again = box.run(SWARMCTL, "systemd", "uninstall")
    assert again.returncode == 1 and again.stderr.startswith("swarmctl: nothing of ours is installed")


def test_agents_outlive_the_supervisor(box: Box, installed: Swarmctl) -> None:
    """Restart, stop and start, kill -9 of the supervisor: agents go on, lost daemons are replaced, no line is lost."""
    ids = [installed("spawn", "--", "sh", "-c", COUNT) for _ in range(3)]
    children = [agent(installed, one)["child"] for one in ids]
    now = supervisor(box)
    for step in (["restart", UNIT], ["kill", "-s", "KILL", UNIT], ["stop", UNIT], ["start", UNIT]):
        box.ok("systemctl", *step)
        if step[0] == "stop":
            assert not supervisor(box)
            box.ok("kill", "-9", str(agent(installed, ids[0])["daemon"]["pid"]))
        else:
            now = another_supervisor(box, now)
    until(lambda: agent(installed, ids[0])["epoch"] == 1, "the one without a daemon is adopted")
    assert [agent(installed, one)["child"] for one in ids] == children
    assert {agent(installed, one)["state"] for one in ids} == {"running"}
    for one in ids:
        installed("cancel", one)
        lines = [int(line) for line in installed("logs", one).splitlines()]
        assert lines == list(range(1, len(lines) + 1)) and len(lines) > 10


def test_a_missed_watchdog_restarts_it(box: Box, installed: Swarmctl) -> None:
    """A supervisor that is frozen is killed by systemd and started again; its agents do not notice."""
    change = f"mkdir -p /run/systemd/system/{UNIT}.d && cd /run/systemd/system/{UNIT}.d && "
    change += "printf '[Service]\\nWatchdogSec=1\\nRestartSec=0\\n' >quick.conf && systemctl daemon-reload"
    box.ok("sh", "-c", change)
    box.ok("systemctl", "restart", UNIT)
    one = installed("spawn", "--", "sleep", "60")
    frozen = supervisor(box)
    box.ok("kill", "-STOP", str(frozen))
    another_supervisor(box, frozen)
    known = agent(installed, one)
    assert (known["state"], known["epoch"], known["run"]) == ("running", 0, 1)
    box.ok("sh", "-c", f"rm -r /run/systemd/system/{UNIT}.d; systemctl daemon-reload")


def test_stopped_on_request_it_stays_stopped(box: Box, installed: Swarmctl) -> None:
    """After `swarmctl supervisor stop` systemd does not start it again, and finds no fault."""
    installed("supervisor", "stop")
    until(lambda: box.run("systemctl", "is-active", UNIT).stdout.strip() == "inactive", "the unit is inactive")
    assert box.ok("systemctl", "show", UNIT, "-p", "Result,NRestarts").split() == ["Result=success", "NRestarts=0"]
