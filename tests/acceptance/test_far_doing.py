"""Doing through a server what the command line does on the machine, and a server that goes away meanwhile."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.cli import Result, Swarm, output_of, read_until, swarm_in
from support.far import Far, far_from
from support.looking import until

ID = re.compile(rb"\b[a-kmnp-z2-9]{8}\b")
Scenario = Callable[[Swarm], list[Result]]


@pytest.fixture
def far(swarm: Swarm) -> Iterator[Far]:
    """The command line at a distance from `swarm`."""
    with far_from(swarm) as far:
        yield far


def spawning(swarm: Swarm) -> list[Result]:
    (swarm.cwd / "in.txt").write_text("from a file\n")
    jobs = [
        {"command": ["cat"], "stdin": "in.txt", "timeout": "1m", "labels": {"a": "b"}},
        {"command": ["nonesuch-command"]},
        {"command": ["sh", "-c", "exit 4"], "name": "four"},
    ]
    (swarm.cwd / "jobs").write_text("\n".join(map(json.dumps, jobs)))
    return [
        swarm.run("spawn", "--wait", "--stdin", "in.txt", "--name", "file", "--", "cat"),
        swarm.run("logs", "file"),
        swarm.run("spawn", "--follow", "--stdin", "-", "--", "cat", input=b"\xff\0 bytes\n"),
        swarm.run("spawn", "--wait", "--", "sh", "-c", "kill -9 $$"),
        swarm.run("spawn", "--wait", "--timeout", "0.2s", "--", "sleep", "60"),
        swarm.run("spawn", "--follow", "--", "sh", "-c", "echo out; echo err >&2; exit 7"),
        swarm.run("spawn", "--env", "A=b c", "--follow", "--", "sh", "-c", 'echo "$A"'),
        swarm.run("spawn", "--stdin", "nonesuch", "--", "cat"),
        swarm.run("spawn", "--from", "nonesuch"),
    ]


def many(swarm: Swarm) -> list[Result]:
    jobs = [{"command": ["sh", "-c", f"exit {number}"], "name": f"n{number}"} for number in (0, 4, 5)]
    (swarm.cwd / "jobs").write_text("\n".join(map(json.dumps, jobs)))
    (swarm.cwd / "bad").write_text('{"command": ["true"]}\n{"command": ["true"], "name": "."}\n')
    return [
        swarm.run("spawn", "--wait", "--from", "jobs"),
        swarm.run("spawn", "--from", "bad"),
        swarm.run("wait", "n0", "n4", "n5"),
        swarm.run("rm", "n0", "n5"),
        swarm.run("list", "--all", "--json", "-q"),
    ]


def ending(swarm: Swarm) -> list[Result]:
    for name in ("a", "b", "c", "d", "e"):
        swarm.spawn("--name", name, "--label", f"is={name}", "--", "sleep", "600")
    swarm.sh("trap '' TERM; echo ready; while :; do sleep 0.1; done", "--name", "stubborn", "--grace", "0.3s")
    until(lambda: swarm.logs("stubborn"), "it ignores TERM")
    return [
        swarm.run("cancel", "a"),
        swarm.run("wait", "a"),
        swarm.run("cancel", "a", "b"),
        swarm.run("cancel", "--label", "is=b"),
        swarm.run("cancel", "--signal", "INT", "--no-wait", "c"),
        swarm.run("wait", "c"),
        swarm.run("cancel", "stubborn"),
        swarm.run("signal", "d", "USR1"),
        swarm.run("wait", "d"),
        swarm.run("cancel", "--all"),
        swarm.run("wait", "b", "c", "d", "e", "stubborn"),
        swarm.run("list"),
    ]


def again(swarm: Swarm) -> list[Result]:
    swarm.ended("exit 3", "--name", "it", "--restart", "on-failure")
    swarm.spawn("--name", "lives", "--", "sleep", "600")
    return [
        swarm.run("restart", "it"),
        swarm.run("wait", "it"),
        swarm.run("cancel", "it"),
        swarm.run("cancel", "it"),
        swarm.run("restart", "lives", "--grace", "1s"),
        swarm.run("logs", "--run", "2", "it"),
        swarm.run("rm", "lives"),
        swarm.run("cancel", "lives"),
        swarm.run("prune", "--keep", "1", "--dry-run"),
        swarm.run("prune", "--keep", "1"),
        swarm.run("prune", "--keep", "0", "--label", "nonesuch"),
        swarm.run("rm", "lives"),
        swarm.run("list", "--all"),
    ]


def talking(swarm: Swarm) -> list[Result]:
    swarm.spawn("--input", "--name", "cat", "--", "cat")
    swarm.spawn("--name", "deaf", "--", "sleep", "600")
    return [
        swarm.run("send", "cat", "a line"),
        swarm.run("send", "-n", "cat", "no newline"),
        swarm.run("send", "cat", "-", input=b"\xff\0" * 100_000),
        swarm.run("send", "--close", "cat"),
        swarm.run("wait", "cat"),
        swarm.run("logs", "cat"),
        swarm.run("send", "cat", "too late"),
        swarm.run("send", "deaf", "-", input=b"x"),
        swarm.run("send", "cat"),
    ]


def masked(result: Result) -> Result:
    """Without the ids, which are new each time."""
    return Result(result.status, ID.sub(b"ID", result.out), ID.sub(b"ID", result.err))


@pytest.mark.parametrize("scenario", [spawning, many, ending, again, talking])
def test_the_same_as_on_the_machine(swarm: Swarm, tmp_path: Path, scenario: Scenario) -> None:
    """What commands do, say and exit with through a server is what they do, say and exit with on the machine."""
    with far_from(swarm) as far:
        there = list(map(masked, scenario(far)))
    (tmp_path / "beside").mkdir()
    with swarm_in(tmp_path / "beside", None) as near:
        assert there == list(map(masked, scenario(near)))


def test_a_line_of_many_that_is_refused_spares_the_others(far: Far) -> None:
    """Through a server each line of a job file is spawned by itself; one that cannot be is named with its number."""
    jobs = [
        {"command": ["true"], "name": "twice"},
        {"command": ["nonesuch-command"]},
        {"command": ["sh", "-c", "exit 4"]},
    ]
    far.sh("sleep 600", "--name", "twice")
    (far.cwd / "jobs").write_text("\n".join(map(json.dumps, jobs)))
    got = far.run("spawn", "--from", "jobs", "--wait")
    assert (got.status, len(got.lines)) == (125, 1)
    assert re.search("swarmctl: jobs:1: .*twice.*\nswarmctl: jobs:2: command not found", got.error)
    assert far.run("wait", got.lines[0]).status == 4


def test_a_token_of_one_agent_is_enough_for_it(far: Far) -> None:
    """With an agent's own token, what is about that agent is done by its id, and nothing else."""
    agent, other = (far.spawn("--input", "--", "sh", "-c", "cat; exit 3") for _ in "12")
    token = far.near.ok("token", "create", "--control", "--agent", agent).strip()
    following = far.start("--token", token, "logs", "-f", agent)
    far.ok("--token", token, "send", "--close", agent, "hello")
    assert far.run("--token", token, "wait", agent).status == 3
    assert output_of(following) == Result(0, b"hello\n", b"")
    far.ok("--token", token, "rm", agent)
    for words in (("list",), ("wait", other), ("cancel", "--all"), ("spawn", "--", "true"), ("events",)):
        assert "does not allow this" in far.run("--token", token, *words).error


def test_an_export_is_taken_in(far: Far, swarm: Swarm) -> None:
    """What was exported is imported through a server, from a file here or from standard input."""
    agent = swarm.ended("echo whole")
    exported = swarm.ok("export", agent).encode()
    swarm.ok("rm", agent)
    assert far.run("import", "-", input=exported) == Result(0, f"{agent}\n".encode(), b"")
    assert far.logs(agent) == b"whole\n"
    (far.cwd / "log.jsonl").write_bytes(exported)
    assert agent in far.refused(4, "import", "log.jsonl")
    assert "no JSON" in far.run("import", "-", input=b"nonsense\n").error


def test_an_agent_without_a_daemon_is_said(far: Far, swarm: Swarm) -> None:
    """An agent whose daemon is dead is `lost?` through a server too, with the hint, and cancel ends it."""
    agent = far.sh("sleep 600")
    os.kill(swarm.agent(agent)["daemon"]["pid"], signal.SIGKILL)
    until(lambda: far.agent(agent)["status"] == "lost?" if not far.run("show", agent).err else True, "it is lost")
    got = far.run("list")
    assert b"lost?" in got.out and "swarmctl supervisor run" in got.error
    assert far.run("cancel", agent).status == 0
    assert swarm.agent(agent)["state"] == "cancelled"


def test_output_is_followed_through_a_server_that_is_killed(far: Far) -> None:
    """`logs -f` of agents that write on goes on after their server was killed: no line is missed, none comes twice."""
    script = 'for i in $(seq 300); do echo "$0 $i"; sleep 0.01; done'
    agents = [far.spawn("--name", name, "--", "sh", "-c", script, name) for name in ("a", "b")]
    one, both = far.start("logs", "-f", "a"), far.start("logs", "-f", *agents)
    read_until(one.stdout, b"a 20\n")
    begun = read_until(both.stdout, b"a 20\n")
    begun += b"" if b"b 20\n" in begun else read_until(both.stdout, b"b 20\n")  # by then it follows both
    far.kill_server()
    until(lambda: far.near.logs("a").count(b"\n") > 100, "it writes on")
    far.start_server()
    lines = output_of(one).text.splitlines()
    assert lines[-1] == "a 300" and lines == [f"a {i}" for i in range(301 - len(lines), 301)]
    got = (begun + output_of(both).out).decode().splitlines()
    for name in ("a", "b"):
        assert [line for line in got if line.startswith(name)] == [f"{name}  {name} {i}" for i in range(1, 301)]


def test_the_last_lines_are_followed(far: Far) -> None:
    """`logs -f -n N` through a server begins with the last lines, and goes on with every byte, within a line too."""
    gate = far.cwd / "gate"
    wait = f"while ! test -e {gate}; do sleep 0.02; done"
    agent = far.sh(f"echo 1; echo 2; printf 3; {wait}; echo 3; echo 4; echo error >&2")
    until(lambda: far.logs(agent) == b"1\n2\n3", "it waits")
    following = [swarm.start("logs", "-f", "-n", "2", agent) for swarm in (far.near, far)]
    begun = [read_until(one.stdout, b"3") for one in following]
    gate.touch()
    got = [sorted((first + output_of(one).out).splitlines()) for first, one in zip(begun, following, strict=True)]
    assert got == [[b"2", b"33", b"4", b"error"]] * 2


def test_ends_are_waited_for_through_a_server_that_is_killed(far: Far) -> None:
    """`wait` for one agent and for several goes on after the server was killed, and gives the status all the same."""
    gate = far.cwd / "gate"
    agents = [far.sh(f"while ! test -e {gate}; do sleep 0.05; done; exit {code}") for code in (3, 5)]
    waiting = [far.started("wait", *words) for words in (agents[:1], agents, ("--any", *agents))]
    spawned = far.start("spawn", "--wait", "--", "sh", "-c", f"while ! test -e {gate}; do sleep 0.05; done; exit 6")
    read_until(spawned.stdout, b"\n")
    far.ok("list")  # by then it waits, too
    far.kill_server()
    gate.touch()
    far.near.run("wait", *agents)
    far.start_server()
    assert [output_of(one).status for one in waiting[:2]] == [3, 3]
    assert output_of(waiting[2]).status in (3, 5)
    assert output_of(spawned).status == 6


def test_events_are_followed_through_a_server_that_is_killed(far: Far) -> None:
    """`events -f` goes on after the server was killed: every event once, in order."""
    following = far.start("events", "-f", "--json")
    first = far.ended("true")
    begun = read_until(following.stdout, b'"agent:exited"')
    far.kill_server()
    second = far.near.ended("true")
    far.start_server()
    last = far.ended("true")
    begun += read_until(following.stdout, f'"agent:exited", "agent": "{last}"'.encode())
    while not begun.endswith(b"\n"):
        begun += read_until(following.stdout, b"\n")
    positions = [json.loads(line)["position"] for line in begun.splitlines()]
    known = far.near.json("events")
    assert positions == [event["position"] for event in known][: len(positions)]
    assert {first, second, last} <= {event["agent"] for event in known}


def test_a_server_that_is_away_is_said(far: Far) -> None:
    """While the server is away, who follows says so once on stderr, and goes on when it is there again."""
    following = far.start("logs", "-f", far.sh("echo begun; sleep 600"))
    read_until(following.stdout, b"begun\n")
    far.kill_server()
    said = read_until(following.stderr, b"\n").decode()
    assert said == f"swarmctl: {far.server.url} does not answer: connection refused; waiting for its return\n"
    following.send_signal(signal.SIGINT)
    assert output_of(following) == Result(130, b"", b"")


def test_leaving_leaves_what_was_spawned(far: Far) -> None:
    """An interrupt ends `spawn --follow`, and says that the agent goes on; it does, where it is."""
    following = far.start("spawn", "--follow", "--", "sh", "-c", "echo begun; sleep 600")
    read_until(following.stdout, b"begun\n")
    following.send_signal(signal.SIGINT)
    got = output_of(following)
    (agent,) = far.json("list")
    assert (got.status, got.error.splitlines()[-1]) == (
        130,
        f"swarmctl: still running: {agent['id']}; swarmctl logs -f {agent['id']}",
    )


def test_no_server_is_one_line(far: Far) -> None:
    """Where no server answers, a command says so in one line: status 1, or 125 where the status is an agent's."""
    far.env["SWARM_SERVER"] = "http://127.0.0.1:1"
    for status, line in ((1, "list"), (1, "spawn -- true"), (125, "wait x y z"), (125, "spawn --wait -- x")):
        said = far.refused(status, *line.split())
        assert said.startswith("swarmctl: http://127.0.0.1:1 does not answer: connection refused; is swarmctl serve")
    far.env["SWARM_SERVER"] = f"unix:{far.cwd}/nonesuch"
    assert "does not answer: no such file" in far.refused(1, "list")


@pytest.mark.parametrize(
    "words",
    [
        ("serve",),
        ("supervisor", "run"),
        ("supervisor", "stop"),
        ("systemd", "show"),
        ("systemd", "install"),
        ("doctor", "--fix"),
    ],
    ids=" ".join,
)
def test_what_works_on_the_machine_itself_says_so(far: Far, words: tuple[str, ...]) -> None:
    """A verb that is about the machine itself says so in one line, with status 2; an empty --server is this machine."""
    assert "works on the machine itself" in far.refused(2, *words)
    assert far.run("--server", "", *words, "--help").status == 0


def test_a_unix_socket_is_a_server(swarm: Swarm) -> None:
    """--server unix:PATH goes through a unix socket."""
    with far_from(swarm, "--uds", str(swarm.cwd / "s")) as far:
        agent = far.ended("echo through")
        assert far.logs(agent) == b"through\n"
        assert far.run("--server", f"unix:{swarm.cwd}/s", "logs", "-f", agent).out == b"through\n"


def test_a_token_goes_nowhere_unencrypted(far: Far) -> None:
    """A token is refused over plain http to another machine, with the tunnel that helps; --insecure allows it."""
    said = far.refused(2, "--server", "http://192.0.2.1", "list")
    assert "would go to 192.0.2.1 unencrypted; make a tunnel: ssh -L 4437:127.0.0.1:4437 192.0.2.1" in said


def test_a_token_comes_from_one_place(far: Far) -> None:
    """--token excludes --token-file, a file must be readable, and without a server a token makes no sense."""
    assert "exclude" in far.refused(2, "--token", "x", "--token-file", "y", "list")
    assert "cannot read the token file nonesuch" in far.refused(2, "--token-file", "nonesuch", "list")
    assert "add --server URL" in far.near.refused(2, "--token", "x", "list")
    assert "is no token" in far.refused(2, "--token", "two words", "list")
    far.ok("--token", far.server.token, "list")
    far.env.pop("SWARM_TOKEN_FILE")
    far.ok("list", SWARM_TOKEN=far.server.token)


def test_completion_offers_agents_there(far: Far) -> None:
    """A shell completes ids and names of the server that is named or set, and nothing where none answers."""
    agent = far.ended("true", "--name", "zebra")

    def offered(line: str, **env: str) -> list[str]:
        asked = {"_SWARMCTL_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        got = far.command(["swarmctl"], input=None, cwd=None, **asked, **env)
        assert got.err == b""
        return got.text.split()

    assert {agent, "zebra"} <= set(offered("swarmctl show "))
    assert offered(f"swarmctl --server {far.server.url} show zeb", SWARM_SERVER="") == ["zebra"]
    assert offered("swarmctl show zeb", SWARM_SERVER="") == []
    assert offered("swarmctl show zeb", SWARM_SERVER="http://127.0.0.1:1") == []
