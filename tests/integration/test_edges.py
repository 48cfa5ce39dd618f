"""The edges of runs and requests: busy trees, ignored signals, odd inputs, interruptions. Each was once wrong."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from support import agents
from support.agents import output, sh, spawn
from support.looking import state, until
from swarm_daemon import control
from swarm_daemon import spawn as spawning
from swarm_daemon.output import ROTATE
from swarm_daemon.run import Run
from swarm_store import registry
from swarm_store.errors import WrongUsage
from swarm_store.log import Log


def test_a_busy_tree_can_be_cancelled(log: Log) -> None:
    """Processes that come and go while the tree is walked do not disturb the walk."""
    busy = "trap '' TERM; for k in 1 2 3 4; do (trap '' TERM; while :; do sh -c 'sh -c :; :'; done) & done; wait"
    agent = sh(log, busy)
    control.ask_cancel(log, agent, grace=0.3)
    assert agents.ended(log, agent["id"])["signal"] == "SIGKILL"
    until(lambda: state(agent["daemon"]["pid"]) in (None, "Z"), "the daemon's end")


def test_a_group_whose_leader_is_gone_is_ended(log: Log) -> None:
    """With daemon, keeper and child gone, what is left of the child's own group is still found and killed."""
    agent = sh(log, "(trap '' TERM; echo $$; sleep 1000; sleep 1000) & sleep 0.2; exec sleep 1000")
    until(lambda: output(log, agent["id"]))
    for who in ("keeper", "daemon"):
        agents.kill(agent[who]["pid"])
    control.ask_cancel(log, agents.get(log, agent["id"]), grace=0.3)
    control.end_without_daemon(log, agents.get(log, agent["id"]))
    ended = agents.get(log, agent["id"])
    assert (ended["state"], ended["left"]) == ("cancelled", 0)


@pytest.mark.parametrize("ignored", [signal.SIGCHLD, signal.SIGINT, signal.SIGHUP])
def test_what_the_spawner_ignores_costs_no_exit_status(log: Log, ignored: int) -> None:
    """A spawner that ignores signals, SIGCHLD above all, passes that on, and the exit status is known all the same."""
    swarmctl = os.path.join(os.path.dirname(sys.executable), "swarmctl")
    code = (
        f"import os, signal; signal.signal({int(ignored)}, signal.SIG_IGN); os.execv({swarmctl!r}, {swarmctl.split()!r}"
    )
    done = subprocess.run([sys.executable, "-c", code + " + ['spawn', '--wait', 'sh', '-c', 'exit 3'])"], check=False)
    assert done.returncode == 3


def test_a_signal_is_not_repeated(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal that was asked for once comes once, though the daemon cannot acknowledge it for a while."""
    agent = sh(log, "trap 'echo got it' USR1; echo ready; while :; do sleep 0.02; done")
    until(lambda: output(log, agent["id"]))
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.flock(f, 2); print(flush=True); time.sleep(999)"
    control.ask_signal(log, agent, "USR1")
    holder = subprocess.Popen([sys.executable, "-c", code, log.home.lock], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    notes = Path(log.home.agent(agent["id"]), "run-1", "daemon.log")
    until(lambda: "locked" in notes.read_text() or b"got it" in output(log, agent["id"]), "it was tried")
    holder.kill()
    holder.wait()
    holder.stdout.close()
    until(lambda: b"got it" in output(log, agent["id"]))
    control.ask_signal(log, agent, "CONT")
    until(lambda: log.cursor("daemon", f"inbox/{agent['id']}") == 2, "both requests are acknowledged")
    control.ask_cancel(log, agent)
    agents.ended(log, agent["id"])
    assert output(log, agent["id"]) == b"ready\ngot it\n"


def test_a_timeout_is_a_failure_however_it_ends(log: Log) -> None:
    """An agent that obeys the TERM of its timeout with status 0 has not completed."""
    agent = sh(log, "trap 'exit 0' TERM; while :; do sleep 0.02; done", timeout=0.2)
    ended = agents.ended(log, agent["id"])
    assert (ended["state"], ended["exit_code"], ended["reason"]) == ("failed", 0, "timeout")


def test_a_fifo_as_stdin_is_refused(log: Log, tmp_path: Path) -> None:
    """A FIFO would make the start wait for a writer that may never come."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(WrongUsage):
        spawn(log, "cat", stdin=str(fifo))


def test_what_an_interrupted_spawner_did_not_launch_has_failed(log: Log) -> None:
    """Agents that were registered and never launched do not stay spawned for ever."""
    wishes = [spawning.request(log.home, ["true"]) for _ in range(20)]
    outcomes = spawning.spawn(log, wishes)
    next(outcomes)
    outcomes.close()  # type: ignore[attr-defined]
    until(
        lambda: all(one["state"] not in ("spawned", "starting", "running") for one in registry.agents(log, ended=True))
    )
    never = [one for one in registry.agents(log, ended=True) if "never launched" in (one["reason"] or "")]
    assert never and {one["state"] for one in never} == {"failed"}


def test_output_that_a_power_failure_took_back_does_not_stop_the_run(log: Log) -> None:
    """Where the journal begins after what the log has, the stream goes on from there, and the run can be ended."""
    agent = sh(log, "echo before; sleep 0.3; echo after; sleep 1000")
    until(lambda: output(log, agent["id"]))
    agents.kill(agent["daemon"]["pid"])
    journal = Run(log.home, agent["id"], 1).fifo("stdout")
    os.rename(f"{journal}.0", f"{journal}.{ROTATE}")
    control.ask_cancel(log, agents.get(log, agent["id"]), grace=5)
    control.end_without_daemon(log, agents.get(log, agent["id"]))
    assert agents.get(log, agent["id"])["state"] == "cancelled"


def test_many_without_daemons_are_cancelled_side_by_side(log: Log) -> None:
    """Cancelling several runs whose daemons are dead takes one grace period, not one after another."""
    ids = [sh(log, "trap '' TERM; echo ready; while :; do sleep 0.05; done")["id"] for _ in range(4)]
    until(lambda: all(output(log, one) for one in ids))
    for one in ids:
        agents.kill(agents.get(log, one)["daemon"]["pid"])
    for one in ids:
        control.ask_cancel(log, agents.get(log, one), grace=0.5)
    control.end_all_without_daemon(log, [agents.get(log, one) for one in ids])
    signalled = [one.time for one in log.read("registry", types=["agent:signalled"])]
    ended = [one.time for one in log.read("registry", types=["agent:exited"])]
    assert len(signalled) == len(ended) == 4
    assert max(signalled) < min(ended)
