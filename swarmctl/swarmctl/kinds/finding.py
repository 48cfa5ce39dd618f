"""Where profiles are, and how one is made of what it extends.

A name is looked for in the user's files ($SWARM_CONFIG, else $XDG_CONFIG_HOME/swarmctl: agents/NAME.toml), then among
third parties' entry points of the group `swarmctl.kinds` (each a mapping, or what gives one, with a profile's keys),
then in builtin.toml. A profile that extends its own name extends the next of these: so claude.toml can change one thing
of the built-in claude. Tables are merged, anything else is replaced.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from typing import Any, NamedTuple

from swarm_store.errors import WrongUsage

from . import plain
from .plain import HINT
from .profile import Profile, check, parse

GROUP = "swarmctl.kinds"
BUILT_IN = "built in"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
SUFFIX = ".toml"


class Source(NamedTuple):
    """What one place says of a name: `where` is a file, a package, or BUILT_IN; `layer` the lower the nearer."""

    name: str
    where: str
    layer: int
    said: dict[str, Any]


class Found(NamedTuple):
    """A whole profile, and the places it is made of, the nearest first."""

    profile: Profile
    sources: list[str]


def directory() -> str:
    """Where the user's profiles are."""
    config = os.environ.get("SWARM_CONFIG")
    if not config:
        config = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "swarmctl")
    return os.path.join(config, "agents")


def names() -> list[str]:
    """All names that there are: those built in, then the others in alphabetical order. Reads no profile of a user."""
    others = {point.name for point in entry_points(group=GROUP)} | set(_files())
    return [*builtin(), *sorted(others - set(builtin()))]


def find(name: str) -> Found | None:
    """The whole profile of a name; None where there is none. Raises WrongUsage where what is there is wrong."""
    first = next(_sources(name), None)
    if first is None:
        return None
    chain = list(_chain(first))
    said: dict[str, Any] = {}
    for source in reversed(chain):
        said = merged(said, source.said)
    said.pop("extends", None)
    return Found(check(said, first.where if first.where != BUILT_IN else name), [source.where for source in chain])


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Tables merged, key by key; of anything else that of `over`."""
    made = dict(under)
    for key, value in over.items():
        old = made.get(key)
        made[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return made


@cache
def builtin() -> dict[str, dict[str, Any]]:
    """The profiles of builtin.toml, by name."""
    return parse(resources.files(__package__).joinpath("builtin.toml").read_bytes(), "builtin.toml")


def _chain(source: Source) -> Iterator[Source]:
    """A profile, what it extends, what that extends."""
    passed: list[tuple[str, int]] = []
    while True:
        if (source.name, source.layer) in passed:
            circle = " → ".join([name for name, _ in passed] + [source.name])
            raise WrongUsage(f"{source.where}: extends goes round in a circle: {circle}", "let one of them extend none")
        passed.append((source.name, source.layer))
        yield source
        wanted = source.said.get("extends")
        if wanted is None:
            return
        source = _extended(source, wanted)


def _extended(source: Source, wanted: Any) -> Source:
    if not isinstance(wanted, str):
        raise WrongUsage(f"{source.where}: extends: it is the name of a profile", HINT)
    below = source.layer if wanted == source.name else -1
    for found in _sources(wanted):
        if found.layer > below:
            return found
    raise WrongUsage(f"{source.where}: extends: no profile is called {wanted!r}", f"there are {', '.join(names())}")


def _sources(name: str) -> Iterator[Source]:
    """What there is of that name, the nearest first."""
    if (path := _files().get(name)) is not None:
        yield Source(name, path, 0, parse(_read(path), path))
    for point in entry_points(group=GROUP, name=name):
        yield Source(name, _owner(point), 1, _load(point))
    if name in builtin():
        yield Source(name, BUILT_IN, 2, builtin()[name])


def _files() -> dict[str, str]:
    """The user's profiles: name → path. What is called otherwise than a kind may be is none."""
    try:
        entries = sorted(os.listdir(directory()))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    found = {one.removesuffix(SUFFIX): os.path.join(directory(), one) for one in entries if one.endswith(SUFFIX)}
    return {name: path for name, path in found.items() if NAME.fullmatch(name)}


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise WrongUsage(f"{path}: cannot be read: {error.strerror}", "let it be read, or remove it") from error


def _load(point: EntryPoint) -> dict[str, Any]:
    """What a third party says. Its code may do anything, also wrong."""
    try:
        said = point.load()
        said = said() if callable(said) else said
        why = None if isinstance(said, Mapping) else f"it gives {type(said).__name__}, not a mapping"
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
    if why is None:
        plain.check(said, _owner(point))
        return dict(said)
    raise WrongUsage(f"{_owner(point)}: the kind {point.name} cannot be loaded: {why}", "ask whoever made it")


def _owner(point: EntryPoint) -> str:
    return f"package {point.dist.name}" if point.dist else point.value
