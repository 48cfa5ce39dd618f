"""Reading at the edges: the first line after a beginning, a follower's buffer, narrow terminals, odd moments."""

from __future__ import annotations

import json

import pytest

from support.cli import Swarm, output_of, read_until
from support.looking import until
from support.terminal import on_terminal


def test_events_follow_the_log(swarm: Swarm) -> None:
    """`events -f --json` prints one object a line, each as soon as it has happened."""
    process = swarm.start("events", "-f", "--json", "--type", "agent:exited")
    agents = []
    for status in (1, 2):
        agents.append(swarm.ended(f"exit {status}"))
        line = json.loads(read_until(process.stdout, b"\n"))
        assert (line["agent"], line["data"]["exit_code"]) == (agents[-1], status)


def test_follow_from_the_last_lines(swarm: Swarm) -> None:
    """`logs -f -n N` begins with the last N lines and goes on with what comes, losing and doubling nothing."""
    agent = swarm.sh("seq 5; while [ ! -e go ]; do sleep 0.02; done; seq 6 7")
    until(lambda: swarm.logs(agent).endswith(b"5\n"), "five lines are there")
    process = swarm.start("logs", "-f", "-n", "2", agent)
    assert read_until(process.stdout, b"5\n") == b"4\n5\n"
    (swarm.cwd / "go").touch()
    assert output_of(process).out == b"6\n7\n"


def test_since_and_until(swarm: Swarm) -> None:
    """--since and --until bound the time, each as a time or as a duration ago."""
    agent = swarm.sh("echo early; while [ ! -e go ]; do sleep 0.02; done; echo late")
    until(lambda: swarm.logs(agent) == b"early\n", "the first line is there")
    written = swarm.logs("-t", agent).decode().split()[0]
    between = swarm.shell("date -u +%Y-%m-%dT%H:%M:%S.%6NZ").text.strip()
    assert written < between
    (swarm.cwd / "go").touch()
    swarm.ok("wait", agent)
    assert swarm.logs("--since", between, agent) == b"late\n"
    assert swarm.logs("--until", between, agent) == b"early\n"
    assert swarm.logs("--since", written, "--until", between, agent) == b"early\n"
    assert swarm.logs("--since", "1h", agent) == b"early\nlate\n"
    assert swarm.logs("--until", "1h", agent) == b""


def test_a_follower_from_the_last_lines_hears_a_quiet_stream(swarm: Swarm) -> None:
    """`logs -f -n N` shows the next line of a stream that has none among the last N."""
    script = "echo w1 >&2; sleep 0.1; seq 5; while [ ! -e go ]; do sleep 0.02; done; echo w2 >&2"
    agent = swarm.sh(script)
    until(lambda: swarm.logs(agent).endswith(b"5\n"), "five lines are there")
    process = swarm.start("logs", "-f", "-n", "1", agent)
    read_until(process.stdout, b"5\n")
    (swarm.cwd / "go").touch()
    assert output_of(process).out == b"w2\n"


def test_a_terminal_of_eighty_columns_shows_ids(swarm: Swarm) -> None:
    """On a terminal of 80 columns, id, name and state are whole, and it is the command that is cut."""
    agent = swarm.spawn("--name", "builder", "--", "sh", "-c", f"sleep 60 # {'long ' * 60}")
    shown = on_terminal(swarm, "list", columns=80).out
    assert agent.encode() in shown and b"builder" in shown and b"running" in shown


@pytest.mark.parametrize(
    "args",
    [
        ("list", "--at", "\u00b2"),
        ("list", "--at", "0001-01-01"),
        ("logs", "--since", "0001-01-01", "AGENT"),
        ("logs", "--since", "", "AGENT"),
        ("wait", "--timeout", "", "AGENT"),
        ("cancel", "--grace", "", "--all"),
        ("spawn", "--timeout", "", "--", "true"),
        ("list", "--label"),
    ],
    ids=" ".join,
)
def test_odd_values_are_wrong_usage(swarm: Swarm, args: tuple[str, ...]) -> None:
    """An empty or impossible value is wrong usage with a hint, neither ignored nor a traceback."""
    agent = swarm.ended("true")
    assert "; " in swarm.refused(2, *(agent if arg == "AGENT" else arg for arg in args))


def test_after_any_position(swarm: Swarm) -> None:
    """`events --after` a position that no log will ever reach shows nothing."""
    assert json.loads(swarm.ok("events", "--after", "9" * 30, "--json")) == []


def test_a_closed_pipe_has_its_status(swarm: Swarm) -> None:
    """A command whose reader has gone has the status of SIGPIPE, which no failure of its own has."""
    agent = swarm.ended("seq 200000")
    got = swarm.shell(f"{{ swarmctl logs {agent}; echo $? >&2; }} | head -1")
    assert got.error == "141\n"


def test_nobody_in_an_empty_home(fresh: Swarm) -> None:
    """Where nothing has ever been spawned, no word means an agent: status 3 from every verb."""
    for verb in ("show", "logs", "wait", "events"):
        fresh.refused(3, verb, "x")


def test_somebody_elses_database_is_not_an_empty_log(swarm: Swarm) -> None:
    """A database that is no event log is refused by reads too, not shown as a log without agents."""
    (swarm.home / "swarm.db").unlink()
    made = f"import sqlite3; sqlite3.connect({str(swarm.home / 'swarm.db')!r}).execute('CREATE TABLE mine(a)')"
    assert swarm.command(["python", "-c", made]).status == 0
    assert "not an event log" in swarm.refused(1, "list")


@pytest.mark.parametrize(
    "args", [("wait", "x"), ("spawn", "--wait", "--", "true"), ("spawn", "--follow", "--", "true")]
)
def test_our_own_failure_is_no_agents_status(swarm: Swarm, args: tuple[str, ...]) -> None:
    """A verb that exits as an agent does exits with 125 where it fails itself: 1 would be the agent's."""
    (swarm.home / "swarm.db").write_bytes(b"no database" * 1000)
    assert "damaged" in swarm.refused(125, *args)
