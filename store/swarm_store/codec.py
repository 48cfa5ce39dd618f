"""JSON as the log stores it: compact, ASCII, keys as they come, no NaN.

The C halves of the standard library's json are called directly, because `import json` brings `re` and
costs each idle daemon 0.4 MB (measured, Python 3.11). Where they are missing or have changed, json itself serves.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def _refuse(constant: str) -> Any:
    raise ValueError(f"not JSON: {constant}")


class _Scanning:
    """What the C scanner asks for: the standard library's defaults."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = staticmethod(_refuse)


def _lean() -> tuple[Any, Any]:
    from _json import encode_basestring_ascii, make_encoder, make_scanner

    encode = make_encoder(None, None, encode_basestring_ascii, None, ":", ",", False, False, False)  # type: ignore[arg-type]
    scan = make_scanner(_Scanning)  # type: ignore[arg-type]

    def dumps(value: Any) -> str:
        return "".join(encode(value, 0))

    def loads(text: str) -> Any:
        try:
            value, end = scan(text, 0)
        except StopIteration:
            end = -1
        if end != len(text):
            raise ValueError(f"not one JSON value: {text[:60]!r}")
        return value

    probe = {"k": [1, 2.5, None, True, "é\n"]}
    if loads(dumps(probe)) != probe:
        raise ImportError("the C halves of json have changed")
    return dumps, loads


def _standard() -> tuple[Any, Any]:
    import json

    def dumps(value: Any) -> str:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)

    def loads(text: str) -> Any:
        return json.loads(text, parse_constant=_refuse)

    return dumps, loads


try:
    _dumps, _loads = _lean()
except (ImportError, TypeError, ValueError):
    _dumps, _loads = _standard()


def encode(value: Any) -> str:
    """`value` as compact JSON. Raises ValueError for NaN and infinities, TypeError for what JSON has not."""
    text: str = _dumps(value)
    return text


def decode(text: str) -> Any:
    """The value of one compact JSON text. Raises ValueError for anything else."""
    return _loads(text)
