"""`swarmctl logs`: what an agent wrote, byte for byte, and the many ways to look at it."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from support.cli import Swarm, output_of, read_until

STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"\n",
        b"no newline at the end",
        b"\r\n\r\x1b[31mred\x1b[0m\n",
        b"\xff\xfe\x00\x80 not UTF-8\n\xc3",
        bytes(range(256)) * 300,
        "żółć 🐝\n".encode(),
    ],
)
def test_bytes_are_as_they_came(swarm: Swarm, written: bytes) -> None:
    """One agent's log is its output, byte for byte, whatever the bytes are."""
    (swarm.cwd / "in").write_bytes(written)
    agent = swarm.ended("cat in")
    assert swarm.logs(agent) == written
    assert swarm.logs("-f", agent) == written


def test_a_line_of_ten_megabytes(swarm: Swarm) -> None:
    """A line of 10 MB is kept whole, also where output is shown by the line."""
    agent = swarm.ended("head -c 10000000 /dev/zero | tr '\\0' x; echo; echo end")
    whole = b"x" * 10_000_000
    assert swarm.logs(agent) == whole + b"\nend\n"
    assert swarm.logs("-n", "2", agent) == whole + b"\nend\n"


def test_a_million_short_lines(swarm: Swarm) -> None:
    """A million lines come out as they went in, all of them and in order."""
    agent = swarm.ended("seq 1000000")
    expected = "".join(f"{n}\n" for n in range(1, 1_000_001)).encode()
    assert hashlib.sha256(swarm.logs(agent)).digest() == hashlib.sha256(expected).digest()
    assert swarm.logs("-n", "3", agent) == b"999998\n999999\n1000000\n"


@pytest.mark.parametrize(
    ("count", "shown"),
    [("0", b""), ("1", b"d"), ("2", b"c\nd"), ("4", b"a\nb\nc\nd"), ("99", b"a\nb\nc\nd")],
)
def test_the_last_lines(swarm: Swarm, count: str, shown: bytes) -> None:
    """-n N shows the last N lines, an unfinished one among them."""
    agent = swarm.ended("printf 'a\\nb\\nc\\nd'")
    assert swarm.logs("-n", count, agent) == shown


def test_the_last_lines_across_chunks(swarm: Swarm) -> None:
    """-n N shows whole lines even if they were written in pieces."""
    agent = swarm.ended("for i in 1 2 3; do printf 'be'; sleep 0.06; printf 'gin%s\\n' $i; sleep 0.06; done")
    assert swarm.logs("-n", "2", agent) == b"begin2\nbegin3\n"


def test_streams_apart_and_together(swarm: Swarm) -> None:
    """--stream shows only one of stdout and stderr; without it both are shown."""
    agent = swarm.ended("echo out; echo err >&2")
    assert swarm.logs("--stream", "stdout", agent) == b"out\n"
    assert swarm.logs("--stream", "stderr", agent) == b"err\n"
    assert sorted(swarm.logs(agent).splitlines()) == [b"err", b"out"]


def test_reopened_stderr_truncates_nothing(swarm: Swarm) -> None:
    """A child that opens /dev/stderr and /dev/stdout anew loses nothing of what it wrote before."""
    agent = swarm.ended("echo a; echo b > /dev/stdout; echo c >&2; echo d > /dev/stderr; echo e")
    assert swarm.logs("--stream", "stdout", agent) == b"a\nb\ne\n"
    assert swarm.logs("--stream", "stderr", agent) == b"c\nd\n"


def test_several_agents_have_names_before_lines(swarm: Swarm) -> None:
    """Lines of several agents have the name before them, or the id where there is no name."""
    named = swarm.ended("echo 1; printf 2", "--name", "web")
    other = swarm.ended("echo 3")
    lines = swarm.logs(named, other).decode().splitlines()
    assert sorted(lines) == sorted(["web  1", "web  2", f"{other}  3"])


def test_an_agent_named_twice_is_shown_once(swarm: Swarm) -> None:
    """An agent that is named by its id and its name is one agent."""
    agent = swarm.ended("echo once", "--name", "n")
    assert swarm.logs(agent, "n") == b"once\n"


def test_times_before_lines(swarm: Swarm) -> None:
    """-t puts an RFC 3339 time in UTC before each line, before the name where there is one."""
    one = swarm.ended("printf 'a\\nb'", "--name", "one")
    two = swarm.ended("echo c", "--name", "two")
    shown = swarm.logs("-t", one).decode()
    assert re.fullmatch(f"{STAMP} a\n{STAMP} b\n", shown)
    assert all(
        re.fullmatch(f"{STAMP} (one|two)  [abc]", line) for line in swarm.logs("-t", one, two).decode().split("\n")[:-1]
    )


def test_json_is_an_array_of_lines(swarm: Swarm) -> None:
    """`logs --json` is one array with an object for each line: text, stream, time and run."""
    agent = swarm.ended("echo out; echo err >&2; printf last")
    lines = json.loads(swarm.logs("--json", agent))
    assert sorted((line["stream"], line["line"]) for line in lines) == [
        ("stderr", "err"),
        ("stdout", "last"),
        ("stdout", "out"),
    ]
    assert all(line["run"] == 1 and re.fullmatch(STAMP, line["time"]) for line in lines)
    assert json.loads(swarm.logs("--json", swarm.ended("true"))) == []


def test_json_keeps_what_is_not_text(swarm: Swarm) -> None:
    """In JSON, a line that is not UTF-8 has its bytes in base64; a line that is has none."""
    agent = swarm.ended("printf '\\377\\000x\\nplain\\n'")
    bad, plain = json.loads(swarm.logs("--json", agent))
    assert base64.b64decode(bad["base64"]) == b"\xff\x00x"
    assert plain["line"] == "plain" and "base64" not in plain


def test_follow_ends_with_the_agent(swarm: Swarm) -> None:
    """`logs -f` shows lines as they are written and ends when the agent has ended, with status 0."""
    agent = swarm.sh("echo 1; while [ ! -e go ]; do sleep 0.02; done; echo 2; exit 3")
    process = swarm.start("logs", "-f", agent)
    assert read_until(process.stdout, b"1\n") == b"1\n"
    (swarm.cwd / "go").touch()
    assert output_of(process) == (0, b"2\n", b"")


def test_follow_json_has_a_line_each(swarm: Swarm) -> None:
    """`logs -f --json` prints one object a line, as lines are written."""
    agent = swarm.sh("echo 1; while [ ! -e go ]; do sleep 0.02; done; echo 2")
    process = swarm.start("logs", "-f", "--json", agent)
    assert json.loads(read_until(process.stdout, b"\n"))["line"] == "1"
    (swarm.cwd / "go").touch()
    assert json.loads(output_of(process).out)["line"] == "2"


def test_follow_several_until_the_last(swarm: Swarm) -> None:
    """`logs -f` of several agents ends when the last of them has ended."""
    swarm.ended("echo 1", "--name", "short")
    swarm.sh("while [ ! -e go ]; do sleep 0.02; done; echo 2", "--name", "long")
    process = swarm.start("logs", "-f", "short", "long")
    assert read_until(process.stdout, b"\n") == b"short  1\n"
    assert process.poll() is None
    (swarm.cwd / "go").touch()
    assert output_of(process) == (0, b"long  2\n", b"")


def test_follow_does_not_wait_for_a_grandchild(swarm: Swarm) -> None:
    """A grandchild that holds stdout open keeps neither `wait` nor `logs -f` from ending with the agent."""
    agent = swarm.sh("sleep 60 & echo $!")
    swarm.ok("wait", agent)
    grandchild = swarm.logs("-f", agent).decode().strip()
    assert grandchild.isdigit()
    swarm.shell(f"kill {grandchild}")
