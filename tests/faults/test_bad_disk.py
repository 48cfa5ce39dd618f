"""Full disks, damaged and unwritable files: clear words, nothing lost, and it goes on once that is over."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.facts import is_dense, is_locked, note, notes
from support.programs import run
from swarm_store import health
from swarm_store.errors import LogUnusable
from swarm_store.events import output_written
from swarm_store.home import Home
from swarm_store.log import Log

CHUNK = output_written("stdout", 1, 0, bytes(range(256)) * 256)


@pytest.fixture
def small_disk(home: Home) -> Iterator[Home]:
    """A state directory on a file system of 8 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounting = ["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", home.path]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("this root may not mount")
    yield home
    subprocess.run(["umount", home.path], check=True)


def fill(home: Home) -> Path:
    """Leave no room on the disk of `home`; the file to remove for some."""
    filler = Path(home.path) / "filler"
    with open(filler, "wb", buffering=0) as file:
        for size in (65536, 4096):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                pass
    return filler


def test_a_full_disk_is_a_clear_error(small_disk: Home) -> None:
    """No append is half done; reading works on the full disk, and writing once there is room again."""
    with Log(small_disk) as log:
        log.append("s", [note(1)], durable=True)
        filler = fill(small_disk)
        with pytest.raises(LogUnusable, match="no space is left") as full:
            log.append("s", [CHUNK] * 8)
        assert "free some" in full.value.hint
        assert not is_locked(small_disk)
        assert notes(log.read("s")) == [1]
        filler.unlink()
        log.append("s", [note(2)], durable=True)
        assert notes(log.read("s")) == [1, 2]
        assert is_dense(log.read("s"))
        assert health.integrity(log) == []


def test_a_limit_on_file_sizes_is_a_clear_error(home: Home) -> None:
    """Where the kernel refuses a larger file, an append fails in words, and what was there stays readable."""
    code = """
import resource, signal
from swarm_store.errors import LogUnusable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = Log(home)
log.append("s", [note(1)])
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
try:
    log.append("s", [output_written("stdout", 1, 0, bytes(1 << 21))])
except LogUnusable as error:
    say(error.message)
say(len(log.read("s")))
"""
    message, count = run(home, code).splitlines()
    assert message == f"no space is left for the event log {home.database}"
    assert count == "1"
    with Log(home) as log:
        log.append("s", [note(2)])
        assert notes(log.read("s")) == [1, 2]
        assert health.integrity(log) == []


@pytest.mark.parametrize("garbage", [b"hello", b"hello" * 2000], ids=["short", "long"])
@pytest.mark.parametrize("write", [True, False])
def test_a_file_that_is_no_database_is_called_damaged(home: Home, garbage: bytes, write: bool) -> None:
    """The file is named, the user is told not to delete it, and it stays as it was."""
    Path(home.database).write_bytes(garbage)
    with pytest.raises(LogUnusable, match=r"swarm\.db is damaged") as damaged:
        Log(home, write=write)
    assert "do not delete it" in damaged.value.hint
    assert Path(home.database).read_bytes() == garbage


def test_damaged_pages_are_found(home: Home) -> None:
    """Where pages in the middle have been overwritten, reading says so and the check finds it."""
    with Log(home) as log:
        log.append("s", [note(n) for n in range(5000)])
    size = os.path.getsize(home.database)
    with open(home.database, "r+b") as file:
        file.seek(size // 4096 // 3 * 4096)
        file.write(b"\xa5" * (size // 3))
    with Log(home, write=False) as log:
        with pytest.raises(LogUnusable, match="is damaged") as damaged:
            log.read("s", limit=1 << 20)
        assert "doctor" in damaged.value.hint
        assert health.integrity(log) != []


def test_a_file_that_may_not_be_written_is_a_clear_error(home: Home) -> None:
    """A read-only database is read, and writing to it is refused in words; the next one who may goes on."""
    with Log(home) as log:
        log.append("s", [note(1)])
    code = """
from swarm_store.errors import LogUnusable
os.chmod(home.database, 0o400)
try:
    log = Log(home)
    say(len(log.read("s")))
    log.append("s", [note(2)])
except LogUnusable as error:
    say(error.message)
    say(error.hint)
"""
    count, message, hint = run(home, code, obey_modes=True).splitlines()
    assert count == "1"
    assert message == f"the event log {home.database} is not writable"
    assert hint == f"look at the permissions of {home.path}"
    for path in Path(home.path).glob("swarm.db*"):  # SQLite gives its own files the database's mode
        path.chmod(0o600)
    with Log(home) as log:
        log.append("s", [note(2)])
        assert notes(log.read("s")) == [1, 2]


def test_a_database_that_may_not_be_read_is_a_clear_error(home: Home) -> None:
    """A file without rights for its owner is refused in words, for reading and for writing."""
    Log(home).close()
    code = """
from swarm_store.errors import LogUnusable
os.chmod(home.database, 0)
for write in (True, False):
    try:
        Log(home, write=write)
    except LogUnusable as error:
        say(error.hint)
"""
    assert run(home, code, obey_modes=True).splitlines() == [f"look at the permissions of {home.path}"] * 2
