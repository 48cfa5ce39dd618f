"""A real systemd that runs the server: its unit beside the supervisor's, and agents that outlive both."""

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
UNIT = "swarmctl-serve.service"
HOME = "/var/lib/swarmctl"
# The network is the machine's, whose usual port may be taken.
PORT = '[Service]\nEnvironment="SWARM_SERVE=--uds /var/lib/swarmctl/socket"\n'
INHERITED = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "INVOCATION_ID", "SWARM_SERVE")


@pytest.fixture(scope="module")
def box() -> Iterator[Box]:
    """A systemd whose system runs the supervisor and the server."""
    with opened(unified=False) as made:
        made.ok("mkdir", "-p", f"/etc/systemd/system/{UNIT}.d")
        made.ok("sh", "-c", f"printf '%s' '{PORT}' > /etc/systemd/system/{UNIT}.d/port.conf")
        made.ok(SWARMCTL, "systemd", "install", "--system", "--serve")
        yield made
        as_them(made, "cancel", "--all", "--grace", "0s")
        made.ok(SWARMCTL, "systemd", "uninstall", "--system")


def as_them(box: Box, *words: str) -> str:
    """swarmctl as the user whose agents these are."""
    return box.ok("runuser", "-u", "swarmctl", "--", "env", f"HOME={HOME}", SWARMCTL, *words)


def ask(box: Box, method: str, path: str, body: str = "") -> Any:
    """What the server answers to a request with the admin's token."""
    token = box.ok("cat", f"{HOME}/.local/state/swarmctl/token").strip()
    head = ["-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json"]
    asked = ["curl", "-sS", "--unix-socket", f"{HOME}/socket", "-X", method, *head, *(["-d", body] if body else [])]
    return json.loads(box.ok(*asked, f"http://localhost{path}"))


def main_pid(box: Box) -> int:
    """The PID of the server that systemd considers up, or 0."""
    said = dict(line.split("=", 1) for line in box.ok("systemctl", "show", UNIT, "-p", "ActiveState,MainPID").split())
    return int(said["MainPID"]) if said["ActiveState"] == "active" else 0


def test_a_server_that_is_up_answers(box: Box) -> None:
    """When systemd says that the server is started it answers, as the agents' user, and watches over itself."""
    assert box.ok("stat", "-c", "%U", f"/proc/{main_pid(box)}") == "swarmctl"
    assert ask(box, "GET", "/healthz") == {"status": "ok"}
    assert "WatchdogTimestamp" in box.ok("systemctl", "show", UNIT, "-p", "WatchdogTimestamp")


@pytest.mark.parametrize("how", [("restart",), ("kill", "-s", "KILL", "--kill-whom=main")])
def test_agents_that_were_spawned_through_it_outlive_it(box: Box, how: tuple[str, ...]) -> None:
    """An agent that was spawned over HTTP goes on when the server is restarted or killed, and inherits none of it."""
    agent = ask(box, "POST", "/v1/agents", json.dumps({"command": ["sleep", "60"]}))
    before = main_pid(box)
    box.ok("systemctl", *how, UNIT)
    until(lambda: main_pid(box) not in (0, before), "another server is up", seconds=15)
    found = ask(box, "GET", f"/v1/agents/{agent['id']}")
    assert (found["state"], found["child"]) == ("running", agent["child"])
    environment = box.ok("cat", f"/proc/{agent['child']['pid']}/environ")
    assert not [name for name in INHERITED if name in environment]
