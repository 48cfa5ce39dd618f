"""An AI agent's conversation in a terminal: typing sends, approvals are answered in place, all goes on when it ends."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support import agents, hosted
from support import sessions as scripted
from support.cli import SWARMCTL, Swarm
from support.screen import Screen
from swarm_store import approvals
from swarm_store.home import Home
from swarm_store.log import Log

pytest.importorskip("prompt_toolkit")
ENTER, CTRL_C, CTRL_D = b"\r", b"\x03", b"\x04"
Attach = Callable[..., Screen]


@pytest.fixture
def log(swarm: Swarm) -> Iterator[Log]:
    """The log of the command line's home."""
    with Log(Home(str(swarm.home))) as log:
        yield log


@pytest.fixture
def attach(swarm: Swarm) -> Iterator[Attach]:
    """Attaches a terminal to an agent; it is closed at the end."""
    open_ones: list[Screen] = []

    def attached(agent: str, *options: str, **size: int) -> Screen:
        screen = Screen(swarm, SWARMCTL, "attach", agent, *options, **size)
        open_ones.append(screen)
        return screen

    yield attached
    for screen in open_ones:
        screen.close()


def test_typing_sends(log: Log, attach: Attach) -> None:
    """What was said is there, what is typed is a turn, its answer appears, and the line stays at the bottom."""
    agent = hosted.spawn(log, "say hello", stay=True)["id"]
    screen = attach(agent)
    screen.see("claude:", "  hello", "claude waits for a turn", "\n>")
    screen.type(b"say second" + ENTER)
    shown = screen.see("  second", "claude waits for a turn")
    assert shown.count("say second") == 1
    assert shown.rstrip().endswith(">")
    assert hosted.completed(log, agent, 2)["last"]["outcome"] == "completed"


def test_leaving_leaves_all_running(log: Log, attach: Attach) -> None:
    """Ctrl-D, /detach, and Ctrl-C twice detach with status 0; the agent goes on, and the line at the bottom is gone."""
    agent = hosted.spawn(log, "say hello", stay=True)["id"]
    for keys in ([CTRL_D], [b"/detach" + ENTER], [CTRL_C, CTRL_C]):
        screen = attach(agent)
        screen.see("waits for a turn")
        for key in keys:
            screen.type(key)
        assert screen.end() == 0
        assert "swarmctl: detached;" in screen.text and "waits for a turn" not in screen.text
    assert agents.get(log, agent)["state"] == "waiting"


def test_an_ended_session_goes_on(log: Log, attach: Attach) -> None:
    """Typing to an agent that has ended starts it again."""
    agent = hosted.spawn(log, "say one")["id"]
    agents.ended(log, agent)
    screen = attach(agent)
    screen.see("claude has ended: completed; a turn starts it again")
    screen.type(b"say two" + ENTER)
    screen.see("session s-1 goes on", "  two", "claude has ended: completed")
    assert agents.get(log, agent)["run"] == 2


def test_interrupting(log: Log, attach: Attach) -> None:
    """Ctrl-C ends the turn under way and stays; what is typed then is the next turn."""
    agent = hosted.spawn(log, "wait", stay=True)["id"]
    screen = attach(agent)
    screen.see("claude is at it")
    screen.type(CTRL_C)
    screen.see("= interrupted", "claude waits for a turn")
    screen.type(b"say on" + ENTER)
    screen.see("  on")


def test_an_approval_is_answered_in_place(log: Log, attach: Attach) -> None:
    """y, n with what the agent is told, and a answer the approval that is shown."""
    agent = hosted.spawn(log, "ask one\nask two\nask three", stay=True)["id"]
    screen = attach(agent)
    for command, keys in (("one", b"y"), ("two", b"no, use git stash"), ("three", b"a")):
        screen.see(f"Bash  {command}   [y]es  [n]o  [a]lways  [e]dit")
        screen.type(keys + ENTER)
    screen.see("= denied, 1 denied", "claude waits for a turn")
    answered = approvals.asked(log, agent_id=agent, pending=False)
    assert [(one["state"], one["always"], one["message"]) for one in answered] == [
        ("granted", False, None),
        ("denied", False, "use git stash"),
        ("granted", True, None),
    ]


def test_what_has_outlived_who_asked_is_answered_in_place(log: Log, attach: Attach, tmp_path: Path) -> None:
    """A deferred approval of an agent that has ended is offered as well, and its answer starts the agent again."""
    agent = scripted.spawn(log, tmp_path, "defer Bash ls\nsay done")
    scripted.asked(log, agent)
    agents.kill(agents.get(log, agent["id"])["child"]["pid"])
    agents.ended(log, agent["id"])
    screen = attach(agent["id"])
    screen.see("Bash  ls   [y]es  [n]o")
    screen.type(b"y" + ENTER)
    screen.see("  done", "= completed")
    assert scripted.lines(tmp_path, "answers") == ["ls: yes"]


def test_another_input_is_edited_in_place(log: Log, attach: Attach) -> None:
    """e puts the input into the line; what is no JSON object is said, and what is one is what is done."""
    agent = hosted.spawn(log, "ask rm x", stay=True)["id"]
    screen = attach(agent)
    screen.see("[e]dit")
    screen.type(b"e" + ENTER)
    screen.see('edit> {"command": "rm x"}')
    screen.type(b"x" + ENTER)
    screen.see("that is no JSON object")
    screen.type(b'\x7f\x7f\x7f\x7f-i x"}' + ENTER)
    screen.see("ran rm -i x", "= completed")


def test_an_agent_that_takes_no_other_input(log: Log, attach: Attach) -> None:
    """Where the agent cannot take another input, e is not offered, and says so."""
    agent = hosted.spawn(log, "ask x", kind="codex", stay=True)["id"]
    screen = attach(agent)
    screen.see("[a]lways", without="[e]dit")
    screen.type(b"e" + ENTER)
    screen.see("cannot be given another input")
    screen.type(b"y" + ENTER)
    screen.see("= completed")


def test_a_line_that_was_begun_before_the_question_is_no_answer(log: Log, attach: Attach, tmp_path: Path) -> None:
    """Whoever types while an approval is asked has not answered it with what was typed before it was seen."""
    os.mkfifo(tmp_path / "go")
    agent = hosted.spawn(log, f"hold {tmp_path / 'go'}\nask rm x", stay=True)["id"]
    screen = attach(agent)
    screen.see("claude is at it")
    screen.type(b"y")
    screen.see("> y")
    (tmp_path / "go").write_text("go")
    screen.see("[y]es")
    screen.type(ENTER)
    screen.see("asked since you began to type", "> y")
    assert approvals.asked(log, agent_id=agent)
    screen.type(ENTER)
    screen.see("= completed")


def test_answered_from_elsewhere(swarm: Swarm, log: Log, attach: Attach) -> None:
    """An answer from another shell is shown, and the question is gone."""
    agent = hosted.spawn(log, "ask x", stay=True)["id"]
    screen = attach(agent)
    screen.see("[y]es")
    swarm.ok("deny", hosted.asked(log, agent)["id"], "-m", "not now")
    screen.see(": not now", "claude waits for a turn", without="[y]es")


def test_looking_alone(log: Log, attach: Attach) -> None:
    """With --read-only nothing typed does anything, a question is only shown, and Ctrl-D leaves."""
    agent = hosted.spawn(log, "ask x", stay=True)["id"]
    screen = attach(agent, "--read-only")
    screen.see("may it use Bash  x", "claude is at it", without="[y]es")
    screen.type(b"y" + ENTER + b"say no" + ENTER)
    screen.type(CTRL_D)
    assert screen.end() == 0
    assert len(approvals.asked(log, agent_id=agent)) == 1 and hosted.session(log, agent)["sent"] == 1


def test_what_cannot_be_done_is_said(swarm: Swarm, log: Log, attach: Attach) -> None:
    """An error of what was typed is a line on the screen, and nothing ends."""
    agent = hosted.spawn(log, "say one", name="same")["id"]
    agents.ended(log, agent)
    screen = attach(agent)
    screen.see("has ended")
    swarm.spawn("--name", "same", "--", "sleep", "60")
    screen.type(b"say two" + ENTER)
    screen.see("'same'")
    assert hosted.session(log, agent)["sent"] == 1


def test_several_lines_are_one_turn(log: Log, attach: Attach) -> None:
    """What is pasted comes whole, and Alt-Enter begins a line; Enter sends all of it."""
    agent = hosted.spawn(log, "say hello", stay=True)["id"]
    screen = attach(agent)
    screen.see("waits for a turn")
    screen.type(b"\x1b[200~say a\nsay b\x1b[201~")
    screen.see("say b")
    screen.type(b"\x1b\rsay c" + ENTER)
    screen.see("  a", "  b", "  c", "waits for a turn")
    assert hosted.answers(log, agent) == ["hello", "a", "b", "c"]


def test_nothing_steers_the_terminal(log: Log, attach: Attach) -> None:
    """Control characters of messages, inputs and kinds are shown in letters."""
    agent = hosted.spawn(log, "say a\x1b[2Jb\nask c\x1b[2Jd", stay=True)["id"]
    screen = attach(agent)
    screen.see("a\\x1b[2Jb", "c\\x1b[2Jd   [y]es")
    assert b"\x1b[2J" not in screen.seen


def test_an_agent_that_is_removed(swarm: Swarm, log: Log, attach: Attach) -> None:
    """Where the agent is removed the screen is left, and says so."""
    agent = hosted.spawn(log, "say hello")["id"]
    agents.ended(log, agent)
    screen = attach(agent)
    screen.see("has ended")
    swarm.ok("rm", agent)
    assert screen.end() == 3 and "there is no agent" in screen.text


def test_without_a_terminal(swarm: Swarm, log: Log) -> None:
    """In a pipe it is wrong usage, and says what shows a conversation there; so are keys that there are not."""
    agent = hosted.spawn(log, "say hello")["id"]
    assert "attach needs a terminal; swarmctl logs -f" in swarm.refused(2, "attach", agent)
    assert "no such detach key" in swarm.refused(2, "attach", agent, "--detach-keys", "ctrl-ctrl")


@pytest.mark.parametrize(
    ("written", "pressed"), [("", b"\x1c\x1c"), ("ctrl-a,d", b"\x01d"), ("ctrl-[,ctrl-^", b"\x1b\x1e")]
)
def test_detach_keys(log: Log, attach: Attach, written: str, pressed: bytes) -> None:
    """The keys that leave a terminal leave a conversation too, those of --detach-keys likewise."""
    agent = hosted.spawn(log, "say hello", stay=True)["id"]
    screen = attach(agent, *(["--detach-keys", written] if written else []))
    screen.see("waits for a turn")
    screen.type(pressed)
    assert screen.end() == 0 and "swarmctl: detached" in screen.text


def test_what_is_being_written(log: Log, attach: Attach, tmp_path: Path) -> None:
    """A message appears as it is written, and when it is whole it is there once."""
    os.mkfifo(tmp_path / "go")
    agent = hosted.spawn(log, f"type {tmp_path / 'go'} Hello wor|ld, and all", stay=True, live=True)["id"]
    screen = attach(agent)
    screen.see("\n\nclaude:\n  Hello wor\nclaude is at it", without="= completed")
    (tmp_path / "go").write_text("go")
    shown = screen.see("  Hello world, and all", "claude waits for a turn")
    assert shown.count("Hello") == 2  # what was asked, and what was answered


def test_each_run_is_listened_to(swarm: Swarm, log: Log, attach: Attach, tmp_path: Path) -> None:
    """Where an agent is started again, what its new run writes appears too."""
    os.mkfifo(tmp_path / "go")
    agent = hosted.spawn(log, "say one", live=True)["id"]
    agents.ended(log, agent)
    screen = attach(agent)
    screen.see("has ended")
    screen.type(f"type {tmp_path / 'go'} begin|end".encode() + ENTER)
    screen.see("claude:\n  begin\nclaude is at it")
    (tmp_path / "go").write_text("go")
    screen.see("  beginend", "has ended")
