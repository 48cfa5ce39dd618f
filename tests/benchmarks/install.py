"""The peers, installed once under .bench/: supervisor and circus in a venv of their own, pm2 from npm where Node is.

Versions are pinned; what is there already in that version is left alone, so a second run starts at once.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

from .scene import say

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / ".bench"
PYTHON_PEERS = {"supervisor": "4.3.0", "circus": "0.19.0"}
PM2 = "7.0.4"
REFERENCE = "0.3.7"  # @durable-streams/server


def python_peers() -> Path:
    """The directory of supervisorctl, circusctl and their daemons."""
    place = BENCH / "peers"
    stamp = place / "installed"
    wanted = [f"{name}=={version}" for name, version in PYTHON_PEERS.items()]
    if not stamp.is_file() or stamp.read_text().split() != wanted:
        say(f"installing {' '.join(wanted)} into {place.relative_to(ROOT)} (once)")
        subprocess.run([sys.executable, "-m", "venv", "--clear", place], check=True)
        pip: list[str | Path] = [
            place / "bin" / "python",
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "install",
        ]
        subprocess.run([*pip, *wanted], check=True, stdout=sys.stderr)
        stamp.write_text("\n".join(wanted) + "\n")
    return place / "bin"


def pm2() -> Path | None:
    """pm2's command; None where there is no Node, or npm cannot install it."""
    modules = _node_package("pm2", PM2)
    return modules / ".bin" / "pm2" if modules else None


def reference() -> Path | None:
    """The module of the Durable Streams reference server; None where there is no Node, or npm cannot install it."""
    modules = _node_package("@durable-streams/server", REFERENCE)
    return modules / "@durable-streams" / "server" / "dist" / "index.js" if modules else None


@cache  # an npm that cannot is asked once in a run, not before each benchmark
def _node_package(name: str, version: str) -> Path | None:
    """The node_modules that a package is in, in that version."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    place = BENCH / "node"
    package = place / "node_modules" / name / "package.json"
    if not package.is_file() or json.loads(package.read_text())["version"] != version:
        say(f"installing {name}@{version} into {place.relative_to(ROOT)} (once)")
        place.mkdir(parents=True, exist_ok=True)
        how = ["--no-audit", "--no-fund", "--loglevel=error", "--save-exact"]
        if subprocess.run([npm, "install", "--prefix", place, *how, f"{name}@{version}"], stdout=sys.stderr).returncode:
            return None
    return place / "node_modules"


def node_version() -> str:
    node = shutil.which("node")
    return subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip() if node else "not there"
