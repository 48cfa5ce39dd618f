"""Sums of what was used: trees, groups, and costs that are not known."""

from __future__ import annotations

from typing import Any

import pytest

from swarmctl.spending import below, by_agent, by_group, cost_in_words, dollars, in_words, shown, total


def agent(agent_id: str, parent: str | None = None, depth: int = 0, **given: Any) -> dict[str, Any]:
    return {"id": agent_id, "name": None, "kind": "claude", "parent": parent, "depth": depth, "labels": {}, **given}


def row(agent_id: str, cost: int | None = 0, **given: Any) -> dict[str, Any]:
    """A report of ten tokens in and one out."""
    counted = {"input": 10, "output": 1, "cache_read": 0, "cache_write": 0, "reasoning": 0}
    priced = {"cost": cost or 0, "unpriced": int(cost is None)}
    return {"agent": agent_id, "day": "2026-01-01", "model": "m", **counted, **priced, **given}


FAMILY = [
    agent("a"),
    agent("b", "a", 1),
    agent("c", "b", 2),
    agent("d", "a", 1, kind=None),
    agent("e"),
    agent("f", "gone", 3),
]


def test_children_are_summed_into_parents() -> None:
    """Each agent has what it used itself, and what all below it did; who has used nothing is left out."""
    rows = [row("a", 1), row("b", 10), row("c", 100), row("c", 1000), row("f", 7)]
    found = {one["id"]: (one["own"]["cost"], one["tree"]["cost"]) for one in by_agent(FAMILY, rows)}
    assert found == {"a": (1, 1111), "b": (10, 1110), "c": (1100, 1100), "f": (7, 7)}


def test_a_parent_that_has_used_nothing_has_its_tree() -> None:
    """A plain command that has spawned agents shows what they used."""
    found = {one["id"]: one for one in by_agent([agent("p", kind=None), agent("q", "p", 1)], [row("q", 5)])}
    assert (found["p"]["own"]["cost"], found["p"]["own"]["input"], found["p"]["tree"]["cost"]) == (0, 0, 5)


def test_depths_do_not_say_who_is_whose() -> None:
    """Sums go by parents alone: what agents say of their depth, or a circle of parents, changes none."""
    family = [agent("a", depth=9), agent("b", "a"), agent("c", "b"), agent("x", "y"), agent("y", "x"), agent("z", "z")]
    rows = [row(one["id"], 10**n) for n, one in enumerate(family)]
    sums = {one["id"]: one["tree"]["cost"] for one in by_agent(family, rows)}
    assert sums == {"a": 111, "b": 110, "c": 100, "x": 11_000, "y": 11_000, "z": 100_000}


def test_groups() -> None:
    """Sums by kind, day, model or a label's value; what has none comes last."""
    known = [agent("a", labels={"team": "x"}), agent("b", kind="codex", labels={"team": "y"}), agent("c", labels={})]
    rows = [row("a", 1), row("b", 2, model="n"), row("c", 4, day="2026-01-02"), row("gone", 8, model="")]
    sums = {
        group: {one[group]: one["cost"] for one in by_group(group, known, rows, "team")}
        for group in ("kind", "day", "model", "label")
    }
    assert sums == {
        "kind": {"claude": 5, "codex": 2, None: 8},
        "day": {"2026-01-01": 11, "2026-01-02": 4},
        "model": {"m": 5, "n": 2, None: 8},
        "label": {"x": 1, "y": 2, None: 12},
    }
    assert [one["label"] for one in by_group("label", known, rows, "team")] == ["x", "y", None]


def test_a_tree() -> None:
    """The agents that are named, and all below them, in the order they were spawned."""
    assert [one["id"] for one in below(FAMILY, ["b", "e"])] == ["b", "c", "e"]
    assert [one["id"] for one in below(FAMILY, ["a"])] == ["a", "b", "c", "d"]
    assert below(FAMILY, []) == []


@pytest.mark.parametrize(
    ("costs", "known", "words"),
    [
        ([], 0, "$0.0000"),
        ([0, 0], 0, "$0.0000"),
        ([1_500_000, 20_000], 1_520_000, "$1.5200"),
        ([None, None], None, "unknown"),
        ([None, 20_000], 20_000, "$0.0200 and more"),
        ([2_000_000_000], 2_000_000_000, "$2,000.0000"),
    ],
)
def test_what_is_not_known_is_not_nothing(costs: list[int | None], known: int | None, words: str) -> None:
    """A cost is a sum where all is known, at least that where some is, and unknown where none is."""
    sums = total(row("a", cost) for cost in costs)
    assert (shown(sums)["cost"], cost_in_words(shown(sums))) == (known, words)


def test_small_amounts_are_not_rounded_away() -> None:
    """Less than a hundredth of a cent is shown to the millionth of a dollar."""
    assert [dollars(one) for one in (1, 99, 100, 12_345)] == ["$0.000001", "$0.000099", "$0.0001", "$0.0123"]


def test_in_words() -> None:
    """Tokens in have the caches' in them."""
    sums = total([row("a", None, cache_read=90, cache_write=900)])
    assert in_words(sums) == "1,000 tokens in (90 cached), 1 out, cost unknown"
