"""What is refused: one line on stderr that says what is wrong and what to do, the documented status, nothing done."""

from __future__ import annotations

import pytest

from support.cli import Swarm, one_line

WRONG_USAGE = {
    "unknown verb": ("frobnicate",),
    "unknown option of a read": ("list", "--frobnicate"),
    "unknown option of cancel": ("cancel", "--frobnicate", "--all"),
    "surplus argument": ("list", "surplus"),
    "missing argument": ("show",),
    "no command": ("spawn",),
    "no command after --": ("spawn", "--name", "x", "--"),
    "bad timeout": ("spawn", "--timeout", "5 parsecs", "--", "true"),
    "negative timeout": ("spawn", "--timeout", "-5", "--", "true"),
    "endless timeout": ("spawn", "--timeout", "999999d", "--", "true"),
    "nan timeout": ("spawn", "--timeout", "nan", "--", "true"),
    "exponent": ("spawn", "--timeout", "1e3", "--", "true"),
    "bad grace": ("spawn", "--grace", "soon", "--", "true"),
    "label without a value": ("spawn", "--label", "team", "--", "true"),
    "label without a key": ("spawn", "--label", "=web", "--", "true"),
    "label with a space": ("spawn", "--label", "a b=c", "--", "true"),
    "label of two lines": ("spawn", "--label", "a=b\nc", "--", "true"),
    "label that steers a terminal": ("spawn", "--label", "a=\x1b[31m", "--", "true"),
    "name with a space": ("spawn", "--name", "a b", "--", "true"),
    "empty name": ("spawn", "--name", "", "--", "true"),
    "name like an option": ("spawn", "--name", "-x", "--", "true"),
    "name that steers a terminal": ("spawn", "--name", "\x1b]0;x\x07", "--", "true"),
    "endless name": ("spawn", "--name", "x" * 64, "--", "true"),
    "variable without a value": ("spawn", "--env", "CI", "--", "true"),
    "missing directory": ("spawn", "--cwd", "/nowhere", "--", "true"),
    "directory that is a file": ("spawn", "--cwd", "/etc/passwd", "--", "true"),
    "missing stdin": ("spawn", "--stdin", "/nowhere", "--", "cat"),
    "bad restart policy": ("spawn", "--restart", "maybe", "--", "true"),
    "follow and json": ("spawn", "--follow", "--json", "--", "true"),
    "bad state": ("list", "--state", "frobnicated"),
    "bad time": ("list", "--at", "yesterday"),
    "position to come": ("list", "--at", "999999"),
    "negative position": ("events", "--after", "-1"),
    "negative lines": ("logs", "-n", "-1", "x"),
    "lines that are no number": ("logs", "-n", "many", "x"),
    "bad stream": ("logs", "--stream", "stdlog", "x"),
    "bad since": ("logs", "--since", "noon", "x"),
    "follow and until": ("logs", "-f", "--until", "1s", "x"),
    "bad wait timeout": ("wait", "--timeout", "long", "x"),
    "bad signal": ("signal", "x", "FROB"),
    "signal zero": ("signal", "x", "0"),
    "signal too high": ("signal", "x", "99"),
    "bad cancel signal": ("cancel", "--all", "--signal", "FROB"),
    "bad cancel grace": ("cancel", "--all", "--grace", "never"),
    "bad age": ("prune", "--older-than", "old"),
}


@pytest.mark.parametrize("args", WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage(swarm: Swarm, args: tuple[str, ...]) -> None:
    """Wrong usage is status 2 with a line that says what to write instead, and nothing is spawned."""
    line = swarm.refused(2, *args)
    assert "; " in line, "what to do is missing"
    assert "\x1b" not in line and "\x07" not in line
    assert not list((swarm.home / "agents").glob("*"))


@pytest.mark.parametrize(
    "args",
    [("show",), ("logs",), ("logs", "-f"), ("wait",), ("cancel",), ("rm",), ("events",), ("signal",)],
    ids=" ".join,
)
def test_no_such_agent(swarm: Swarm, args: tuple[str, ...]) -> None:
    """A word that means no agent is status 3, and the line names it."""
    word = "%"  # which must not mean all, as it would to SQL
    line = swarm.refused(3, *args, word, *(("TERM",) if args == ("signal",) else ()))
    assert repr(word) in line


def test_an_ambiguous_start_of_ids(swarm: Swarm) -> None:
    """The start of several ids is wrong usage, and the line names the ids that it may mean."""
    ids: list[str] = []
    starts: dict[str, list[str]] = {}
    while not any(len(alike) > 1 for alike in starts.values()):
        ids = swarm.ok("spawn", "--from", "-", input=b'{"command": ["true"]}\n' * 8).split()
        for one in ids:
            starts.setdefault(one[0], []).append(one)
    start, alike = next((start, alike) for start, alike in starts.items() if len(alike) > 1)
    line = swarm.refused(2, "show", start)
    assert all(one in line for one in alike[:6])


def test_a_name_that_is_taken(swarm: Swarm) -> None:
    """The name of a living agent is refused with status 1, and the line says whose it is."""
    holder = swarm.spawn("--name", "n", "--", "sleep", "60")
    assert holder in swarm.refused(1, "spawn", "--name", "n", "--", "true")
    assert len(swarm.json("list", "--all")) == 1


@pytest.mark.parametrize("wish", [(), ("--wait",), ("--follow",), ("--json",)], ids=str)
def test_what_a_shell_would_not_run(swarm: Swarm, wish: tuple[str, ...]) -> None:
    """A command that is not there is 127, one that cannot be executed 126, each named, and nothing is registered."""
    (swarm.cwd / "plain").write_text("echo x")
    for status, command in ((127, "no-such-command"), (127, "./nowhere"), (126, "./plain"), (126, "/tmp")):
        assert command.strip("./") in swarm.refused(status, "spawn", *wish, "--", command)
    assert swarm.json("list", "--all") == []
    assert not list((swarm.home / "agents").glob("*"))


def test_a_bad_interpreter(swarm: Swarm) -> None:
    """A script whose interpreter is missing is refused as not found, and no agent of it lives."""
    script = swarm.cwd / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    assert "script" in swarm.refused(127, "spawn", "--", "./script")
    assert swarm.json("list") == []


def test_a_bad_binary(swarm: Swarm) -> None:
    """A command is looked up on the PATH that the child gets, and an empty PATH finds nothing."""
    swarm.refused(127, "spawn", "--env", "PATH=/nowhere", "--", "true")
    assert swarm.json("list", "--all") == []


def test_version_and_help(swarm: Swarm) -> None:
    """--version and --help are on stdout with status 0."""
    assert swarm.ok("--version").startswith("swarmctl ")
    assert "spawn" in swarm.ok("--help") and "spawn" in swarm.ok("-h")


def test_the_line_begins_with_the_program(swarm: Swarm) -> None:
    """A message has the program's name first, so that it can be told from the agent's own words."""
    assert one_line(swarm.run("nope"), 2).startswith("swarmctl: ")
