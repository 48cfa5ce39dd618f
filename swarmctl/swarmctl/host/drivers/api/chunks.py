"""A piece of a streamed answer, with what is needed of it: checked here, as the client hands on whatever comes. Pure.

What nothing here needs a service may leave out, or have as it likes.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Malformed(Exception):
    """A service says what no answer is; in words."""


Count = Annotated[int, Field(ge=0, le=10**12)]  # of tokens; what the log can add up


class Part(BaseModel):
    model_config = ConfigDict(from_attributes=True, frozen=True)


class Function(Part):
    name: str | None = None
    arguments: str | None = None


class Call(Part):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(Part):
    """What is new. Providers call differently what a model thinks; OpenAI does not tell it."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[Call] | None = None


class Choice(Part):
    delta: Delta | None = None
    finish_reason: str | None = None


class InputDetails(Part):
    cached_tokens: Count | None = None


class OutputDetails(Part):
    reasoning_tokens: Count | None = None


class Used(Part):
    """`cost`: in dollars, where the provider says it."""

    prompt_tokens: Count
    completion_tokens: Count
    prompt_tokens_details: InputDetails | None = None
    completion_tokens_details: OutputDetails | None = None
    cost: Any = None


class Chunk(Part):
    model: str | None = None
    choices: list[Choice]
    usage: Used | None = None


def read(said: object) -> Chunk:
    """A piece as the client gives it. Raises Malformed, which names what is wrong."""
    try:
        return Chunk.model_validate(said)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "a piece"
        raise Malformed(f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}") from error
