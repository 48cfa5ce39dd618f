"""`python -m tests.torture [--minutes M | --seconds S] [--seed N] [--agents N] [--rate R]`; 1 if anything is wrong."""

from __future__ import annotations

import argparse
import glob
import json
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

from swarm_store import registry
from swarm_store.errors import LogUnusable
from swarm_store.log import Log

from . import writer
from .checks import Check
from .closing import Closing
from .commands import Commands, mass_spawn
from .faults import Faults
from .machine import Done, processes
from .report import Report
from .runs import Runs
from .scene import Scene, enter_namespace

AT_ONCE = 8  # agents in one spawn
TELL_SECONDS = 30.0
READABLE_SECONDS = 60.0  # after which a log that cannot be read is a fault


class Torture:
    """All of it: see run."""

    def __init__(self, scene: Scene, seconds: float, agents: int, rate: float, seed: int) -> None:
        self.scene = scene
        self.seconds = seconds
        self.agents = agents
        self.rate = rate
        self.seed = seed
        self.chance = random.Random(seed)
        self.report = Report(seed)
        self.done = Done()
        self.runs = Runs()
        self.commands = Commands(scene, self.report, self.chance)
        longest = min(5.0, seconds / 12)
        self.faults = Faults(scene, self.commands, self.done, self.runs, self.report, self.chance, longest)
        self.faults.before_prune = self.check_all
        self.check = Check(scene.notes, self.done, self.report)
        self._readable_at = time.monotonic()
        self._tracebacks: set[str] = set()
        if not scene.has_disk:
            self.report.skipped.append("full disk: this process may not mount one")
        if not scene.has_boot:
            self.report.skipped.append("reboot: this process may not change the boot id")

    def run(self) -> Report:
        """Begin, torture, end, check."""
        with Log(self.scene.home):
            pass  # somebody has to be the first
        self.faults.log = Log(self.scene.home, write=False)
        self.commands.keep_supervisor(at_once=True)
        Thread(target=self._continue, daemon=True).start()
        self._torture()
        self.faults.over()
        self._look_after()
        Closing(self.scene, self.commands, self.done, self.runs, self.check, self.report).close(self.faults.log)
        self.faults.log.close()
        return self.report

    def _continue(self) -> None:
        while True:
            self.done.go_on()
            time.sleep(0.005)

    def _torture(self) -> None:
        end = time.monotonic() + self.seconds
        told = next_fault = next_look = time.monotonic()
        while (moment := time.monotonic()) < end:
            self.faults.go_on()
            if moment >= next_look:
                self._in_spite_of_trouble(self._look_after)
                next_look = time.monotonic() + 0.2
            if moment >= next_fault and self.runs.all:
                self._in_spite_of_trouble(self.faults.one)
                pause = self.chance.expovariate(self.rate) * self.chance.choice([0.1, 0.5, 1.0, 2.4])
                next_fault = max(next_fault + pause, moment - 1.0)
            if moment - told >= TELL_SECONDS:
                told = moment
                self._tell(end - moment)
            time.sleep(0.005)

    def _in_spite_of_trouble(self, call: Callable[[], None]) -> None:
        """For a while the log may not be readable: whoever was stopped in the middle of writing it goes on soon."""
        try:
            call()
            self._readable_at = time.monotonic()
        except LogUnusable as error:
            self.report.statuses[f"says: {error.message.replace(self.scene.home.path, '')}"] += 1
            if time.monotonic() - self._readable_at > READABLE_SECONDS:
                raise

    def _look_after(self) -> None:
        """What goes on beside the faults: commands end, supervisors begin, agents are replaced, runs are checked."""
        self.commands.look()
        self.commands.keep_supervisor()
        self.runs.follow(self.faults.log)
        if self.runs.to_check:
            self._check_one()
        self._keep_population()
        self._look_for_tracebacks()

    def _check_one(self) -> None:
        run = self.runs.to_check[0]
        if run.agent_id in self.runs.removed:
            self.report.excused["removed before it was checked"] += 1
            self.check.marks.add(run.mark)
        else:
            self.check.look(self.faults.log, run)
        self.runs.to_check.pop(0)

    def check_all(self) -> None:
        """Check all that has ended."""
        self.runs.follow(self.faults.log)
        while self.runs.to_check:
            self._check_one()

    def _keep_population(self) -> None:
        living = len(registry.agents(self.faults.log))
        spawning = sum(command.words[0] == "spawn" for command in self.commands.running)
        missing = min(self.agents - living - spawning * AT_ONCE, AT_ONCE)
        if missing > 0 and spawning < 4:
            self.faults.kill_later(mass_spawn(self.commands, [self._job() for _ in range(missing)]))

    def _job(self) -> str:
        longest = self.seconds / 4
        program = str(Path(writer.__file__))
        command = [sys.executable, "-S", "-E", program, self.scene.notes, str(self.seed), str(longest)]
        job = {"command": command, "grace": self.chance.choice(["0", "1", "2"])}
        job["restart"] = self.chance.choice(["no", "no", "on-failure", "always"])
        if self.chance.random() < 0.1:
            job["timeout"] = f"{self.chance.randint(2, 20)}s"
        return json.dumps(job)

    def _look_for_tracebacks(self) -> None:
        """What a daemon says last before it dies of a fault of its own."""
        # Not Path.glob, which raises where a directory goes while it looks.
        for notes in map(Path, glob.glob(f"{self.scene.home.agents}/*/run-*/daemon.log")):
            try:
                said = notes.read_text(errors="replace")
            except OSError:
                continue
            if "Traceback" in said and said not in self._tracebacks:
                self._tracebacks.add(said)
                self.report.problem(f"{notes.parent.parent.name}: {said[-3000:]}")

    def _tell(self, left: float) -> None:
        print(
            f"{left:4.0f} s to go: {sum(self.report.faults.values())} faults, {self.report.runs} runs checked,"
            f" {self.report.lines} lines, {len(self.report.problems)} problems",
            file=sys.stderr,
        )

    def end_everything(self) -> None:
        """Whatever happened: nothing of the home goes on."""
        while left := processes(self.scene.home.path):
            for one in left:
                self.done.kill(one.who)
            time.sleep(0.05)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.torture", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, help="instead of minutes")
    parser.add_argument("--agents", type=int, default=40)
    parser.add_argument("--rate", type=float, default=6.0, help="faults a second that are tried")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    seed = random.randrange(10**6) if given.seed is None else given.seed
    enter_namespace("tests.torture", [*sys.argv[1:], *(["--seed", str(seed)] if given.seed is None else [])])
    print(f"seed {seed}", file=sys.stderr)
    scene = Scene()
    torture = Torture(scene, given.seconds or given.minutes * 60, given.agents, given.rate, seed)
    try:
        report = torture.run()
    finally:
        torture.end_everything()
        if os.environ.get("KEEP"):
            print(scene.path, file=sys.stderr)
        else:
            scene.remove()
    print("\n".join(report.lines_of_text()))
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main())
