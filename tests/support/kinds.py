"""Kinds for tests: profiles of a user, a third party's package with kinds and a driver, programs that pretend."""

from __future__ import annotations

from pathlib import Path

PACKAGE = '''
import asyncio
from swarmctl.host.driver import NotLoggedIn
from swarmctl.host.facts import Completed, Message, Opened, Permission

PARROT = {"driver": "parrot", "model": "grey", "options": {"says": "hello"}}


def broken():
    raise RuntimeError("no parrot\\nhere")


class Parrot:
    """Says what its options say; what it wants first, if it wants something, it asks for."""

    def __init__(self, config, room):
        self.config, self.room = config, room

    async def open(self, session):
        if self.config.options["says"] == "nothing":
            await asyncio.sleep(3600)
        if self.config.options["says"] == "who are you?":
            raise NotLoggedIn("nobody has signed in to the parrot", "feed it")
        return Opened("s-1", model=self.config.model, version="1.2")

    async def prompt(self, text):
        await self.room.say(Message("assistant", self.config.options["says"]))
        if self.config.options["says"] == "may I?":
            answer = await self.room.ask(Permission("1", "bash", "fly", {"command": "fly"}))
            return Completed("completed" if answer.granted else "failed", reason=answer.message)
        return Completed("completed")

    async def interrupt(self): ...
    async def close(self): ...
'''
ENTRY_POINTS = """
[swarmctl.kinds]
parrot = parrots:PARROT
mute = parrots:broken

[swarmctl.drivers]
parrot = parrots:Parrot
"""


def package(place: Path) -> str:
    """Install a third party's package under `place`; what PYTHONPATH must name."""
    site = place / "site"
    info = site / "parrots-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: parrots\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (site / "parrots.py").write_text(PACKAGE)
    return str(site)


def profile(config: Path, name: str, text: str) -> Path:
    """Write a user's profile under the directory that SWARM_CONFIG names."""
    place = config / "agents"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"{name}.toml"
    path.write_text(text)
    return path


def program(place: Path, name: str, script: str) -> Path:
    """An executable shell script in `place`."""
    place.mkdir(exist_ok=True)
    path = place / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path
