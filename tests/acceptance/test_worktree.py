"""Worktrees on the command line: spawn gives one, list shows what only they have, remove deletes no work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.cli import Swarm
from support.looking import until
from support.repositories import PLAIN, branches, git, repository


@pytest.fixture
def repo(swarm: Swarm) -> Path:
    swarm.env |= PLAIN
    return repository(swarm.cwd / "repo")


def settled(swarm: Swarm, *options: str, script: str, cwd: Path) -> str:
    """An agent that has ended, and all that follows is done."""
    agent = swarm.ended(script, *options, cwd=cwd)
    until(lambda: not swarm.agent(agent)["owed"], "what follows its end")
    return agent


def test_a_worktree_comes_and_goes(swarm: Swarm, repo: Path) -> None:
    """An agent works in its own worktree, which is gone at its end where it has left nothing."""
    agent = settled(swarm, "--worktree", "--name", "web", script="pwd; git branch --show-current", cwd=repo / "sub")
    path = swarm.home / "worktrees" / agent
    assert swarm.logs(agent).decode() == f"{path}/sub\nswarm/web\n"
    assert not path.exists() and branches(repo) == {"main"}
    assert swarm.agent(agent)["worktree"]["branch"] == "swarm/web"
    assert swarm.json("worktree", "list") == []


def test_what_only_worktrees_have_is_listed(swarm: Swarm, repo: Path) -> None:
    """The list says of each how many commits and uncommitted files it has, also when its agent was removed."""
    script = "echo x >> file; git commit -qam x; touch new"
    agent = settled(swarm, "--worktree", "--branch", "topic", script=script, cwd=repo)
    path = swarm.home / "worktrees" / agent
    (listed,) = swarm.json("worktree", "list")
    known = {"agent": agent, "state": "completed", "branch": "topic", "commits": 1, "uncommitted": 1, "end": "auto"}
    assert {name: listed[name] for name in known} == known and listed["path"] == str(path)
    row = swarm.ok("worktree", "list").splitlines()[1].split()
    assert row == [agent, "completed", "topic", "1", "1", "auto", str(path)]
    got = swarm.run("rm", agent)
    assert got.status == 0 and got.out == b""
    assert got.error == f"swarmctl: the worktree of agent {agent} is kept: 1 file in it is not committed: {path}\n"
    (listed,) = swarm.json("worktree", "list")
    assert (listed["agent"], listed["branch"], listed["uncommitted"]) == (None, "topic", 1)
    assert (path / "new").exists()


def test_prune_keeps_work_too(swarm: Swarm, repo: Path) -> None:
    """Of the agents that prune forgets, clean worktrees go, and others are kept, which it says."""
    dirty = settled(swarm, "--worktree", script="touch new", cwd=repo)
    clean = settled(swarm, "--worktree", script="git commit -q --allow-empty -m x", cwd=repo)
    got = swarm.run("prune", "--older-than", "0s")
    assert got.lines == [dirty, clean] and got.error.count("\n") == 1 and f"agent {dirty} is kept" in got.error
    assert [(swarm.home / "worktrees" / one).exists() for one in (dirty, clean)] == [True, False]


def test_removal_by_hand(swarm: Swarm, repo: Path) -> None:
    """`worktree remove` refuses where work would be lost, and while its agent lives; --force deletes."""
    live = swarm.spawn("--worktree", "--", "sleep", "600", cwd=repo)
    assert "is running" in swarm.refused(4, "worktree", "remove", live)
    agent = settled(swarm, "--worktree", script="touch new", cwd=repo)
    assert "1 file in it is not committed" in swarm.refused(4, "worktree", "remove", agent)
    swarm.ok("worktree", "remove", "--force", agent)
    plain = swarm.ended("true")
    assert "no worktree" in swarm.refused(4, "worktree", "remove", plain)
    swarm.ok("cancel", live)
    until(lambda: not swarm.agent(live)["owed"], "what follows its end")
    assert swarm.json("worktree", "list") == [] and branches(repo) == {"main"}


@pytest.mark.parametrize(
    ("options", "status", "why"),
    [
        (("--worktree", "--branch", "main"), 2, "there is a branch main already"),
        (("--worktree", "--worktree-end", "burn"), 2, "no such end of a worktree"),
        (("--branch", "topic"), 2, "--branch is of a worktree; add --worktree"),
        (("--worktree", "--cwd", "/"), 2, "is in no git repository"),
        (("--worktree", "--notify", " "), 2, "--notify has nothing to run"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_bad_wishes_leave_nothing(swarm: Swarm, repo: Path, options: tuple[str, ...], status: int, why: str) -> None:
    """What cannot be is said in one line, and no worktree, branch or agent is left."""
    assert why in swarm.refused(status, "spawn", *options, "--", "true", cwd=repo)
    assert "command not found" in swarm.refused(127, "spawn", "--worktree", "--", "nonesuch", cwd=repo)
    living = swarm.spawn("--name", "taken", "--", "sleep", "600")
    assert "taken" in swarm.refused(1, "spawn", "--worktree", "--name", "taken", "--", "true", cwd=repo)
    assert branches(repo) == {"main"} and git(repo, "worktree", "list").count("\n") == 1
    assert [one["id"] for one in swarm.json("list", "--all")] == [living]
    assert swarm.json("worktree", "list") == []


def test_a_file_of_many_has_them_too(swarm: Swarm, repo: Path) -> None:
    """Lines of --from may wish for worktrees and notifications; where one line is bad, none is left."""
    told = swarm.cwd / "told"
    lines = [
        {"command": ["pwd"], "worktree": True, "branch": "one", "worktree_end": "keep", "cwd": str(repo)},
        {"command": ["true"], "notify": [f"cat >> {told}"]},
    ]
    bad = {"command": ["true"], "worktree": True, "branch": "one", "cwd": str(repo)}
    text = "".join(json.dumps(line) + "\n" for line in [*lines, bad])
    assert "there is a branch one already" in swarm.refused(2, "spawn", "--from", "-", input=text.encode())
    assert branches(repo) == {"main"} and swarm.json("worktree", "list") == []
    text = "".join(json.dumps(line) + "\n" for line in lines)
    first, second = swarm.ok("spawn", "--from", "-", input=text.encode()).split()
    swarm.ok("wait", first, second)
    until(lambda: told.exists() and told.read_text() == f"agent {second} is done\n", "it is told")
    assert swarm.logs(first).decode().strip() == str(swarm.home / "worktrees" / first)
    swarm.ok("rm", second)


def test_through_a_server(swarm: Swarm, repo: Path) -> None:
    """A server makes them on its machine: its body has the same wishes, and what cannot be is said likewise."""
    from support.servers import serving

    told = swarm.cwd / "told"
    with serving(swarm.home, **PLAIN) as server, server.client() as client:
        body = {"command": ["pwd"], "cwd": str(repo), "worktree": True, "notify": [f"cat > {told}"]}
        agent = client.post("/v1/agents", json=body).json()["id"]
        until(lambda: told.exists() and told.read_text(), "it is told")
        refused = client.post("/v1/agents", json=body | {"branch": "main"})
        assert refused.status_code == 400 and "there is a branch main already" in refused.text
        far = swarm.ok(
            "spawn",
            "--worktree",
            "--cwd",
            str(repo),
            "--notify",
            f"cat > {told}",
            "--",
            "true",
            SWARM_SERVER=server.url,
            SWARM_TOKEN=server.token,
        )
        until(lambda: far.strip() in told.read_text(), "the other is told")
    until(lambda: not (swarm.home / "worktrees" / agent).exists(), "its worktree is gone")
