"""What a host does next, as a function of what is known: what is prompted, what a turn came to, what is left of a run.

Pure: the clock and the log are the caller's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, NamedTuple

from swarm_store.conversation import Session

from .facts import Answer, Completed, Option
from .rules import Remembered, subject_of

CONTINUE = "You were interrupted. Go on where you left off."
LEAST_QUOTA = (1.0, 60.0)  # seconds to wait whatever is said, because each try is a prompt: at first, and at most
UNKNOWN_QUOTA = (300.0, 3600.0)  # seconds to wait where nobody says how long: at first, and at most


def prompt(text: str, *, again: bool, heard: Sequence[str] | None, alike: int = 0) -> str:
    """What the agent is told for a turn: its text, or that it go on where its own history has that already.

    `alike`: how many turns just before it had the same text ("go on", "next"): the history has these too.
    """
    if not again:
        return text
    if heard is None:
        return CONTINUE
    told = [one for one in heard if one.strip() != CONTINUE]
    last = len(list(takewhile(lambda one: one.strip() == text.strip(), reversed(told))))
    return CONTINUE if last > alike else text


def is_unused(session: Session, given: str | None) -> bool:
    """Whether nothing is lost with the session: it is not the one that was given, and the agent said nothing in it.

    An agent that dies soon after its first prompt may not have kept it.
    """
    is_own = session["session"] not in (None, given)
    return is_own and not session["completed"] and not session["usage"] and session["said"] is None


def ended(completed: Completed, denials: int) -> Completed:
    """How a turn ended: well is only what went without a denial."""
    if completed.outcome != "completed" or not denials:
        return completed
    what = "1 request was denied" if denials == 1 else f"{denials} requests were denied"
    return completed._replace(outcome="denied", reason=completed.reason or what)


def status(outcome: str | None) -> int:
    """The host's own, by the outcome of the last turn; 0 where there was none."""
    return int(outcome not in (None, "completed"))


def quota_until(retry_at: float, now: float, tried: int) -> float:
    """When to go on after a quota was reached for the `tried`-th time in a turn, in seconds of the Unix clock."""
    first, most = LEAST_QUOTA if retry_at > now else UNKNOWN_QUOTA
    return max(retry_at, now + min(most, first * 2.0 ** min(tried - 1, 16)))


class Left(NamedTuple):
    """What earlier runs have left of approvals. `void`: id → why; the others by the tool call's id."""

    void: dict[str, str]
    pending: dict[str, dict[str, Any]]
    answered: dict[str, tuple[str, Answer]]


def left(approvals: Iterable[dict[str, Any]], run: int) -> Left:
    """Who asked has died: only what was deferred can still be answered, or handed out."""
    found = Left({}, {}, {})
    for one in approvals:
        if one["run"] >= run or one["delivered"] or one["state"] == "voided":
            continue
        is_pending = one["state"] == "pending"
        if not one["deferred"]:
            found.void[one["id"]] = "whoever asked has died" if is_pending else "undeliverable: whoever asked has died"
        elif is_pending:
            found.pending[one["call"]] = one
        else:
            found.answered[one["call"]] = (one["id"], answer(one))
    return found


def remembered(approvals: Iterable[dict[str, Any]]) -> list[Remembered]:
    """What was answered for good: where the input was changed, for that one."""
    good = [one for one in approvals if one["always"] and one["state"] in ("granted", "denied")]
    inputs = [one["answer_input"] or one["input"] for one in good]
    return [
        Remembered(one["tool"], subject_of(input, one["title"]), one["state"] == "granted")
        for one, input in zip(good, inputs, strict=True)
    ]


def denials(approvals: Iterable[dict[str, Any]], turn: int) -> int:
    """How many requests of a turn were denied so far."""
    return sum(one["turn"] == turn and one["state"] == "denied" for one in approvals)


def answer(approval: dict[str, Any]) -> Answer:
    """What whoever asked is told of an approval that was answered."""
    granted, always = approval["state"] == "granted", bool(approval["always"])
    options = [Option(**one) for one in approval["options"]]
    return Answer(granted, always, approval["answer_input"], approval["message"], option(options, granted))


def option(options: Sequence[Option], granted: bool) -> str | None:
    """The offered option that says it, as narrowly as can be: for good it is remembered here, and not by the agent."""
    wanted = ("allow_once", "allow_always") if granted else ("reject_once", "reject_always")
    return next((one.id for kind in wanted for one in options if one.kind == kind), None)
