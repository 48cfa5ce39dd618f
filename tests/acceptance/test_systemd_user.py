"""A real systemd, a user's own: scopes of a user's agents, and the supervisor as a user's unit."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.looking import until
from support.systemd_box import Box, opened

SWARMCTL = str(Path(sys.executable).parent / "swarmctl")
UNIT = "swarmctl-supervisor.service"


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A systemd with version 2 of cgroups alone, and a user's manager beside the system's."""
    with opened(unified=True) as made:
        made.ok("systemctl", "start", f"user@{made.user.pw_uid}.service")
        yield made


@pytest.fixture
def installed(box: Box) -> Iterator[Path]:
    """The user's supervisor runs; its unit."""
    yield Path(swarmctl(box, "systemd", "install", "--user"))
    swarmctl(box, "cancel", "--all", "--grace", "0s")
    box.run(SWARMCTL, "systemd", "uninstall", user=True)


def swarmctl(box: Box, *words: str) -> str:
    return box.ok(SWARMCTL, *words, user=True)


def agent(box: Box, word: str) -> dict[str, Any]:
    known: dict[str, Any] = json.loads(swarmctl(box, "show", word, "--json"))
    return known


def systemctl(box: Box, *words: str) -> str:
    return box.ok("systemctl", "--user", *words, user=True)


def supervisor(box: Box) -> int:
    """The PID of the supervisor that systemd considers up, or 0."""
    said = dict(line.split("=", 1) for line in systemctl(box, "show", UNIT, "-p", "ActiveState,MainPID").split())
    return int(said["MainPID"]) if said["ActiveState"] == "active" else 0


def scope_of(box: Box, one: str, run: int = 1) -> str:
    """Where a run of the user's has its scope."""
    manager = f"/user.slice/user-{box.user.pw_uid}.slice/user@{box.user.pw_uid}.service"
    return f"{manager}/app.slice/app-swarmctl.slice/swarm-{one}-{run}.scope"


def test_an_agent_has_a_scope(box: Box) -> None:
    """A user's agent is in a scope of their own manager's, and stopping that is an orderly end."""
    one = swarmctl(box, "spawn", "--", "sleep", "60")
    known = agent(box, one)
    for who in ("keeper", "daemon", "child"):
        assert box.cgroup_of(known[who]["pid"]) == scope_of(box, one)
    systemctl(box, "stop", f"swarm-{one}-1.scope")
    until(lambda: agent(box, one)["ended_at"], "it has ended")
    known = agent(box, one)
    assert (known["state"], known["reason"]) == ("cancelled", "shutdown")


def test_who_does_not_linger_has_no_scopes(box: Box) -> None:
    """Where logging out would end the manager and its scopes, agents stay where they were spawned."""
    linger = f"/var/lib/systemd/linger/{box.user.pw_name}"
    box.ok("rm", linger)
    try:
        one = swarmctl(box, "spawn", "--", "sleep", "60")
        assert "swarm" not in box.cgroup_of(agent(box, one)["child"]["pid"])
        swarmctl(box, "cancel", one)
        said = box.run(SWARMCTL, "systemd", "install", user=True)
        assert said.returncode == 0 and f"loginctl enable-linger {box.user.pw_name}" in said.stderr
        swarmctl(box, "systemd", "uninstall")
    finally:
        box.ok("touch", linger)


def test_install_and_uninstall(box: Box, installed: Path) -> None:
    """`systemd install --user` starts the user's unit, enabled for the next login; uninstall leaves nothing of it."""
    assert installed == Path(box.user.pw_dir, ".config/systemd/user", UNIT)
    assert box.ok("stat", "-c", "%U", f"/proc/{supervisor(box)}") == box.user.pw_name
    assert systemctl(box, "is-enabled", UNIT) == "enabled"
    assert json.loads(swarmctl(box, "supervisor", "status", "--json"))["running"] is True
    assert swarmctl(box, "systemd", "uninstall", "--user") == str(installed)
    assert not supervisor(box)
    assert not box.run("find", str(installed.parent), "-name", "swarmctl*").stdout


def test_install_without_starting(box: Box) -> None:
    """With --no-start the unit is enabled and not started."""
    swarmctl(box, "systemd", "install", "--user", "--no-start")
    assert (systemctl(box, "is-enabled", UNIT), supervisor(box)) == ("enabled", 0)
    swarmctl(box, "systemd", "uninstall")


def test_a_successor_joins_the_scope(box: Box, installed: Path) -> None:
    """The daemon that the supervisor gives an agent instead of its killed one is in the agent's scope."""
    one = swarmctl(box, "spawn", "--", "sleep", "60")
    box.ok("kill", "-9", str(agent(box, one)["daemon"]["pid"]))
    until(lambda: agent(box, one)["epoch"] == 1, "it is adopted")
    successor = agent(box, one)["daemon"]["pid"]
    until(lambda: box.cgroup_of(successor) == scope_of(box, one), "it is in the scope", seconds=5)


def test_a_new_run_has_a_scope_of_its_own(box: Box, installed: Path) -> None:
    """The run that the supervisor starts by policy is in a scope of its own, not in the supervisor's unit."""
    one = swarmctl(box, "spawn", "--restart", "always", "--", "sleep", "60")
    box.ok("kill", "-9", str(agent(box, one)["child"]["pid"]))
    until(lambda: agent(box, one)["run"] == 2 and agent(box, one)["state"] == "running", "its second run")
    assert box.cgroup_of(agent(box, one)["child"]["pid"]) == scope_of(box, one, run=2)


def test_agents_outlive_the_supervisor(box: Box, installed: Path) -> None:
    """Restart, kill -9 and stop of a user's supervisor: their agents go on."""
    one = swarmctl(box, "spawn", "--", "sleep", "60")
    child = agent(box, one)["child"]
    for step in ("restart", "kill --signal=KILL", "stop"):
        before = supervisor(box)
        systemctl(box, *step.split(), UNIT)
        if step != "stop":
            until(lambda before=before: supervisor(box) not in (0, before), "another supervisor is up")  # type: ignore[misc]
    known = agent(box, one)
    assert (known["state"], known["child"], known["epoch"]) == ("running", child, 0)
