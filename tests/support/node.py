"""Node for tests: what tests/package.json names, installed once into tests/node_modules, which git ignores."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
PACKAGES = TESTS / "package.json"
MODULES = TESTS / "node_modules"
_QUIET = ("--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")


class NoNode(Exception):
    """Node, or a package, cannot be had; one line says why."""


def install() -> Path:
    """tests/node_modules, filled with exactly what tests/package.json names. Raises NoNode."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        raise NoNode("node and npm are not there: install Node 20 or newer")
    wanted = PACKAGES.read_bytes()
    stamp = MODULES / ".installed"
    with PACKAGES.open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two that start at once
        if not stamp.is_file() or stamp.read_bytes() != wanted:
            print("installing the packages of tests/package.json (once)", file=sys.stderr, flush=True)
            done = subprocess.run([npm, "install", "--prefix", TESTS, *_QUIET], stdout=sys.stderr)
            if done.returncode:
                raise NoNode(f"npm cannot install what tests/package.json names: status {done.returncode}")
            stamp.write_bytes(wanted)
    return MODULES
