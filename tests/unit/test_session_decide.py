"""What a host does next: what is prompted, what a turn came to, what earlier runs have left."""

from __future__ import annotations

from typing import Any

import pytest

from swarmctl.host import decide
from swarmctl.host.decide import CONTINUE
from swarmctl.host.facts import Answer, Completed, Option


@pytest.mark.parametrize(
    ("again", "heard", "told"),
    [
        (False, None, "do it"),
        (False, ["do it"], "do it"),
        (True, None, CONTINUE),
        (True, [], "do it"),
        (True, ["before"], "do it"),
        (True, ["before", "do it"], CONTINUE),
        (True, ["do it\n"], CONTINUE),
        (True, ["do it", CONTINUE, CONTINUE], CONTINUE),
        (True, ["do it", "another"], "do it"),
    ],
)
def test_what_is_prompted(again: bool, heard: list[str] | None, told: str) -> None:
    """A turn that comes again is told once: where the agent's history has it last, it is only to go on."""
    assert decide.prompt("do it", again=again, heard=heard) == told


@pytest.mark.parametrize(("heard", "told"), [(["a", "next"], "next"), (["next", "next"], CONTINUE), (["next"], "next")])
def test_a_turn_with_the_text_of_the_one_before_is_not_taken_for_that(heard: list[str], told: str) -> None:
    """Where the agent's history has the earlier turn of the same text alone, this one was not heard."""
    assert decide.prompt("next", again=True, heard=heard, alike=1) == told


def test_a_denial_is_no_success() -> None:
    """A turn that ended well but was denied something is denied; one that ended badly stays what it was."""
    assert decide.ended(Completed("completed"), 0).outcome == "completed"
    assert decide.ended(Completed("completed"), 2) == Completed("denied", None, "2 requests were denied")
    assert decide.ended(Completed("failed", None, "x"), 2) == Completed("failed", None, "x")
    assert [decide.status(one) for one in (None, "completed", "denied", "limited")] == [0, 0, 1, 1]


def test_when_a_quota_is_tried_again() -> None:
    """When the provider has said, and not at once again and again; or after ever longer times, an hour at most."""
    assert decide.quota_until(150.0, 100.0, 1) == 150.0
    assert [decide.quota_until(100.2, 100.0, tried) for tried in (1, 2, 5, 7, 5000)] == [101, 102, 116, 160, 160]
    assert decide.quota_until(5000.0, 100.0, 20) == 5000.0
    assert [decide.quota_until(0.0, 0.0, tried) for tried in (1, 2, 5, 5000)] == [300.0, 600.0, 3600.0, 3600.0]


def approval(id: str, state: str, **given: Any) -> dict[str, Any]:
    plain = {"id": id, "run": 1, "turn": 0, "call": f"call-{id}", "state": state, "deferred": False, "delivered": False}
    plain |= {"tool": "Bash", "title": "ls", "input": {"command": "ls"}, "options": [], "always": False}
    return {**plain, "answer_input": None, "message": None} | given


def test_what_earlier_runs_have_left() -> None:
    """Who asked has died: what it asked, or never heard, is void; what was deferred is pending or handed out."""
    left = decide.left(
        [
            approval("a", "pending"),
            approval("b", "granted"),
            approval("c", "granted", delivered=True),
            approval("d", "voided"),
            approval("e", "pending", run=2),
            approval("f", "pending", deferred=True),
            approval("g", "denied", deferred=True, message="no"),
        ],
        2,
    )
    assert left.void == {"a": "whoever asked has died", "b": "undeliverable: whoever asked has died"}
    assert [one["id"] for one in left.pending.values()] == ["f"]
    assert left.answered == {"call-g": ("g", Answer(False, message="no"))}


def test_denials_are_of_a_turn() -> None:
    """A turn's denials are those of its own approvals, over all runs."""
    asked = [approval("a", "denied"), approval("b", "denied", turn=1), approval("c", "granted")]
    assert [decide.denials(asked, turn) for turn in (0, 1, 2)] == [1, 1, 0]


def test_the_narrowest_option_is_chosen() -> None:
    """Of what the agent offers that is chosen which says it and no more: for good is remembered elsewhere."""
    offered = [Option("1", "allow_always", ""), Option("2", "allow_once", ""), Option("3", "reject_once", "")]
    assert decide.option(offered, True) == "2" and decide.option(offered, False) == "3"
    assert decide.option(offered[:1], True) == "1" and decide.option(offered[:1], False) is None


def test_an_edited_answer_for_good_is_of_what_was_allowed() -> None:
    """Whoever had another input done, and that for good, has not allowed what was asked for."""
    asked = [approval("a", "granted", always=True, answer_input={"command": "ls -l"})]
    assert [(one.subject, one.granted) for one in decide.remembered(asked)] == [("ls -l", True)]
