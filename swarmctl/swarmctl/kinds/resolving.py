"""From a name as it is given to a kind that can be started."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Any, NamedTuple

from swarm_store.errors import CannotStart, SwarmError, WrongUsage

from . import finding
from .profile import Profile

ACP, API = "acp:", "api:"
LIBRARIES = {"acp": "acp", "api": "openai"}  # what a driver of ours imports that swarmctl alone does not bring
DRIVERS = ("acp", "claude", "api")
DRIVER_GROUP = "swarmctl.drivers"
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class Kind(NamedTuple):
    """A kind as --agent names it. The first eight are what a spec has of it; `env` is beside the agent's environment.

    `sources`: the files and packages that say so, the nearest first.
    """

    kind: str
    driver: str
    command: list[str] | None
    env: dict[str, str]
    model: str | None
    options: dict[str, Any]
    allow: list[str]
    deny: list[str]
    profile: Profile
    sources: list[str]


def resolve(name: str, model: str | None = None) -> Kind:
    """The kind of that name, with the model that is wanted instead of its own.

    claude, or whatever profile; acp:COMMAND is any command line that speaks ACP; api:PROFILE a profile of a model API.
    Raises WrongUsage: no such kind, a profile that is wrong, no model where one is needed.
    """
    kind = look_up(name)
    if model is not None:
        if not model or "\0" in model:
            raise WrongUsage(f"not a model: {model!r}", "leave out --model, or name one")
        kind = kind._replace(model=model)
    if kind.driver == "api" and kind.model is None:
        raise WrongUsage(f"the kind {name} names no model", f"add --model M, or a profile that extends {name}")
    return kind


def look_up(name: str) -> Kind:
    """The kind of that name, whether or not it says all that is needed. Raises WrongUsage."""
    if name.startswith(ACP):
        return _of_command(name)
    found = finding.find(name.removeprefix(API)) if finding.NAME.fullmatch(name.removeprefix(API)) else None
    if found is None:
        known = ", ".join(finding.names())
        raise WrongUsage(f"no such kind of agent: {name!r}", f"there are {known}, acp:COMMAND and api:PROFILE")
    profile, sources = found
    if name.startswith(API) and profile.driver != "api":
        raise WrongUsage(f"{name} is no model API: its driver is {profile.driver}", f"write {name.removeprefix(API)}")
    return _of_profile(name, profile, sources)


def require(kind: Kind, environment: Mapping[str, str] | None = None, cwd: str | None = None) -> None:
    """See that what the kind needs is here: on the PATH of the agent's environment, and in this Python.

    Raises CannotStart with status 127 (not installed) or 126 (not executable); SwarmError without swarmctl[agents].
    """
    if kind.driver not in DRIVERS and not entry_points(group=DRIVER_GROUP, name=kind.driver):
        raise CannotStart(
            f"no driver is called {kind.driver!r}, and the kind {kind.kind} needs it",
            f"there are {', '.join(DRIVERS)}; others come with packages",
            NOT_FOUND,
        )
    library = LIBRARIES.get(kind.driver)
    if library is not None and find_spec(library) is None:
        raise SwarmError("swarmctl[agents] is not installed", "pip install 'swarmctl[agents]'")
    if kind.command is not None:
        _find_command(kind, os.environ if environment is None else environment, cwd or os.getcwd())


def program(kind: Kind, environment: Mapping[str, str], cwd: str) -> str | None:
    """The path of the kind's program; None where it is not found, or it has none."""
    if kind.command is None:
        return None
    first = kind.command[0]
    if "/" in first:
        path = os.path.join(cwd, first)
        return path if os.path.isfile(path) else None
    return shutil.which(first, path={**environment, **kind.env}.get("PATH", os.defpath))


def _find_command(kind: Kind, environment: Mapping[str, str], cwd: str) -> None:
    assert kind.command is not None
    path = program(kind, environment, cwd)
    if path is None:
        where = "" if "/" in kind.command[0] else " on the PATH"
        hint = kind.profile.install or "install it, or correct the profile's command"
        raise CannotStart(f"{kind.kind} is not installed: there is no {kind.command[0]}{where}", hint, NOT_FOUND)
    if not os.access(path, os.X_OK):
        raise CannotStart(f"{path} is not executable", f"chmod +x {shlex.quote(path)}", NOT_EXECUTABLE)


def _of_command(name: str) -> Kind:
    try:
        command = shlex.split(name.removeprefix(ACP))
    except ValueError as error:
        raise WrongUsage(
            f"not a command: {name!r}: {str(error).lower()}", "write acp:COMMAND as for a shell"
        ) from error
    if not command or not command[0]:
        raise WrongUsage(f"{name!r} names no command", "write acp:COMMAND, as in 'acp:goose acp'")
    return _of_profile(name, Profile(driver="acp", command=command), ["the command line"])


def _of_profile(name: str, profile: Profile, sources: list[str]) -> Kind:
    return Kind(
        name,
        profile.driver,
        profile.command,
        profile.env,
        profile.model,
        profile.options,
        profile.allow,
        profile.deny,
        profile,
        sources,
    )
