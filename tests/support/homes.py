"""Fixtures of tests that use the command line: a home of its own for each, and an end to all that was started in it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.cli import Swarm, swarm_in


@pytest.fixture(scope="session")
def empty_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log in which nothing has happened yet, made by the command line once: making one takes ten times a copy."""
    place = tmp_path_factory.mktemp("empty")
    maker = Swarm(place / "home", place)
    maker.ok("cancel", "--all")
    return maker.home / "swarm.db"


@pytest.fixture
def swarm(tmp_path: Path, empty_log: Path) -> Iterator[Swarm]:
    """The command line in a home whose log is empty."""
    with swarm_in(tmp_path, empty_log) as made:
        yield made


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Swarm]:
    """The command line in a home that does not exist yet."""
    with swarm_in(tmp_path, None) as made:
        yield made


@pytest.fixture
def small(tmp_path: Path, empty_log: Path) -> Iterator[Swarm]:
    """A swarm whose home is on a disk of 2 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "swarm", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        with swarm_in(disk, empty_log) as made:
            try:
                yield made
            finally:
                (disk / "fill").unlink(missing_ok=True)
    finally:
        subprocess.run(["umount", disk], check=True)


def fill(swarm: Swarm) -> None:
    """Leave no room on the home's disk."""
    with open(swarm.home.parent / "fill", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
