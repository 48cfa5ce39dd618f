"""Agents that write numbered lines while their daemons are killed; then every line must be there once, in order.

    python tests/support/carnage.py --agents 200 --kill 50 [--seed N]

Spawns the agents, kills daemons at random moments with SIGKILL while all are writing, adopts every run that lost its
daemon, waits for all, and compares what the log has with what each agent wrote, on both streams, byte for byte.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass

PAUSE = 0.01
# Both streams, numbered, from the moment `go` is there on; a pause every few lines keeps all writing for seconds.
WRITER = """
import os, sys, time
who, lines, go = sys.argv[1], int(sys.argv[2]), sys.argv[3]
while not os.path.exists(go):
    time.sleep(0.05)
for n in range(lines):
    os.write(1, b"%s out %d\\n" % (who.encode(), n))
    os.write(2, b"%s err %d\\n" % (who.encode(), n))
    if n % 20 == 0:
        time.sleep(0.02)
sys.exit(7)
"""


@dataclass(frozen=True)
class Result:
    """What a run of the carnage found."""

    agents: int
    killed: int
    adopted: int
    lines: int
    problems: list[str]


def swarmctl(*arguments: str, stdin: str | None = None, binary: bool = False) -> bytes:
    """Run the installed command, which must succeed; its stdout."""
    command = [os.path.join(os.path.dirname(sys.executable), "swarmctl"), *arguments]
    done = subprocess.run(command, input=None if stdin is None else stdin.encode(), capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[1:]}: {done.returncode}: {done.stderr.decode()}")
    return done.stdout


def living() -> list[dict[str, object]]:
    agents: list[dict[str, object]] = json.loads(swarmctl("list", "--json"))
    return agents


def kill_daemons(ids: list[str], count: int, chance: random.Random) -> set[str]:
    """SIGKILL `count` daemons of agents that are writing, at random moments; the agents that lost theirs."""
    killed: set[str] = set()
    agents = {str(agent["id"]): agent for agent in living()}
    victims = chance.sample(sorted(set(ids) & agents.keys()), count)
    for victim in victims:
        daemon = agents[victim]["daemon"]
        assert isinstance(daemon, dict)
        file = os.pidfd_open(daemon["pid"])
        with open(f"/proc/{daemon['pid']}/stat", encoding="ascii", errors="replace") as stat:
            started = int(stat.read().rpartition(") ")[2].split()[19])
        if started == daemon["start"]:
            signal.pidfd_send_signal(file, signal.SIGKILL)
            killed.add(victim)
        os.close(file)
        time.sleep(chance.random() * PAUSE)
    return killed


def adopt(ids: set[str]) -> int:
    """A successor daemon for each; how many took a run over."""
    command = [sys.executable, "-m", "swarm_daemon", "--adopt"]
    successors = [
        subprocess.Popen([*command, one], stderr=subprocess.DEVNULL, start_new_session=True) for one in sorted(ids)
    ]
    return sum(successor.wait(timeout=120) == 0 for successor in successors)


def differences(agent_id: str, lines: int) -> Iterator[str]:
    """What the log has of the agent that it did not write, or the other way round."""
    for stream, word in (("stdout", "out"), ("stderr", "err")):
        found = swarmctl("logs", "--stream", stream, agent_id)
        wanted = b"".join(b"%s %s %d\n" % (b"agent", word.encode(), n) for n in range(lines))
        if found != wanted:
            yield f"{agent_id} {stream}: {found.count(10)} lines of {lines}, {len(found)} bytes of {len(wanted)}"
    agent = json.loads(swarmctl("show", "--json", agent_id))
    if agent["exit_code"] != 7:
        yield f"{agent_id}: exit status {agent['exit_code']}, not 7"


def carnage(agents: int, kill: int, lines: int, seed: int) -> Result:
    """Do it all, in the SWARM_HOME of the environment."""
    chance = random.Random(seed)
    go = os.path.join(os.environ["SWARM_HOME"], "go")
    job = json.dumps({"command": [sys.executable, "-S", "-c", WRITER, "agent", str(lines), go]})
    ids = swarmctl("spawn", "--from", "-", stdin=(job + "\n") * agents).decode().split()
    with open(go, "w", encoding="ascii"):
        pass
    while not all(swarmctl("logs", "-n", "1", one) for one in (ids[0], ids[-1])):
        time.sleep(PAUSE)
    killed = kill_daemons(ids, kill, chance)
    adopted = adopt(killed)
    waiting = subprocess.run(
        [os.path.join(os.path.dirname(sys.executable), "swarmctl"), "wait", "--timeout", "120", *ids],
        capture_output=True,
        check=False,
    )
    problems = [] if waiting.returncode == 7 else [f"wait: {waiting.returncode}: {waiting.stderr.decode()[:200]}"]
    problems += [problem for one in ids for problem in differences(one, lines)]
    doctor = [one for one in json.loads(swarmctl("doctor", "--json")) if not one["ok"]]
    problems += [f"doctor: {one['check']}: {one['found']}" for one in doctor]
    return Result(agents, len(killed), adopted, 2 * lines * agents, problems)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--agents", type=int, default=200)
    parser.add_argument("--kill", type=int, default=50)
    parser.add_argument("--lines", type=int, default=10_000, help="on each of the two streams")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o700)
        os.environ["SWARM_HOME"] = home
        result = carnage(wanted.agents, wanted.kill, wanted.lines, wanted.seed)
    print(f"seed {wanted.seed}: {result.agents} agents wrote {result.lines} lines; {result.killed} daemons killed,")
    print(f"{result.adopted} runs adopted; {len(result.problems)} problems")
    print("\n".join(result.problems[:20]) or "every line is in the log once and in order; every exit status is known")
    return 1 if result.problems else 0


if __name__ == "__main__":
    sys.exit(main())
