"""`swarmctl spawn --from`: many agents from a file of JSON lines, all of it checked before any of it is done."""

from __future__ import annotations

import json

import pytest

from support.cli import Swarm


def jobs(*lines: object) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


def test_spawns_every_line_in_order(swarm: Swarm) -> None:
    """Each line becomes an agent, their ids are printed in the order of the lines, and blank lines are nothing."""
    (swarm.cwd / "jobs").write_bytes(
        b"\n" + jobs({"command": ["echo", "1"]}) + b"\n" + jobs({"command": ["echo", "2"]})
    )
    ids = swarm.ok("spawn", "--from", "jobs").split()
    swarm.ok("wait", *ids)
    assert [swarm.logs(one) for one in ids] == [b"1\n", b"2\n"]


def test_reads_jobs_from_stdin(swarm: Swarm) -> None:
    """`--from -` reads the lines from standard input, without a newline at the end too."""
    assert len(swarm.ok("spawn", "--from", "-", input=b'{"command": ["true"]}').split()) == 1


def test_a_line_has_the_options_of_spawn(swarm: Swarm) -> None:
    """A line can say name, labels, cwd, env, stdin, restart, timeout and grace."""
    (swarm.cwd / "in").write_bytes(b"input")
    line = {
        "command": ["sh", "-c", "echo $A; cat; pwd"],
        "name": "job",
        "labels": {"k": "v"},
        "cwd": "/",
        "env": {"A": "b"},
        "stdin": "in",
        "restart": "no",
        "timeout": "1h",
        "grace": 2.5,
    }
    swarm.ok("spawn", "--from", "-", input=jobs(line))
    swarm.ok("wait", "job")
    known = swarm.agent("job")
    assert (known["labels"], known["timeout"], known["grace"], known["cwd"]) == ({"k": "v"}, 3600.0, 2.5, "/")
    assert swarm.logs("job") == b"b\ninput/\n"


def test_wait_gives_the_first_failure(swarm: Swarm) -> None:
    """With --wait the status is that of the first line, in order, whose agent did not end with 0."""
    lines = jobs(*({"command": ["sh", "-c", f"exit {status}"]} for status in (0, 4, 5)))
    assert swarm.run("spawn", "--wait", "--from", "-", input=lines).status == 4


def test_json_is_an_array_of_what_was_started(swarm: Swarm) -> None:
    """With --json the agents of several lines are printed as one array, in order."""
    lines = jobs({"command": ["true"], "name": "a"}, {"command": ["true"], "name": "b"})
    printed = json.loads(swarm.ok("spawn", "--json", "--from", "-", input=lines))
    assert [swarm.agent(one["id"])["name"] for one in printed] == ["a", "b"]


GOOD = {"command": ["true"], "name": "good"}


@pytest.mark.parametrize(
    ("bad", "about"),
    [
        (b"{", "JSON"),
        (b"[1]", "object"),
        (b"\xff", "JSON"),
        (b'{"name": "x"}', "command"),
        (b'{"command": []}', "command"),
        (b'{"command": "true"}', "command"),
        (b'{"command": [1]}', "command"),
        (b'{"command": ["true"], "comand": 1}', "comand"),
        (b'{"command": ["true"], "name": "a b"}', "name"),
        (b'{"command": ["true"], "labels": {"a b": "c"}}', "label"),
        (b'{"command": ["true"], "labels": {"a": "\\u001b"}}', "label"),
        (b'{"command": ["true"], "env": {"A=B": "c"}}', "variable"),
        (b'{"command": ["true"], "timeout": "5 parsecs"}', "duration"),
        (b'{"command": ["true"], "grace": -1}', "grace"),
        (b'{"command": ["true"], "restart": "maybe"}', "restart"),
        (b'{"command": ["true"], "cwd": "/nowhere"}', "/nowhere"),
        (b'{"command": ["true"], "stdin": "/nowhere"}', "/nowhere"),
        (b'{"command": ["no-such-command"]}', "no-such-command"),
        (b'{"command": ["true"], "name": "good"}', "good"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_spawned(swarm: Swarm, bad: bytes, about: str) -> None:
    """One bad line is refused with its number and its reason, and not even the good lines are spawned."""
    line = swarm.refused(2, "spawn", "--from", "-", input=jobs(GOOD) + b"\n" + bad + b"\n" + jobs(GOOD | {"name": "c"}))
    assert ":3:" in line and about in line and "nothing was spawned" in line
    assert swarm.json("list", "--all") == []


def test_the_file_is_named_before_the_number(swarm: Swarm) -> None:
    """The place of a bad line is FILE:NUMBER, as compilers write it."""
    (swarm.cwd / "my jobs").write_bytes(b"{}\n")
    assert "my jobs:1:" in swarm.refused(2, "spawn", "--from", "my jobs")


def test_a_name_of_a_living_agent_spawns_nothing(swarm: Swarm) -> None:
    """Where a line's name belongs to a living agent, no line is spawned, and the registry says whose it is."""
    holder = swarm.spawn("--name", "taken", "--", "sleep", "60")
    lines = jobs({"command": ["true"]}, {"command": ["true"], "name": "taken"})
    assert holder in swarm.refused(1, "spawn", "--from", "-", input=lines)
    assert [agent["id"] for agent in swarm.json("list", "--all")] == [holder]


def test_a_missing_file_is_wrong_usage(swarm: Swarm) -> None:
    """A job file that cannot be read is named."""
    assert "nowhere" in swarm.refused(2, "spawn", "--from", "nowhere")


def test_other_options_are_refused_beside_a_file(swarm: Swarm) -> None:
    """Options that a line would have are refused on the command line beside --from."""
    swarm.refused(2, "spawn", "--from", "-", "--name", "n", input=jobs(GOOD))
    swarm.refused(2, "spawn", "--from", "-", "--", "true", input=jobs(GOOD))
    assert swarm.json("list", "--all") == []
