"""Patterns over the paths of streams."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm_store.globs import matches
from swarm_store.subscriptions import is_meant, log_stream, paths

SEGMENT = st.sampled_from(["a", "b", "ab", "*", "é"])


@pytest.mark.parametrize(
    ("pattern", "path", "is_one"),
    [
        ("events/*", "events/a", True),
        ("events/*", "events", False),
        ("events/*", "events/a/b", False),
        ("events/**", "events", True),
        ("events/**", "events/a/b", True),
        ("**/b", "b", True),
        ("**/b", "a/b/c/b", True),
        ("a/**/b", "a/b", True),
        ("a/**/b", "a/x/y/b", True),
        ("a/**/b", "a/x/y", False),
        ("*", "a", True),
        ("a*", "ab", False),
        ("/a//b/", "a/b", True),
        ("a.b", "axb", False),
    ],
)
def test_what_a_pattern_matches(pattern: str, path: str, is_one: bool) -> None:
    """A star is one segment, two stars are any number of them, and everything else is itself."""
    assert matches(pattern, path) is is_one


@given(
    st.lists(st.sampled_from(["a", "b", "*", "**"]), min_size=1, max_size=6), st.lists(SEGMENT, min_size=1, max_size=6)
)
def test_it_is_what_a_regular_expression_says(pattern: list[str], path: list[str]) -> None:
    """For any pattern and path the answer is that of the regular expression that means the same."""
    meant = {"*": "/[^/]+", "**": "(?:/[^/]+)*"}
    expression = "".join(meant.get(one, "/" + re.escape(one)) for one in pattern)
    expected = re.fullmatch(expression, "/" + "/".join(path)) is not None
    assert matches("/".join(pattern), "/".join(path)) is expected


def test_no_pattern_takes_long() -> None:
    """A pattern that would have a backtracking matcher try for ages is answered at once."""
    begun = time.monotonic()
    assert not matches("/".join(["**", "a"] * 250), "/".join(["a"] * 249 + ["b"] * 250))
    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("pattern", "path", "is_one"),
    [
        ("**", "events/a", True),
        ("**", "agents/abc", False),
        ("*", "registry", False),
        ("registry", "registry", True),
        ("agents/*", "agents/abc", True),
        ("agents/*", "agents/abc/stdout", False),
        ("agents/*/stdout", "agents/abc/stdout", True),
        ("state/**", "state/agents", True),
        ("**", "wake/pool", False),
    ],
)
def test_the_logs_own_streams_are_meant_by_name_alone(pattern: str, path: str, is_one: bool) -> None:
    """Our own streams are meant where a pattern begins with their first segment; one's own wake stream never is."""
    assert is_meant(pattern, path, "wake/pool") is is_one


@pytest.mark.parametrize("path", ["a/b", "registry", "state/agents", "agents/x", "agents/x/stdout", "agents/x/stderr"])
def test_a_path_is_found_again(path: str) -> None:
    """The stream of the log that a path is read from has that path among its own."""
    assert path in paths(log_stream(path))
