"""JSON messages in a body: as they were written, one level deep."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_store.errors import WrongUsage
from swarm_store.messages import flatten, split

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
SPACES = st.text(" \t\n\r", max_size=3)


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (b"[1,2]", [b"1", b"2"]),
        (b"[]", []),
        (b" [ ] ", []),
        (b"[[1,2],[3]]", [b"[1,2]", b"[3]"]),
        (b"[[[]]]", [b"[[]]"]),
        (b'{"a":[1]}', [b'{"a":[1]}']),
        (b' "x" ', [b'"x"']),
        (b"null", [b"null"]),
        (b"[ 1 , \t\n2\r ]", [b"1", b"2"]),
        (b'[{"a": 1 , "b":2}]', [b'{"a": 1 , "b":2}']),
    ],
)
def test_an_array_is_as_many_messages(body: bytes, messages: list[bytes]) -> None:
    """An array is its elements, one level deep, anything else one message; white space within a message stays."""
    assert split(body) == messages


@pytest.mark.parametrize(
    "number",
    [
        b"1.0",
        b"1e400",
        b"-0",
        b"-0.0",
        b"0.1000000000000000055511151231257827",
        b"123456789012345678901234567890",
        b"1E+2",
        b"9" * 5000,
    ],
)
def test_numbers_keep_their_text(number: bytes) -> None:
    """No number loses a digit or its notation, however long; Python's own limit on digits does not matter."""
    assert split(number) == [number]
    assert split(b'[{"n":' + number + b"}]") == [b'{"n":' + number + b"}"]


def test_what_is_written_twice_stays() -> None:
    """A key that is there twice, and escapes as they were chosen, are not made anew."""
    body = b'{"a":1,"a":2,"\\u00e9":"\\/\xc3\xa9\\ud83d"}'
    assert split(body) == [body]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"[1,]",
        b"[,1]",
        b"[1 2]",
        b"[1",
        b"1]",
        b"[1]]",
        b"{} {}",
        b"{'a':1}",
        b'{"a":1,}',
        b"{1:2}",
        b"NaN",
        b"[Infinity]",
        b'{"a":-Infinity}',
        b"01",
        b"+1",
        b".5",
        b"1.",
        b"tru",
        b'"a\nb"',
        b'"\\x"',
        b'"\\ud83"',
        b"\xff",
        b'"\xed\xa0\xbd"',
        b"\xef\xbb\xbf[1]",
        b"[1]\x00",
        "[1]".encode("utf-16"),
        b"// comment\n1",
        b"[" * 100_000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000,
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """Neither NaN, a byte order mark, other encodings, trailing commas nor nesting without end is JSON here."""
    with pytest.raises(WrongUsage):
        split(body)


def test_nothing_to_append_is_refused() -> None:
    """An empty array has no messages: it makes a stream, and cannot be appended."""
    with pytest.raises(WrongUsage, match="empty"):
        flatten(b"[]")
    assert flatten(b"[1,[2]]") == (b"1,[2]", 2)


@given(JSON, SPACES, SPACES)
def test_messages_put_together_again_mean_the_same(value: Any, before: str, after: str) -> None:
    """What is joined to an array again equals what was sent, whatever that is."""
    body = (before + json.dumps(value, ensure_ascii=False) + after).encode("utf-8", "surrogatepass")
    found = split(body)
    joined = json.loads(b"[" + b",".join(found) + b"]")
    assert joined == (value if isinstance(value, list) else [value])
    assert all(one.strip() == one for one in found)


@given(st.lists(JSON, min_size=1, max_size=5))
def test_messages_of_a_body_are_messages_again(values: list[Any]) -> None:
    """A record's body between brackets is split into the same messages once more, and so are the first of them."""
    body, count = flatten(json.dumps(values).encode())
    assert count == len(values)
    again = split(b"[" + body + b"]")
    assert b",".join(again) == body and len(again) == count


@given(st.binary(max_size=40) | st.text('[]{}",:0123456789eE+-.\\ulnatrfse \t\n', max_size=30).map(str.encode))
def test_it_takes_what_json_takes(body: bytes) -> None:
    """Whatever the bytes: it takes them if and only if they are UTF-8 JSON, and then they mean the same."""
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=lambda name: 1 / 0)
    except (ValueError, RecursionError, ZeroDivisionError):
        with pytest.raises(WrongUsage):
            split(body)
    else:
        assert json.loads(b"[" + b",".join(split(body)) + b"]") == (value if isinstance(value, list) else [value])
