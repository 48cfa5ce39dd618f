"""`swarmctl logs` of an AI agent: the conversation, live too; the bytes with --raw, the events with --json."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import agents, hosted
from support.cli import Swarm, output_of, read_until
from support.terminal import on_terminal
from swarm_store import session_events as said
from swarm_store.home import Home
from swarm_store.log import Log


@pytest.fixture
def log(swarm: Swarm) -> Iterator[Log]:
    """The log of the command line's home."""
    with Log(Home(str(swarm.home))) as log:
        yield log


def ended(log: Log, *turns: str, **options: object) -> str:
    """An agent that has taken these turns and ended; its id."""
    agent = hosted.spawn(log, *turns, **options)["id"]  # type: ignore[arg-type]
    agents.ended(log, agent)
    return str(agent)


def test_a_conversation(swarm: Swarm, log: Log) -> None:
    """What was said, tools and what they gave, what the turn used and how it ended, of all runs."""
    agent = ended(log, "say first\ntool ls\nuse 1000 20 3000")
    swarm.ok("send", "--wait", agent, "say second")
    shown = swarm.logs(agent).decode()
    assert shown == (
        "- session s-1 begins: claude, 1.0, m1\n\nuser:\n  say first\n  tool ls\n  use 1000 20 3000\n\n"
        "claude:\n  first\n* Bash  ls\n    ran ls\n= completed, 1.5 s, 1,000 tokens in, 20 out, $0.0030\n"
        "- session s-1 goes on: claude, 1.0, m1\n\nuser:\n  say second\n\nclaude:\n  second\n= completed, 1.5 s\n"
    )


def test_bytes_and_events(swarm: Swarm, log: Log) -> None:
    """--raw, or --stream, has what came over the pipe, --json the events with the agent's name."""
    agent = ended(log, "say hi", name="a")
    assert swarm.logs("--raw", agent) == swarm.logs("--stream", "stdout", agent) == b"raw\n"
    events = swarm.json("logs", agent)
    assert {one["type"] for one in events} <= set(said.CONVERSATION_TYPES)
    (answer,) = (one for one in events if one["data"].get("role") == "assistant")
    assert (answer["name"], answer["agent"], answer["data"]["text"]) == ("a", agent, "hi")
    assert swarm.json("logs", "--raw", agent)[0]["line"] == "raw"


def test_the_last_lines(swarm: Swarm, log: Log) -> None:
    """-n has the last lines of the conversation, and as JSON the last events."""
    agent = ended(log, "say one\\ntwo\\nthree\nsay " + "x\\n" * 300 + "end")
    whole = swarm.logs(agent).splitlines()
    for count in (0, 1, 3, 250, 305, 1000):
        assert (
            swarm.logs("-n", str(count), agent).splitlines() == whole[len(whole) - count :][-count:] if count else True
        )
    assert swarm.logs("-n", "0", agent) == b""
    assert [one["type"] for one in swarm.json("logs", "-n", "3", agent)] == [
        "message",
        "turn:completed",
        "session:closed",
    ]


def test_the_last_lines_are_those_of_the_whole(swarm: Swarm, log: Log) -> None:
    """However few there are, they are as many as wanted, and a turn's end has what it used, as where all is shown."""
    agent = ended(log, "use 7 7 7", "use 1000 20 3000\nsay one\ntool ls\ntool ls\nsay two\nsay three")
    whole = swarm.logs(agent).splitlines()
    for count in (1, 2, 4, 6, 9, 12, 16):
        assert swarm.logs("-n", str(count), agent).splitlines() == whole[-count:]


def test_of_one_run_and_of_some_time(swarm: Swarm, log: Log) -> None:
    """--run has one run's part, --since and --until what was said between."""
    agent = ended(log, "say one")
    swarm.ok("send", "--wait", agent, "say two")
    assert b"  one" in swarm.logs("--run", "1", agent) and b"  one" not in swarm.logs("--run", "2", agent)
    second = next(one["time"] for one in swarm.json("logs", agent) if one["data"]["run"] == 2)
    assert b"  one" not in swarm.logs("--since", second, agent)
    assert b"  two" not in swarm.logs("--until", second, agent)


def test_several_with_their_names(swarm: Swarm, log: Log) -> None:
    """Of several, AI agents and commands, each line has its agent's name before it; -t the time too."""
    ended(log, "say hi", name="ai")
    swarm.ended("echo out", "--name", "plain")
    lines = swarm.logs("ai", "plain").decode().splitlines()
    assert "ai    hi" in lines and "ai  = completed, 1.5 s" in lines and "plain  out" in lines
    assert all(line.startswith(("ai", "plain")) for line in lines)
    timed = swarm.logs("-t", "ai", "plain").decode().splitlines()
    assert all(line.startswith("20") and line[26] == "Z" for line in timed) and len(timed) == len(lines)
    mixed = swarm.json("logs", "ai", "plain")
    assert [one["line"] for one in mixed if "line" in one] == ["out"]
    assert [one["data"]["text"] for one in mixed if one.get("data", {}).get("role") == "assistant"] == ["hi"]


def test_following(swarm: Swarm, log: Log, tmp_path: Path) -> None:
    """-f shows what is said as it is said, an approval and its answer too, and ends with the agent."""
    os.mkfifo(tmp_path / "go")
    agent = hosted.spawn(log, f"say one\nhold {tmp_path / 'go'}\nask rm x\nsay two")["id"]
    follower = swarm.start("logs", "-f", agent)
    plain = swarm.spawn("--", "sh", "-c", f"echo out; cat {tmp_path / 'go'}2")
    both = swarm.start("logs", "-f", agent, plain)
    read_until(follower.stdout, b"  one\n")
    read_until(both.stdout, b"  out\n")
    (tmp_path / "go").write_text("go")
    approval = hosted.asked(log, agent)["id"]
    read_until(follower.stdout, f"? {approval}: may it use Bash  rm x\n".encode())
    swarm.ok("deny", approval)
    rest = output_of(follower)
    assert rest.status == 0
    assert f"? {approval}: denied by " in rest.text and rest.text.endswith(
        "  two\n= denied, 1 denied, 1.5 s: it was to be denied\n"
    )
    assert "  two\n" in output_of(both).text


def test_following_a_run_that_is_resumed(swarm: Swarm, log: Log) -> None:
    """A follower of a living session shows the turns that come, and ends when the agent does."""
    agent = hosted.spawn(log, "say one", stay=True)["id"]
    follower = swarm.start("logs", "-f", agent)
    read_until(follower.stdout, b"= completed")
    swarm.ok("send", agent, "say two")
    read_until(follower.stdout, b"  two\n")
    swarm.ok("cancel", agent)
    assert output_of(follower).status == 0


def test_on_a_terminal(swarm: Swarm, log: Log) -> None:
    """Nothing of an agent steers the terminal, and there the conversation has colours; NO_COLOR leaves them out."""
    agent = ended(log, "say a\x1b[2Jb\nend failed")
    shown = on_terminal(swarm, "logs", agent).out
    assert b"\x1b[1;32mclaude:\x1b[m" in shown and b"\x1b[31m= failed" in shown
    assert b"a\\x1b[2Jb" in shown and b"\x1b[2J" not in shown
    assert b"\x1b" not in on_terminal(swarm, "logs", agent, NO_COLOR="1").out
    assert b"\x1b" not in swarm.logs(agent)


def test_a_session_that_has_said_nothing(swarm: Swarm, log: Log) -> None:
    """An agent whose session has not begun has an empty conversation; as JSON an empty list."""
    agent = hosted.spawn(log, command=["true"])
    agents.ended(log, agent["id"])
    assert swarm.logs(agent["id"]) == b"" and swarm.json("logs", agent["id"]) == []
