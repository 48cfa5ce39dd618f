"""Worktrees of agents, with real git: made, made again, and removed only where nothing is lost."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from support import agents
from support.looking import until
from support.repositories import PLAIN, branches, git, repository
from support.supervisors import supervising
from swarm_daemon import control, keeping, spawn, tree, worktrees
from swarm_daemon.git import GitFailed
from swarm_daemon.run import Run
from swarm_store import events, registry
from swarm_store.errors import CannotStart, NotPossible, WrongUsage
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarm_store.retention import Policy
from swarmctl import aftermath

COMMIT = "git commit -qam second"
INNER = "git init -q {0} && git -C {0} commit -q --allow-empty -m inner"  # a repository in it
UNDER_WAY = "something is under way in it (MERGE_HEAD)"


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in PLAIN.items():
        monkeypatch.setenv(name, value)
    return repository(tmp_path / "repo")


def spawned(log: Log, cwd: Path, script: str, *, wish: dict[str, Any] | None = None, **options: Any) -> Agent:
    """Spawn a shell script in a worktree of its own."""
    agent_id = spawn.new_id()
    made, inside = worktrees.make(log.home, agent_id, str(cwd), **wish or {})
    return agents.sh(log, script, cwd=inside, agent_id=agent_id, around=aftermath.around(worktree=made), **options)


def settled(log: Log, agent: Agent) -> Agent:
    """The agent, once it has ended and what follows is done."""

    def look() -> bool:
        found = agents.get(log, agent["id"])
        return found["ended_at"] is not None and not found["owed"]

    until(look, "all is settled")
    return agents.get(log, agent["id"])


def said(log: Log, agent: Agent) -> list[tuple[str, str | None]]:
    """What was recorded of the worktree."""
    types = (events.WORKTREE_RESTORED, events.WORKTREE_REMOVED, events.WORKTREE_KEPT)
    found = log.read(events.agent_stream(agent["id"]), types=types)
    return [(one.type.partition(":")[2], one.data["reason"]) for one in found]


def place(agent: Agent) -> Path:
    return Path(agent["worktree"]["path"])


def test_an_agent_has_a_worktree_of_its_own(log: Log, repo: Path) -> None:
    """It begins in the same subfolder, on a branch of its own from HEAD, in a directory for the owner alone."""
    agent = spawned(log, repo / "sub", "pwd; git branch --show-current; cat inner; sleep 600", wish={"name": "web"})
    until(lambda: agents.output(log, agent["id"]).count(b"\n") == 3, "its output")
    path = Path(log.home.path) / "worktrees" / agent["id"]
    assert agents.output(log, agent["id"]).decode() == f"{path}/sub\nswarm/web\ntwo\n"
    base = git(repo, "rev-parse", "HEAD").strip()
    known = {"path": str(path), "branch": "swarm/web", "repo": str(repo), "base": base, "end": "auto"}
    assert agents.get(log, agent["id"])["worktree"] == {**known, "git": str(repo / ".git")}
    assert {stat.S_IMODE(one.stat().st_mode) for one in (path, path.parent)} == {0o700}
    assert git(repo, "status", "--porcelain") == "" and branches(repo) == {"main", "swarm/web"}


@pytest.mark.parametrize(
    ("script", "end", "kept", "branch"),
    [
        ("true", "auto", None, False),
        ("touch ignored", "auto", None, False),
        (f"echo x >> file; {COMMIT}", "auto", "its branch has 1 commit of its own", True),
        ("echo x >> file", "auto", "1 file in it is not committed", True),
        ("touch new sub/new", "auto", "2 files in it are not committed", True),
        ("true", "remove", None, False),
        (f"echo x >> file; {COMMIT}", "remove", None, True),
        (f"echo x >> file; {COMMIT}; rm file", "remove", "1 file in it is not committed", True),
        ("touch new", "remove", "1 file in it is not committed", True),
        (f"git checkout -q --detach; echo x >> file; {COMMIT}", "remove", "it has commits that no branch has", True),
        (f"git checkout -qb other; echo x >> file; {COMMIT}", "auto", "its branch has 1 commit of its own", True),
        ("git merge -q --no-ff --no-commit -s ours elsewhere", "remove", UNDER_WAY, True),
        ('git worktree lock "$PWD"', "remove", "it is locked", True),
        ("true", "keep", "it is to be kept", True),
        ("rm .git", "remove", "it is no worktree any more", True),
        ("git update-index --assume-unchanged file; echo x >> file", "auto", "git was told not to look at file", True),
        ("git update-index --skip-worktree file; echo x >> file", "remove", "git was told not to look at file", True),
        ("git sparse-checkout set sub", "auto", None, False),
        (INNER.format("nested"), "auto", "1 file in it is not committed", True),
        (f"{INNER.format('nested')}; git add nested; {COMMIT}", "remove", "a repository is in it (nested)", True),
        (f"mkdir -p ignored/a; {INNER.format('ignored/a/b')}", "auto", "a repository is in it (ignored/a/b)", True),
        ("mkdir -p ignored/a; touch ignored/a/.gitignore", "auto", None, False),
    ],
)
def test_what_becomes_of_it(log: Log, repo: Path, script: str, end: str, kept: str | None, branch: bool) -> None:
    """It is removed as is asked, and never with what is only there; a branch stays as long as it has a commit."""
    git(repo, "branch", "elsewhere")
    git(repo, "checkout", "-q", "elsewhere")
    git(repo, "commit", "-q", "--allow-empty", "-m", "elsewhere")
    git(repo, "checkout", "-q", "main")
    agent = settled(log, spawned(log, repo, script, wish={"end": end, "branch": "topic"}))
    assert agents.get(log, agent["id"])["state"] == "completed", agents.output(log, agent["id"], "stderr")
    assert said(log, agent) == [("kept" if kept else "removed", kept)]
    assert place(agent).exists() == bool(kept)
    assert ("topic" in branches(repo)) == branch
    assert (str(place(agent)) in git(repo, "worktree", "list")) == bool(kept)


def test_what_is_too_big_to_be_looked_through_is_kept(log: Log, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Repositories are looked for in so many directories; where there are more, nobody knows."""
    monkeypatch.setattr(keeping, "MOST_DIRECTORIES", 3)
    made, _ = worktrees.make(log.home, "agentid2", str(repo))
    (Path(made["path"]) / "ignored").mkdir()
    assert keeping.why_unsafe(made) is None
    (Path(made["path"]) / "ignored" / "more").mkdir()
    assert keeping.why_unsafe(made) == "it has more than 3 directories, in which repositories may be"


def test_submodules_are_kept(log: Log, repo: Path, tmp_path: Path) -> None:
    """What was done in a submodule may be nowhere else: a worktree that has them checked out is kept."""
    git(repo, "submodule", "--quiet", "add", str(repository(tmp_path / "inner")), "inner")
    git(repo, "commit", "-qm", "submodule")
    agent = settled(log, spawned(log, repo, "true"))
    assert said(log, agent) == [("removed", None)]
    script = "git -c protocol.file.allow=always submodule --quiet update --init"
    agent = settled(log, spawned(log, repo, script, wish={"end": "remove"}))
    assert said(log, agent) == [("kept", "it has submodules")]


def test_another_run_has_it_again(log: Log, repo: Path) -> None:
    """Where it was removed, a restart makes it again from its branch, with the commits of earlier runs."""
    agent = settled(log, spawned(log, repo, f"cat file; echo x >> file; {COMMIT}", wish={"end": "remove"}))
    assert not place(agent).exists()
    spawn.restart(log, agent)
    settled(log, agent)
    assert agents.output(log, agent["id"]).decode() == "one\none\nx\n"
    assert said(log, agent) == [("removed", None), ("restored", None), ("removed", None)]
    assert git(repo, "rev-list", "--count", "main.." + agent["worktree"]["branch"]).strip() == "2"


def test_another_run_begins_anew_where_nothing_was_left(log: Log, repo: Path) -> None:
    """Where its branch had nothing and is gone too, both are made again from where they began."""
    agent = settled(log, spawned(log, repo, "pwd"))
    assert branches(repo) == {"main"}
    spawn.restart(log, agent)
    settled(log, agent)
    assert agents.output(log, agent["id"]).decode() == f"{place(agent)}\n" * 2


def test_what_comes_late_of_an_earlier_run_leaves_it_alone(log: Log, repo: Path) -> None:
    """While another run has it, neither what follows an earlier end removes it nor whoever saw the agent ended; after
    that run has ended, what follows the earlier one has nothing to say."""
    agent = settled(log, spawned(log, repo, "test -e ../../go || exit 0; while [ -e ../../go ]; do sleep 0.05; done"))
    go = Path(log.home.path) / "go"
    go.touch()
    spawn.restart(log, agent)
    for run in (1, 2):
        worktrees.finish(log, agent["id"], run)
    worktrees.forget(log, agent)
    assert place(agent).exists() and said(log, agent) == [("removed", None), ("restored", None)]
    go.unlink()
    settled(log, agent)
    worktrees.finish(log, agent["id"], 1)
    assert said(log, agent) == [("removed", None), ("restored", None), ("removed", None)]


def test_one_that_was_half_made_is_made_anew(log: Log, repo: Path) -> None:
    """Where git was killed while it made it again, no run works in what is there."""
    agent = settled(
        log, spawned(log, repo, f"echo x >> file; {COMMIT}; ls; git status --short", wish={"end": "remove"})
    )
    branch, path = agent["worktree"]["branch"], place(agent)
    path.parent.mkdir(exist_ok=True)
    git(repo, "config", "filter.slow.smudge", f"touch {repo}/slow; sleep 1000")
    (repo / ".git" / "info" / "attributes").write_text("file filter=slow\n")
    making = subprocess.Popen(["git", "-C", repo, "worktree", "add", "-q", path, branch], start_new_session=True)
    until((repo / "slow").exists, "it is being made")
    os.killpg(making.pid, signal.SIGKILL)
    making.wait()
    assert (path / ".git").exists() and not (path / "file").exists()
    (repo / ".git" / "info" / "attributes").unlink()
    spawn.restart(log, agent)
    settled(log, agent)
    assert agents.output(log, agent["id"]).decode() == "file\nsub\n" * 2


def test_a_run_without_its_worktree_does_not_start(log: Log, repo: Path) -> None:
    """Where it cannot be made again, the run fails with git's reason, and a later one may start."""
    agent = settled(log, spawned(log, repo, f"echo x >> file; {COMMIT}", wish={"end": "remove"}))
    git(repo, "checkout", "-q", agent["worktree"]["branch"])
    with pytest.raises(CannotStart, match=r"cannot prepare its directory: git worktree: .*already"):
        spawn.restart(log, agent)
    git(repo, "checkout", "-q", "main")
    spawn.restart(log, agents.get(log, agent["id"]))
    with supervising(log.home):
        assert settled(log, agent)["run"] == 3


def test_a_policy_that_may_start_it_again_keeps_it(log: Log, repo: Path) -> None:
    """As long as a supervisor may start the agent again, its worktree stays; and goes with its last end."""
    script = "test -e ../../go && exit; touch ../../go; exit 1"
    agent = spawned(log, repo, script, restart="on-failure")
    until(lambda: said(log, agent), "the first end")
    assert said(log, agent) == [("kept", "its policy may start it again")] and place(agent).exists()
    with supervising(log.home):
        until(lambda: len(said(log, agent)) == 2, "the second end")
    assert said(log, agent)[1] == ("removed", None)
    settled(log, agent)


def test_the_supervisor_removes_it_where_the_daemon_died(log: Log, repo: Path) -> None:
    """Where the daemon is killed before it could begin with it, the supervisor sees to it."""
    agent = spawned(log, repo, "while [ ! -e ../../go ]; do sleep 0.05; done")
    agents.kill(agents.get(log, agent["id"])["daemon"]["pid"])
    (Path(log.home.path) / "go").touch()
    with supervising(log.home):
        settled(log, agent)
    assert not place(agent).exists() and said(log, agent) == [("removed", None)]


@pytest.mark.parametrize("half", ["nothing", "aside", "half", "directory", "branch"])
def test_a_removal_that_was_killed_is_gone_on_with(log: Log, repo: Path, half: str) -> None:
    """Whatever a killed removal has left, the next one finishes."""
    agent = settled(log, spawned(log, repo, "true", wish={"end": "keep"}))
    kept = agent["worktree"]
    if half in ("aside", "half"):
        place(agent).rename(kept["path"] + worktrees.GONE)
    if half == "half":
        (Path(kept["path"] + worktrees.GONE) / ".git").unlink()
    if half in ("directory", "branch"):
        git(repo, "worktree", "remove", "--force", kept["path"])
    if half == "branch":
        git(repo, "branch", "-D", kept["branch"])
    worktrees.delete(kept)
    assert os.listdir(place(agent).parent) == [] and branches(repo) == {"main"}
    assert str(place(agent)) not in git(repo, "worktree", "list")


def test_other_worktrees_that_are_missing_are_left_alone(log: Log, repo: Path, tmp_path: Path) -> None:
    """A worktree of the user's on a disk that is away just then is known to git as before, with its index."""
    disk, mine = tmp_path / "disk", tmp_path / "disk" / "mine"
    disk.mkdir()
    git(repo, "worktree", "add", "-q", "--detach", str(mine))
    (mine / "staged").touch()
    git(mine, "add", "staged")
    disk.rename(tmp_path / "away")
    agent = settled(log, spawned(log, repo, "true"))
    spawn.restart(log, agent)
    settled(log, agent)
    assert said(log, agent) == [("removed", None), ("restored", None), ("removed", None)]
    (tmp_path / "away").rename(disk)
    assert git(mine, "status", "--porcelain") == "A  staged\n"


def test_it_is_made_again_where_somebody_deleted_its_directory(log: Log, repo: Path) -> None:
    """What git still knows of it, locked or not, is in nobody's way."""
    agent = settled(log, spawned(log, repo, 'git worktree lock "$PWD"', wish={"end": "keep"}))
    shutil.rmtree(place(agent))
    spawn.restart(log, agent)
    assert agents.ended(log, agent["id"])["state"] == "completed"


def test_removing_an_agent_keeps_what_is_only_there(log: Log, repo: Path) -> None:
    """With the agent its worktree goes, but not where files are uncommitted, or it was to be kept."""
    clean = settled(log, spawned(log, repo, f"echo x >> file; {COMMIT}"))
    dirty = settled(log, spawned(log, repo, "touch new"))
    wanted = settled(log, spawned(log, repo, "true", wish={"end": "keep"}))
    for agent in (clean, dirty, wanted):
        control.forget(log, agent)
        assert registry.get(log, agent["id"]) is None
    assert [place(one).exists() for one in (clean, dirty, wanted)] == [False, True, True]
    assert clean["worktree"]["branch"] in branches(repo)
    assert worktrees.left(clean) is None
    assert "1 file in it is not committed" in str(worktrees.left(dirty))
    assert "to be kept" in str(worktrees.left(wanted))


def child(log: Log, boss: Agent, script: str, **options: Any) -> Agent:
    """An agent that another has spawned, in the other's directory."""
    caller = {**os.environ, "SWARM_AGENT_ID": boss["id"], "SWARM_DEPTH": "0"}
    return agents.sh(log, script, cwd=boss["cwd"], caller=caller, **options)


def check_in_use(log: Log, agent: Agent, why: str) -> None:
    """Nobody removes its worktree, by force or with the agent."""
    assert said(log, agent) == [("kept", why)]
    with pytest.raises(NotPossible, match=f"is in use: {why}"):
        worktrees.remove(log, agent, force=True)
    with pytest.raises(NotPossible, match=f"is in use: {why}"):
        control.forget(log, agents.get(log, agent["id"]))
    assert list(control.prune(log, Policy(older_than=0))) == [] and place(agent).exists()


def test_it_is_kept_under_a_child(log: Log, repo: Path) -> None:
    """While an agent lives in it that its own has spawned, nobody removes it; and then as ever."""
    boss = spawned(log, repo / "sub", "sleep 600")
    inside = child(log, boss, "while [ ! -e ../../../go ]; do sleep 0.05; done; touch ../still-here")
    control.ask_cancel(log, boss, grace=0)
    settled(log, boss)
    check_in_use(log, boss, f"agent {inside['id']} works in it")
    (Path(log.home.path) / "go").touch()
    assert agents.ended(log, inside["id"])["state"] == "completed"
    (place(boss) / "still-here").unlink()
    worktrees.remove(log, boss, force=False)
    assert not place(boss).exists() and branches(repo) == {"main"}


def test_it_is_kept_for_a_child_that_may_start_again(log: Log, repo: Path) -> None:
    """A child whose policy wants another run will need its directory; once that is withdrawn, prune removes both."""
    boss = spawned(log, repo, "sleep 600")
    inside = child(log, boss, "exit 1", restart="on-failure")
    agents.ended(log, inside["id"])
    control.ask_cancel(log, boss, grace=0)
    settled(log, boss)
    check_in_use(log, boss, f"agent {inside['id']} works in it")
    control.withdraw_restart(log, agents.get(log, inside["id"]))
    assert {one["id"] for one in control.prune(log, Policy(older_than=0))} == {boss["id"], inside["id"]}
    assert not place(boss).exists() and branches(repo) == {"main"}


def test_it_is_kept_under_what_the_agent_has_left(log: Log, repo: Path) -> None:
    """While a process runs that the agent has left behind, nobody removes it; and then as ever."""
    agent = settled(log, spawned(log, repo, "setsid sleep 600 > /dev/null 2>&1 &"))
    (process,) = tree.marked(log.home)[f"{agent['id']}.1"]
    check_in_use(log, agent, "a process that the agent has left still runs")
    agents.kill(process.pid)
    control.forget(log, agents.get(log, agent["id"]))
    assert not place(agent).exists() and branches(repo) == {"main"}


def test_removal_by_hand(log: Log, repo: Path) -> None:
    """By hand it is removed where nothing is lost, by force anyway, and not under a living agent."""
    agent = spawned(log, repo, "touch new; sleep 600")
    with pytest.raises(NotPossible, match="is running"):
        worktrees.remove(log, agent, force=True)
    control.ask_cancel(log, agent, grace=0)
    agent = settled(log, agent)
    with pytest.raises(NotPossible, match="1 file in it is not committed"):
        worktrees.remove(log, agent, force=False)
    worktrees.remove(log, agent, force=True)
    assert not place(agent).exists() and branches(repo) == {"main"}


def test_removal_by_hand_minds_a_run_that_has_begun_since(log: Log, repo: Path) -> None:
    """Whoever looked at the agent before another run began does not remove the worktree under that."""
    agent = settled(log, spawned(log, repo, "test -e ../../go && exec sleep 600; true", wish={"end": "keep"}))
    (Path(log.home.path) / "go").touch()
    spawn.restart(log, agent)
    with pytest.raises(NotPossible, match="is running"):
        worktrees.remove(log, agent, force=True)
    assert place(agent).exists()


def test_what_has_no_worktree_is_said(log: Log, repo: Path, tmp_path: Path) -> None:
    """No repository, a bare one, its inside, none with a commit, a branch that cannot be: one line each."""
    empty, bare, none = tmp_path / "empty", tmp_path / "bare", tmp_path / "none"
    for path in (empty, bare, none):
        path.mkdir()
    git(empty, "init", "-q")
    git(bare, "init", "-q", "--bare")
    (repo / "untracked").mkdir()
    refused = [
        (none, None, "is in no git repository"),
        (bare, None, "is a bare repository"),
        (repo / ".git", None, "is the inside of a git repository"),
        (empty, None, "has no commit yet"),
        (tmp_path / "nowhere", None, "there is no directory"),
        (repo, "main", "there is a branch main already"),
        (repo, "a..b", "no name for a branch"),
        (repo, "-b", "no name for a branch"),
        (repo / "untracked", None, "nothing in untracked/ is committed"),
    ]
    for cwd, branch, why in refused:
        with pytest.raises(WrongUsage, match=why):
            worktrees.make(log.home, "agentid2", str(cwd), branch=branch)
    with pytest.raises(GitFailed, match="exists"):
        worktrees.make(log.home, "agentid2", str(repo), branch="main/below")
    assert branches(repo) == {"main"} and not (Path(log.home.path) / "worktrees" / "agentid2").exists()


def test_a_detached_head_is_where_the_branch_begins(log: Log, repo: Path) -> None:
    """A checkout at no branch gives a worktree at its commit; one of a worktree is of the same repository."""
    git(repo, "checkout", "-q", "--detach")
    made, inside = worktrees.make(log.home, "agentid2", str(repo))
    again, _ = worktrees.make(log.home, "agentid3", inside, name="x")
    assert again["git"] == made["git"] and again["base"] == made["base"]
    for one in (again, made):
        worktrees.undo(one)
    assert branches(repo) == {"main"}


@pytest.mark.parametrize("name", ["new\nline", "form\ffeed"])
def test_whatever_its_path_is_called(log: Log, repo: Path, name: str) -> None:
    """A repository, and a folder in it, may have names of several lines."""
    odd = repository(repo.parent / name)
    (odd / name).mkdir()
    (odd / name / "inner").touch()
    git(odd, "add", ".")
    git(odd, "commit", "-qm", "second")
    made, inside = worktrees.make(log.home, "agentid2", str(odd / name))
    assert (made["repo"], made["git"]) == (str(odd), str(odd / ".git"))
    assert os.listdir(inside) == ["inner"] and keeping.why_kept(made) is None
    worktrees.delete(made)
    assert branches(odd) == {"main"}


def test_a_name_that_is_taken_gets_the_id_too(log: Log, repo: Path) -> None:
    """Two agents of one name, one after the other, have branches of their own."""
    first, _ = worktrees.make(log.home, "agentid2", str(repo), name="web")
    second, _ = worktrees.make(log.home, "agentid3", str(repo), name="web")
    assert (first["branch"], second["branch"]) == ("swarm/web", "swarm/web-agentid3")


def test_without_git_it_is_said(log: Log, repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no git, that is said, and nothing is left."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(GitFailed, match="git is not installed"):
        worktrees.make(log.home, "agentid2", str(repo))


def test_a_hooks_environment_misleads_nobody(
    log: Log, repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spawned by a git hook, which names another repository to git, the worktree is of that of its directory."""
    monkeypatch.setenv("GIT_DIR", str(repository(tmp_path / "other") / ".git"))
    made, _ = worktrees.make(log.home, "agentid2", str(repo))
    assert made["git"] == str(repo / ".git")


def test_a_worktree_is_prepared_in_later_runs_alone(log: Log, repo: Path) -> None:
    """The first run finds what spawn has made: nothing is started before it."""
    agent = spawned(log, repo, "sleep 600")
    spec = Run(log.home, agent["id"], 1).spec()
    assert spec["before"] == list(worktrees.COMMAND) and os.path.exists(place(agent))
    assert not said(log, agent)
