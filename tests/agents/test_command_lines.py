"""The command lines themselves against the canned API, without swarmctl: what the other tests build on."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from agents.homes import DEADLINE
from support.canned import Canned

ONE_TURN = {
    "claude": ["claude", "-p", "--allowedTools", "Bash"],
    "codex": ["codex", "exec", "--skip-git-repo-check", "-s", "danger-full-access", "-"],
    "opencode": ["opencode", "run", "--auto"],
    "gemini": ["gemini", "--yolo"],
}
SPEAKS = {"claude": "anthropic", "codex": "responses", "opencode": "chat", "gemini": "gemini"}


@pytest.mark.timeout(DEADLINE)
@pytest.mark.parametrize("kind", ONE_TURN)
def test_calls_a_tool_of_the_canned_api(kind: str, canned: Canned, agents_env: dict[str, str], tmp_path: Path) -> None:
    """Each agent takes a turn, runs the command that the canned API wants, and is told that it is done."""
    place = tmp_path / "project"
    place.mkdir()
    made = place / "made.txt"
    done = subprocess.run(
        ONE_TURN[kind],
        cwd=place,
        env=agents_env,
        input=f"TOOL:touch {made}".encode(),
        capture_output=True,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done
    assert made.exists() and b"DONE tool_result=" in done.stdout, done
    served = canned.served(SPEAKS[kind])
    assert (served.only.users, served.requests) == ((f"TOOL:touch {made}",), 2)
