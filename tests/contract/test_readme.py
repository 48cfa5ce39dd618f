"""The README is whole: a verb that is not in it is a verb that nobody finds."""

from __future__ import annotations

import re
from pathlib import Path

from support.cli import Swarm

README = Path(__file__).parents[2] / "README.md"


def test_every_verb_is_in_the_readme(swarm: Swarm) -> None:
    """Every verb that `swarmctl --help` has is called in the README."""
    listed = swarm.ok("--help").partition("Commands:\n")[2]
    text = README.read_text()
    missing = [verb for verb in re.findall(r"^  ([a-z]+)", listed, re.MULTILINE) if f"swarmctl {verb}" not in text]
    assert not missing
