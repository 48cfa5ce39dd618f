"""Programs in terminals of their own, without anybody who looks: what they are given, what they say, how they end."""

from __future__ import annotations

import hashlib
import os
import random
import select
import signal
import sys
from pathlib import Path

import pytest

from support import agents
from support.agents import output, spawn
from support.looking import is_running, state, until
from swarm_daemon import control, tree
from swarm_daemon import spawn as spawning
from swarm_daemon.run import Run
from swarm_store.errors import CannotStart, WrongUsage
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.log import Log

RAW = "import sys, tty, termios, os; tty.setraw(0); "
SHELL = ("bash", "--norc", "--noprofile", "-i")


def in_terminal(log: Log, *command: str, **options: object) -> Agent:
    return spawn(log, *command, tty=True, **options)


def script(log: Log, text: str, **options: object) -> Agent:
    return in_terminal(log, "bash", "-c", text, **options)


def python(log: Log, text: str) -> Agent:
    return in_terminal(log, sys.executable, "-c", text)


def said(log: Log, agent: Agent, wanted: bytes) -> bytes:
    """Its output, once `wanted` is in it."""
    until(lambda: wanted in output(log, agent["id"]), f"{wanted!r} in {output(log, agent['id'])!r}")
    return output(log, agent["id"])


def send(log: Log, agent: Agent, keys: bytes, *, close: bool = False) -> None:
    control.send_input(log, agent, keys, close=close)


def end(log: Log, agent: Agent) -> Agent:
    return agents.ended(log, agent["id"])


def program(agent: Agent) -> int:
    """The PID of the program, which its host is the parent of."""
    (pid,) = tree.children(agent["child"]["pid"])
    return pid


def test_it_is_a_terminal(log: Log) -> None:
    """stdin, stdout and stderr are one terminal, the process's own, of 80 columns, 24 rows, and a name."""
    agent = script(log, "test -t 0 -a -t 1 -a -t 2 && stty size && echo $TERM >/dev/tty", caller={"PATH": os.defpath})
    assert agent["tty"] is True and agent["input"] is True
    assert end(log, agent)["exit_code"] == 0
    assert output(log, agent["id"]) == b"24 80\r\nxterm-256color\r\n"


def test_its_size_and_name_are_the_callers(log: Log) -> None:
    """The size is what was asked for, TERM the caller's; LINES and COLUMNS, which would hide the size, are not."""
    around = {**os.environ, "TERM": "screen", "LINES": "5", "COLUMNS": "6"}
    agent = script(log, "echo $TERM$LINES$COLUMNS; stty size", size=(40, 132), caller=around)
    end(log, agent)
    assert output(log, agent["id"]) == b"screen\r\n40 132\r\n"


@pytest.mark.parametrize(
    ("text", "code", "killed_by"),
    [
        ("exit 0", 0, None),
        ("exit 3", 3, None),
        ("exit 129", 129, None),
        ("exit 255", 255, None),
        ("kill -TERM $$", None, "SIGTERM"),
        ("kill -SEGV $$", None, "SIGSEGV"),
        ("kill -KILL $$", None, "SIGKILL"),
        ("kill -HUP $$", None, "SIGHUP"),
        ("kill -INT $$", None, "SIGINT"),
    ],
)
def test_it_ends_as_its_program_does(log: Log, text: str, code: int | None, killed_by: str | None) -> None:
    """The exit status of the program is the agent's, and so is the signal that it died by."""
    ended = end(log, script(log, f"ulimit -c 0; {text}"))
    assert (ended["exit_code"], ended["signal"]) == (code, killed_by)


def test_what_cannot_be_executed_is_refused(log: Log, tmp_path: Path) -> None:
    """Where the program cannot be executed the start fails as it does without a terminal, and nothing is left of it."""
    there = tmp_path / "there"
    there.mkdir()
    agent = in_terminal(log, "true", cwd=str(there))
    end(log, agent)
    there.rmdir()
    with pytest.raises(CannotStart, match="cannot enter the directory"):
        spawning.restart(log, agents.get(log, agent["id"]))
    assert agents.get(log, agent["id"])["state"] == "failed"
    assert not Path(Run(log.home, agent["id"], 2).path).exists()


@pytest.mark.parametrize("more", [{"stdin": "-"}, {"stdin": "/dev/null"}, {"input": True}])
def test_what_else_it_might_read_is_refused(log: Log, more: dict[str, object]) -> None:
    """A terminal excludes other input."""
    with pytest.raises(WrongUsage, match="--tty excludes"):
        in_terminal(log, "true", **more)


def test_what_is_sent_is_typed(log: Log) -> None:
    """Sent keys are typed: echoed, and lines by Enter; closing the input types what ends it."""
    agent = script(log, 'read -p "name? " name; echo "hello $name"; cat; echo done')
    said(log, agent, b"name? ")
    send(log, agent, b"J\xc3\xb6rg\x7fg\r")
    said(log, agent, b"hello J\xc3\xb6rg\r\n")
    send(log, agent, b"unfinished", close=True)
    assert end(log, agent)["exit_code"] == 0
    assert output(log, agent["id"]).endswith(b"unfinishedunfinisheddone\r\n")


def test_what_it_does_not_read_waits(log: Log) -> None:
    """Keys that a program in raw mode does not read yet wait, more than a terminal holds, and all come in order."""
    agent = python(
        log, RAW + "os.write(1, b'ready'); sys.stdin.buffer.read(1); print('got', len(sys.stdin.buffer.read(99999)))"
    )
    said(log, agent, b"ready")
    send(log, agent, b"x" * 100_000)
    assert end(log, agent)["exit_code"] == 0
    assert b"got 99999" in output(log, agent["id"])


def test_a_signal_is_for_the_foreground(log: Log) -> None:
    """What `signal` sends goes to the job in the foreground, as Ctrl-C would, and the shell goes on."""
    agent = in_terminal(log, *SHELL, env={"PS1": "% "})
    said(log, agent, b"% ")
    send(log, agent, b"sleep 1000; echo status=$?\r")
    until(lambda: len(tree.children(program(agent))) == 1)
    control.ask_signal(log, agents.get(log, agent["id"]), "KILL")
    said(log, agent, b"status=137\r\n")
    send(log, agent, b"\x04")
    assert end(log, agent)["exit_code"] == 0


def test_jobs_are_controlled(log: Log) -> None:
    """Ctrl-Z stops the job, the shell tells of it, fg goes on with it, Ctrl-C ends it."""
    agent = in_terminal(log, *SHELL, env={"PS1": "% "})
    said(log, agent, b"% ")
    send(log, agent, b"cat\r")
    until(lambda: len(tree.children(program(agent))) == 1)
    (cat,) = tree.children(program(agent))
    send(log, agent, b"\x1a")
    until(lambda: state(cat) == "T")
    send(log, agent, b"fg\r")
    until(lambda: state(cat) == "S")
    send(log, agent, b"\x03")
    until(lambda: not is_running(cat))
    send(log, agent, b"exit 5\r")
    assert end(log, agent)["exit_code"] == 5


def test_a_shell_that_ignores_term_is_hung_up(log: Log) -> None:
    """An interactive shell ignores SIGTERM: when it is cancelled its terminal hangs up, without waiting for KILL."""
    agent = in_terminal(log, *SHELL, env={"PS1": "% "}, grace=3600.0)
    said(log, agent, b"% ")
    control.ask_cancel(log, agent)
    ended = end(log, agent)
    assert (ended["state"], ended["signal"]) == ("cancelled", "SIGHUP")


def test_a_cancelled_program_hears_term_once(log: Log) -> None:
    """A program that heeds SIGTERM is not hung up, and hears it once."""
    agent = script(log, "n=0; trap 'n=$((n+1))' TERM HUP; echo ready; while :; do sleep 0.1; ((n)) && exit $n; done")
    said(log, agent, b"ready")
    control.ask_cancel(log, agent)
    assert end(log, agent)["exit_code"] == 1


def test_its_host_ends_it(log: Log) -> None:
    """Where the host is killed, so is the program, and the run has ended by that."""
    agent = in_terminal(log, "sleep", "1000")
    pid = program(agent)
    os.kill(agent["child"]["pid"], signal.SIGKILL)
    assert end(log, agent)["signal"] == "SIGKILL"
    until(lambda: not is_running(pid))


def test_nothing_else_ends_its_host(log: Log) -> None:
    """Signals that end processes, sent to the host alone, end neither it nor the program."""
    agent = script(log, "echo ready; read; exit 9")
    said(log, agent, b"ready")
    for signum in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE):
        os.kill(agent["child"]["pid"], signum)
    send(log, agent, b"\r")
    assert end(log, agent)["exit_code"] == 9


def test_what_is_left_in_the_background(log: Log) -> None:
    """The run ends with its program, with all that it had said; a process that goes on with the terminal is left."""
    agent = script(
        log, "trap '' HUP; sh -c 'while :; do sleep 1000; done' & head -c 300000 /dev/zero | tr '\\0' x; exit 4"
    )
    ended = end(log, agent)
    left = tree.marked(log.home)[f"{agent['id']}.1"]
    for who in left:
        agents.kill(who.pid)
    assert ended["exit_code"] == 4 and ended["left"] in (1, 2)
    assert output(log, agent["id"]).count(b"x") == 300_000


def test_it_may_close_its_terminal(log: Log) -> None:
    """A program that closes all its files goes on, and its host sleeps."""
    agent = script(log, "exec <&- >&- 2>&-; sleep 0.3; echo again >/dev/tty; exit 2")
    said(log, agent, b"again")
    assert end(log, agent)["exit_code"] == 2


def test_a_flood_is_whole(log: Log) -> None:
    """Ten megabytes that come as fast as they can are in the log, byte for byte."""
    text = (
        "import sys, tty; tty.setraw(1); import random; sys.stdout.buffer.write(random.Random(5).randbytes(10_000_000))"
    )
    agent = python(log, text)
    assert end(log, agent)["exit_code"] == 0
    wanted = hashlib.sha256(random.Random(5).randbytes(10_000_000)).hexdigest()
    assert hashlib.sha256(output(log, agent["id"])).hexdigest() == wanted


def test_nothing_is_lost_with_the_daemon(log: Log) -> None:
    """Without its daemon the program goes on until the pipes are full, then waits; its successor has all of it."""
    agent = script(log, "for n in $(seq 60000); do echo line $n; done; exit 6")
    said(log, agent, b"line 10\r\n")
    agents.kill(agent["daemon"]["pid"])
    until(lambda: is_full(log, agent))
    assert is_running(program(agent))
    assert agents.adopt(log, agent["id"]) == 0
    assert end(log, agent)["exit_code"] == 6
    assert output(log, agent["id"]).split() == b" ".join(b"line %d" % n for n in range(1, 60001)).split()


def is_full(log: Log, agent: Agent) -> bool:
    """Whether nothing more can be written to the run's stdout."""
    fifo = os.open(Run(log.home, agent["id"], 1).fifo("stdout"), os.O_RDWR | os.O_NONBLOCK)
    try:
        return not select.select([], [fifo], [], 0)[1]
    finally:
        os.close(fifo)


def test_its_end_is_known_without_the_daemon(log: Log, tmp_path: Path) -> None:
    """Of a program that ends while its daemon is dead the last words and the status are known to the successor."""
    agent = script(log, f"echo ready; until test -e {tmp_path}/go; do sleep 0.01; done; echo bye; exit 77")
    said(log, agent, b"ready")
    agents.kill(agent["daemon"]["pid"])
    (tmp_path / "go").touch()
    until(lambda: state(agent["child"]["pid"]) == "Z")
    assert agents.adopt(log, agent["id"]) == 0
    assert end(log, agent)["exit_code"] == 77
    assert output(log, agent["id"]) == b"ready\r\nbye\r\n"


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        (b"\x1b[c", b"\x1b[?62;22c"),
        (b"\x1b[>0c", b"\x1b[>1;10;0c"),
        (b"\x1b[5n", b"\x1b[0n"),
        (b"\x1b[6n", b"\x1b[1;1R"),
        (b"\x1b[999;999H\x1b[6n", b"\x1b[24;80R"),
        (b"\x1b[?u\x1b[c", b"\x1b[?62;22c"),
    ],
)
def test_questions_are_answered_alone(log: Log, question: bytes, answer: bytes) -> None:
    """Where nobody is attached, what programs ask a terminal and wait for is answered, once."""
    agent = python(
        log,
        RAW + f"os.write(1, {question!r}); got = os.read(0, {len(answer)}); import select; "
        f"more = select.select([0], [], [], 0.2)[0]; print(repr((got, more)))",
    )
    end(log, agent)
    assert repr((answer, [])).encode() in output(log, agent["id"])


def test_a_home_may_be_deep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A home whose path is longer than a socket's name can be has terminals too."""
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("SWARM_HOME", str(deep))
    with Log(Home(str(deep))) as log:
        agent = script(log, "echo hi")
        assert end(log, agent)["exit_code"] == 0


def test_a_restart_has_a_new_terminal(log: Log) -> None:
    """A new run has a terminal of its own, of the size that was asked for at first."""
    agent = script(log, "stty size", size=(30, 90))
    end(log, agent)
    spawning.restart(log, agents.get(log, agent["id"]))
    assert end(log, agent)["run"] == 2
    assert output(log, agent["id"]) == b"30 90\r\n" * 2


def test_a_sequence_without_end_harms_nobody(log: Log) -> None:
    """A control sequence of thousands of digits, as binary output may hold, is passed on, and no more."""
    agent = script(log, r"printf '\033[<%05000du' 0; exit 3")
    assert end(log, agent)["exit_code"] == 3


def test_questions_whose_answers_nobody_reads(log: Log) -> None:
    """A program that asks on and on and reads nothing is answered no further; what is sent reaches it."""
    asks = "for _ in range(1000): os.write(1, b'\\x1b[c' * 100)\nos.write(1, b'asked')\ngot = b''\n"
    agent = python(
        log, RAW + "\n" + asks + "while b'go' not in got: got += os.read(0, 65536)\nprint('read', len(got), '.')"
    )
    said(log, agent, b"asked")
    send(log, agent, b"go")
    read = int(said(log, agent, b" .").rpartition(b"read ")[2].split()[0])
    assert read < 100_000
    end(log, agent)
