"""The options of a profile whose driver is `api`: where the model is, what it costs, what it may do."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

Tool = Literal["bash", "read_file", "write_file"]
TOOLS: list[Tool] = ["bash", "read_file", "write_file"]
SYSTEM = """\
You are a coding agent. You work in the directory {cwd}, with the tools that you are given, until what the user asks for
is done; then say briefly what you have done. Read before you write, and check your work. Whoever runs you may deny a
call: do without it then, or say why it is needed.
"""
VARIABLE = r"^[^=\x00]+$"
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
HEADER_VALUE = re.compile("([!-~]([ -~]*[!-~])?)?")


def _url(text: str) -> str:
    """A complaint does not say it again: there may be a password in it."""
    if not text.startswith(("http://", "https://")):
        raise ValueError("it begins with http:// or https://")
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ValueError("it is no address of a service")
    return text


def _header_name(text: str) -> str:
    if not HEADER_NAME.fullmatch(text):
        raise ValueError("not the name of a header")
    return text


def _header_value(text: str) -> str:
    """A complaint does not say it again, as it may be secret; the client's would."""
    if not HEADER_VALUE.fullmatch(text):
        raise ValueError("a header is of printable ASCII, without spaces around it")
    return text


HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
Price = Annotated[float, Field(ge=0, le=1e6)]
Seconds = Annotated[float, Field(gt=0, le=86400)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Prices(Strict):
    """Dollars for a million tokens; those that were in the provider's cache cost `cached`, else what others do."""

    input: Price
    output: Price
    cached: Price | None = None


class Options(Strict):
    """`key_env` names the variable with the key, None is a service that wants none. Times in seconds.

    `requests` is how often the model may be asked in one turn of the user's. `extra` goes into each request as it is.
    """

    base_url: Annotated[str, AfterValidator(_url)]
    key_env: Annotated[str, Field(pattern=VARIABLE)] | None = None
    headers: dict[HeaderName, HeaderValue] = {}
    system: str = SYSTEM
    price: Prices | None = None
    requests: Annotated[int, Field(ge=1, le=100_000)] = 200
    tools: list[Tool] = TOOLS
    tool_seconds: Seconds = 600.0
    tool_output: Annotated[int, Field(ge=1000, le=10_000_000)] = 30_000
    request_seconds: Seconds = 600.0
    retries: Annotated[int, Field(ge=0, le=100)] = 3
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Annotated[float, Field(ge=0, le=10)] | None = None
    extra: dict[str, Any] = {}
