"""The daemon of one run: what it starts, carries, obeys and ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from support import agents
from support.agents import get, output, sh, spawn
from support.looking import state, until
from swarm_daemon import control, tree
from swarm_daemon import spawn as spawning
from swarm_daemon.process import from_data, identify, is_alive, send
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.errors import CannotStart, NameTaken, NotPossible
from swarm_store.log import Log


def test_ends_are_exact(log: Log) -> None:
    """An exit status above 128 is not taken for a signal, nor a signal for a status."""
    by_status = sh(log, "exit 137")
    by_signal = sh(log, "kill -KILL $$")
    assert [agents.ended(log, by_status["id"])[key] for key in ("exit_code", "signal")] == [137, None]
    assert [agents.ended(log, by_signal["id"])[key] for key in ("exit_code", "signal")] == [None, "SIGKILL"]


def test_the_identities_are_in_the_log_before_the_command_is_executed(log: Log) -> None:
    """agent:starting carries daemon, keeper and child, and the child's PID is the command's own."""
    agent = sh(log, "echo $$; sleep 0.1")
    starting = next(one for one in registry.history(log, agent["id"]) if one.type == events.AGENT_STARTING)
    assert {"daemon", "keeper", "child"} <= starting.data.keys()
    agents.ended(log, agent["id"])
    assert output(log, agent["id"]) == b"%d\n" % starting.data["child"]["pid"]


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 10_000_000])
def test_output_of_any_size_comes_whole(log: Log, size: int) -> None:
    """Every byte value, in any number, without a newline anywhere, comes as it was written."""
    script = f"import os, sys\nsys.stdout.buffer.write((bytes(range(256)).replace(b'\\n', b'') * 40000)[:{size}])"
    agent = spawn(log, sys.executable, "-S", "-c", script)
    agents.ended(log, agent["id"])
    assert output(log, agent["id"]) == (bytes(range(256)).replace(b"\n", b"") * 40000)[:size]


def test_a_grandchild_that_keeps_stdout_open_does_not_keep_the_run(log: Log) -> None:
    """The run ends with its child; who is left is counted, and left alone."""
    agent = sh(log, "sleep 1000 & echo $!")
    ended = agents.ended(log, agent["id"])
    left = int(output(log, agent["id"]))
    assert (ended["state"], ended["left"]) == ("completed", 1)
    until(lambda: state(left) == "S", "it sleeps on")
    agents.kill(left)


def test_a_child_that_closes_its_stdout_goes_on(log: Log) -> None:
    """Closing stdout early ends nothing: stderr still comes, and the exit status."""
    agent = sh(log, "echo a; exec >&-; sleep 0.1; echo b >&2; exit 3")
    assert agents.ended(log, agent["id"])["exit_code"] == 3
    assert (output(log, agent["id"]), output(log, agent["id"], "stderr")) == (b"a\n", b"b\n")


def test_the_child_may_open_its_stdout_again(log: Log) -> None:
    """`echo > /dev/stdout` and /dev/stderr work, and truncate nothing."""
    agent = sh(log, "echo a; echo b > /dev/stdout; echo c > /dev/stderr; echo d")
    agents.ended(log, agent["id"])
    assert (output(log, agent["id"]), output(log, agent["id"], "stderr")) == (b"a\nb\nd\n", b"c\n")


def test_cancel_ends_the_whole_tree(log: Log) -> None:
    """Those that left the process group with setsid, and orphans of a double fork, are ended too."""
    script = "setsid sleep 1000 & (setsid sleep 1000 & echo $!) & setsid sh -c 'sleep 1000 & wait' & echo $!; wait"
    agent = sh(log, script)
    until(lambda: output(log, agent["id"]).count(b"\n") == 2)
    until(lambda: len(_tree(agent["id"], log)) >= 5)
    members = _tree(agent["id"], log)
    control.ask_cancel(log, agent, grace=5)
    assert agents.ended(log, agent["id"])["state"] == "cancelled"
    assert [one for one in members if state(one) not in (None, "Z")] == []


def _tree(agent_id: str, log: Log) -> list[int]:
    agent = get(log, agent_id)
    found = tree.members(Run(log.home, agent_id, 1), from_data(agent["keeper"]), from_data(agent["child"]))
    return [one.pid for one in found]


def test_cancel_kills_what_ignores_it_after_the_grace_period(log: Log) -> None:
    """TERM first; after the grace period KILL, and the end says so."""
    agent = sh(log, "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    until(lambda: output(log, agent["id"]))
    control.ask_cancel(log, agent, grace=0.2)
    ended = agents.ended(log, agent["id"])
    assert (ended["state"], ended["signal"]) == ("cancelled", "SIGKILL")


def test_cancel_reaches_a_stopped_process(log: Log) -> None:
    """A stopped agent is continued, so that it can end by itself."""
    agent = sh(log, "trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done")
    until(lambda: output(log, agent["id"]))
    os.kill(agent["child"]["pid"], signal.SIGSTOP)
    control.ask_cancel(log, agent, grace=20)
    ended = agents.ended(log, agent["id"])
    assert (ended["state"], ended["exit_code"]) == ("cancelled", 0)
    assert output(log, agent["id"]) == b"ready\nbye\n"


def test_an_agent_that_an_agent_spawned_is_its_own(log: Log) -> None:
    """Cancelling the parent ends its tree, but not the agents that it has spawned."""
    swarmctl = os.path.join(os.path.dirname(sys.executable), "swarmctl")
    parent = sh(log, f"{swarmctl} spawn -- sleep 1000; sleep 1000")
    child_id = until(lambda: output(log, parent["id"])).decode().strip()
    child = get(log, child_id)
    assert (child["parent"], child["depth"]) == (parent["id"], 1)
    control.ask_cancel(log, parent)
    agents.ended(log, parent["id"])
    assert get(log, child_id)["state"] == "running"
    assert state(child["child"]["pid"]) == "S"


def test_the_timeout_ends_the_run(log: Log) -> None:
    """A run that exceeds its timeout has failed, for that reason."""
    agent = spawn(log, "sleep", "1000", timeout=0.1)
    ended = agents.ended(log, agent["id"])
    assert (ended["state"], ended["reason"], ended["signal"]) == ("failed", "timeout", "SIGTERM")


def test_a_signal_goes_to_the_group(log: Log) -> None:
    """A requested signal reaches the child, and is in the log."""
    agent = sh(log, "trap 'echo got it; exit 0' USR1; echo ready; while :; do sleep 0.02; done")
    until(lambda: output(log, agent["id"]))
    control.ask_signal(log, agent, "usr1")
    agents.ended(log, agent["id"])
    assert output(log, agent["id"]) == b"ready\ngot it\n"
    said = [one.data for one in registry.history(log, agent["id"]) if one.type == events.AGENT_SIGNALLED]
    assert said == [{"run": 1, "signal": "SIGUSR1", "reason": "request"}]


def test_term_to_the_daemon_ends_its_agent(log: Log) -> None:
    """Whoever stops the daemon in the ordinary way has the agent ended in the ordinary way."""
    agent = spawn(log, "sleep", "1000")
    os.kill(agent["daemon"]["pid"], signal.SIGTERM)
    ended = agents.ended(log, agent["id"])
    assert (ended["state"], ended["reason"]) == ("cancelled", "shutdown")


def test_orphans_are_reaped(log: Log) -> None:
    """A tree that leaves many orphans leaves no zombies with them."""
    agent = sh(log, "for i in 1 2 3 4 5 6 7 8; do (sleep 0 &); done; echo done; sleep 1000")
    until(lambda: output(log, agent["id"]))

    def zombies() -> list[int]:
        mine = tree.children(agent["daemon"]["pid"]) + tree.children(agent["keeper"]["pid"])
        return [pid for pid in mine if state(pid) == "Z"]

    until(lambda: zombies() == [])


def test_a_locked_log_costs_no_output(log: Log) -> None:
    """While a stopped process holds the write lock the daemon keeps the bytes, and publishes them when it is free."""
    code = "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.flock(f, 2); print(flush=True); time.sleep(999)"
    agent = sh(log, "sleep 0.2; i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done; exit 4")
    holder = subprocess.Popen([sys.executable, "-c", code, log.home.lock], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    holder.stdout.readline()
    holder.send_signal(signal.SIGSTOP)
    notes = Path(log.home.agent(agent["id"]), "run-1", "daemon.log")
    said = until(notes.read_text, "the daemon says what the matter is")
    assert f"stopped process {holder.pid}" in said
    holder.kill()
    holder.wait()
    holder.stdout.close()
    assert agents.ended(log, agent["id"])["exit_code"] == 4
    assert output(log, agent["id"]) == b"".join(b"%d\n" % n for n in range(2000))


def test_a_name_is_taken_as_long_as_its_agent_lives(log: Log) -> None:
    """Two living agents share no name; nothing is left of the refused one; the name is free again afterwards."""
    first = spawn(log, "sleep", "1000", name="build")
    with pytest.raises(NameTaken):
        spawn(log, "sleep", "1000", name="build")
    assert os.listdir(log.home.agents) == [first["id"]]
    control.ask_cancel(log, first)
    agents.ended(log, first["id"])
    second = spawn(log, "true", name="build")
    assert registry.resolve(log, "build")["id"] == second["id"]


def test_a_command_that_cannot_be_executed_is_a_failed_agent(log: Log, tmp_path: Path) -> None:
    """What only exec finds out comes back through the handshake, with a shell's status, and stands in the log."""
    script = tmp_path / "script"
    script.write_text("#!/etc/passwd\n")
    script.chmod(0o755)
    with pytest.raises(CannotStart) as refused:
        spawn(log, str(script))
    assert refused.value.exit_code == 126
    (agent,) = registry.agents(log, ended=True)
    assert (agent["state"], agent["exit_code"], agent["started_at"]) == ("failed", 126, None)


def test_a_request_to_an_ended_agent_is_refused(log: Log) -> None:
    """What has ended can be neither cancelled nor signalled."""
    agent = agents.ended(log, spawn(log, "true")["id"])
    with pytest.raises(NotPossible):
        control.ask_cancel(log, agent)
    with pytest.raises(NotPossible):
        control.ask_signal(log, agent, "TERM")


def test_a_ring_that_was_lost_is_made_up_for(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request whose writer died before it could ring is obeyed with the next ring of anybody's."""
    agent = spawn(log, "sleep", "1000")
    with monkeypatch.context() as silent:
        silent.setattr("swarm_store.transaction.ring", lambda *given: None)
        control.ask_cancel(log, agent)
    control.ask_signal(log, agent, "CONT")
    assert agents.ended(log, agent["id"])["state"] == "cancelled"


def test_many_are_spawned_at_once(log: Log) -> None:
    """Threads of one process and one call for many all get their agents, each once."""
    wishes = [spawning.request(log.home, ["true"]) for _ in range(12)]
    done: list[str] = []

    def work() -> None:
        with Log(log.home) as own:
            done.extend(one for one, _ in spawning.spawn(own, [spawning.request(own.home, ["true"]) for _ in range(4)]))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    outcomes = dict(spawning.spawn(log, wishes))
    for thread in threads:
        thread.join()
    assert not [one for one in outcomes.values() if isinstance(one, CannotStart)]
    for one in [*outcomes, *done]:
        assert agents.ended(log, one)["state"] == "completed"
    assert len({*outcomes, *done}) == 24


def test_an_identity_is_not_fooled_by_a_reused_pid(log: Log) -> None:
    """A process with the right PID and another start time is not the one that is meant, and is never signalled."""
    stranger = subprocess.Popen(["sleep", "1000"])
    me = identify(stranger.pid)
    assert me is not None
    assert is_alive(me)
    for other in (me._replace(start=me.start - 1), me._replace(boot="another")):
        assert not is_alive(other)
        assert not send(other, signal.SIGKILL)
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()
    assert not is_alive(me)


def test_a_long_lived_spawner_gathers_no_zombies(log: Log) -> None:
    """The keepers of ended runs are reaped by the process that launched them, with its next launch."""
    first = agents.ended(log, spawn(log, "true")["id"])
    until(lambda: state(first["keeper"]["pid"]) == "Z", "the keeper's end")
    spawn(log, "true")
    assert state(first["keeper"]["pid"]) is None
