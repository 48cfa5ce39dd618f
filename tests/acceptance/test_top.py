"""`swarmctl top`, on a real terminal: what is seen, what the keys do, and that the terminal is as before afterwards."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from support import hosted
from support.cli import SWARMCTL, Swarm
from support.looking import until
from support.screen import Screen
from support.terminal import on_terminal
from swarm_store.home import Home
from swarm_store.log import Log

UP, DOWN, HOME, END = b"\x1b[A", b"\x1b[B", b"\x1b[H", b"\x1b[F"
ENTER, TAB, ESCAPE = b"\r", b"\t", b"\x1b"
COLOUR = re.compile(rb"\x1b\[[0-9;:]*\b(?:3[0-8]|4[0-8]|9[0-7])\b[0-9;:]*m")
Open = Callable[..., Screen]


@pytest.fixture
def top(swarm: Swarm) -> Iterator[Open]:
    """Opens `swarmctl top` on a terminal of its own; all are quit at the end."""
    opened: list[Screen] = []

    def open_it(*args: str, columns: int = 100, rows: int = 30, **env: str) -> Screen:
        command = ["env", *(f"{name}={value}" for name, value in env.items()), SWARMCTL, "top", *args]
        opened.append(Screen(swarm, *command, columns=columns, rows=rows))
        opened[-1].see("STATE")
        return opened[-1]

    yield open_it
    for screen in opened:
        if screen.process.poll() is None:
            screen.process.send_signal(signal.SIGTERM)
            with suppress(AssertionError):
                screen.end()
        screen.close()


def gated(swarm: Swarm, script: str, *options: str) -> tuple[str, Callable[[], None]]:
    """An agent whose script goes on at `read x` when the gate is opened; its id and the opener."""
    gate = swarm.cwd / f"gate-{len(list(swarm.cwd.iterdir()))}"
    os.mkfifo(gate)
    agent = swarm.sh(f"exec 3<>{gate}; {script.replace('read x', 'read x <&3')}", *options)

    def open_it() -> None:
        gate.write_text("\n")

    return agent, open_it


def test_agents_appear_when_they_are_spawned(swarm: Swarm, top: Open) -> None:
    """An agent is on the screen once it is spawned, in words and in colour, and its end is seen too."""
    screen = top()
    screen.see("no agents")
    _, let_end = gated(swarm, "read x; exit 3", "--name", "build", "--label", "team=web")
    screen.see("● running", "build", "team=web", "1 running")
    assert screen.colour("● running") == "green"
    let_end()
    screen.see("✗ failed", "1 failed")
    assert screen.colour("✗ failed") == "red"


def test_a_home_that_is_not_there_yet(fresh: Swarm) -> None:
    """Where nothing has ever been spawned there is nothing to see yet, and then there is."""
    screen = Screen(fresh, SWARMCTL, "top")
    screen.see("no agents")
    fresh.sh("exec sleep 60", "--name", "first")
    screen.see("first")
    screen.type(b"q")
    assert screen.end() == 0
    screen.close()


def test_output_is_live(swarm: Swarm, top: Open) -> None:
    """The last line and the pane follow the output; stdout keeps its colours, stderr has its mark."""
    _, go_on = gated(
        swarm, "echo one; read x; printf '\\033[32mtwo\\033[0m\\n'; echo three >&2; sleep 60", "--name", "a"
    )
    screen = top()
    screen.see("live", " one")
    go_on()
    screen.see(" two", "┃three")
    assert screen.colour("two") == "green" and screen.colour("┃three") == "red"


def test_an_unfinished_line_is_seen(swarm: Swarm, top: Open) -> None:
    """A prompt without a newline is seen, and of a progress bar what it shows last."""
    swarm.sh("printf '10%%\\r20%%\\r30%%'; sleep 60")
    text = top().see(" 30%")
    assert "10%" not in text


def test_the_selected_agents_output_is_shown(swarm: Swarm, top: Open) -> None:
    """The pane shows the agent under the cursor, of all its runs."""
    swarm.sh("echo old; sleep 60", "--name", "older")
    swarm.sh("echo new; sleep 60", "--name", "newer")
    screen = top()
    screen.see("newer  live", "\n new")
    screen.type(DOWN)
    screen.see("older  live", "\n old")


def test_scrolling_back_to_the_first_byte(swarm: Swarm, top: Open) -> None:
    """Home shows the first line of many, page by page the following, and `f` the last again."""
    swarm.sh("seq 200000 | sed 's/^/line /'; sleep 60", "--name", "many")
    screen = top()
    screen.see("\n line 200000")
    screen.type(TAB + UP)
    screen.see("scrolled back")
    screen.type(HOME)
    screen.see("\n line 1\n", "\n line 2\n")
    screen.type(b" " * 300)
    until(lambda: screen.see("line") and int(re.findall(r"\n line (\d+)", screen.text)[0]) > 3000, "the pages")
    screen.type(b"f")
    screen.see(" line 200000", "live")


def test_scrolling_back_from_the_end(swarm: Swarm, top: Open) -> None:
    """Page by page upwards no line is missing and none is there twice."""
    swarm.sh("seq 5000 | sed 's/^/line /'; sleep 60")
    screen = top()
    screen.see("\n line 5000")
    screen.type(TAB)
    first = int(re.findall(r"\n line (\d+)", screen.text)[0])
    seen = set(range(first, 5001))
    while first > 1:
        screen.type(b"\x1b[5~")

        def page(after: int = first) -> list[int]:
            """The lines on the screen, once it is drawn whole and elsewhere than before."""
            numbers = [int(number) for number in re.findall(r"\n line (\d+)", screen.see("line"))]
            return numbers if numbers[0] < after and numbers == list(range(numbers[0], numbers[-1] + 1)) else []

        numbers = until(page, "the page before")
        first = numbers[0]
        seen.update(numbers)
    assert seen == set(range(1, 5001))


def test_the_filter(swarm: Swarm, top: Open) -> None:
    """What is typed after `/` chooses by name, label or command as it is typed; escape shows all again."""
    swarm.sh("exec sleep 60", "--name", "alpha", "--label", "team=web")
    swarm.sh("exec sleep 60", "--name", "beta", "--label", "team=db")
    screen = top()
    screen.see("alpha", "beta")
    screen.type(b"/team=w")
    screen.see("alpha", "filter: team=w", without="beta")
    screen.type(ENTER)
    screen.type(ESCAPE)
    screen.see("alpha", "beta", without="filter:")


def test_the_ended_ones(swarm: Swarm, top: Open) -> None:
    """Ended agents are shown when `a` is typed, below the living, and hidden when it is typed again."""
    swarm.ended("echo gone", "--name", "ended")
    swarm.sh("exec sleep 60", "--name", "living")
    screen = top()
    screen.see("living")
    assert "ended " not in screen.text
    screen.type(b"a")
    screen.see("✓ completed", "gone")
    assert screen.line_with("living") < screen.line_with("ended ")
    screen.type(b"a")
    screen.see("living", without="✓ completed")


def test_sorting(swarm: Swarm, top: Open) -> None:
    """The newest is first; `s` sorts by name, `R` turns the order."""
    for name in ("bb", "aa"):
        swarm.sh("exec sleep 60", "--name", name)
    screen = top()
    screen.see("aa", "bb", "AGE ↓")
    assert screen.line_with("aa") < screen.line_with("bb")
    screen.type(b"sR")
    screen.see("NAME ↑")
    assert screen.line_with("bb") < screen.line_with("aa")


def test_a_cancel_is_confirmed(swarm: Swarm, top: Open) -> None:
    """`c` asks; `n` leaves the agent alone, `y` cancels it."""
    agent = swarm.sh("exec sleep 60", "--name", "victim")
    screen = top()
    screen.see("victim")
    screen.type(b"c")
    screen.see("Cancel victim (running)?")
    screen.type(b"n")
    screen.see("victim", without="Cancel victim")
    assert swarm.agent(agent)["state"] == "running"
    screen.type(b"c")
    screen.see("Cancel victim (running)?")
    screen.type(b"y")
    screen.see("■ cancelled", "victim is cancelled")
    assert swarm.agent(agent)["state"] == "cancelled"


def test_nobody_waits_for_a_verb(swarm: Swarm, top: Open) -> None:
    """It can be quit while a cancel waits for its agent's end, and the agent is cancelled all the same."""
    agent, let_end = gated(
        swarm, "trap 'read x; exit 0' TERM; echo ready; while :; do sleep 0.05; done", "--grace", "60s"
    )
    screen = top()
    screen.see("ready")
    screen.type(b"c")
    screen.see("Cancel ")
    screen.type(b"y")
    screen.type(b"3")
    screen.see("agent:signalled")
    screen.type(b"q")
    assert screen.end() == 0
    assert swarm.agent(agent)["state"] == "running"
    let_end()
    until(lambda: swarm.agent(agent)["state"] == "cancelled", "its end")


def test_signals(swarm: Swarm, top: Open) -> None:
    """`S` asks for a signal and sends it; one that is none is complained of."""
    swarm.sh("trap 'echo got it' USR1; echo ready; while :; do sleep 0.05; done")
    screen = top()
    screen.see("ready")
    screen.type(b"S")
    screen.see("Signal for")
    screen.type(b"USR1" + ENTER)
    screen.see("got it")
    screen.type(b"S")
    screen.see("Signal for")
    screen.type(b"NONE" + ENTER)
    screen.see("no such signal")


def test_a_restart_is_a_new_run(swarm: Swarm, top: Open) -> None:
    """`r` restarts after a confirmation, and the pane goes on with the new run."""
    swarm.sh("echo begun; sleep 60", "--name", "again")
    screen = top()
    screen.see("begun")
    screen.type(b"r")
    screen.see("Restart again (running)?")
    screen.type(b"y")
    screen.see("── run 2 ──", "again is restarted")
    screen.type(b"2")
    screen.see("■ cancelled", "SIGTERM  cancel", "agent:restarted")


def test_spawning(swarm: Swarm, top: Open) -> None:
    """`n` asks for a command line, with options of spawn if need be; what cannot be started is complained of."""
    screen = top()
    screen.see("no agents")
    screen.type(b"n")
    screen.see("Spawn")
    screen.type(b"--name made -- sh -c 'echo here; sleep 60'" + ENTER)
    screen.see("made", "here", "spawned")
    assert swarm.agent("made")["command"] == ["sh", "-c", "echo here; sleep 60"]
    screen.type(b"n")
    screen.see("A command, or options")
    screen.type(b"no-such-program" + ENTER)
    screen.see("not found")


def test_events_are_a_timeline(swarm: Swarm, top: Open) -> None:
    """`3` shows what happens to all, as it happens."""
    screen = top()
    screen.type(b"3")
    _, let_end = gated(swarm, "read x; exit 7", "--name", "one")
    screen.see("agent:spawned", "agent:started")
    let_end()
    screen.see("agent:exited", "exit_code=7")


def test_a_log_that_goes_and_returns(swarm: Swarm, top: Open) -> None:
    """Where the log is deleted it says so, and goes on when it is back."""
    _, go_on = gated(swarm, "echo one; read x; echo two; sleep 60", "--name", "kept")
    screen = top()
    screen.see(" one")
    for name in ("swarm.db", "swarm.db-wal", "swarm.db-shm"):
        os.rename(swarm.home / name, swarm.home / f"{name}.moved")
    screen.see("waiting for its return")
    for name in ("swarm.db", "swarm.db-wal", "swarm.db-shm"):
        os.rename(swarm.home / f"{name}.moved", swarm.home / name)
    go_on()
    screen.see(" two", without="waiting for its return")


def test_a_log_that_is_recovered(swarm: Swarm, top: Open) -> None:
    """Another log in its place is read anew: `doctor --fix` brings a deleted one back under it."""
    swarm.sh("echo one; sleep 60", "--name", "kept")
    screen = top()
    screen.see(" one")
    for name in ("swarm.db", "swarm.db-wal", "swarm.db-shm"):
        (swarm.home / name).unlink()
    screen.see("waiting for its return")
    swarm.run("doctor", "--fix")
    screen.see("kept", " one", without="waiting for its return")
    swarm.sh("exec sleep 60", "--name", "later")
    screen.see("later")


def test_a_dead_daemon_is_seen(swarm: Swarm, top: Open) -> None:
    """Where a daemon is killed and nobody takes the run over, the agent is `lost?`, without anything being written."""
    agent = swarm.sh("exec sleep 60", "--name", "alone")
    screen = top()
    screen.see("● running")
    os.kill(swarm.agent(agent)["daemon"]["pid"], signal.SIGKILL)
    screen.see("lost?", "alone")


def test_a_closed_window_ends_it(swarm: Swarm, top: Open) -> None:
    """Where the terminal goes away, so does `top`, and the agents stay."""
    agent = swarm.sh("exec sleep 60", "--name", "stays")
    screen = top()
    screen.see("stays")
    screen.close()
    until(lambda: screen.process.poll() is not None, "its end")
    assert swarm.agent(agent)["state"] == "running"


@pytest.mark.parametrize("way", ["q", "ctrl-c", "TERM", "HUP"])
def test_the_terminal_is_as_before(swarm: Swarm, top: Open, way: str) -> None:
    """However it is ended, the terminal has its modes, its first screen, its cursor and no mouse afterwards."""
    screen = Screen(
        swarm, "sh", "-c", f"stty -a > modes; {SWARMCTL} top; echo STATUS $?; stty -a | cmp - modes && echo same"
    )
    screen.see("no agents")
    if way in ("q", "ctrl-c"):
        screen.type(b"q" if way == "q" else b"\x03")
    else:
        (pid,) = (swarm.home / "bells" / "registry").iterdir()
        os.kill(int(pid.name.partition(".")[0]), getattr(signal, f"SIG{way}"))
    screen.end()
    assert b"STATUS 0" in screen.seen and b"same" in screen.seen
    for mode in (b"1049", b"1000", b"1003", b"2004"):
        assert screen.seen.rindex(b"\x1b[?" + mode + b"l") > screen.seen.rindex(b"\x1b[?" + mode + b"h")
    assert screen.seen.rindex(b"\x1b[?25h") > screen.seen.rindex(b"\x1b[?25l")
    screen.close()
    until(lambda: not list((swarm.home / "bells").iterdir()), "no bell is left")


def test_hostile_output_steers_nothing(swarm: Swarm, top: Open) -> None:
    """Of what an agent writes only colours reach the terminal: no title, no cursor, no mode, no 8-bit form."""
    hostile = (
        rb"\033]0;EVIL\007\033]52;c;RVZJTA==\033\\\033[2J\033[999;999H\033[?1049l\033[6n\033c\033(0\033P1$r\033\\"
        rb"\302\23331mC1\302\235EVIL\302\234\016\010\010\342\200\256END\n"
    )
    swarm.spawn("--name", "evil", "--", "printf", hostile.decode())
    swarm.sh(f"printf '{hostile.decode()}'; sleep 60", "--name", "evil2")
    screen = top("--all")
    text = screen.see("END", "evil2")
    assert "C1" in text and "\\u202e" in text
    screen.type(b"2")
    screen.see("agent:started")
    screen.type(b"3q")
    assert screen.end() == 0
    running = screen.seen[: screen.seen.rindex(b"\x1b[?1049l")]
    for sequence in (b"]0;", b"]52", b"[2J", b"[999", b"[?1049l", b"[6n", b"c", b"(0", b"P"):
        assert b"\x1b" + sequence not in running, sequence
    assert not set("\x9b\x9d\x9c\x0e\x08\u202e") & set(screen.seen.decode())
    assert "EVIL" not in screen.picture.title


def test_no_color_is_obeyed(swarm: Swarm, top: Open) -> None:
    """With NO_COLOR nothing has a colour, not even output that has; the words and marks say it all."""
    swarm.sh("printf '\\033[31mred\\033[0m\\n'; echo err >&2; sleep 60")
    screen = top(NO_COLOR="1")
    screen.see("● running", " red", "┃err")
    assert not COLOUR.search(screen.seen)
    plain = top()
    plain.see("● running", "┃err")
    assert COLOUR.search(plain.seen)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 15), (20, 6)])
def test_small_terminals(swarm: Swarm, top: Open, columns: int, rows: int) -> None:
    """On a small terminal the table is there, and the output has the screen when it is opened."""
    swarm.sh("seq 100; sleep 60", "--name", "tiny")
    screen = top(columns=columns, rows=rows)
    screen.see("● running", "tiny")
    screen.type(ENTER)
    screen.see("\n 100")
    screen.type(ESCAPE)
    screen.see("● running", "tiny")


def test_a_resize_is_followed(swarm: Swarm, top: Open) -> None:
    """A terminal that becomes smaller, and large again, has all of it in its place."""
    swarm.sh("echo output; sleep 60", "--name", "sized", "--label", "team=web")
    screen = top()
    screen.see("team=web", "\n output")
    screen.resize(40, 12)
    screen.see("sized", without="LABELS")
    screen.resize(120, 40)
    screen.see("LABELS", "team=web", "\n output")


def test_the_mouse(swarm: Swarm, top: Open) -> None:
    """A click selects an agent, and one on a pane's name shows that."""
    for name in ("lower", "upper"):
        swarm.sh(f"echo out-{name}; sleep 60", "--name", name)
    screen = top()
    screen.see("\n out-upper")

    def click(words: str) -> None:
        row = screen.line_with(words)
        at = f"{screen.lines[row].index(words) + 2};{row + 1}"
        screen.type(f"\x1b[<0;{at}M\x1b[<0;{at}m".encode())

    click("lower")
    screen.see("\n out-lower")
    click("3 events")
    screen.see("agent:spawned")


def test_it_needs_a_terminal(swarm: Swarm) -> None:
    """In a pipe, and on a dumb terminal, it says so in a line, with status 2."""
    assert "terminal" in swarm.refused(2, "top")
    shown = on_terminal(swarm, "top", TERM="dumb")
    assert shown.status == 2 and shown.out.count(b"\n") == 1


def test_it_says_what_to_install(swarm: Swarm) -> None:
    """Without Textual it says in one line what to install."""
    without = (
        "import sys; sys.modules['textual'] = None; from swarmctl.entry import main; sys.argv[1:] = ['top']; main()"
    )
    screen = Screen(swarm, sys.executable, "-c", without, columns=120)
    assert screen.end() == 1
    assert b"pip install 'swarmctl[top]'" in screen.seen and screen.seen.count(b"\n") == 1
    screen.close()


def test_what_an_agent_asks_is_answered(swarm: Swarm, top: Open) -> None:
    """An AI agent that waits says what for; y asks whether it may, D whether it may not, and the answer is its."""
    with Log(Home(str(swarm.home))) as log:
        agent = hosted.spawn(log, "ask git push\nask rm x", name="asks")["id"]
        hosted.asked(log, agent)
        screen = top()
        screen.see("waiting", "asks", "waits for approval")
        screen.type(b"y")
        screen.see("asks asks to use Bash", "git push", "Approve (y)")
        screen.type(b"y")
        until(lambda: [one["state"] for one in swarm.json("approvals", "-a")] == ["granted", "pending"], "the first")
        screen.type(b"D")
        screen.see("rm x", "Deny (y)")
        screen.type(b"y")
        until(lambda: [one["state"] for one in swarm.json("approvals", "-a")] == ["granted", "denied"], "the second")
        screen.see("1 failed")  # something that it wanted was denied
        screen.type(b"y")
        screen.see("asks for nothing")
