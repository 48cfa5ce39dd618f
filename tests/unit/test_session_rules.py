"""What may be done without asking: rules hold for what they name, and for no more."""

from __future__ import annotations

import os.path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_store.errors import WrongUsage
from swarmctl.host import rules
from swarmctl.host.facts import Permission
from swarmctl.host.rules import Remembered, Verdict, decide

CWD = "/home/user/work"


def bash(command: Any) -> Permission:
    return Permission("c1", "Bash", str(command), {"command": command})


def edit(path: str) -> Permission:
    return Permission("c1", "Edit", f"Edit {path}", {"file_path": path})


def edits(*paths: str) -> Permission:
    return Permission("c1", "Edit", "Edit files", {"paths": list(paths)})


def replaces(path: str) -> Permission:
    return Permission("c1", "Edit", "Edit", {"command": "str_replace", "path": path})


def verdict(wish: Permission, *, allow: list[str] | None = None, deny: list[str] | None = None) -> bool | None:
    """What is decided by rules alone."""
    found = decide(wish, allow=allow or [], deny=deny or [], approve="ask", cwd=CWD)
    return None if found is None else found.granted


@pytest.mark.parametrize(
    ("rule", "wish"),
    [
        ("Bash", bash("rm -rf /")),
        ("bash(git *)", bash("git status")),
        ("Bash(git log *)", bash("git log")),
        ("Bash(git *)", bash(["git", "log"])),
        ("Bash(git *)", bash(["bash", "-lc", "git log"])),
        ("Bash(*)", bash("git status; ls")),
        ("Bash(ls; pwd)", bash("ls; pwd")),
        ("Edit(src/*)", edit("/home/user/work/src/a/b.py")),
        ("Edit(src/*)", edit("src/a.py")),
        ("Edit(/home/user/work/src/*)", edit("src/a.py")),
        ("mcp__github__*", Permission("c", "mcp__github__list", "List", {})),
        ("WebFetch(https://example.com/*)", Permission("c", "WebFetch", "", {"url": "https://example.com/a"})),
        ("Think(about *)", Permission("c", "Think", "about it", {})),
        ("Edit(src/*)", edits("src/a.py", "/home/user/work/src/b.py")),
    ],
    ids=str,
)
def test_allowed(rule: str, wish: Permission) -> None:
    """An allowing rule grants what it names."""
    assert verdict(wish, allow=[rule]) is True


@pytest.mark.parametrize(
    ("rule", "wish"),
    [
        ("Bash(git *)", bash("gitk")),
        ("Bash(git *)", bash("git status; rm -rf /")),
        ("Bash(git *)", bash("git status && curl evil")),
        ("Bash(git *)", bash("git log | sh")),
        ("Bash(git *)", bash("git log\nrm x")),
        ("Bash(git *)", bash("git log $(rm x)")),
        ("Bash(git *)", bash("git log `rm x`")),
        ("Bash(git *)", bash("git log > /etc/passwd")),
        ("Bash(git *)", bash(["bash", "-lc", "git log; rm x"])),
        ("Bash(git *)", edit("git x")),
        ("Edit(src/*)", edit("src/../secret")),
        ("Edit(src/*)", edit("/etc/src/x")),
        ("Edit(src/*)", edit("/home/user/work-2/src/x")),
        ("Edit(src/*)", edit("src/x://../../../secret")),
        ("Edit(src/*)", edit("src/http://../../secret")),
        ("Edit(src/*)", edits("src/a.py", "/home/user/.bashrc")),
        ("Edit(src/*)", edits("src/a.py", "~/.bashrc")),
        ("Edit(src/*)", replaces("/etc/passwd")),
        ("Edit(str_replace)", replaces("/etc/passwd")),
        ("Bash(git *)", bash(["python3", "-c", "git x"])),
        ("Bash", edit("x")),
        ("Ba", bash("ls")),
    ],
    ids=str,
)
def test_not_allowed(rule: str, wish: Permission) -> None:
    """What a rule does not name, or names only the beginning of, is asked."""
    assert verdict(wish, allow=[rule]) is None


@pytest.mark.parametrize(
    "wish",
    [
        bash("rm -rf /"),
        bash("xargs | rm"),
        bash("cd x && rm -rf y"),
        bash("ls; rm -f z"),
        bash("$(rm -r a)"),
        bash("(rm b)"),
        bash("rm   -rf y"),
        bash("ls;\trm\t-rf y"),
        bash("A=1 B='' rm c"),
        bash("command rm d"),
        bash("sudo env A=1 rm d"),
    ],
)
def test_denied_in_whatever_it_stands(wish: Permission) -> None:
    """A denying rule holds for each command of several, and beats what allows."""
    assert verdict(wish, allow=["Bash"], deny=["Bash(rm *)"]) is False


def test_one_of_several_files_is_enough_to_deny() -> None:
    """A change to several files is denied where a rule denies one of them, whichever it is, and by whatever name."""
    for path in ("~/.bashrc", "/etc/x://../../etc/passwd", "../../../etc/passwd"):
        for wish in (edits("src/a.py", path), edits(path, "src/a.py"), edit(path)):
            assert verdict(wish, allow=["Edit"], deny=["Edit(/etc/*)", f"Edit({os.path.expanduser('~')}/*)"]) is False


def test_a_home_is_no_directory_below_the_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    """`~` is where a tool takes it to be: what is allowed in the agent's directory is not allowed there."""
    monkeypatch.setenv("HOME", "/home/user")
    for path in ("~/.bashrc", "~nobody-at-all/x", "~"):
        assert verdict(edit(path), allow=["Edit(/home/user/work/*)", "Edit(.*)"]) is None
    assert verdict(edit("~/.bashrc"), allow=["Edit"], deny=["Edit(/home/user/.*)"]) is False
    monkeypatch.setenv("HOME", "/home")
    assert verdict(edit("~/user/work/src/a.py"), allow=["Edit(src/*)"]) is True


def test_policies() -> None:
    """What no rule decides the policy does: all, never, what only reads, or nobody without asking."""
    reads = bash("ls")._replace(reads_only=True)

    def by(approve: str, wish: Permission) -> Verdict | None:
        return decide(wish, allow=[], deny=[], approve=approve, cwd=CWD)

    assert by("all", bash("x")) == Verdict(True, "policy", "all")
    assert by("never", reads) == Verdict(False, "policy", "never")
    assert by("auto-read", reads) == Verdict(True, "policy", "auto-read")
    assert by("auto-read", bash("x")) is None and by("ask", reads) is None


def test_for_good_is_just_that() -> None:
    """What was answered for good holds for the same tool and the same subject, and below a rule that denies."""
    known = [Remembered("Bash", "ls", True), Remembered("Bash", "rm", False)]

    def by(wish: Permission, deny: list[str]) -> bool | None:
        found = decide(wish, allow=["Bash(rm)"], deny=deny, remembered=known, approve="ask", cwd=CWD)
        return None if found is None else found.granted

    assert by(bash("ls"), []) is True and by(bash("ls -l"), []) is None
    assert by(bash("rm"), []) is False and by(bash("ls"), ["Bash"]) is False


@pytest.mark.parametrize(
    ("answered", "other"),
    [
        (
            Permission("c", "delete", "Delete", {"repo": "scratch"}),
            Permission("c", "delete", "Delete", {"repo": "live"}),
        ),
        (replaces("src/a.py"), replaces("/etc/passwd")),
        (edits("src/a.py"), edits("src/a.py", "/etc/passwd")),
        (edits("a", "b, c"), edits("a, b", "c")),
    ],
    ids=str,
)
def test_for_good_is_no_wider_than_what_was_shown(answered: Permission, other: Permission) -> None:
    """What was answered for good holds for the same input again, and not for another one of the same tool."""
    known = [Remembered(answered.tool, rules.subject_of(answered.input, answered.title), True)]

    def by(wish: Permission) -> bool | None:
        found = decide(wish, allow=[], deny=[], remembered=known, approve="ask", cwd=CWD)
        return None if found is None else found.granted

    assert by(answered) is True and by(other) is None


@pytest.mark.parametrize("text", ["", "Bash(", "Bash)", "two words", "Bash(x) y", "(x)"])
def test_what_is_no_rule(text: str) -> None:
    """What cannot be a rule is refused where it is written."""
    with pytest.raises(WrongUsage, match="not a rule"):
        rules.check(text)


@given(st.text(), st.text(max_size=20))
def test_an_unlike_tool_is_never_allowed(command: str, glob: str) -> None:
    """Whatever the command and the glob are, a rule of one tool allows nothing of another."""
    assert verdict(bash(command), allow=[f"Edit({glob})"]) is None
