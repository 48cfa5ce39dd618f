"""`swarmctl backup`, `export` and `import`: the log copied, written out and taken in."""

from __future__ import annotations

import json
import os
import stat

import pytest

from support.cli import SWARMCTL, Swarm, output_of
from support.looking import until

LINES = 400


def other(swarm: Swarm, name: str = "other") -> Swarm:
    """The command line in another state directory, which is empty."""
    path = swarm.cwd / name
    path.mkdir(mode=0o700)
    return Swarm(path, swarm.cwd)


def test_a_backup_is_a_log(swarm: Swarm) -> None:
    """A backup, in a state directory of its own, has the agents and their output, and is sound."""
    agent = swarm.ended("echo hello; exit 3", "--name", "n")
    copy = swarm.cwd / "copy.db"
    assert swarm.ok("backup", str(copy)) == ""
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    there = other(swarm)
    copy.rename(there.home / "swarm.db")
    assert there.ok("logs", "n") == "hello\n"
    assert json.loads(there.ok("show", "--json", agent))["exit_code"] == 3
    assert there.run("doctor").status == 0


def test_a_backup_while_many_write(swarm: Swarm) -> None:
    """A backup while 20 agents write is one moment of each, whole up to there; no agent is held up or loses a line."""
    script = f"i=0; while [ $i -lt {LINES} ]; do echo $i; i=$((i+1)); done; read x"
    jobs = "".join(json.dumps({"command": ["sh", "-c", script + f" < {swarm.cwd}/go"]}) + "\n" for _ in range(20))
    os.mkfifo(swarm.cwd / "go")
    ids = swarm.ok("spawn", "--from", "-", input=jobs.encode()).split()
    copies = [swarm.cwd / f"copy{n}.db" for n in range(3)]
    for copy in copies:
        swarm.ok("backup", str(copy))
    keep = os.open(swarm.cwd / "go", os.O_RDWR)
    os.write(keep, b"\n" * 20)
    swarm.ok("wait", *ids)
    os.close(keep)
    whole = "".join(f"{n}\n" for n in range(LINES))
    assert [swarm.ok("logs", one) for one in ids] == [whole] * 20
    for n, copy in enumerate(copies):
        there = other(swarm, f"home{n}")
        copy.rename(there.home / "swarm.db")
        assert all(whole.startswith(there.ok("logs", one)) for one in ids)
        findings = json.loads(there.run("doctor", "--json").out)
        assert all(one["ok"] for one in findings if one["check"] in ("integrity", "projection", "permissions"))


def test_a_backup_goes_only_where_it_may(swarm: Swarm) -> None:
    """What is there stays unless --force, and never is a directory, a device or a file of the log replaced."""
    swarm.ended("true")
    taken = swarm.cwd / "taken"
    taken.write_text("mine")
    for verb in (("backup",), ("export", "--output")):
        assert "--force" in swarm.refused(2, *verb, str(taken))
        assert taken.read_text() == "mine"
        for place in (swarm.cwd, "/dev/null", swarm.home / "swarm.db", swarm.home / "copy", swarm.cwd / "no" / "where"):
            swarm.refused(2, *verb, str(place), "--force")
        swarm.ok(*verb, str(taken), "--force")
        assert taken.read_bytes() != b"mine"
        taken.write_text("mine")
    assert sorted(os.listdir(swarm.cwd)) == ["taken"]


@pytest.mark.parametrize("verb", [("backup",), ("export", "--output")])
def test_where_there_is_no_room_nothing_is_left(small: Swarm, verb: tuple[str, ...]) -> None:
    """On a full disk it is said, with status 1, and no part of the file is left."""
    from support.homes import fill

    small.ended("head -c 100000 /dev/urandom")
    fill(small)
    small.refused(1, *verb, str(small.cwd / "copy"))
    assert os.listdir(small.cwd) == []


def test_an_export_taken_in_is_the_same(swarm: Swarm) -> None:
    """Agents exported and imported elsewhere have their output, their ends and their histories; twice is refused."""
    ids = [swarm.ended("echo out; echo err >&2; printf '\\377'; exit 5", "--name", "a"), swarm.ended("true")]
    exported = swarm.ok("export")
    there = other(swarm)
    assert there.ok("import", "-", input=exported.encode()).split() == sorted(ids)
    for verb in (("logs", "--json", "a"), ("list", "--all", "--json"), ("show", "--json", ids[0])):
        assert there.ok(*verb) == swarm.ok(*verb)
    again = there.ok("export")
    assert [_record(line) for line in again.splitlines()[1:]] == [_record(line) for line in exported.splitlines()[1:]]
    assert ids[0] in there.refused(4, "import", "-", input=exported.encode())
    assert there.run("doctor").status == 0


def _record(line: str) -> dict[str, object]:
    record: dict[str, object] = json.loads(line)
    record.pop("position", None)
    return record


def test_one_agent_alone(swarm: Swarm) -> None:
    """An export of one agent has nothing of another, and goes into a log that has others."""
    one, two = swarm.ended("echo one"), swarm.ended("echo two")
    file = swarm.cwd / "one.jsonl"
    swarm.ok("export", one, "--output", str(file))
    assert two not in file.read_text()
    there = other(swarm)
    third = there.ok("spawn", "--wait", "--", "true").strip()
    assert there.ok("import", str(file)).split() == [one]
    assert set(there.ok("list", "--all", "-q").split()) == {one, third}
    assert there.ok("logs", one) == "one\n"


def test_the_living_come_in_as_lost(swarm: Swarm) -> None:
    """An agent that lived when it was exported is lost where it is imported, and no policy starts it there."""
    agent = swarm.sh("echo here; exec sleep 60", "--restart", "always", "--name", "n")
    until(lambda: swarm.logs(agent) == b"here\n", "it writes")
    exported = swarm.ok("export")
    there = other(swarm)
    there.ok("import", "-", input=exported.encode())
    known = json.loads(there.ok("show", "--json", agent))
    assert (known["state"], known["exit_code"]) == ("lost", None) and "not known" in known["reason"]
    assert known["no_more_restarts"] == "withdrawn"
    assert there.ok("logs", agent) == "here\n"


@pytest.mark.parametrize(
    ("change", "number"),
    [
        (lambda lines: lines[:-1], None),
        (lambda lines: ["{}", *lines[1:]], 1),
        (lambda lines: [lines[0], "nonsense", *lines[1:]], 2),
        (lambda lines: [lines[0], *lines[2:]], -1),
        (lambda lines: [*lines[:3], lines[2], *lines[3:]], 4),
        (lambda lines: [*lines[:2], lines[2].replace('"agents/', '"agents/../../'), *lines[3:]], 3),
        (lambda lines: [line.replace('"command"', '"commando"') for line in lines], 4),
        (lambda lines: [line.replace("Z", "") for line in lines], 2),
        (lambda lines: [line.replace('"base64":"', '"base64":"AAAA') for line in lines], 2),
    ],
)
def test_bad_lines_are_named(swarm: Swarm, change: object, number: int | None) -> None:
    """A bad line is status 2 and named by its number, and nothing is imported."""
    swarm.ended("echo one")
    lines = swarm.ok("export").splitlines()
    assert callable(change)
    bad = change(lines)
    there = other(swarm)
    said = there.refused(2, "import", "-", input="".join(f"{line}\n" for line in bad).encode())
    if number is not None:
        assert f"line {number if number > 0 else len(bad)}:" in said
    assert there.ok("list", "--all", "-q") == ""


def test_an_import_that_is_killed_goes_on(swarm: Swarm) -> None:
    """Killed midway, an import shows no agent half there; run again with the same file, it is whole."""
    agent = swarm.ended("head -c 30000000 /dev/urandom")
    file = swarm.cwd / "all.jsonl"
    swarm.ok("export", "-o", str(file))
    there = other(swarm)
    database = there.home / "swarm.db-wal"
    killed = swarm.start_command(["env", f"SWARM_HOME={there.home}", SWARMCTL, "import", str(file)])
    until(lambda: database.exists() and database.stat().st_size > 3_000_000, "it is under way")
    killed.kill()
    output_of(killed)
    assert there.ok("list", "--all", "-q") == ""
    assert there.ok("import", str(file)).split() == [agent]
    assert there.logs(agent) == swarm.logs(agent)


def test_an_agent_removed_while_it_is_exported(swarm: Swarm) -> None:
    """An export of which an agent is removed under way fails and leaves no file."""
    agent = swarm.ended("head -c 20000000 /dev/urandom")
    export = swarm.start("export", agent)
    assert export.stdout is not None
    export.stdout.read(100)
    swarm.ok("rm", agent)
    got = output_of(export)
    assert got.status == 4 and b"removed while it was exported" in got.err
    assert b'"end":true' not in got.out
