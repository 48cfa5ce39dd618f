"""Restarts by policy, with a real supervisor; how delays grow is in tests/unit/test_policy.py."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

from support import agents, hosted
from support.looking import until
from support.supervisors import done, history, supervising
from swarm_daemon import control, conversing, spawn
from swarm_store import events, lifecycle, registry
from swarm_store.fold import Agent
from swarm_store.log import Log

# The first run ends as it is told to; each later one goes on.
ONCE = "echo run; [ -e seen ] && exec sleep 1000; touch seen; exit %d"


def once(log: Log, code: int, **options: Any) -> Agent:
    return agents.sh(log, ONCE % code, cwd=tempfile.mkdtemp(dir=log.home.path), **options)


def in_run(log: Log, agent_id: str, run: int) -> Agent:
    """The agent, once that run of it is running."""

    def look() -> bool:
        agent = agents.get(log, agent_id)
        return bool(agent["run"] == run and agent["state"] == lifecycle.RUNNING)

    until(look, f"run {run} of {agent_id}")
    return agents.get(log, agent_id)


def test_policies_and_ends(log: Log) -> None:
    """Each policy restarts what it names; a restart is a new run of the same agent, its output after the last's."""
    stay = [once(log, 1), once(log, 0, restart="on-failure"), once(log, 0)]
    again = [once(log, 1, restart="on-failure"), once(log, 0, restart="always"), once(log, 2, restart="always")]
    cancelled = agents.spawn(log, "sleep", "1000", restart="always")
    control.ask_cancel(log, cancelled)
    with supervising(log.home):
        for one in again:
            now = in_run(log, one["id"], 2)
            assert (now["restarts"], now["epoch"], now["exit_code"], now["ended_at"]) == (1, 0, None, None)
            assert now["created_at"] == one["created_at"] and now["command"] == one["command"]
            (opened,) = history(log, one["id"], events.AGENT_RESTARTED)
            assert (opened.data["run"], opened.data["reason"]) == (2, "policy")
            until(lambda: agents.output(log, one["id"]) == b"run\nrun\n", "its output")  # noqa: B023
            chunks = log.read(events.agent_stream(one["id"]), types=[events.STDOUT_WRITTEN])
            assert [(chunk.data["run"], chunk.data["start"]) for chunk in chunks] == [(1, 0), (2, 0)]
    for one in (*stay, cancelled):
        assert agents.get(log, one["id"])["run"] == 1
    assert sorted(done(log, "restart")) == sorted(one["id"] for one in again)


def test_a_crash_loop_is_named_once(log: Log) -> None:
    """After as many restarts as are allowed it is given up, and the next supervisor neither says so nor restarts."""
    agent = agents.sh(log, "exit 1", restart="always", max_restarts=1)
    none = agents.sh(log, "exit 1", restart="always", max_restarts=0)
    for _ in range(2):
        with supervising(log.home):
            for one in (agent, none):
                until(lambda: agents.get(log, one["id"])["no_more_restarts"] == "crash loop", "the end")  # noqa: B023
    assert [one.data for one in history(log, agent["id"], events.AGENT_CRASH_LOOPED)] == [{"run": 2, "restarts": 1}]
    assert [one.data for one in history(log, none["id"], events.AGENT_CRASH_LOOPED)] == [{"run": 1, "restarts": 0}]
    assert sorted(done(log, "give_up")) == sorted([agent["id"], none["id"]])


FULL = """
import sys
from swarm_supervisor import act
act.ROOM_SECONDS = 0.2
from swarm_supervisor.__main__ import main
sys.exit(main())
"""


def test_a_restart_waits_for_room_in_its_tree(log: Log, tmp_path: Path) -> None:
    """Where its tree is full an agent is started again once there is room: by policy, or for a turn that waits."""
    os.mkfifo(tmp_path / "go")
    top = agents.spawn(log, "sleep", "1000", caps={"depth": None, "children": 3})
    caller = {**os.environ, "SWARM_AGENT_ID": top["id"]}
    session = hosted.spawn(log, f"hold {tmp_path / 'go'}", caller=caller)
    until(lambda: hosted.session(log, session["id"])["current"], "its turn")
    conversing.send_turn(log, session, "say queued", by="me")
    agents.kill(session["child"]["pid"])
    ended = [once(log, 1, restart="always", caller=caller), session]
    for one in ended:
        agents.ended(log, one["id"])
    others = [agents.spawn(log, "sleep", "1000", caller=caller) for _ in range(3)]
    with supervising(log.home, program=FULL) as supervisor:
        before = supervisor.wake_ups()
        until(lambda: supervisor.wake_ups() > before + 10, "some tries")
        assert [agents.get(log, one["id"])["run"] for one in ended] == [1, 1]
        for one in others:
            control.ask_cancel(log, one, grace=0)
        for one in ended:
            in_run(log, one["id"], 2)
        (tmp_path / "go").write_text("go")
        hosted.completed(log, session["id"], 2)
        assert [done(log, kind) for kind in ("restart", "resume")] == [[one["id"]] for one in ended]


def test_a_restart_that_is_withdrawn_does_not_happen(log: Log) -> None:
    """While it waits for its restart an agent can be cancelled, removed, or started by somebody else."""
    with supervising(log.home) as supervisor:
        withdrawn, removed, started = (agents.sh(log, "exit 1", restart="always", max_restarts=3) for _ in range(3))
        until(lambda: len(done(log, "restart")) == 3, "all three are waited for")
        agents.stop(log, supervisor.who.pid)
        control.withdraw_restart(log, agents.get(log, withdrawn["id"]))
        control.forget(log, agents.get(log, removed["id"]))
        spawn.restart(log, agents.get(log, started["id"]))
        supervisor.send(signal.SIGCONT)
        assert history(log, started["id"], events.AGENT_RESTARTED)[0].data["reason"] == "request"
        last = once(log, 1, restart="always")
        in_run(log, last["id"], 2)  # whatever was due before it has been due
        until(lambda: agents.get(log, started["id"])["run"] > 2, "its policy holds for the new run too")
    assert agents.get(log, withdrawn["id"])["run"] == 1
    assert agents.get(log, withdrawn["id"])["no_more_restarts"] == "withdrawn"
    assert registry.get(log, removed["id"]) is None
    assert [one.data["run"] for one in history(log, started["id"], events.AGENT_RESTARTED)][:2] == [2, 3]


def test_what_can_not_be_restarted_is_withdrawn(log: Log) -> None:
    """Where another has the name by then, or nothing is left to start it from, that is said, and it ends there."""
    named = agents.sh(log, "exit 1", name="web", restart="always")
    bare = agents.sh(log, "exit 1", restart="always")
    agents.ended(log, named["id"])
    agents.ended(log, bare["id"])
    other = agents.spawn(log, "sleep", "1000", name="web")
    shutil.rmtree(log.home.agent(bare["id"]))
    with supervising(log.home):
        for one in (named, bare):
            until(lambda: agents.get(log, one["id"])["no_more_restarts"] == "withdrawn", "it is said")  # noqa: B023
    assert agents.get(log, other["id"])["state"] == "running"
    for one in (named, bare):
        assert agents.get(log, one["id"])["run"] == 1


def test_a_shutdown_is_followed_by_the_next_supervisor(log: Log) -> None:
    """TERM to a daemon ends its agent with the machine: the supervisor that sees it leaves it, the next restarts it."""
    agent = agents.spawn(log, "sleep", "1000", restart="on-failure")
    other = agents.spawn(log, "sleep", "1000")
    with supervising(log.home):
        for one in (agent, other):
            os.kill(one["daemon"]["pid"], signal.SIGTERM)
            ended = agents.ended(log, one["id"])
            assert (ended["state"], ended["reason"], ended["signal"]) == ("cancelled", "shutdown", "SIGTERM")
        in_run(log, once(log, 1, restart="always")["id"], 2)  # what was due has been due
        assert agents.get(log, agent["id"])["run"] == 1
    with supervising(log.home):
        in_run(log, agent["id"], 2)
    assert agents.get(log, other["id"])["run"] == 1
