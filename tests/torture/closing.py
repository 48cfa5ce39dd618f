"""The end: the faults are over, all is to be quiet by itself, and nothing may be left."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from glob import glob
from pathlib import Path
from typing import Any

from swarm_daemon import control
from swarm_store import lifecycle, registry
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_supervisor import singleton

from .checks import Check
from .commands import SWARMCTL, Commands
from .machine import SUPERVISOR, Done, processes
from .report import Report
from .runs import Runs
from .scene import Scene

ADOPTED_SECONDS, ENDED_SECONDS, GONE_SECONDS, KNOWN_SECONDS = 60.0, 120.0, 30.0, 75.0
CLEARED_UP = ("files", "temporary")  # what doctor may find: a process was killed in the middle of something
MOST_FILES, MOST_KIB = 40, 64 << 10  # of a supervisor that has nothing to do


class Closing:
    """Step by step."""

    def __init__(self, scene: Scene, commands: Commands, done: Done, runs: Runs, check: Check, report: Report) -> None:
        self._scene = scene
        self._commands = commands
        self._done = done
        self._runs = runs
        self._check = check
        self._report = report
        self._is_over = False  # whether there is to be no supervisor any more

    def close(self, log: Log) -> None:
        """See that all goes on, end it, and see what is left."""
        self._until(ADOPTED_SECONDS, "every living agent has its daemon", lambda: _without_daemon(log))
        self._until(ENDED_SECONDS, "all agents end when they are cancelled", lambda: self._end_all(log))
        self._commands.end(20.0)
        home = self._scene.home
        self._until(GONE_SECONDS, "no process but the supervisor is left", lambda: _left(home.path))
        self._until(GONE_SECONDS, "no run's directory is left", lambda: _run_directories(home.agents))
        self._supervisor_is_well()
        self._runs.follow(log)
        for run in self._runs.to_check:
            self._check.look(log, run)
        self._report.checked.append("each run has one end, and its status is the true one")
        self._report.checked.append("every line that was written is in the log once and in order, and nothing else")
        self._nothing_is_missing(log)
        self._until(KNOWN_SECONDS, "the supervisor says who it is", lambda: _unknown_supervisor(home))
        self._is_over = True
        self._commands.start("supervisor", "stop")
        self._commands.end(20.0)
        self._until(GONE_SECONDS, "the supervisor ends when it is told to", lambda: _all(home.path))
        self._commands.start("supervisor", "run", "--once")
        self._until(GONE_SECONDS, "one that runs once ends by itself", lambda: _all(home.path))
        self._until(0.0, "no bell is left", lambda: glob(f"{home.bells}/**", recursive=True, include_hidden=True)[1:])
        self._doctor()

    def _until(self, seconds: float, what: str, wrong: Callable[[], list[str]]) -> None:
        """Wait until nothing is `wrong`."""
        began, last = time.monotonic(), ""
        while found := wrong():
            last = f", the last: {found[-1][:100]}"
            if time.monotonic() - began >= seconds:
                self._report.problem(f"not in {seconds:g} s: {what}: {'; '.join(found[:20])[:3000]}")
                return
            self._commands.look()
            if not self._is_over:
                self._commands.keep_supervisor(at_once=True)
            time.sleep(0.05)
        self._report.checked.append(f"{what} ({time.monotonic() - began:.1f} s{last})")

    def _end_all(self, log: Log) -> list[str]:
        """Agents that live, or will again; they are cancelled, again and again."""
        agents = registry.agents(log, ended=True)
        left = [one for one in agents if not one["ended_at"] or lifecycle.may_be_restarted(one)]
        for one in left:
            self._done.ask(one["id"], one["run"])
        if left and not any(command.words[0] == "cancel" for command in self._commands.running):
            self._commands.start("cancel", "--grace", "1", *(one["id"] for one in left))
        return [f"{one['id']}.{one['run']} is {one['state']}" for one in left]

    def _supervisor_is_well(self) -> None:
        for one in processes(self._scene.home.path):
            if one.kind == SUPERVISOR:
                files = len(os.listdir(f"/proc/{one.who.pid}/fd"))
                status = Path(f"/proc/{one.who.pid}/status").read_text()
                kib = int(status.partition("VmRSS:")[2].split()[0])
                if files > MOST_FILES or kib > MOST_KIB:
                    self._report.problem(f"the supervisor has {files} files open and {kib} KiB of memory")
                self._report.checked.append(f"the supervisor, at rest, has {files} files open and {kib} KiB of memory")

    def _nothing_is_missing(self, log: Log) -> None:
        for wrong in self._runs.wrong:
            self._report.problem(wrong)
        executed = {name for name in os.listdir(self._scene.notes) if not name.endswith(".twice")}
        for mark in sorted(executed - self._check.marks):
            self._report.problem(f"{mark} was executed, and the registry has no end of it")
        known = {run.agent_id for run in self._runs.all.values()}
        for agent_id in sorted(self._commands.spawned - known):
            self._report.problem(f"agent {agent_id} was said to be spawned, and is not in the registry")
        self._report.agents = len(known)
        self._report.checked.append(f"{self._report.backups} backups are sound")
        self._report.checked.append("whatever was executed or promised is in the registry")
        for agent in registry.agents(log, ended=True):
            offsets = [one.offset for one in log.read(f"agents/{agent['id']}", limit=1 << 30, payloads=False)]
            first = offsets[0] if offsets else 0
            if offsets != list(range(first, first + len(offsets))):
                self._report.problem(f"{agent['id']}: its offsets are not dense")
        self._report.checked.append("offsets are dense")

    def _doctor(self) -> None:
        """Nothing is wrong, but for what killed processes have left half done; and that is put right on request."""
        bad = self._findings()
        for one in bad:
            if one["check"] in CLEARED_UP:
                self._report.excused[f"cleared up by doctor --fix: {one['check']}"] += 1
            else:
                self._report.problem(f"doctor: {one['check']}: {one['found']}")
        for one in self._findings("--fix") if bad else []:
            self._report.problem(f"doctor --fix does not put it right: {one['check']}: {one['found']}")

    def _findings(self, *options: str) -> list[dict[str, Any]]:
        """What doctor finds wrong, but for the space on the machine's disk."""
        if options:
            command = [SWARMCTL, "doctor", *options]
            subprocess.run(command, env=self._scene.environment, capture_output=True, check=False, timeout=120)
        command = [SWARMCTL, "doctor", "--json"]
        done = subprocess.run(command, env=self._scene.environment, capture_output=True, check=False, timeout=120)
        findings: list[dict[str, Any]] = json.loads(done.stdout or b"[]")
        names = ", ".join(one["check"] for one in findings)
        self._report.checked.append(f"doctor{' after --fix' if options else ''}: {names}")
        return [one for one in findings if not one["ok"] and one["check"] != "space"]


def _without_daemon(log: Log) -> list[str]:
    lost = [one for one in registry.agents(log) if not control.may_have_daemon(log.home, one)]
    return [f"{one['id']}.{one['run']} is {one['state']} without a daemon" for one in lost]


def _unknown_supervisor(home: Home) -> list[str]:
    return [] if singleton.holder(home) else ["it may have begun on a full disk"]


def _left(home: str) -> list[str]:
    return [f"{one.kind} {one.who.pid} {one.marks} {one.command}" for one in processes(home) if one.kind != SUPERVISOR]


def _all(home: str) -> list[str]:
    return [f"{one.kind} {one.who.pid} {one.marks} {one.command}" for one in processes(home)]


def _run_directories(agents: str) -> list[str]:
    return [" ".join(glob(f"{one}/*")) or one for one in glob(f"{agents}/*/run-*")]
