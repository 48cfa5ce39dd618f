"""`swarmctl` alone: the first thing that anybody types."""

from __future__ import annotations

from support.cli import Swarm


def test_swarmctl_alone_shows_its_help(swarm: Swarm) -> None:
    """`swarmctl` without a verb is wrong usage that shows the help as it is laid out, a verb a line."""
    got = swarm.run()
    shown = got.text + got.error
    assert got.status == 2 and "\n  spawn " in shown and "\n  list " in shown
