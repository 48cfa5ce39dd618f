"""Twenty agents beside a real systemd, whose supervisor is restarted, stopped, started and killed: none notices.

    sudo make systemd-demo

Once with the system's manager and once with a user's, each in namespaces of its own; then limits. Prints what it runs
and what came of it; status 1 where an agent was harmed or a line is missing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from support.looking import until
from support.systemd_box import ROOT, Box, NoBox

AGENTS = 20
SWARMCTL = str(Path(sys.executable).parent / "swarmctl")
UNIT = "swarmctl-supervisor.service"
WRITER = 'n=0; until [ -e "$0" ]; do n=$((n+1)); echo $n; sleep 0.02; done; echo end'


class Manager:
    """The system's manager, or a user's: swarmctl and systemctl as its agents' user calls them."""

    def __init__(self, box: Box, *, user: bool) -> None:
        self.box = box
        self.user = user
        self.which = "--user" if user else "--system"
        self.name = "a user's systemd" if user else "the system's systemd"
        self.enough = f"/tmp/enough{self.which}"

    def ctl(self, *words: str) -> str:
        print(f"$ systemctl {self.which} {' '.join(words)}", flush=True)
        return self.box.ok("systemctl", self.which, *words, user=self.user)

    def swarmctl(self, *words: str) -> str:
        """As the user whose supervisor it is: the system's unit is of the user swarmctl."""
        if self.user:
            return self.box.ok(SWARMCTL, *words, user=True)
        as_them = ("runuser", "-u", "swarmctl", "--", "env", "HOME=/var/lib/swarmctl")
        return self.box.ok(*as_them, SWARMCTL, *words)

    def install(self, verb: str) -> None:
        """`verb` is install or uninstall."""
        print(f"$ swarmctl systemd {verb} {self.which}", flush=True)
        self.box.ok(SWARMCTL, "systemd", verb, self.which, user=self.user)

    def agents(self) -> list[dict[str, Any]]:
        known: list[dict[str, Any]] = json.loads(self.swarmctl("list", "--all", "--json"))
        return known

    def supervisor(self) -> int:
        """The PID of the supervisor that is up, or 0."""
        words = ("systemctl", self.which, "show", UNIT, "-p", "ActiveState,MainPID")
        said = dict(line.split("=", 1) for line in self.box.ok(*words, user=self.user).split())
        return int(said["MainPID"]) if said["ActiveState"] == "active" else 0


def go_through(manager: Manager) -> list[str]:
    """All of it with one manager; what went wrong."""
    print(f"\n# {manager.name}: {AGENTS} agents writing, a supervisor as its unit.", flush=True)
    manager.install("install")
    for _ in range(AGENTS):
        manager.swarmctl("spawn", "--", "sh", "-c", WRITER, manager.enough)
    before = {agent["id"]: agent for agent in manager.agents()}
    pid = until(manager.supervisor, "the supervisor is up")
    print(f"supervisor {pid}; {len(before)} agents, {_scopes(manager)} scopes", flush=True)

    manager.ctl("restart", UNIT)
    pid = _another(manager, pid)
    victims = list(before)[:5]
    manager.ctl("stop", UNIT)
    _kill_daemons(manager, victims)
    print(f"without a supervisor: {_shown(manager)}", flush=True)
    manager.ctl("start", UNIT)
    pid = _another(manager, pid)
    _adopted(manager, victims, 1)
    manager.ctl("kill", "-s", "KILL", UNIT)
    pid = _another(manager, pid)
    _kill_daemons(manager, list(before))
    _adopted(manager, list(before), 2, least=1)
    print(f"after all that: {_shown(manager)}", flush=True)

    problems = [
        f"{agent['id']}: another child, or none"
        for agent in manager.agents()
        if agent["state"] != "running" or agent["child"] != before[agent["id"]]["child"]
    ]
    manager.box.ok("touch", manager.enough)
    manager.swarmctl("wait", "--timeout", "20s", *before)
    lines = 0
    for one in before:
        *numbers, last = manager.swarmctl("logs", one).split()
        lines += len(numbers) + 1
        if last != "end" or [int(number) for number in numbers] != list(range(1, len(numbers) + 1)):
            problems.append(f"{one}: its lines are not all there, once and in order")
    manager.install("uninstall")
    print(
        f"{len(before)} agents ended with status 0; {lines} lines, once and in order; problems: {problems}", flush=True
    )
    return problems


def limits(box: Box) -> list[str]:
    """Memory, tasks and CPU of a scope of root's; what went wrong."""
    print("\n# Limits, by the agent's scope.", flush=True)
    asked = ("--memory", "64M", "--tasks", "8", "--cpu", "50%")
    print(f"$ swarmctl spawn {' '.join(asked)} -- python -c 'x = bytearray(300_000_000)'", flush=True)
    hungry = box.ok(SWARMCTL, "spawn", *asked, "--", "python", "-c", "x = bytearray(300_000_000)")
    box.run(SWARMCTL, "wait", hungry)
    known = json.loads(box.ok(SWARMCTL, "show", "--json", hungry))
    print({key: known[key] for key in ("state", "signal", "reason", "limits", "limited_by")}, flush=True)
    forks = box.ok(
        SWARMCTL, "spawn", *asked, "--", "sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1 & done; wait"
    )
    box.run(SWARMCTL, "wait", forks)
    said = box.ok(SWARMCTL, "logs", forks)
    print(f"of ten forks with --tasks 8: {said.splitlines()[-1:]}", flush=True)
    wrong = (known["reason"], known["limited_by"]) != ("memory", "scope") or "fork" not in said
    return ["limits were not enforced"] if wrong else []


def _another(manager: Manager, than: int) -> int:
    def look() -> int:
        pid = manager.supervisor()
        return pid if pid != than else 0

    pid = until(look, "another supervisor is up")
    print(f"supervisor {pid}; {_shown(manager)}", flush=True)
    return pid


def _shown(manager: Manager) -> str:
    states = [agent["status"] for agent in manager.agents()]
    return ", ".join(f"{states.count(one)} {one}" for one in sorted(set(states)))


def _scopes(manager: Manager) -> int:
    listed = manager.box.ok("systemctl", manager.which, "list-units", "--no-legend", "swarm-*.scope", user=manager.user)
    return len(listed.splitlines())


def _kill_daemons(manager: Manager, ids: list[str]) -> None:
    daemons = [str(agent["daemon"]["pid"]) for agent in manager.agents() if agent["id"] in ids]
    print(f"$ kill -9 {' '.join(daemons)}    # the daemons of {len(ids)} agents", flush=True)
    manager.box.ok("kill", "-9", *daemons)


def _adopted(manager: Manager, ids: list[str], epoch: int, *, least: int = 0) -> None:
    def look() -> bool:
        return all(agent["epoch"] >= (least or epoch) for agent in manager.agents() if agent["id"] in ids)

    until(look, "all are adopted")
    print(f"adopted: {len(ids)}", flush=True)


def main() -> int:
    try:
        box = Box(ROOT, Path(sys.prefix))
    except NoBox as error:
        print(f"cannot be shown here: {error}", file=sys.stderr)
        return 1
    try:
        box.ok("systemctl", "start", f"user@{box.user.pw_uid}.service")
        problems = [*go_through(Manager(box, user=False)), *go_through(Manager(box, user=True))]
        problems += limits(box)
    finally:
        box.close()
    print(f"\nproblems: {problems}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
