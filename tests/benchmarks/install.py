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


@cache  # an npm that cannot is asked once in a run, not before each benchmark
def pm2() -> Path | None:
    """pm2's command; None where there is no Node, or npm cannot install it."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        return None
    place = BENCH / "node"
    package = place / "node_modules" / "pm2" / "package.json"
    if not package.is_file() or json.loads(package.read_text())["version"] != PM2:
        say(f"installing pm2@{PM2} into {place.relative_to(ROOT)} (once)")
        place.mkdir(parents=True, exist_ok=True)
        command: list[str | Path] = [
            npm,
            "install",
            "--prefix",
            place,
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
            f"pm2@{PM2}",
        ]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            return None
    return place / "node_modules" / ".bin" / "pm2"


def node_version() -> str:
    node = shutil.which("node")
    return subprocess.run([node, "--version"], capture_output=True, text=True).stdout.strip() if node else "not there"
