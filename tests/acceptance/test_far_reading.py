"""Reading a swarm through a server: the same words give the same output and the same status as on the machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli import Result, Swarm, swarm_in
from support.far import Far, far_from
from support.looking import until

LINES = "for i in 1 2 3 4 5; do echo line $i; echo error $i >&2; done; printf unfinished"
READS = """
list
list --all
list --all --json
list --json -q
list -q --all
list --all --state failed --state lost
list --all --label team --json
list --all --label team=web -q
list --all --at 10000000
list --all --at 7 --json
list --at 0s -q
list --all --at 1m30s -q
list --at 2020-01-01T12:00
list --at 0.5s --all -q
list --state nonesuch
list --at never
ls
show two --json
show two
show REMOVED
show nonesuch
show two --at 4
show nonesuch --at 4
logs two
logs --json two
logs -t two
logs -n 2 two
logs -n 1 --stream stderr -t two
logs -n 3 --run 1 --since 1h two
logs -n 2 --until 1h two
logs -f -n 0 two
logs -f --since 1h -t two
logs -f -n 4 --json one two binary
logs -n 100000 two
logs -n 0 two
logs -n 3 --json two
logs --stream stderr two
logs --run 1 two
logs --run 2 two
logs --since 1h two
logs --since 2020-01-01 --until 2020-01-02 two
logs --since 0s two
logs two one
logs -n 1 two one binary
logs binary
logs --json binary
logs -f two one
logs -f -n 1 two
logs nonesuch
logs --stream nonesuch two
logs -f --until 1h two
events
events --json
events two
events --after 6 --json
events --type agent:exited
events --type agent:exited --type agent:started --json two
events --type stdout:written two
events --type stdout:written --json
events REMOVED
events nonesuch
wait two
wait one two
wait one
wait --any two one
wait --timeout 0.2s living
wait --timeout 0.2s living two
wait nonesuch
supervisor status
supervisor status --json
doctor --json
doctor
prune --older-than 1h
prune --keep 100 --dry-run
prune
signal two TERM
signal nonesuch TERM
signal living NONESUCH
cancel two
cancel nonesuch
cancel
rm living
rm nonesuch
send nonesuch text
send two text
send living text
send living
restart nonesuch
export --output /nowhere/at/all two
export nonesuch
backup /nowhere/at/all
import /nowhere/at/all
token list
token list --json
token create
token create --read --control
token create --read --agent nonesuch
token create --read --expires 0s
token create --read --expires never
token create --read --uses 0
token revoke nonesuch
token revoke admin
token revoke
spawn
spawn --name . -- true
spawn --name living -- true
spawn --restart nonesuch -- true
spawn -- nonesuch-command
spawn -- /etc/passwd
spawn --cwd /nonesuch -- true
spawn --silence 1s --on-silence restart -- true
spawn --wait -- nonesuch-command
spawn --follow -- nonesuch-command
""".strip().splitlines()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Swarm, Far, str]]:
    """Some agents that have ended, one that lives, one that was removed, and a server."""
    with swarm_in(tmp_path_factory.mktemp("far"), None) as near:
        near.ended("exit 0", "--name", "one", "--label", "team=db")
        near.ended(LINES + "; exit 3", "--name", "two", "--label", "team=web")
        near.ended(r"printf '\377\376 no text\n'", "--name", "binary")
        removed = near.ended("true")
        near.ok("rm", removed)
        near.sh("echo here; sleep 600", "--name", "living")
        until(lambda: near.logs("living"), "its first line")
        with far_from(near) as far:
            yield near, far, removed


def masked(got: Result) -> Result:
    """Without what changes from second to second."""
    out = re.sub(rb"\b[0-9]+[smh]([0-9]+[smh])?\b +", b"AGE ", got.out)
    out = re.sub(rb"[0-9.]+ GiB free", b"ROOM free", out)
    return Result(got.status, out, got.err)


@pytest.mark.parametrize("line", READS)
def test_the_same_as_on_the_machine(scene: tuple[Swarm, Far, str], line: str) -> None:
    """A command gives the same bytes on stdout and stderr, and the same status, through a server as without."""
    near, far, removed = scene
    words = shlex.split(line.replace("REMOVED", removed))
    assert masked(far.run(*words)) == masked(near.run(*words))


def test_a_backup_is_written_here(scene: tuple[Swarm, Far, str], tmp_path: Path) -> None:
    """`backup` through a server writes the log of that machine to a file here, and spares one that is there."""
    near, far, _ = scene
    home = tmp_path / "restored"
    home.mkdir(mode=0o700)
    far.ok("backup", str(home / "swarm.db"))
    restored = Swarm(home, tmp_path)
    assert restored.logs("two") == near.logs("two")
    assert "is there already" in far.refused(2, "backup", str(home / "swarm.db"))
    far.ok("backup", "--force", str(home / "swarm.db"))


def test_an_export_is_that_of_the_machine(scene: tuple[Swarm, Far, str], tmp_path: Path) -> None:
    """`export` through a server, to stdout or to a file here, of some agents or all, is what the machine exports."""
    near, far, _ = scene
    assert far.ok("export", "two", "one") == near.ok("export", "two", "one")
    far.ok("export", "two", "-o", str(tmp_path / "two.jsonl"))
    assert (tmp_path / "two.jsonl").read_text() == near.ok("export", "two")
    assert far.ok("export").count("\n") == near.ok("export").count("\n")
