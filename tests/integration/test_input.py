"""Input of running agents: what is sent, when it is read, who refuses it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from support import agents
from support.agents import output, sh, spawn
from support.looking import state, until
from swarm_daemon import control
from swarm_daemon import spawn as spawning
from swarm_daemon.launch import Launch
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.backup import backup
from swarm_store.errors import NoSuchAgent, NotPossible, WrongUsage
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarm_store.transaction import Producer

EVERY_BYTE = bytes(range(256)) * 40_000  # 10 MB


def send(log: Log, agent: Agent, data: bytes, *, close: bool = False) -> None:
    control.send_input(log, agent, data, close=close)


def sleeps(agent: Agent) -> bool:
    return state(agent["daemon"]["pid"]) == "S"


def switches(agent: Agent) -> int:
    """How often the agent's daemon has gone to sleep."""
    lines = Path(f"/proc/{agent['daemon']['pid']}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("voluntary")).split()[1])


def test_what_is_sent_is_read(log: Log) -> None:
    """Input arrives as it was sent, when it was sent; closing it is the end of the file, after all of it."""
    agent = spawn(log, "cat", input=True)
    assert agent["input"] is True
    for sent in (b"one\n", b"two", b"\n\0\xff"):
        before = output(log, agent["id"])
        send(log, agent, sent)
        until(lambda before=before, sent=sent: output(log, agent["id"]) == before + sent)  # type: ignore[misc]
    send(log, agent, b"three", close=True)
    assert agents.ended(log, agent["id"])["exit_code"] == 0
    assert output(log, agent["id"]) == b"one\ntwo\n\0\xffthree"


def test_much_input_arrives_whole(log: Log) -> None:
    """Ten megabytes of every byte come through, in records of 64 KB."""
    agent = spawn(log, "cat", input=True)
    send(log, agent, EVERY_BYTE, close=True)
    agents.ended(log, agent["id"])
    assert output(log, agent["id"]) == EVERY_BYTE
    sent = log.read(events.inbox_stream(agent["id"]), types=[events.INPUT_SENT], payloads=False)
    assert max(one.data["bytes"] for one in sent) == 64 * 1024


def test_a_child_that_does_not_read_blocks_nobody(log: Log) -> None:
    """With the child's stdin full the daemon sleeps, carries output, and obeys signal and cancel."""
    script = "trap 'echo heard' USR1; echo ready; while :; do sleep 0.01; done"
    agent = sh(log, script, input=True)
    until(lambda: output(log, agent["id"]) == b"ready\n")
    send(log, agent, EVERY_BYTE[:1_000_000])
    control.ask_signal(log, agent, "USR1")
    until(lambda: b"heard" in output(log, agent["id"]))
    until(lambda: sleeps(agent), "the daemon sleeps")
    control.ask_cancel(log, agent)
    assert agents.ended(log, agent["id"])["state"] == "cancelled"


def test_a_daemon_that_waits_for_its_child_does_not_poll(log: Log) -> None:
    """Neither with the child's stdin full nor with nothing to send does a daemon wake up."""
    full, idle = spawn(log, "sleep", "1000", input=True), spawn(log, "cat", input=True)
    send(log, full, EVERY_BYTE[:1_000_000])
    send(log, idle, b"x")
    until(lambda: output(log, idle["id"]) == b"x")
    after = [0, 0]

    def is_quiet() -> bool:  # two looks, 0.2 s apart, at the same number
        nonlocal after
        before, after = after, [switches(full), switches(idle)]
        other = spawn(log, "sleep", "0.2")
        agents.ended(log, other["id"])
        return before == after

    until(is_quiet, "both daemons sleep on")


def test_input_that_comes_late_is_read_as_the_child_reads(log: Log) -> None:
    """A child that begins to read after much was sent gets all of it."""
    agent = sh(log, "read line < go; exec cat", input=True, cwd=_with_fifo(log))
    send(log, agent, EVERY_BYTE[:500_000], close=True)
    with open(os.path.join(log.home.path, "go"), "w") as go:
        go.write("\n")
    agents.ended(log, agent["id"])
    assert output(log, agent["id"]) == EVERY_BYTE[:500_000]


def _with_fifo(log: Log) -> str:
    os.mkfifo(os.path.join(log.home.path, "go"))
    return log.home.path


def test_a_child_that_closes_its_stdin_goes_on(log: Log) -> None:
    """Input for a child that will never read it harms nobody."""
    agent = sh(log, "exec < /dev/null; echo closed; exec sleep 1000", input=True)
    until(lambda: output(log, agent["id"]) == b"closed\n")
    send(log, agent, EVERY_BYTE[:300_000], close=True)
    control.ask_cancel(log, agent)
    assert agents.ended(log, agent["id"])["state"] == "cancelled"


def test_a_new_run_has_a_new_input(log: Log) -> None:
    """What was sent to one run is no other's, and an input that was closed is open again in the next run."""
    agent = spawn(log, "cat", input=True)
    send(log, agent, b"first\n", close=True)
    ended = agents.ended(log, agent["id"])
    with pytest.raises(NotPossible, match="has ended"):
        send(log, ended, b"between\n")
    spawning.restart(log, ended)
    again = agents.get(log, agent["id"])
    with pytest.raises(NotPossible, match="restarted meanwhile"):
        send(log, agent, b"late\n")
    send(log, again, b"second\n", close=True)
    agents.ended(log, agent["id"])
    assert output(log, agent["id"]) == b"first\nsecond\n"


def test_who_takes_no_input_is_sent_none(log: Log) -> None:
    """An agent without --input refuses it, and so does one whose input is closed, one that is gone, a wrong wish."""
    plain = spawn(log, "sleep", "1000")
    with pytest.raises(NotPossible, match="takes no input"):
        send(log, plain, b"x")
    closed = spawn(log, "sleep", "1000", input=True)
    send(log, closed, b"", close=True)
    for again in (b"x", b""):
        with pytest.raises(NotPossible, match="is closed"):
            send(log, closed, again, close=True)
    with pytest.raises(NoSuchAgent):
        send(log, {**plain, "id": "nobody22"}, b"x")
    with pytest.raises(WrongUsage):
        spawning.request(log.home, ["cat"], input=True, stdin="-")
    sent = log.read(events.inbox_stream(closed["id"]))
    assert [one.type for one in sent] == [events.INPUT_CLOSED]
    assert log.head(events.inbox_stream(plain["id"])) == log.head(events.inbox_stream("nobody22")) == 0


def test_what_is_sent_again_is_sent_once(log: Log) -> None:
    """A producer that sends the same sequence again is told that it is done, though the input is closed by now."""
    agent = spawn(log, "cat", input=True)
    for _ in range(2):
        control.send_input(log, agent, b"once", producer=Producer("p", 0, 1))
    for _ in range(2):
        control.send_input(log, agent, b" more", close=True, producer=Producer("p", 0, 2))
    agents.ended(log, agent["id"])
    control.send_input(log, agent, b" more", close=True, producer=Producer("p", 0, 2))
    assert output(log, agent["id"]) == b"once more"


def test_input_for_a_run_that_has_not_begun(log: Log) -> None:
    """What is sent to an agent that is only registered waits for its child."""
    wish = spawning.request(log.home, ["cat"], input=True)
    Run(log.home, wish.agent_id, 1).prepare(wish.spec)
    registry.publish(log, wish.event)
    send(log, agents.get(log, wish.agent_id), b"early", close=True)
    Launch(log.home, wish.agent_id, 1).wait()
    agents.ended(log, wish.agent_id)
    assert output(log, wish.agent_id) == b"early"


def test_in_a_restored_log_nothing_is_sent_twice(log: Log, tmp_path: Path) -> None:
    """Where an older copy takes the log's place, what was read is not read again, and what is sent then is."""
    agent = spawn(log, "cat", input=True)
    send(log, agent, b"one\n")
    until(lambda: output(log, agent["id"]) == b"one\n")
    backup(log, str(tmp_path / "copy"))
    for sent in (b"two\n", b"three\n"):
        send(log, agent, sent)
    until(lambda: output(log, agent["id"]) == b"one\ntwo\nthree\n")
    for end in ("-wal", "-shm"):
        os.unlink(log.home.database + end)
    os.rename(tmp_path / "copy", log.home.database)
    with Log(log.home) as restored:
        send(restored, agent, b"four\n", close=True)
        agents.ended(restored, agent["id"])
        assert output(restored, agent["id"]) == b"one\ntwo\nthree\nfour\n"


def test_what_holds_the_input_ends_with_the_run(log: Log) -> None:
    """Of an ended run no holder is left, and no file."""
    agent = sh(log, "exit 3", input=True)
    agents.ended(log, agent["id"])
    until(lambda: os.listdir(log.home.agent(agent["id"])) == ["spec.json"], "the run's files are gone")
    until(lambda: not _own_processes(agent), "neither daemon nor keeper nor holder is left")


def _own_processes(agent: Agent) -> list[int]:
    mark = f"SWARM_DAEMON={agent['id']}.1".encode()
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark in Path(f"/proc/{name}/environ").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found


def test_a_plain_agent_has_no_holder(log: Log) -> None:
    """An agent that takes no input has a daemon and a keeper; one that does has a holder too."""
    plain, takes = spawn(log, "sleep", "1000"), spawn(log, "sleep", "1000", input=True)
    until(lambda: (len(_own_processes(plain)), len(_own_processes(takes))) == (2, 3))
