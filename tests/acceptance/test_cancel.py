"""`swarmctl cancel` and `signal`: the end of a whole tree of processes, and a signal without an end."""

from __future__ import annotations

import pytest

from support.cli import Swarm, output_of
from support.looking import is_running, until

DEAF = 'trap "" TERM; echo ready; while :; do sleep 0.05; done'


def ready(swarm: Swarm, script: str, *options: str, lines: int = 1) -> str:
    """An agent that has written so many lines, and so is where a test wants it."""
    agent = swarm.sh(script, *options)
    until(lambda: swarm.logs(agent).count(b"\n") >= lines, "it is ready")
    return agent


def test_cancel_returns_when_the_agent_has_ended(swarm: Swarm) -> None:
    """`cancel` sends TERM, prints nothing, and returns when the agent has ended as cancelled."""
    agent = swarm.spawn("--", "sleep", "60")
    child = swarm.agent(agent)["child"]["pid"]
    assert swarm.ok("cancel", agent) == ""
    known = swarm.agent(agent)
    assert (known["state"], known["signal"], known["exit_code"]) == ("cancelled", "SIGTERM", None)
    assert not is_running(child)


def test_a_child_may_end_by_itself_in_its_grace(swarm: Swarm) -> None:
    """A child that handles TERM ends in its own way, and its status and last words are kept."""
    agent = ready(swarm, 'trap "echo bye; exit 4" TERM; echo ready; while :; do sleep 0.05; done')
    swarm.ok("cancel", agent)
    known = swarm.agent(agent)
    assert (known["state"], known["exit_code"], known["signal"]) == ("cancelled", 4, None)
    assert swarm.logs("--stream", "stdout", agent) == b"ready\nbye\n"


def test_kill_comes_after_the_grace(swarm: Swarm) -> None:
    """A child that ignores TERM is killed when the grace period is over."""
    agent = ready(swarm, DEAF)
    swarm.ok("cancel", "--grace", "0.2", agent)
    assert swarm.agent(agent)["signal"] == "SIGKILL"
    types = [event["data"].get("signal") for event in swarm.json("events", agent, "--type", "agent:signalled")]
    assert types[0] == "SIGTERM"


def test_the_agents_own_grace_counts(swarm: Swarm) -> None:
    """Without --grace the period is that which the agent was spawned with."""
    agent = ready(swarm, DEAF, "--grace", "0.1")
    swarm.ok("cancel", agent)
    assert swarm.agent(agent)["signal"] == "SIGKILL"


def test_a_second_cancel_can_be_less_patient(swarm: Swarm) -> None:
    """A cancel with a shorter grace hastens one that is under way."""
    agent = ready(swarm, DEAF)
    patient = swarm.start("cancel", "--grace", "1h", agent)
    until(lambda: swarm.json("events", agent, "--type", "agent:signalled"), "the first has asked")
    swarm.ok("cancel", "--grace", "0s", agent)
    assert output_of(patient).status == 0


def test_the_first_signal_can_be_chosen(swarm: Swarm) -> None:
    """--signal names what is sent instead of TERM, by name and by number."""
    for signal in ("SIGINT", "2"):
        agent = ready(swarm, 'trap "exit 7" INT; echo ready; while :; do sleep 0.05; done')
        swarm.ok("cancel", "--signal", signal, agent)
        assert swarm.agent(agent)["exit_code"] == 7


def test_the_whole_tree_ends(swarm: Swarm) -> None:
    """Children of the child end too: of its group, in sessions of their own, and orphans, TERM ignored or not."""
    script = (
        'trap "" TERM\n'
        "sleep 60 & echo $!\n"
        "setsid sleep 60 & echo $!\n"
        "setsid sh -c 'setsid sleep 60 & echo $!'\n"
        "(trap - TERM; exec setsid sh -c 'sleep 60 & echo $!; wait') &\n"
        "while :; do sleep 0.05; done"
    )
    agent = ready(swarm, script, lines=4)
    processes = [int(line) for line in swarm.logs(agent).split()]
    assert all(map(is_running, processes))
    swarm.ok("cancel", "--grace", "0.2", agent)
    assert not any(map(is_running, processes))


def test_an_agent_of_an_agent_survives_its_parent(swarm: Swarm) -> None:
    """The end of an agent is not that of agents that it has spawned."""
    agent = ready(swarm, "swarmctl spawn --name kid -- sleep 60; sleep 60")
    swarm.ok("cancel", agent)
    assert swarm.agent("kid")["state"] == "running"


def test_a_stopped_agent_can_be_cancelled(swarm: Swarm) -> None:
    """An agent that has been stopped hears of its cancellation."""
    agent = ready(swarm, 'trap "exit 3" TERM; echo ready; while :; do sleep 0.05; done')
    swarm.ok("signal", agent, "STOP")
    until(lambda: swarm.json("events", agent, "--type", "agent:signalled"), "it has been stopped")
    swarm.ok("cancel", agent)
    assert swarm.agent(agent)["exit_code"] == 3


def test_by_label(swarm: Swarm) -> None:
    """--label cancels the living agents that have it, and no others."""
    web = swarm.spawn("--label", "team=web", "--", "sleep", "60")
    api = swarm.spawn("--label", "team=api", "--", "sleep", "60")
    swarm.ok("cancel", "--label", "team=web")
    assert [swarm.agent(one)["state"] for one in (web, api)] == ["cancelled", "running"]


def test_all_that_live(swarm: Swarm) -> None:
    """--all cancels everything that lives, and is content where nothing does."""
    agents = [swarm.spawn("--", "sleep", "60") for _ in range(3)]
    swarm.ok("cancel", "--all")
    assert {swarm.agent(one)["state"] for one in agents} == {"cancelled"}
    swarm.ok("cancel", "--all")


def test_no_wait_returns_when_it_has_asked(swarm: Swarm) -> None:
    """--no-wait returns while the agent still ends."""
    agent = ready(swarm, DEAF)
    swarm.ok("cancel", "--no-wait", "--grace", "1h", agent)
    assert swarm.agent(agent)["state"] == "running"


def test_what_has_ended_cannot_be_cancelled(swarm: Swarm) -> None:
    """To cancel or signal an ended agent is status 4, and nothing else that was named is touched."""
    ended = swarm.ended("true")
    living = swarm.spawn("--", "sleep", "60")
    assert ended in swarm.refused(4, "cancel", living, ended)
    assert ended in swarm.refused(4, "signal", ended, "TERM")
    assert swarm.agent(living)["state"] == "running"


def test_to_name_nobody_is_wrong_usage(swarm: Swarm) -> None:
    """`cancel` without an agent, --label or --all is refused: it never means all by accident."""
    living = swarm.spawn("--", "sleep", "60")
    swarm.refused(2, "cancel")
    assert swarm.agent(living)["state"] == "running"


@pytest.mark.parametrize("signal", ["USR1", "10"])
def test_a_signal_arrives_and_is_recorded(swarm: Swarm, signal: str) -> None:
    """`signal` gives the child the signal, by name or number, and the log says so."""
    agent = ready(swarm, 'trap "echo heard" USR1; echo ready; while [ ! -e go ]; do sleep 0.05; done')
    swarm.ok("signal", agent, signal)
    until(lambda: b"heard\n" in swarm.logs(agent), "it was heard")
    (record,) = swarm.json("events", agent, "--type", "agent:signalled")
    assert record["data"] == {"run": 1, "signal": "SIGUSR1", "reason": "request"}
    assert swarm.agent(agent)["state"] == "running"
