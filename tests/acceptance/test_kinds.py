"""`swarmctl agents`: which kinds there are, what is here of them, and whether they answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support import kinds as made
from support.cli import Swarm


@pytest.fixture
def config(swarm: Swarm, tmp_path: Path) -> Path:
    """The user's profiles, and a PATH on which no real agent is."""
    swarm.env |= {"SWARM_CONFIG": str(tmp_path / "config"), "PATH": f"{tmp_path / 'programs'}:/usr/bin:/bin"}
    return tmp_path / "config"


@pytest.fixture
def parrots(swarm: Swarm, config: Path, tmp_path: Path) -> Path:
    """A third party's package, with a kind and its driver."""
    swarm.env["PYTHONPATH"] = made.package(tmp_path)
    return config


def test_lists_what_is_here(swarm: Swarm, config: Path, tmp_path: Path) -> None:
    """Each kind with whether it is installed, its version, and where it comes from; wrong ones with what is wrong."""
    made.program(tmp_path / "programs", "codex-acp", "echo codex-acp 2.6.0")
    path = made.profile(config, "wrong", "driver = 1")
    rows = [line.split() for line in swarm.ok("agents", "list").splitlines()]
    assert rows[0] == ["KIND", "DRIVER", "INSTALLED", "VERSION", "LOGIN", "FROM"]
    assert ["codex", "acp", "yes", "2.6.0", "unknown", "built", "in"] in rows
    assert ["gemini", "acp", "no", "-", "unknown", "built", "in"] in rows
    assert " ".join(rows[-1]) == f"wrong: {path}: driver: input should be a valid string"
    known = {one["kind"]: one for one in swarm.json("agents", "list")}
    assert known["gemini"]["hint"] == "npm install -g @google/gemini-cli"
    assert known["codex"]["program"] == str(tmp_path / "programs" / "codex-acp")


def test_a_program_that_hangs_holds_nobody_up(swarm: Swarm, config: Path, tmp_path: Path) -> None:
    """A version that does not come in ten seconds does not come; nothing of it is left running."""
    made.program(tmp_path / "programs", "gemini", "exec sleep 1000")
    known = {one["kind"]: one for one in swarm.json("agents", "list")}
    assert (known["gemini"]["installed"], known["gemini"]["version"]) == (True, None)


def test_shows_a_kind(swarm: Swarm, config: Path) -> None:
    """A profile with all that it extends, and where that stands."""
    path = made.profile(config, "mine", 'extends = "codex"\nmodel = "m"')
    shown = swarm.ok("agents", "show", "mine").splitlines()
    assert "model:       m" in shown and f'sources:     ["{path}", "built in"]' in shown
    assert swarm.json("agents", "show", "acp:x y")["command"] == ["x", "y"]
    assert "no such kind of agent: 'nope'" in swarm.refused(2, "agents", "show", "nope")


def test_a_check_of_all_leaves_out_what_names_no_model(swarm: Swarm, config: Path) -> None:
    """A service that needs no key is checked with the others once a profile names a model."""
    assert "ollama" not in swarm.ok("agents", "check")
    made.profile(config, "ollama", 'extends = "ollama"\nmodel = "m"\noptions.base_url = "http://127.0.0.1:1"')
    got = swarm.run("agents", "check")
    assert got.status == 1 and [line.split()[:2] for line in got.lines if line[:1] != " "] == [["BAD", "ollama"]]


def test_checks_by_starting(swarm: Swarm, parrots: Path) -> None:
    """A kind that opens a session answers; asked, it says something; what it wants to do is denied."""
    told = swarm.ok("agents", "check", "parrot")
    assert told.startswith("ok   parrot       1.2 grey in 0.")
    assert swarm.ok("agents", "check", "parrot", "--ask").endswith("s; it said: hello\n")
    made.profile(parrots, "asking", 'extends = "parrot"\noptions.says = "may I?"')
    got = swarm.run("agents", "check", "parrot", "asking", "--ask", "--json")
    assert got.status == 1
    good, bad = json.loads(got.out)
    assert (good["ok"], good["text"]) == (True, "hello")
    assert (bad["ok"], bad["problem"]) == (False, "the turn has failed: only whether you answer is being tried")


def test_a_check_is_bounded(swarm: Swarm, parrots: Path) -> None:
    """A kind that does not answer in time is told so, with status 1."""
    made.profile(parrots, "slow", 'extends = "parrot"\noptions.says = "nothing"')
    got = swarm.run("agents", "check", "slow", "--timeout", "0.2s")
    assert got.status == 1
    assert got.lines == [
        "BAD  slow         slow has not answered in 0.2 s",
        "                  → give it longer with --timeout D",
    ]


def test_a_check_says_what_is_missing(swarm: Swarm, parrots: Path) -> None:
    """Not installed, not signed in, no such kind, a wrong profile: each in a line, with what to do."""
    made.profile(parrots, "shy", 'extends = "parrot"\noptions.says = "who are you?"')
    path = made.profile(parrots, "wrong", "=")
    got = swarm.run("agents", "check", "gemini", "shy", "nope", "wrong")
    assert (got.status, got.err) == (1, b"")
    problems = [line[18:] for line in got.lines]
    assert problems[:4] == [
        "gemini is not installed: there is no gemini on the PATH",
        "→ npm install -g @google/gemini-cli",
        "nobody has signed in to the parrot",
        "→ feed it",
    ]
    assert problems[4] == "no such kind of agent: 'nope'" and problems[6].startswith(f"{path}: not TOML: ")


def test_kinds_are_of_this_machine(swarm: Swarm) -> None:
    """Through a server nothing is said of what is installed there."""
    for verb in (["list"], ["show", "codex"], ["check"]):
        told = swarm.refused(2, "--server", "http://127.0.0.1:1", "agents", *verb)
        assert "works on the machine itself" in told
