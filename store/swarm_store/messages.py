"""JSON messages in a body, as they were written: an array is as many messages as it has elements (PROTOCOL.md, 9.1).

Each keeps its text, so that no number loses a digit. Pure.
"""

from __future__ import annotations

import json
import re

from .errors import WrongUsage

_SPACE = re.compile(r"[ \t\n\r]*")


def _refuse(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_int=len, parse_float=len)  # only where they end is asked


def flatten(body: bytes) -> tuple[bytes, int]:
    """The messages of a body with commas between, and how many. Raises WrongUsage for what is no JSON, and for `[]`."""
    messages, count = joined(body)
    if not count:
        raise WrongUsage("an empty array has no messages to append", "send at least one")
    return messages, count


def joined(body: bytes) -> tuple[bytes, int]:
    """As flatten, but `[]` is no messages."""
    found = split(body)
    return b",".join(found), len(found)


def split(body: bytes) -> list[bytes]:
    """The messages of a body: the elements of an array, one level deep, or the one value. Raises WrongUsage."""
    try:
        text = body.decode("utf-8")
        values = _elements(text)
    except (ValueError, RecursionError) as error:
        raise WrongUsage(f"the body is no JSON: {error}", "application/json streams take JSON alone") from None
    return [value.encode("utf-8") for value in values]


def _elements(text: str) -> list[str]:
    start = _skip(text, 0)
    if text[start : start + 1] != "[":
        end = _value(text, start)
        _end(text, end)
        return [text[start:end]]
    found: list[str] = []
    place = _skip(text, start + 1)
    if text[place : place + 1] == "]":
        _end(text, place + 1)
        return found
    while True:
        end = _value(text, place)
        found.append(text[place:end])
        place = _skip(text, end)
        mark = text[place : place + 1]
        if mark == "]":
            _end(text, place + 1)
            return found
        if mark != ",":
            raise ValueError(f"a comma is missing at {place}")
        place = _skip(text, place + 1)


def _value(text: str, start: int) -> int:
    return _DECODER.raw_decode(text, start)[1]


def _skip(text: str, start: int) -> int:
    match = _SPACE.match(text, start)
    assert match is not None
    return match.end()


def _end(text: str, end: int) -> None:
    if _skip(text, end) != len(text):
        raise ValueError(f"there is more after the value, at {end}")
