"""kill -9 of a daemon at each step of its life: a successor, or the spawner, finds the truth and tells it once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from support import agents
from support.looking import state, until
from swarm_daemon import launch
from swarm_daemon import spawn as spawning
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.errors import CannotStart
from swarm_store.log import Log

SUPPORT = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "support")
SCRIPT = "echo one; echo two >&2; sleep 0.2; echo three; exit 7"

# The command has not been executed: spawn says so, and the agent has failed.
BEFORE_EXEC = [
    "swarm_daemon.begin:keeper.split:after",
    "swarm_daemon.begin:child.fork:before",
    "swarm_daemon.begin:child.fork:after",
    "swarm_daemon.begin:registry.publish:before",
]
NEVER = "swarm_daemon.closing:clear_up:before:99"
# Registered as starting, and the child still at its gate: a successor records that it was never executed.
AT_THE_GATE = [
    "swarm_daemon.begin:registry.publish:after",
    "swarm_daemon.child:Held.let_go:before",
]
# Executed: everything it wrote and its exit status are known in the end.
AFTER_EXEC = [
    "swarm_daemon.child:Held.let_go:after",
    "swarm_daemon.begin:registry.publish:before:2",
    "swarm_daemon.begin:registry.publish:after:2",
    "swarm_daemon.begin:Daemon:after",
    "swarm_daemon.output:Journal.move:after",
    "swarm_daemon.output:Journal.move:after:4",
    "swarm_daemon.output:Pump.append:before",
    "swarm_daemon.output:Pump.append:after",
    "swarm_daemon.output:Pump.settle:before",
    "swarm_daemon.output:Pump.settle:after:2",
    "swarm_daemon.watch:Watch._look:before",
    "swarm_daemon.watch:Watch._look:after",
    "swarm_daemon.watch:write_aside:after",
    "swarm_daemon.agent:Daemon._finish:before",
    "swarm_daemon.output:Pump.move_rest:after",
    "swarm_daemon.agent:events.output_closed:after",
    "swarm_daemon.agent:Daemon._last_event:after",
]
# In the log whole: a successor only clears up.
AFTER_THE_END = [
    "swarm_daemon.agent:Daemon.close:before",
    "swarm_daemon.closing:clear_up:before",
    "swarm_daemon.keeper:release:before",
    "swarm_daemon.keeper:release:after",
]


@pytest.fixture
def deadly(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Daemons are the dying kind from here on."""
    real = launch.daemon_environment
    monkeypatch.setattr(launch, "_program", lambda: os.path.join(SUPPORT, "dying_daemon.py"))
    monkeypatch.setattr(
        launch, "daemon_environment", lambda *given: {**real(*given), "SWARM_DIE": os.environ["SWARM_DIE"]}
    )
    return monkeypatch


def _spawn(log: Log, deadly: pytest.MonkeyPatch, step: str) -> str:
    deadly.setenv("SWARM_DIE", step)
    try:
        return str(agents.sh(log, SCRIPT)["id"])
    except CannotStart:
        return str(registry.agents(log, ended=True)[-1]["id"])


def _dead(log: Log, agent_id: str) -> None:
    """Wait until the agent's daemon has killed itself."""
    agent = agents.get(log, agent_id)
    if agent["daemon"]:
        until(lambda: state(agent["daemon"]["pid"]) in (None, "Z"), "the daemon's death")


def _check_clear(log: Log, agent_id: str) -> None:
    assert [name for name in os.listdir(log.home.agent(agent_id)) if name.startswith("run-")] == []
    agent = agents.get(log, agent_id)
    if agent["keeper"]:
        until(lambda: state(agent["keeper"]["pid"]) in (None, "Z"), "the keeper's end")
    assert registry.folded(log)[agent_id] == agent


@pytest.mark.parametrize("step", BEFORE_EXEC)
def test_before_the_registration(log: Log, deadly: pytest.MonkeyPatch, step: str) -> None:
    """A daemon that dies before its identity is in the log leaves a failed agent, and no process."""
    agent_id = _spawn(log, deadly, step)
    agent = agents.get(log, agent_id)
    assert (agent["state"], agent["started_at"]) == ("failed", None)
    assert "died before it answered" in agent["reason"]
    assert agents.output(log, agent_id) == b""


@pytest.mark.parametrize("step", BEFORE_EXEC)
def test_the_next_start_is_not_disturbed(log: Log, deadly: pytest.MonkeyPatch, step: str) -> None:
    """A start that was killed with its spawner leaves nothing that the next start of the run could take for its own."""
    wish = spawning.request(log.home, ["sh", "-c", SCRIPT])
    run = Run(log.home, wish.agent_id, 1)
    run.prepare(wish.spec)
    registry.publish(log, wish.event)
    deadly.setenv("SWARM_DIE", step)
    first = launch.Launch(log.home, wish.agent_id, 1)
    with pytest.raises(CannotStart):
        first.wait()
    until(lambda: not run.has_daemon(), "nobody of the first start holds the run")
    deadly.setenv("SWARM_DIE", NEVER)
    launch.Launch(log.home, wish.agent_id, 1).wait()
    assert agents.ended(log, wish.agent_id)["exit_code"] == 7
    assert agents.output(log, wish.agent_id) == b"one\nthree\n"
    until(lambda: state(first._pid) in (None, "Z"), "the end of the first keeper")


@pytest.mark.parametrize("step", AT_THE_GATE)
def test_at_the_gate(log: Log, deadly: pytest.MonkeyPatch, step: str) -> None:
    """A daemon that dies while its child waits at the gate leaves a command that never ran, and is said to."""
    agent_id = _spawn(log, deadly, step)
    assert agents.get(log, agent_id)["state"] == "starting"
    agents.adopt(log, agent_id)
    agent = agents.get(log, agent_id)
    assert (agent["state"], agent["started_at"]) == ("failed", None)
    assert "its daemon died first" in agent["reason"]
    assert agents.output(log, agent_id) == b""
    _check_clear(log, agent_id)


@pytest.mark.parametrize("step", AFTER_EXEC)
def test_after_the_exec(log: Log, deadly: pytest.MonkeyPatch, step: str) -> None:
    """A daemon that dies after its child was executed costs no byte and no exit status, and nothing is there twice."""
    agent_id = _spawn(log, deadly, step)
    _dead(log, agent_id)
    assert agents.adopt(log, agent_id) == 0
    agent = agents.get(log, agent_id)
    assert (agent["state"], agent["exit_code"], agent["signal"]) == ("failed", 7, None)
    assert agents.output(log, agent_id) == b"one\nthree\n"
    assert agents.output(log, agent_id, "stderr") == b"two\n"
    kinds = [record.type for record in log.read(key=agent_id, payloads=False)]
    assert kinds.count(events.AGENT_EXITED) == kinds.count(events.OUTPUT_CLOSED) == 1
    _check_clear(log, agent_id)


@pytest.mark.parametrize("step", AFTER_THE_END)
def test_after_the_end(log: Log, deadly: pytest.MonkeyPatch, step: str) -> None:
    """A daemon that dies after its last commit leaves only files and a keeper, and adopting clears them up."""
    agent_id = _spawn(log, deadly, step)
    agent = agents.ended(log, agent_id)
    _dead(log, agent_id)
    assert agents.adopt(log, agent_id) == 0
    assert agents.get(log, agent_id) == agent
    assert agents.output(log, agent_id) == b"one\nthree\n"
    _check_clear(log, agent_id)


@pytest.mark.parametrize(
    "step",
    [
        "swarm_daemon.begin:registry.publish:before",
        "swarm_daemon.begin:registry.publish:after",
        "swarm_daemon.output:Journal.move:after",
        "swarm_daemon.output:Pump.append:after",
        "swarm_daemon.agent:Daemon._finish:before",
        "swarm_daemon.closing:clear_up:before",
    ],
)
def test_the_successor_dies_too(log: Log, step: str) -> None:
    """A successor may die at any step as well: the next one loses and doubles nothing either."""
    agent = agents.sh(log, SCRIPT)
    agents.kill(agent["daemon"]["pid"])
    dying = os.path.join(SUPPORT, "dying_daemon.py")
    environment = {**os.environ, "SWARM_DIE": step}
    died = subprocess.run([sys.executable, dying, "--adopt", agent["id"]], env=environment, check=False)
    assert died.returncode == -signal.SIGKILL
    assert agents.adopt(log, agent["id"]) == 0
    agent = agents.get(log, agent["id"])
    assert (agent["state"], agent["exit_code"]) == ("failed", 7)
    assert agents.output(log, agent["id"]) == b"one\nthree\n"
    _check_clear(log, agent["id"])
