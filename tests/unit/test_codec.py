"""JSON as the log stores it, beside the standard library's."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_store import codec

KEYS = st.text() | st.integers() | st.booleans() | st.none()
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner) | st.tuples(inner, inner))
PAIRS = [codec._lean(), codec._standard()]  # the C halves, and what serves where they are missing


@pytest.mark.parametrize("pair", PAIRS, ids=["lean", "standard"])
@given(value=VALUES)
def test_it_writes_what_json_writes(pair: tuple[Any, Any], value: Any) -> None:
    """Any value becomes the very text that json makes of it, compact, and comes back as json reads it."""
    text = pair[0](value)
    assert text == json.dumps(value, separators=(",", ":"))
    assert pair[1](text) == json.loads(text)


@given(value=VALUES)
def test_it_reads_what_json_writes(value: Any) -> None:
    """Spaces between values, as json writes them by default, are read too."""
    assert codec.decode(json.dumps(value)) == json.loads(json.dumps(value))


def test_bytes_that_are_no_text_come_back() -> None:
    """A name or path that is not UTF-8 reaches us with surrogates, and they survive."""
    name = b"caf\xe9 \xff".decode("utf-8", "surrogateescape")
    text = codec.encode({"cwd": name})
    assert text.isascii()
    assert codec.decode(text) == {"cwd": name}


def test_keys_stay_in_order() -> None:
    """Keys are written as they come, not sorted."""
    assert codec.encode({"b": 1, "a": 2}) == '{"b":1,"a":2}'


@pytest.mark.parametrize("pair", PAIRS, ids=["lean", "standard"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), [{"a": float("nan")}]])
def test_numbers_that_json_has_not_are_refused(pair: tuple[Any, Any], value: Any) -> None:
    """NaN and the infinities never reach the log."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        pair[0](value)


@pytest.mark.parametrize("pair", PAIRS, ids=["lean", "standard"])
@pytest.mark.parametrize("value", [{1}, b"bytes", object(), {"a": [{2}]}, {(1, 2): 3}])
def test_what_json_has_not_is_refused(pair: tuple[Any, Any], value: Any) -> None:
    """Sets, bytes and objects are a TypeError."""
    with pytest.raises(TypeError):
        pair[0](value)


@pytest.mark.parametrize("pair", PAIRS, ids=["lean", "standard"])
@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", '{"a":1', '{"a"}', "tru", "'a'", '"a', '"\n"', "1 2", "{}x", "nan", '"\\q"', "[1}"]
)
def test_what_is_no_json_is_refused(pair: tuple[Any, Any], text: str) -> None:
    """A text that is not one whole JSON value is a ValueError."""
    with pytest.raises(ValueError):
        pair[1](text)


def test_the_c_halves_are_in_use() -> None:
    """On CPython the lean pair serves, so that no daemon imports json."""
    assert codec._dumps.__qualname__.startswith("_lean")
    assert codec._loads.__qualname__.startswith("_lean")
