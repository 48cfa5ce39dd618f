"""Patterns over the paths of streams: `*` is one segment, `**` any number of them, none too. Pure.

A pattern takes in the log's own streams only where it begins with their first segment by name: `agents/*`, but not
`**`. So nobody who asks for all streams is woken by every line that an agent writes.
"""

from __future__ import annotations

ANY, SOME = "*", "**"


def segments(path: str) -> list[str]:
    """The segments of a path or a pattern; slashes at its ends and in a row count as one."""
    return [one for one in path.split("/") if one]


def matches(pattern: str, path: str) -> bool:
    """Whether a path is one that the pattern means. It takes the product of both lengths at most."""
    wanted, given = segments(pattern), segments(path)
    # reached[n]: the segments of the pattern so far can stand for the first n of the path
    reached = [True] + [False] * len(given)
    for one in wanted:
        if one == SOME:
            for n in range(len(given)):
                reached[n + 1] = reached[n + 1] or reached[n]
        else:
            steps = zip(reached[:-1], given, strict=True)
            reached = [False] + [before and one in (ANY, segment) for before, segment in steps]
    return reached[-1]


def names_first(pattern: str, segment: str) -> bool:
    """Whether a pattern begins with this very segment."""
    return segments(pattern)[:1] == [segment]
