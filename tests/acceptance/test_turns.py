"""`swarmctl send` and `interrupt` to agents of a kind: turns, answers, and what becomes of them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import hosted
from support.agents import kill
from support.cli import Swarm, output_of, read_until
from support.looking import until
from support.terminal import on_terminal
from swarm_store.home import Home
from swarm_store.log import Log


@pytest.fixture
def log(swarm: Swarm) -> Iterator[Log]:
    """The log of the command line's home."""
    with Log(Home(str(swarm.home))) as log:
        yield log


def test_a_turn_for_who_lives_and_who_has_ended(swarm: Swarm, log: Log) -> None:
    """`send` prints nothing; a living session takes the turn, an ended one is started again, in the same directory."""
    agent = hosted.spawn(log, "say one", name="a", stay=True)
    assert swarm.ok("send", "a", "say two") == ""
    hosted.completed(log, agent["id"], 2)
    swarm.ok("cancel", "a")
    swarm.ok("send", "a", "say three")
    hosted.completed(log, agent["id"], 3)
    assert hosted.answers(log, agent["id"]) == ["one", "two", "three"]
    assert swarm.agent("a")["run"] == 2


def test_a_turn_for_who_has_no_daemon(swarm: Swarm, log: Log) -> None:
    """Where nobody would see the agent end, because its daemon is dead and no supervisor runs, that is said."""
    agent = hosted.spawn(log, "say one", stay=True)
    kill(agent["daemon"]["pid"])
    got = swarm.run("send", agent["id"], "say two")
    assert got.status == 0
    assert got.error == (
        f"swarmctl: the daemon of agent {agent['id']} is dead; a supervisor takes them over: swarmctl supervisor run\n"
    )


def test_who_sent_it_is_in_the_log(swarm: Swarm, log: Log) -> None:
    """A turn says whose it is: user@host."""
    agent = hosted.spawn(log, "say one")
    assert swarm.json("send", agent["id"], "say two")["turn"] == 1
    sent = [one for one in swarm.json("events", agent["id"]) if one["type"] == "turn:sent"]
    assert sent[-1]["data"]["by"].endswith(f"@{os.uname().nodename}")


def test_waiting_for_the_answer(swarm: Swarm, log: Log) -> None:
    """--wait prints what the agent has said last and exits 0; --json all that is known of the turn."""
    agent = hosted.spawn(log, "say one")
    assert swarm.ok("send", "--wait", agent["id"], "say before\ntool ls\nsay first\\nline\nsay second") == (
        "first\nline\n\nsecond\n"
    )
    told = json.loads(swarm.ok("send", "--wait", "--json", agent["id"], "say ok"))
    assert (told["id"], told["outcome"], told["text"], told["denials"]) == (agent["id"], "completed", "ok", 0)


@pytest.mark.parametrize("outcome", ["denied", "failed", "refused", "interrupted", "limited"])
def test_what_is_no_success(swarm: Swarm, log: Log, outcome: str) -> None:
    """A turn with any outcome but completed is status 1, with the answer as far as it came and why in one line."""
    agent = hosted.spawn(log, "say one")
    got = swarm.run("send", "--wait", agent["id"], f"say so far\nend {outcome}")
    assert (got.status, got.text, got.error) == (
        1,
        "so far\n",
        f"swarmctl: the turn was {outcome}: it was to be {outcome}\n",
    )


def test_an_agent_that_dies_in_the_turn(swarm: Swarm, log: Log) -> None:
    """Where its host is killed and no supervisor is there, --wait says so, with status 1, and does not wait on."""
    agent = hosted.spawn(log, "say one", stay=True)
    line = swarm.refused(1, "send", "--wait", agent["id"], "die")
    assert "its turn was not completed" in line and "swarmctl restart" in line


def test_waiting_says_what_for(swarm: Swarm, log: Log) -> None:
    """An approval that is asked meanwhile is said on stderr, with its id; after the answer the turn ends."""
    agent = hosted.spawn(log, "say one")
    sender = swarm.start("send", "--wait", agent["id"], "ask rm x\nsay done")
    said = read_until(sender.stderr, b"or deny\n").decode()
    approval = hosted.asked(log, agent["id"])["id"]
    assert said == f"swarmctl: it asks for Bash  rm x; swarmctl approve {approval}, or deny\n"
    swarm.ok("approve", approval)
    assert output_of(sender)[:2] == (0, b"done\n")


def test_no_longer_than_that(swarm: Swarm, log: Log) -> None:
    """--timeout ends the waiting with 124, not the turn; and Ctrl-C likewise with 130."""
    agent = hosted.spawn(log, "say one", stay=True)
    got = swarm.run("send", "--wait", "--timeout", "0.1s", agent["id"], "wait")
    assert (got.status, got.out) == (124, b"") and "still goes on" in got.error
    sender = swarm.start("send", "--wait", agent["id"], "say late")
    bells = Path(log.home.bells, f"agents%2F{agent['id']}")
    until(lambda: list(bells.glob(f"{sender.pid}.*")), "it waits for the answer")
    sender.send_signal(signal.SIGINT)
    ended = output_of(sender)
    assert ended.status == 130 and "the turn goes on" in ended.error
    swarm.ok("interrupt", agent["id"])
    hosted.completed(log, agent["id"], 3)
    assert hosted.answers(log, agent["id"])[-1] == "late"


def test_a_megabyte_of_standard_input(swarm: Swarm, log: Log, tmp_path: Path) -> None:
    """A turn of 1 MB goes through whole, from a pipe; what is no UTF-8 is kept as bytes, and shown as U+FFFD."""
    agent = hosted.spawn(log, "say one")
    text = "say " + "ä" * 500_000
    assert swarm.ok("send", "--wait", agent["id"], "-", input=text.encode()) == "ä" * 500_000 + "\n"
    assert swarm.ok("send", "--wait", agent["id"], "-", input=b"say \xff") == "\N{REPLACEMENT CHARACTER}\n"


def test_what_makes_no_turn(swarm: Swarm, log: Log) -> None:
    """Nothing, or what is for commands, is wrong usage; --wait for a command too; nobody is status 3."""
    agent, plain = hosted.spawn(log, "say one")["id"], swarm.spawn("--input", "--", "cat")
    assert "nothing to send" in swarm.refused(2, "send", agent, " ")
    assert "nothing to send" in swarm.refused(2, "send", agent, "-", input=b"")
    assert "for commands" in swarm.refused(2, "send", agent, "x", "--close")
    assert "for commands" in swarm.refused(2, "send", agent, "x", "-n")
    assert "for turns" in swarm.refused(2, "send", plain, "x", "--wait")
    assert "add --wait" in swarm.refused(2, "send", agent, "x", "--timeout", "1s")
    swarm.refused(3, "send", "nobody", "x")
    assert hosted.session(log, agent)["sent"] == 1


def test_an_answer_steers_no_terminal(swarm: Swarm, log: Log) -> None:
    """On a terminal control characters of an answer are shown in letters."""
    agent = hosted.spawn(log, "say one")
    shown = on_terminal(swarm, "send", "--wait", agent["id"], "say a\x1b[2Jb").out
    assert b"a\\x1b[2Jb" in shown and b"\x1b[2J" not in shown


def test_interrupting(swarm: Swarm, log: Log) -> None:
    """`interrupt` ends the turn, and the session takes the next; with no turn it is status 4; a command gets SIGINT."""
    agent = hosted.spawn(log, "wait", stay=True)["id"]
    until(lambda: hosted.session(log, agent)["current"])
    assert swarm.ok("interrupt", agent) == ""
    assert hosted.completed(log, agent, 1)["last"]["outcome"] == "interrupted"
    assert "no turn under way" in swarm.refused(4, "interrupt", agent)
    assert swarm.ok("send", "--wait", agent, "say on") == "on\n"
    plain = swarm.spawn("--", "sleep", "60")
    swarm.ok("interrupt", plain)
    assert swarm.run("wait", plain).status == 130
    assert "has ended" in swarm.refused(4, "interrupt", plain)
