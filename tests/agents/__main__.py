"""`make test-agents`: the real command lines, installed once, their versions, and then pytest on this folder.

`AGENT_CLIS=DIR python -m agents [ARGUMENTS of pytest...]`: a node_modules that has them already; some tests only.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from agents import homes
from support import node

HERE = Path(__file__).resolve().parent


def main() -> int:
    try:
        installed = homes.modules() or node.install(HERE)
    except node.NoNode as error:
        print(f"test-agents: {error}", file=sys.stderr)
        return 1
    print(*_versions(installed), sep="\n", flush=True)
    tests = [sys.executable, "-m", "pytest", str(HERE), *sys.argv[1:]]
    return subprocess.run(tests, cwd=HERE.parents[1], env=os.environ | {"AGENT_CLIS": str(installed)}).returncode


def _versions(installed: Path) -> list[str]:
    """What each command line says its version is."""
    with tempfile.TemporaryDirectory(prefix="swarm-agents-") as home:
        path = f"{homes.path(installed)}:/usr/bin:/bin"
        env = {"PATH": path, "HOME": home, "TERM": "dumb", **homes.QUIET}
        lines = []
        for name in ("node", *homes.COMMAND_LINES):
            command = shutil.which(name, path=path)
            if command is None:
                raise SystemExit(f"test-agents: {name} is not in {installed}: remove that folder and try again")
            said = subprocess.run([command, "--version"], env=env, stdin=subprocess.DEVNULL, capture_output=True)
            lines.append(f"{name}: {said.stdout.decode().strip()}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
