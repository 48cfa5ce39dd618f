"""swarmctl attach: an agent's terminal in this one."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from support.attached import PAINTER, Viewer, bash, painter, python, shell, until_size, viewing
from support.cli import Swarm
from support.far import far_from
from support.looking import is_running, until
from support.supervisors import supervising
from support.terminal import on_terminal
from swarm_store.home import Home

RAW = "import sys, tty, os; tty.setraw(0); "


def painted(viewer: Viewer, *wanted: str) -> None:
    viewer.see("the painter of", "here:", *wanted)
    viewer.settle()


def test_it_shows_what_the_program_draws(swarm: Swarm) -> None:
    """Attached, the screen is as if the program ran in it: text, places, colours, wide characters."""
    agent = painter(swarm)
    own = Viewer(swarm, command=(sys.executable, "-c", PAINTER), columns=90, rows=20)
    with viewing(swarm, agent, columns=90, rows=20) as viewer:
        painted(viewer, "90x20")
        painted(own, "90x20")
        assert viewer.lines == own.lines
        assert viewer.cells() == own.cells()
        assert (viewer.picture.cursor.x, viewer.picture.cursor.y) == (own.picture.cursor.x, own.picture.cursor.y)
    own.close()
    own.process.wait(10)


def test_keys_go_to_the_program(swarm: Swarm) -> None:
    """What is typed reaches the program byte by byte, Ctrl-C and a single detach key too; its end is ours."""
    agent = painter(swarm)
    with viewing(swarm, agent) as viewer:
        painted(viewer)
        viewer.type(b"abc\x03\x1a\x1cX")
        viewer.see("here:abc<3><26><28>X")
        viewer.type(b"q")
        assert viewer.end() == 21
        assert viewer.is_restored()
        assert f"{agent} has ended: failed" in viewer.text
    assert swarm.agent(agent)["exit_code"] == 21


def test_a_program_that_reads_nothing_is_shown(swarm: Swarm) -> None:
    """Where more was sent than the program takes, viewers still see it, and their sizes count."""
    quiet = "tty.setraw(0); print('quiet', flush=True); import time; time.sleep(1000)"
    agent = python(swarm, "import sys, tty; " + quiet)
    swarm.ok("send", agent, "-", input=b"x" * 200_000)
    with viewing(swarm, agent, columns=70, rows=15) as viewer:
        viewer.see("quiet")
        until_size(swarm, agent, (70, 15))


def test_a_lone_detach_key_is_handed_on(swarm: Swarm) -> None:
    """The first of two detach keys reaches the program when the second does not come."""
    agent = painter(swarm)
    with viewing(swarm, agent) as viewer:
        painted(viewer)
        viewer.type(b"\x1c")
        viewer.see("here:<28>")


def test_detached_it_goes_on(swarm: Swarm) -> None:
    """Detaching leaves the agent running and says so; attached again, the screen is the same, with all its modes."""
    agent = painter(swarm)
    with viewing(swarm, agent) as viewer:
        painted(viewer)
        first = viewer.cells()
        assert viewer.detach() == 0
        assert viewer.is_restored()
        assert f"swarmctl: detached; {agent} goes on: swarmctl attach {agent}" in viewer.text
        left = viewer.seen[viewer.seen.rindex(b"\x1b\\") :]
    for undone in (b"[?1049l", b"[?1000l", b"[?1006l", b"[?2004l", b"[?1l", b"\x1b>", b"[?25h"):
        assert undone in left, undone
    with viewing(swarm, agent) as again:
        painted(again)
        assert again.cells() == first
        for mode in (b"[?1049h", b"[?1000h", b"[?1006h", b"[?2004h", b"[?1h", b"\x1b="):
            assert mode in again.seen, mode


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_leaves_the_terminal_as_it_was(swarm: Swarm, signum: int) -> None:
    """Ended by a signal, it sets the terminal back first, and dies by that signal; the agent goes on."""
    agent = painter(swarm)
    with viewing(swarm, agent) as viewer:
        painted(viewer)
        viewer.process.send_signal(signum)
        assert viewer.end() == -signum
        assert viewer.is_restored() and b"[?1049l" in viewer.seen
    assert swarm.agent(agent)["state"] == "running"


def test_a_terminal_that_is_closed(swarm: Swarm) -> None:
    """When the window is closed, attach ends and the agent goes on."""
    agent = painter(swarm)
    with viewing(swarm, agent) as viewer:
        painted(viewer)
        viewer.close()
        viewer.process.wait(10)
    assert swarm.agent(agent)["state"] == "running"


def test_a_killed_viewer_costs_nothing(swarm: Swarm) -> None:
    """kill -9 of a viewer: the program goes on, and whoever attaches next sees all of it."""
    agent = shell(swarm)
    with viewing(swarm, agent) as viewer:
        viewer.see("inside>")
        viewer.type(b"sleep 0.5; echo still there\r")
        viewer.see("sleep 0.5")
        viewer.process.kill()
        viewer.process.wait(10)
    with viewing(swarm, agent) as again:
        again.see("sleep 0.5", "\nstill there")
        again.type(b"exit 8\r")
        assert again.end() == 8


def test_jobs_are_controlled(swarm: Swarm) -> None:
    """In a shell Ctrl-C ends the job in the foreground, Ctrl-Z stops it, and the shell goes on."""
    agent = shell(swarm)
    with viewing(swarm, agent) as viewer:
        viewer.see("inside>")
        viewer.type(b"sleep 1000; echo ended=$?\r")
        until(lambda: "sleep 1000" in commands_below(swarm, agent))
        viewer.type(b"\x03")
        until(lambda: "sleep 1000" not in commands_below(swarm, agent))
        viewer.type(b"sleep 2000\r")
        until(lambda: "sleep 2000" in commands_below(swarm, agent))
        viewer.type(b"\x1a")
        viewer.see("Stopped")
        viewer.type(b"kill %1\r\x04\x04")
        viewer.end()


def commands_below(swarm: Swarm, agent: str) -> str:
    """The command lines of all processes of an agent."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"SWARM_AGENT_ID={agent}".encode() in (entry / "environ").read_bytes():
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return "\n".join(found)


def test_its_size_follows(swarm: Swarm) -> None:
    """The program has this terminal's size, and hears of it when that changes."""
    agent = painter(swarm)
    with viewing(swarm, agent, columns=70, rows=20) as viewer:
        painted(viewer, "70x20")
        viewer.resize(101, 31)
        painted(viewer, "101x31")
        assert viewer.lines[30].startswith("last row")


def test_the_smallest_of_several(swarm: Swarm) -> None:
    """Of several viewers the smallest gives the size: each sees all of the screen; when it leaves, the next does."""
    agent = painter(swarm)
    with viewing(swarm, agent, columns=100, rows=30) as large:
        painted(large, "100x30")
        with viewing(swarm, agent, columns=60, rows=40) as small:
            painted(small, "60x30")
            painted(large, "60x30")
            assert [line.rstrip() for line in large.lines] == [line.rstrip() for line in small.lines[:30]]
            small.type(b"abc")
            large.see("here:abc")
            large.type(b"def")
            small.see("here:abcdef")
            assert small.detach() == 0
        until_size(swarm, agent, (100, 30))
        painted(large, "100x30")
        assert large.lines[29].startswith("last row")
        large.type(b"q")
        assert large.end() == 21


def test_who_only_reads(swarm: Swarm) -> None:
    """A viewer that only reads types nothing and does not count for the size, but sees what there is to be seen."""
    agent = painter(swarm)
    with (
        viewing(swarm, agent, columns=100, rows=30) as writer,
        viewing(swarm, agent, "--read-only", columns=40, rows=10) as reader,
    ):
        painted(writer, "100x30")
        painted(reader, "100x30")
        reader.type(b"x")
        writer.type(b"abc")
        reader.see("here:abc")
        reader.settle()
        assert "here:abc" in reader.text and "x" not in reader.lines[4]
        assert reader.detach() == 0


def test_it_survives_the_daemon_and_the_supervisor(swarm: Swarm) -> None:
    """kill -9 of daemon and supervisor: whoever is attached stays, and sees and types on with a successor."""
    agent = shell(swarm)
    with viewing(swarm, agent) as viewer:
        viewer.see("inside>")
        with supervising(Home(str(swarm.home))) as supervisor:
            supervisor.kill()
            before = swarm.agent(agent)["daemon"]["pid"]
            os.kill(before, signal.SIGKILL)
            viewer.type(b"echo meanwhile $((6 * 7))\r")
        with supervising(Home(str(swarm.home))):
            viewer.see("meanwhile 42")
            viewer.type(b"echo afterwards $((6 * 8)); exit 12\r")
            viewer.see("afterwards 48")
            assert viewer.end() == 12
    assert swarm.agent(agent)["epoch"] >= 1
    logged = swarm.logs(agent)
    assert logged.count(b"meanwhile 42") == logged.count(b"afterwards 48") == 1


def test_cancel_ends_an_adopted_one(swarm: Swarm) -> None:
    """Where the daemon is dead, cancel takes its place and ends the program, and whoever is attached is told."""
    agent = painter(swarm)
    with viewing(swarm, agent) as viewer:
        painted(viewer)
        os.kill(swarm.agent(agent)["daemon"]["pid"], signal.SIGKILL)
        swarm.ok("cancel", agent)
        assert viewer.end() == 128 + signal.SIGTERM
        assert viewer.is_restored()
        assert "has ended: cancelled" in viewer.text


def test_a_flood(swarm: Swarm) -> None:
    """Ten megabytes while attached: the viewer sees the end of it, and the log has every byte."""
    agent = bash(
        swarm,
        "read; for n in {1..200000}; do echo row $n of the flood, which is as long as a row is; done; read; exit 4",
    )
    with viewing(swarm, agent) as viewer:
        until_size(swarm, agent, (80, 24))
        viewer.type(b"\r")
        viewer.see("row 200000 of")
        viewer.type(b"\r")
        assert viewer.end() == 4
    rows = [int(line.split()[1]) for line in swarm.logs(agent).splitlines() if line.startswith(b"row ")]
    assert rows == list(range(1, 200_001))


def test_a_slow_viewer_holds_nobody_up(swarm: Swarm) -> None:
    """A viewer whose terminal takes nothing does not hold the program up, and sees the end once it takes something."""
    agent = bash(
        swarm, "read; for n in {1..200000}; do echo row $n of the flood, which is as long as a row is; done; read"
    )
    with viewing(swarm, agent) as viewer:
        until_size(swarm, agent, (80, 24))
        viewer.type(b"\r")
        until(lambda: b"row 200000 of" in swarm.logs("-n", "3", agent))
        assert b"row 200000" not in viewer.seen
        viewer.see("row 200000 of")
        assert len(viewer.seen) < 9_000_000  # some was left out
        assert viewer.detach() == 0


def test_a_character_that_is_cut(swarm: Swarm) -> None:
    """Attached in the middle of a character or of an escape sequence, the rest of it goes on where it was."""
    steps = (b"caf\xc3", b"\xa9 \x1b[3", b"1mred\x1b[m!")
    text = RAW + "; os.read(0, 1); ".join(f"os.write(1, {step!r})" for step in steps)
    agent = python(swarm, text + "; os.read(0, 1)")
    with viewing(swarm, agent) as viewer:
        viewer.see("caf")
        viewer.type(b"x")
        viewer.see("café")
        assert viewer.detach() == 0
    with viewing(swarm, agent) as again:
        again.see("café")
        again.type(b"x")
        again.see("café red!")
        assert again.colour("red!") == "red"


QUESTION = b"\x1b[c"
ASKS = RAW + (
    "os.write(1, b'ask?\\x1b[c')\n"
    "while (got := os.read(0, 100)) != b'q': os.write(1, b'got %d. ' % len(got) + (b'\\x1b[c' if got == b'a' else b''))"
)


def test_questions_are_asked_once(swarm: Swarm) -> None:
    """What a program asked its terminal before is not asked again of who attaches; one hears what it asks now."""
    agent = python(swarm, ASKS)
    with viewing(swarm, agent) as first:
        first.see("got 9.")  # nobody was there: the host has answered
        assert QUESTION not in first.seen
        with viewing(swarm, agent) as second:
            second.see("got 9.")
            assert QUESTION not in second.seen
            first.type(b"a")
            second.see("got 1.")
            first.see("got 1.")
            until(lambda: second._look(0.05) and QUESTION in second.seen)
            second.type(b"\x1b[?6c")
            first.see("got 5.")
            assert QUESTION not in first.seen
            assert second.detach() == 0
        first.type(b"a")
        until(lambda: first._look(0.05) and QUESTION in first.seen)
        assert first.detach() == 0
    with viewing(swarm, agent) as third:
        third.see("got 9. got 1. got 5. got 1.")
        assert QUESTION not in third.seen


def test_it_is_told_where_it_cannot_be(swarm: Swarm) -> None:
    """Without a terminal on either side, after the end, or with keys that are none, it says so and what to do."""
    plain, ended, living = swarm.sh("sleep 60"), bash(swarm, "exit"), painter(swarm)
    swarm.run("wait", ended)
    assert swarm.refused(4, "attach", plain) == (
        f"swarmctl: agent {plain} has no terminal; swarmctl logs -f {plain} follows its output\n"
    )
    assert "attach needs a terminal" in swarm.refused(2, "attach", living)
    swarm.refused(3, "attach", "nobody")
    for arguments, status, words in (
        (("attach", ended), 4, "has ended: it is completed"),
        (("attach", "--detach-keys", "ctrl-ü", living), 2, "no such detach key"),
    ):
        got = on_terminal(swarm, *arguments)
        assert got.status == status and words in got.text, got


def test_not_through_a_server(swarm: Swarm) -> None:
    """Through a server there is no terminal: the error says where there is."""
    agent = painter(swarm)
    with far_from(swarm) as far:
        assert "on its own machine" in far.refused(4, "attach", agent)


def test_spawned_through_a_server(swarm: Swarm) -> None:
    """Spawned through a server, the agent's terminal has the size of the caller's, and is attached to over there."""
    with far_from(swarm) as far:
        got = on_terminal(far, "spawn", "--tty", "--", "bash", "-c", "read; exit 3", columns=91)
        agent = got.out.decode().split()[-1]
        until_size(swarm, agent, (91, 24))
        far.ok("send", agent, "")
        assert far.run("wait", agent).status == 3


def test_other_detach_keys(swarm: Swarm) -> None:
    """--detach-keys names others, as docker does."""
    agent = painter(swarm)
    with viewing(swarm, agent, "--detach-keys", "ctrl-p,ctrl-q") as viewer:
        painted(viewer)
        viewer.type(b"\x1c\x1cz\x10\x11")
        assert viewer.end() == 0
    with viewing(swarm, agent) as again:
        again.see("here:<28><28>z")


def test_it_may_be_stopped(swarm: Swarm) -> None:
    """Stopped and continued by a signal, it has its terminal again, drawn anew."""
    agent = painter(swarm)
    with viewing(swarm, agent) as viewer:
        painted(viewer)
        seen = len(viewer.seen)
        viewer.process.send_signal(signal.SIGSTOP)
        viewer.process.send_signal(signal.SIGCONT)
        until(lambda: viewer._look(0.05) and b"the painter" in viewer.seen[seen:])
        assert is_running(viewer.process.pid)
        assert viewer.detach() == 0


def test_send_types_enter(swarm: Swarm) -> None:
    """`send` types into a terminal: its line ends by Enter, which a program that reads each key expects."""
    agent = painter(swarm)
    swarm.ok("send", agent, "hello")
    with viewing(swarm, agent) as viewer:
        viewer.see("here:")
        swarm.ok("send", agent, "again")
        viewer.see("again<13>")
