"""What a profile may say. Strict: a key that nobody reads is an error, and so is a value of another type."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, Field, ValidationError

from swarm_store.errors import SwarmError, WrongUsage

from ..host import rules
from . import options, plain
from .plain import HINT, SomeWord, Strict, Variable, Word

WITH_COMMAND = ("acp", "claude")  # the drivers of ours that start a command line


def _rule(text: str) -> str:
    try:
        return rules.check(text)
    except SwarmError as error:
        raise ValueError(f"{error.message}; {error.hint}") from error


Command = Annotated[list[Word], Field(min_length=1)]
Rule = Annotated[str, AfterValidator(_rule)]


class Login(Strict):
    """How it is seen that somebody has signed in: `command` ends with status 0; else a variable or a file is there.

    `${NAME:-DEFAULT}` and ~ in `files` are replaced. `how` is what to do where nobody has.
    """

    command: Command | None = None
    env: list[Variable] = []
    files: list[Word] = []
    how: str = ""


class Profile(Strict):
    """One kind, whole: what it `extends` is in it already."""

    driver: Annotated[str, Field(min_length=1)]
    description: str = ""
    command: Command | None = None
    model: SomeWord | None = None
    env: dict[Variable, Word] = {}
    allow: list[Rule] = []
    deny: list[Rule] = []
    install: str = ""
    version: Command | None = None
    login: Login = Login()
    options: dict[str, Any] = {}


def parse(text: bytes, where: str) -> dict[str, Any]:
    """A file of TOML. Raises WrongUsage, which names it."""
    try:
        said = tomllib.loads(text.decode())
    except UnicodeDecodeError as error:
        raise WrongUsage(f"{where}: it is no UTF-8 at byte {error.start}", "save it as UTF-8") from error
    except ValueError as error:  # TOMLDecodeError, or a number that Python does not read
        raise WrongUsage(f"{where}: not TOML: {_lower(str(error))}", HINT) from error
    except RecursionError:
        raise WrongUsage(f"{where}: it is nested too deep", HINT) from None
    plain.check(said, where)
    return said


def check(said: Mapping[str, Any], where: str) -> Profile:
    """A whole profile. Raises WrongUsage, which names the first key that is wrong."""
    try:
        profile = Profile.model_validate(dict(said))
    except ValidationError as error:
        raise WrongUsage(f"{where}: {complaint(error)}", HINT) from error
    if profile.command is None and profile.driver in WITH_COMMAND:
        raise WrongUsage(f"{where}: command is missing: the driver {profile.driver} starts one", HINT)
    known = options.of(profile.driver)
    if known is not None:
        try:
            known.model_validate(profile.options)
        except ValidationError as error:
            raise WrongUsage(f"{where}: options.{complaint(error)}", HINT) from error
    return profile


def complaint(error: ValidationError) -> str:
    """The first thing that is wrong, in one line: the key, and what about it."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"{key}: there is no such key"
    if first["type"] == "missing":
        return f"{key} is missing"
    return f"{key}: {_lower(first['msg'].removeprefix('Value error, '))}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
