"""Node for tests: what a folder's package.json names, installed once into its node_modules, which git ignores."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
_QUIET = ("--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")


class NoNode(Exception):
    """Node, or a package, cannot be had; one line says why."""


def install(at: Path = TESTS) -> Path:
    """The folder's node_modules, filled with exactly what its package.json names. Raises NoNode."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NoNode("node and npm are not there: install Node 20 or newer")
    packages, modules = at / "package.json", at / "node_modules"
    name = packages.relative_to(TESTS.parent)
    wanted = packages.read_bytes()
    stamp = modules / ".installed"
    with packages.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that start at once
        if not stamp.is_file() or stamp.read_bytes() != wanted:
            print(f"installing the packages of {name} (once)", file=sys.stderr, flush=True)
            done = subprocess.run([npm, "install", "--prefix", at, *_QUIET], stdout=sys.stderr)
            if done.returncode:
                raise NoNode(f"npm cannot install what {name} names: status {done.returncode}")
            stamp.write_bytes(wanted)
    return modules
