"""The state directory: where it is, and who may use it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from swarm_store import home as homes
from swarm_store.errors import HomeRefused
from swarm_store.home import Home, locate, mounted_type
from swarm_store.log import Log
from swarm_store.opening import NoLog

MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
23 22 0:21 / /proc rw,nosuid shared:12 - proc proc rw
30 22 0:40 / /home rw,relatime shared:2 master:1 - nfs4 server:/home rw,vers=4.2
31 30 254:2 / /home/local rw,relatime - xfs /dev/vdb rw
32 22 0:41 / /mnt/share rw - cifs //server/share rw
33 22 0:42 / /mnt/far rw - fuse.sshfs me@far: rw
34 22 0:43 / /mnt/host rw - 9p hostshare rw
35 22 0:44 / /mnt/vm rw - virtiofs tag rw
36 22 0:45 / /mnt/my\\040files rw - nfs server:/files rw
37 22 0:46 / /mnt/back\\134slash\\011tab rw - cifs //server/odd rw
38 22 0:47 / /mnt/over rw - nfs server:/over rw
39 22 0:48 / /mnt/over rw - tmpfs tmpfs rw
40 22 0:49 / /srv/caf\N{LATIN SMALL LETTER E WITH ACUTE} rw - nfs server:/cafe rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/lib", "ext4"),
        ("/home", "nfs4"),
        ("/home/me/.local/state", "nfs4"),
        ("/home/local/me", "xfs"),
        ("/homes/me", "ext4"),
        ("/mnt/share/x", "cifs"),
        ("/mnt/far", "fuse.sshfs"),
        ("/mnt/host/x", "9p"),
        ("/mnt/vm/x", "virtiofs"),
        ("/mnt/my files/x", "nfs"),
        ("/mnt/my", "ext4"),
        ("/mnt/back\\slash\ttab/x", "cifs"),
        ("/mnt/over/x", "tmpfs"),
        ("/srv/caf\N{LATIN SMALL LETTER E WITH ACUTE}/x", "nfs"),
    ],
)
def test_a_path_is_on_the_longest_mount(path: str, kind: str) -> None:
    """Of the mount table the longest prefix counts, in whole names, its escapes undone, the last of equals on top."""
    assert mounted_type(path, MOUNTS) == kind


def test_an_unknown_mount_is_unknown() -> None:
    """Without a mount that holds the path there is no type."""
    assert mounted_type("/x", "") is None
    assert mounted_type("/x", "30 22 0:40 / /home rw - nfs4 server:/home rw\n") is None


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "virtiofs"])
def test_a_network_file_system_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Where SQLite's WAL would be corrupted the directory is refused, and the reason says so."""
    monkeypatch.setattr(homes, "file_system", lambda path: kind)
    with pytest.raises(HomeRefused, match=f"is on {kind}: .* corrupted") as refused:
        Log(home)
    assert "SWARM_HOME" in refused.value.hint
    assert os.listdir(home.path) == []


def test_the_file_system_of_a_path_is_the_kernels() -> None:
    """/proc lies on proc, whatever the machine."""
    assert homes.file_system("/proc/self/fd") == "proc"


def test_swarm_home_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """$SWARM_HOME, else swarmctl in $XDG_STATE_HOME, else in ~/.local/state; an empty variable is none."""
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    monkeypatch.setenv("SWARM_HOME", "/swarm")
    assert locate().path == "/swarm"
    monkeypatch.setenv("SWARM_HOME", "")
    assert locate().path == "/state/swarmctl"
    monkeypatch.setenv("XDG_STATE_HOME", "")
    assert locate().path == "/h/.local/state/swarmctl"


def test_a_relative_home_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A daemon that changes its directory keeps its home."""
    monkeypatch.chdir(tmp_path)
    assert Home("x/../y").path == str(tmp_path / "y")


def test_all_paths_lie_in_the_home() -> None:
    """Database, lock, bells and agents stand side by side in it."""
    home = Home("/s")
    assert (home.database, home.lock, home.bells) == ("/s/swarm.db", "/s/swarm.db.lock", "/s/bells")
    assert home.agent("a1") == "/s/agents/a1"


def test_what_is_missing_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    """Whatever the umask, the home and what is in it are the user's alone."""
    home = Home(str(tmp_path / "state" / "swarmctl"))
    before = os.umask(0)
    try:
        home.prepare()
    finally:
        os.umask(before)
    for path in (home.path, home.bells, home.agents):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    home.prepare()


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o704, 0o770, 0o755, 0o777, 0o750])
def test_a_home_that_is_open_to_others_is_refused(home: Home, mode: int) -> None:
    """Any right of the group or of others is too much, and the hint is the command that takes it away."""
    os.chmod(home.path, mode)
    with pytest.raises(HomeRefused, match=f"open to others \\(mode {mode:04o}\\)") as refused:
        home.prepare()
    assert refused.value.hint == f"chmod 700 {home.path}"
    assert os.listdir(home.path) == []
    os.chmod(home.path, 0o700)
    home.prepare()


def test_another_users_home_is_refused(home: Home) -> None:
    """Neither root nor anybody uses a directory that belongs to somebody else."""
    if os.geteuid() == 0:
        os.chown(home.path, 12345, 12345)
        foreign = home
    else:
        foreign = Home("/usr")
    with pytest.raises(HomeRefused, match="belongs to user"):
        foreign.check()


def test_a_file_is_no_home(tmp_path: Path) -> None:
    """A path that is a file, or below one, is refused and not replaced."""
    (tmp_path / "file").write_text("mine")
    for path in ("file", "file/below"):
        with pytest.raises(HomeRefused):
            Home(str(tmp_path / path)).prepare()
        with pytest.raises(HomeRefused):
            Home(str(tmp_path / path)).check()
    assert (tmp_path / "file").read_text() == "mine"


def test_a_reader_makes_no_home(tmp_path: Path) -> None:
    """Looking for agents where nothing has been spawned leaves nothing behind."""
    home = Home(str(tmp_path / "none"))
    home.check()
    with pytest.raises(NoLog, match="no event log"):
        Log(home, write=False)
    assert os.listdir(tmp_path) == []


def test_a_home_may_have_any_name(tmp_path: Path) -> None:
    """Characters that mean something in a URI, and bytes that are no text, are part of a path as any other."""
    path = os.fsdecode(bytes(tmp_path) + b"/a ?b#c%20d\xff\n'\"")
    os.mkdir(path, 0o700)
    with Log(Home(path)) as log:
        log.append("s", [])
        assert "swarm.db" in os.listdir(path)
    with Log(Home(path), write=False) as log:
        assert log.head("s") == 0
    assert os.listdir(tmp_path) == [os.path.basename(path)]
