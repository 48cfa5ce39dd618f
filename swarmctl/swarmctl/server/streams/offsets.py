"""Offsets as clients see them: opaque, and in the order of their characters. Pure.

`%016d_%016d`: the second number is the offset in the log's stream, the first is not used yet.
"""

from __future__ import annotations

import re

from ..wire import Refused

BEGINNING = "-1"
NOW = "now"
_TOKEN = re.compile(r"([0-9]{1,18})_([0-9]{1,18})")


def token(offset: int) -> str:
    """An offset as it is given to clients."""
    return f"{0:016d}_{offset:016d}"


def parse(text: str) -> int:
    """The offset of a token. Raises Refused (400) for what is none."""
    match = _TOKEN.fullmatch(text)
    if match is None:
        raise Refused(400, f"not an offset: {text[:60]!r}", "give one that the server gave, -1 or now")
    return int(match[2]) if not int(match[1]) else 1 << 62  # beyond every end
