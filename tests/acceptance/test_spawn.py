"""`swarmctl spawn`: what it prints, what its options do, and the statuses of --wait and --follow."""

from __future__ import annotations

import json
import re

import pytest

from support.cli import Swarm, output_of, read_until
from support.looking import until


def test_prints_the_id_alone(swarm: Swarm) -> None:
    """A spawn prints the agent's id on stdout and nothing else anywhere."""
    got = swarm.run("spawn", "--", "true")
    assert got.status == 0 and got.err == b""
    assert re.fullmatch(rb"[a-z0-9]{8}\n", got.out)
    assert swarm.agent(got.text.strip())["command"] == ["true"]


def test_makes_a_private_home(fresh: Swarm) -> None:
    """The first spawn makes the home, and nobody but its owner can enter it."""
    fresh.spawn("--", "sleep", "60")  # one that goes on: with the last writer SQLite's WAL would go while we look
    assert fresh.home.stat().st_mode & 0o777 == 0o700
    assert all(not file.stat().st_mode & 0o077 for file in fresh.home.iterdir())


def test_uses_the_xdg_state_directory(fresh: Swarm) -> None:
    """Without SWARM_HOME the state lies in swarmctl under XDG_STATE_HOME."""
    state = fresh.home
    agent = fresh.spawn("--", "true", SWARM_HOME="", XDG_STATE_HOME=str(state))
    fresh.ok("wait", agent, SWARM_HOME="", XDG_STATE_HOME=str(state))
    assert (state / "swarmctl" / "swarm.db").is_file()


def test_returns_once_the_command_is_executed(swarm: Swarm) -> None:
    """When spawn returns, the agent is running, with the identities of its daemon and its child."""
    known = swarm.agent(swarm.spawn("--", "sleep", "60"))
    assert known["state"] == "running" and known["started_at"] is not None
    assert all(known[who]["pid"] > 1 for who in ("daemon", "child"))


def test_json_has_the_identities(swarm: Swarm) -> None:
    """`spawn --json` prints one object with the id and the identities of daemon and child."""
    printed = json.loads(swarm.ok("spawn", "--json", "--", "sleep", "60"))
    known = swarm.agent(printed["id"])
    assert printed == {key: known[key] for key in ("id", "daemon", "child")}


def test_name_label_and_cwd_are_kept(swarm: Swarm) -> None:
    """Name, labels and directory of a spawn are in what is shown of the agent, relative directories made absolute."""
    (swarm.cwd / "inner").mkdir()
    options = ("--name", "build.1", "--label", "team=web", "--label", "empty=", "--label", "a/b=c=d", "--cwd", "inner")
    swarm.ended("pwd", *options)
    known = swarm.agent("build.1")
    assert known["labels"] == {"team": "web", "empty": "", "a/b": "c=d"}
    assert known["cwd"] == str(swarm.cwd / "inner")
    assert swarm.logs("build.1").decode().strip() == str(swarm.cwd / "inner")


def test_env_adds_to_the_environment(swarm: Swarm) -> None:
    """--env adds variables to those of the caller, also empty ones and such with an equals sign."""
    agent = swarm.ended('echo "$A,$B,$C"', "--env", "A=1=2", "--env", "B=", C="ours")
    assert swarm.logs(agent) == b"1=2,,ours\n"


def test_a_name_is_free_again_after_the_end(swarm: Swarm) -> None:
    """A name can be given again once its agent has ended, and then means the living one."""
    first = swarm.ended("true", "--name", "n")
    second = swarm.spawn("--name", "n", "--", "sleep", "60")
    assert swarm.agent("n")["id"] == second != first


def test_options_end_at_the_command(swarm: Swarm) -> None:
    """What follows the command belongs to it, even if it looks like an option of ours."""
    got = swarm.run("spawn", "--wait", "echo", "--name", "x", "-h", "--", "end")
    assert got.status == 0
    assert swarm.logs(got.text.strip()) == b"--name x -h -- end\n"


def test_stdin_comes_from_a_file(swarm: Swarm) -> None:
    """--stdin FILE is the child's standard input, byte for byte."""
    (swarm.cwd / "in").write_bytes(b"a\x00b\xff")
    agent = swarm.spawn("--stdin", "in", "--", "cat")
    swarm.ok("wait", agent)
    assert swarm.logs(agent) == b"a\x00b\xff"


def test_stdin_is_kept_from_ours(swarm: Swarm) -> None:
    """`--stdin -` gives the child all that was on the caller's standard input."""
    data = bytes(range(256)) * 4096
    got = swarm.run("spawn", "--wait", "--stdin", "-", "--", "cat", input=data)
    assert swarm.logs(got.text.strip()) == data


@pytest.mark.parametrize(
    ("script", "status"),
    [("exit 0", 0), ("exit 1", 1), ("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", 137), ("kill -TERM $$", 143)],
)
def test_wait_exits_as_the_agent_does(swarm: Swarm, script: str, status: int) -> None:
    """`spawn --wait` prints the id and exits with the agent's own status, 128+N for signal N."""
    got = swarm.run("spawn", "--wait", "--", "sh", "-c", script)
    assert (got.status, got.err) == (status, b"")
    assert swarm.agent(got.text.strip())["ended_at"] is not None


def test_timeout_ends_the_agent(swarm: Swarm) -> None:
    """An agent that outlives its --timeout is ended, failed by `timeout`, and counts as status 124."""
    got = swarm.run("spawn", "--wait", "--timeout", "0.2", "--", "sleep", "60")
    known = swarm.agent(got.text.strip())
    assert got.status == 124
    assert (known["state"], known["signal"], known["reason"]) == ("failed", "SIGTERM", "timeout")


def test_grace_separates_term_and_kill(swarm: Swarm) -> None:
    """A child that ignores TERM at its timeout is killed when its --grace is over."""
    options = ("--timeout", "0.3", "--grace", "0.1")
    got = swarm.run("spawn", "--wait", *options, "--", "sh", "-c", 'trap "" TERM; while :; do sleep 1; done')
    assert got.status == 124
    assert swarm.agent(got.text.strip())["signal"] == "SIGKILL"


def test_a_short_agent_is_untouched_by_its_timeout(swarm: Swarm) -> None:
    """An agent that ends before its timeout keeps its own status."""
    assert swarm.run("spawn", "--wait", "--timeout", "1h30m", "--", "sh", "-c", "exit 5").status == 5


def test_follow_shows_output_and_exits_as_the_agent(swarm: Swarm) -> None:
    """`spawn --follow` has the child's output on stdout, the id on stderr, and the agent's status."""
    got = swarm.run("spawn", "--follow", "--", "sh", "-c", "printf 'a\\n\\377'; exit 9")
    assert (got.status, got.out) == (9, b"a\n\xff")
    assert swarm.agent(got.error.strip())["exit_code"] == 9


def test_follow_shows_output_as_it_comes(swarm: Swarm) -> None:
    """`spawn --follow` shows what the agent has written while it still runs."""
    script = "echo first; while [ ! -e go ]; do sleep 0.02; done; echo second"
    process = swarm.start("spawn", "--follow", "--", "sh", "-c", script)
    assert read_until(process.stdout, b"first\n") == b"first\n"
    (swarm.cwd / "go").touch()
    assert output_of(process).out == b"second\n"


def test_ids_can_be_cut_short(swarm: Swarm) -> None:
    """An id may be cut short while it is unique."""
    agent = swarm.ended("true")
    assert swarm.agent(agent[:3])["id"] == agent


def test_an_ended_agent_leaves_no_files_of_its_run(swarm: Swarm) -> None:
    """When an agent has ended, its FIFOs and journals are gone."""
    agent = swarm.ended("seq 100000")
    until(lambda: not list((swarm.home / "agents" / agent).glob("run-*")), "the run's directory is deleted")


def test_many_at_once_have_ids_of_their_own(swarm: Swarm) -> None:
    """Commands that spawn at the same moment all succeed, each with an id of its own."""
    started = [swarm.start("spawn", "--", "true") for _ in range(6)]
    ids = {output_of(process).text.strip() for process in started}
    assert len(ids) == 6
    assert {agent["id"] for agent in swarm.json("list", "--all")} == ids
