"""`swarmctl send` and `spawn --input`: talking to a running agent."""

from __future__ import annotations

import json
import os
import subprocess

from support.cli import Swarm, output_of, read_until
from support.looking import until


def test_a_line_a_word_a_file(swarm: Swarm) -> None:
    """TEXT is sent with a newline, or without, - as it comes, and --close ends it; nothing is printed."""
    swarm.spawn("--name", "echo", "--input", "--", "cat")
    assert swarm.ok("send", "echo", "a line") == ""
    swarm.ok("send", "-n", "echo", "no ")
    swarm.ok("send", "echo", "newline", "--no-newline")
    swarm.ok("send", "--close", "echo", "-", input=b"\nbytes \0\xff")
    assert swarm.run("wait", "echo").status == 0
    assert swarm.logs("echo") == b"a line\nno newline\nbytes \0\xff"


def test_closing_alone(swarm: Swarm) -> None:
    """`send --close` without a text ends the input."""
    agent = swarm.spawn("--input", "--", "cat")
    swarm.ok("send", agent, "--close")
    assert swarm.run("wait", agent).status == 0
    assert swarm.logs(agent) == b""


def test_a_large_file(swarm: Swarm) -> None:
    """Ten megabytes go through, whole."""
    sent = os.urandom(10_000_000)
    agent = swarm.spawn("--input", "--", "cat")
    swarm.ok("send", "--close", agent, "-", input=sent)
    swarm.ok("wait", agent)
    assert swarm.logs(agent) == sent


def test_what_is_piped_in_is_sent_as_it_comes(swarm: Swarm) -> None:
    """A sender whose own input goes on has sent what it has read, and is not waited for."""
    agent = swarm.spawn("--input", "--", "cat")
    follower = swarm.start("logs", "-f", agent)
    sender = swarm.start("send", agent, "-", stdin=subprocess.PIPE)
    assert sender.stdin is not None
    for line in (b"first\n", b"second\n"):
        sender.stdin.write(line)
        sender.stdin.flush()
        read_until(follower.stdout, line)
    assert output_of(sender).status == 0
    swarm.ok("send", agent, "--close")
    assert output_of(follower).status == 0


def test_who_cannot_be_sent_anything(swarm: Swarm) -> None:
    """No such agent is 3; one without --input, one whose input is closed, one that has ended, 4; nothing to send, 2."""
    plain, takes = swarm.spawn("--", "sleep", "60"), swarm.spawn("--input", "--", "sleep", "60")
    assert "no agent" in swarm.refused(3, "send", "nobody", "x")
    assert "takes no input; spawn it with --input" in swarm.refused(4, "send", plain, "x")
    assert "takes no input" in swarm.refused(4, "send", plain, "-", input=b"x")
    assert "nothing to send" in swarm.refused(2, "send", takes)
    swarm.ok("send", "--close", takes, "x")
    assert "is closed" in swarm.refused(4, "send", takes, "x")
    swarm.ok("cancel", takes)
    assert "has ended" in swarm.refused(4, "send", takes, "x")


def test_input_and_stdin_exclude_each_other(swarm: Swarm) -> None:
    """--input with --stdin, or with --from, is wrong usage, and nothing is spawned."""
    assert "excludes --stdin" in swarm.refused(2, "spawn", "--input", "--stdin", "-", "--", "cat", input=b"x")
    assert "--from" in swarm.refused(2, "spawn", "--input", "--from", "-", input=b"{}")
    line = json.dumps({"command": ["cat"], "input": True, "stdin": "-"}).encode()
    (swarm.cwd / "jobs").write_bytes(line)
    assert "jobs:1: --input excludes --stdin" in swarm.refused(2, "spawn", "--from", "jobs")
    assert swarm.json("list", "--all") == []


def test_a_line_of_jobs_may_take_input(swarm: Swarm) -> None:
    """`"input": true` in a line for --from is what --input is."""
    agent = swarm.ok("spawn", "--from", "-", input=b'{"command": ["cat"], "input": true}').strip()
    assert swarm.agent(agent)["input"] is True
    swarm.ok("send", agent, "yes", "--close")
    swarm.ok("wait", agent)
    assert swarm.logs(agent) == b"yes\n"


def test_lists_say_who_takes_input(swarm: Swarm) -> None:
    """`list --json` and `show` have a field that says it, and `events` what was sent."""
    agent = swarm.spawn("--name", "a", "--input", "--", "cat")
    swarm.spawn("--name", "b", "--", "sleep", "60")
    assert {one["name"]: one["input"] for one in swarm.json("list")} == {"a": True, "b": False}
    swarm.ok("send", agent, "yes", "--close")
    swarm.ok("wait", agent)
    sent = [one for one in swarm.json("events", agent) if one["type"].startswith("input:")]
    assert [(one["type"], one["data"]) for one in sent] == [
        ("input:sent", {"run": 1, "bytes": 4}),
        ("input:closed", {"run": 1}),
    ]
    assert sent[0]["base64"] == "eWVzCg=="


def test_a_restarted_agent_starts_with_an_open_input(swarm: Swarm) -> None:
    """`restart` gives an agent whose input was closed a new one."""
    agent = swarm.spawn("--input", "--", "cat")
    swarm.ok("send", agent, "one", "--close")
    swarm.ok("wait", agent)
    swarm.ok("restart", agent)
    swarm.ok("send", agent, "two")
    until(lambda: swarm.logs(agent) == b"one\ntwo\n")
