"""Spawning at the edges: closed files, odd job files, commands that cannot be executed, a disk without room."""

from __future__ import annotations

import json

import pytest

from support.cli import Swarm, one_line
from support.homes import fill
from support.looking import is_running, until


@pytest.mark.parametrize("args", [("--frobnicate", "--", "true"), ("-n", "x", "--", "true"), ("--nmae=x", "true")])
def test_an_unknown_option_is_no_command(swarm: Swarm, args: tuple[str, ...]) -> None:
    """An option that spawn does not have is wrong usage, and not a command that is not found."""
    assert args[0].partition("=")[0] in swarm.refused(2, "spawn", *args)


@pytest.mark.parametrize("verb", ["list", "list --json", "spawn -- true", "--help"])
def test_a_closed_stdout_is_said(swarm: Swarm, verb: str) -> None:
    """With stdout closed a command that has something to print fails with one line, not with a traceback."""
    swarm.ended("true")
    assert "stdout" in one_line(swarm.shell(f"swarmctl {verb} >&-"), 1)


def test_a_closed_stdout_does_not_matter_to_silent_verbs(swarm: Swarm) -> None:
    """With stdout closed a command that prints nothing works as ever."""
    agent = swarm.spawn("--", "sleep", "60")
    assert swarm.shell(f"swarmctl cancel {agent} >&-") == (0, b"", b"")


def test_with_stderr_closed_errors_are_no_data(swarm: Swarm) -> None:
    """With stderr closed a refusal has its status, and its message does not turn up on stdout."""
    got = swarm.shell("swarmctl show nobody 2>&-")
    assert (got.status, got.out) == (3, b"")


def test_a_closed_stdin_is_empty(swarm: Swarm) -> None:
    """`--stdin -` with stdin closed gives the child an empty input, and takes no file of ours for it."""
    swarm.ended("true")
    agent = swarm.shell("swarmctl spawn --wait --stdin - -- cat <&-").text.strip()
    assert swarm.logs(agent) == b""


def test_stdin_must_be_a_file(swarm: Swarm) -> None:
    """A directory as standard input is refused before anything is spawned."""
    swarm.refused(2, "spawn", "--stdin", ".", "--", "cat")


def test_a_deleted_directory_is_said(swarm: Swarm) -> None:
    """A spawn from a deleted directory says that it is the directory, and names --cwd."""
    assert "--cwd" in one_line(swarm.shell("mkdir d && cd d && rmdir ../d && swarmctl spawn -- true"), 2)


@pytest.mark.parametrize("args", [("--", "\x1b[31mx"), ("--cwd", "/\x1b[31mx", "--", "true"), ("--", "./\x9bx")])
def test_a_message_steers_no_terminal(swarm: Swarm, args: tuple[str, ...]) -> None:
    """What is quoted in a message cannot steer the terminal that shows it."""
    got = swarm.run("spawn", *args)
    assert got.status in (2, 127) and all(char.isprintable() or char == "\n" for char in got.error), ascii(got.error)


def test_a_missing_interpreter_is_named(swarm: Swarm) -> None:
    """Where a script's interpreter is missing, it is the interpreter that the message names."""
    script = swarm.cwd / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    assert "/no/such/interpreter" in swarm.refused(127, "spawn", "--", "./script")


def test_nul_in_a_job_is_refused(swarm: Swarm) -> None:
    """A job whose command holds what the kernel cannot pass on is refused with its line, not started and failed."""
    bad = json.dumps({"command": ["true", "a\0b"]}).encode()
    assert ":1:" in swarm.refused(2, "spawn", "--from", "-", input=bad)
    assert swarm.json("list", "--all") == []


@pytest.mark.parametrize("count", [0, 1, 2])
def test_json_of_a_file_is_always_an_array(swarm: Swarm, count: int) -> None:
    """`spawn --from FILE --json` prints an array, however many lines the file has."""
    printed = swarm.ok("spawn", "--from", "-", "--json", input=b'{"command": ["true"]}\n' * count)
    assert len(json.loads(printed)) == count and printed.startswith("[")


def test_our_input_can_be_given_once(swarm: Swarm) -> None:
    """Only one line can have our standard input, and none where the lines themselves come from it."""
    line = b'{"command": ["cat"], "stdin": "-"}\n'
    (swarm.cwd / "jobs").write_bytes(line * 2)
    swarm.refused(2, "spawn", "--from", "jobs", input=b"x")
    swarm.refused(2, "spawn", "--from", "-", input=line)
    assert swarm.json("list", "--all") == []


def test_restart_is_refused_beside_a_file(swarm: Swarm) -> None:
    """--restart beside --from is refused like every option that a line would have, not ignored."""
    swarm.refused(2, "spawn", "--from", "-", "--restart", "always", input=b'{"command": ["true"]}')


def test_an_agent_that_ends_on_a_full_disk_is_recorded_later(small: Swarm) -> None:
    """Where the disk is full at an agent's end its daemon waits, and records the exact end when there is room."""
    agent = small.sh("while [ ! -e ../go ]; do sleep 0.02; done; exit 3", cwd=small.cwd)
    known = small.agent(agent)
    (small.cwd.parent / "go").touch()
    fill(small)
    until(lambda: not is_running(known["child"]["pid"]), "the child has ended")
    daemon = known["daemon"]["pid"]
    until(lambda: _waits(daemon) or not is_running(daemon), "the daemon waits for room, or is dead")
    assert is_running(daemon), "the daemon died"
    (small.home.parent / "fill").unlink()
    assert small.run("wait", "--timeout", "10s", agent).status == 3


def _waits(daemon: int) -> bool:
    """Whether a daemon sleeps between two attempts, as it does nowhere else."""
    try:
        with open(f"/proc/{daemon}/wchan", encoding="ascii") as file:
            return "nanosleep" in file.read()
    except OSError:
        return False
