"""What everything in a profile is made of: values that JSON has too, as specs and protocols do, and words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from swarm_store.errors import WrongUsage

HINT = "docs/agents.md says what a profile may hold"
DEEPEST = 100  # levels of tables and lists: whoever reads a spec can decode it, wherever in its own calls it stands


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("it cannot hold NUL")
    return text


def _variable(text: str) -> str:
    if not text or "=" in text:
        raise ValueError(f"not the name of a variable: {text!r}")
    return _without_nul(text)


Word = Annotated[str, AfterValidator(_without_nul)]  # what may become an argument of a command, or a variable's value
SomeWord = Annotated[str, Field(min_length=1), AfterValidator(_without_nul)]
Variable = Annotated[str, AfterValidator(_variable)]


def check(said: Mapping[str, Any], where: str) -> None:
    """See that JSON has all of it too. Raises WrongUsage, which names the first key that is wrong."""
    wrong = _wrong(said, (), DEEPEST)
    if wrong:
        raise WrongUsage(f"{where}: {wrong}", HINT)


def _wrong(value: Any, key: tuple[str, ...], left: int) -> str | None:
    if value is None or isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value)):
        return None
    if isinstance(value, Mapping | list | tuple):
        if not left:
            return "it is nested too deep"
        inside = value.items() if isinstance(value, Mapping) else enumerate(value)
        return next(filter(None, (_wrong(one, (*key, str(name)), left - 1) for name, one in inside)), None)
    return f"{'.'.join(key)}: JSON has no {value if isinstance(value, float) else type(value).__name__}"
