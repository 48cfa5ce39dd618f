"""`spawn --silence`: who says nothing is seen to."""

from __future__ import annotations

from support.cli import Swarm
from support.looking import until


def test_a_silent_agent_is_shown(swarm: Swarm) -> None:
    """`list` and `show` say `silent` while it is, the state stays running; output ends it."""
    agent = swarm.sh(
        "while [ ! -e go ]; do sleep 0.02; done; echo here; exec sleep 1000", "--silence", "1", "--name", "quiet"
    )
    until(lambda: swarm.agent(agent)["status"] == "silent", "it is silent")
    assert swarm.agent(agent)["state"] == "running"
    assert swarm.ok("list").splitlines()[1].split()[:3] == [agent, "quiet", "silent"]
    (swarm.cwd / "go").touch()
    until(lambda: "agent:spoke" in swarm.ok("events", agent), "it is heard")


def test_on_silence_restart_ends_it(swarm: Swarm) -> None:
    """The run fails with the reason `silence`; its policy is the supervisor's to keep."""
    agent = swarm.spawn("--silence", "1", "--on-silence", "restart", "--restart", "on-failure", "--", "sleep", "1000")
    swarm.run("wait", agent)
    known = swarm.agent(agent)
    assert (known["state"], known["reason"], known["signal"]) == ("failed", "silence", "SIGTERM")


def test_what_makes_no_sense_is_refused(swarm: Swarm) -> None:
    """on-silence without --silence, restart without a policy that restarts, and a duration that is none."""
    swarm.refused(2, "spawn", "--on-silence", "restart", "--", "true")
    swarm.refused(2, "spawn", "--silence", "1", "--on-silence", "restart", "--", "true")
    swarm.refused(2, "spawn", "--silence", "1", "--on-silence", "shout", "--restart", "always", "--", "true")
    swarm.refused(2, "spawn", "--silence", "soon", "--", "true")
