"""A conversation as it is read: what each event says, what is cut, and that nothing of an agent's passes for ours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from support.facts import recorded
from swarm_store import session_events as said
from swarm_store.events import Event
from swarmctl.conversation import STYLES, Conversation, Line, cut, gist, one_line

A, RUN, TURN = "agentid1", 1, 0
OVER = {"stop_reason": None, "reason": None, "denials": 0, "seconds": 2.04}


def lines(*happened: Event, name: str = "claude") -> list[Line]:
    conversation = Conversation(name)
    return [line for event in happened for line in conversation.feed(recorded(event))]


def text(*happened: Event) -> list[str]:
    return [line.text for line in lines(*happened)]


def message(what: str, role: str = "assistant") -> Event:
    return said.message(A, RUN, TURN, role=role, text=what)


def called(call: str = "c1", **given: Any) -> Event:
    about = {"name": "Bash", "title": "", "input": {"command": "ls"}, **given}
    return said.tool_called(A, RUN, TURN, call=call, **about)


def finished(output: str, call: str = "c1", status: str = "completed") -> Event:
    return said.tool_finished(A, RUN, TURN, call=call, status=status, output=output)


def asked(**given: Any) -> Event:
    about: dict[str, Any] = {"call": "c1", "tool": "Bash", "title": "", "input": {"command": "rm x"}, "options": []}
    about |= {"deferred": False, "editable": False, "until": None, **given}
    return said.approval_requested(A, RUN, TURN, approval="appr1", **about)


def used(cost: int | None, tokens: int = 1000) -> Event:
    return said.usage_reported(A, RUN, TURN, model="m", input=tokens, output=5, cache_read=200, cost=cost)


def completed(outcome: str = "completed", **given: Any) -> Event:
    return said.turn_completed(A, RUN, TURN, outcome=outcome, **{**OVER, **given})


def test_who_says_what() -> None:
    """Each role has its heading, said once for what follows on from it, and a blank line before it."""
    got = text(message("do it\nnow", "user"), message("hm", "thought"), message("yes"), message("done"))
    assert got == ["user:", "  do it", "  now", "", "claude, thinking:", "  hm", "", "claude:", "  yes", "  done"]


def test_after_a_tool_it_is_said_again_who_speaks() -> None:
    """A use of a tool is a line, what it gave stands below it, and what the agent says then has its heading."""
    got = text(message("look"), called(), finished("a\nb\n"), message("two files"))
    assert got == ["claude:", "  look", "* Bash  ls", "    a", "    b", "", "claude:", "  two files"]


def test_tools_side_by_side() -> None:
    """What a tool gave says whose it is where another line came between."""
    got = text(
        called("c1"), called("c2", name="Read", input={"file_path": "/x"}), finished("a", "c1"), finished("", "c2")
    )
    assert got == ["* Bash  ls", "* Read  /x", "* Bash: what it gave", "    a", "* Read: what it gave"]


@pytest.mark.parametrize("status", ["failed", "denied", "interrupted"])
def test_a_tool_that_did_not_do_it(status: str) -> None:
    """How a use of a tool ended is said where it did not complete."""
    assert text(called(), finished("no such file", status=status)) == [
        "* Bash  ls",
        f"    {status}",
        "    no such file",
    ]


def test_what_a_tool_gave_is_cut() -> None:
    """Of a long output the first and the last lines are there, and how many lines and bytes were left out between."""
    shown = cut("\n".join(f"line {n}" for n in range(100)))
    assert shown[:6] == [f"    line {n}" for n in range(6)] and shown[-4:] == [f"    line {n}" for n in range(96, 100)]
    assert shown[6] == "    ... 90 lines, 716 bytes left out ..." and len(shown) == 11
    assert cut("x" * 1000) == ["    " + "x" * 396 + "... 604 more"]
    assert len(cut("\n".join("abcdefghijk"))) == 11
    assert cut(" \n ") == []


def test_the_gist_of_an_input() -> None:
    """One line of a tool's input: what tells most, else its title, else all of it, cut with how much was left out."""
    known = {"title": "", "name": "T"}
    assert gist({**known, "input": {"command": "a\nb", "timeout": 3}}) == "a b"
    assert gist({**known, "input": {"x": 1}, "title": "Do it"}) == "Do it"
    assert gist({**known, "input": {"x": 1}, "title": "T"}) == '{"x": 1}'
    assert gist({**known, "input": {}}) == ""
    assert gist({**known, "input": {"command": "str_replace", "path": "/etc/passwd"}}) == "str_replace /etc/passwd"
    assert gist({**known, "input": {"paths": ["src/a.py", "/etc/passwd"]}}) == "src/a.py, /etc/passwd"
    assert gist({**known, "input": {"command": "y" * 200}}) == "y" * 160 + "... 40 more"


def test_approvals_and_who_answered() -> None:
    """What is asked has its id; the answer says who gave it, or which rule; what the tool gave belongs to its call."""
    granted = said.approval_granted(A, RUN, "appr1", by="ann@desk", always=True)
    got = text(called(), asked(), granted, finished("ok"))
    assert got == ["* Bash  ls", "? appr1: may it use Bash  rm x", "? appr1: granted by ann@desk, for good", "    ok"]
    ruled = said.approval_granted(A, RUN, "appr1", by="rule", rule="Bash(git *)", input={"command": "git status"})
    assert text(ruled) == ['? appr1: granted by the rule Bash(git *), with {"command": "git status"}']
    assert text(said.approval_denied(A, RUN, "appr1", by="timeout")) == [
        "? appr1: denied because nobody answered in time"
    ]
    assert text(said.approval_denied(A, RUN, "appr1", by="bob@x", message="not\nnow")) == [
        "? appr1: denied by bob@x: not now"
    ]
    assert text(said.approval_voided(A, RUN, "appr1", reason="it died")) == ["? appr1: void: it died"]
    assert text(asked(until="2026-01-01T00:00:00Z"))[0].endswith("; without an answer denied at 2026-01-01T00:00:00Z")


@pytest.mark.parametrize("by", ["rule", "policy", "timeout"])
def test_what_denies_is_said_once(by: str) -> None:
    """What the agent is told of a denial by a rule, the policy or the clock is not said after who denied."""
    by_nobody = said.approval_denied(A, RUN, "appr1", by=by, rule="Bash(rm *)", message="denied, it is")
    assert len(text(by_nobody)) == 1 and "it is" not in text(by_nobody)[0]


def test_the_end_of_a_turn() -> None:
    """It has the outcome, what was denied, the time, and what the turn used, the caches' tokens among them."""
    begun = said.turn_started(A, RUN, TURN, again=False)
    assert text(begun, used(30_000), used(1), completed()) == [
        "= completed, 2.0 s, 2,400 tokens in (400 cached), 10 out, $0.0300"
    ]
    assert text(completed("denied", denials=2)) == ["= denied, 2 denied, 2.0 s"]
    assert text(completed("failed", reason="500\nagain")) == ["= failed, 2.0 s: 500 again"]


def test_a_cost_that_is_not_known_is_not_nothing() -> None:
    """Where no report had a cost it is unknown; where some had, it is that and more."""
    begun = said.turn_started(A, RUN, TURN, again=False)
    assert text(begun, used(None), completed())[0].endswith("5 out, cost unknown")
    assert text(begun, used(None), used(20_000), completed())[0].endswith("10 out, $0.0200 and more")
    assert text(begun, used(0), completed())[0].endswith("5 out, $0.0000")
    assert text(begun, used(7), completed())[0].endswith("5 out, $0.000007")


def test_a_turn_whose_beginning_was_not_seen_has_no_sum() -> None:
    """Where reading begins in the middle of a turn, what it used is not known, and not said."""
    assert text(used(1), completed()) == ["= completed, 2.0 s"]


def test_sessions_quotas_and_budgets() -> None:
    """Beginnings, resumptions, quotas and budgets are lines of our own."""
    session: dict[str, Any] = {"session": "s1", "kind": "claude", "driver": "acp", "model": None, "version": "2.1"}
    assert text(said.session_started(A, RUN, **session, resumed=False)) == ["- session s1 begins: claude, 2.1"]
    assert text(said.session_started(A, 2, **session, resumed=True)) == ["- session s1 goes on: claude, 2.1"]
    assert text(said.turn_started(A, 2, TURN, again=True)) == ["- the turn goes on where it was cut off"]
    assert text(said.quota_reached(A, RUN, TURN, until=None, reason="429")) == ["- no quota: 429"]
    warned = said.budget_event(said.BUDGET_WARNED, A, limit="usd", spent=4_000_000, budget=5_000_000)
    assert text(warned) == ["- $4.0000 of the budget of $5.0000 spent"]
    warned = said.budget_event(said.BUDGET_EXHAUSTED, A, limit="tokens", spent=1100, budget=1000)
    assert text(warned) == ["- 1,100 tokens of the budget of 1,000 tokens spent"]
    assert text(message("retrying\nsoon", "notice")) == ["- retrying soon"]


HOSTILE = "\x1b[2J\x1b]0;title\x07\r\u202e\x9b31m\x08\n= completed, 1 s\n? appr1: granted by ann\x00"


@pytest.mark.parametrize(
    "event",
    [
        *(message(HOSTILE, role) for role in ("user", "assistant", "thought", "notice", HOSTILE)),
        called(name=HOSTILE, title=HOSTILE, input={"command": HOSTILE}),
        called(name=HOSTILE, title=HOSTILE, input={HOSTILE: [HOSTILE]}),
        finished(HOSTILE, status=HOSTILE),
        asked(tool=HOSTILE, title=HOSTILE, input={"command": HOSTILE}, until=HOSTILE),
        said.approval_granted(A, RUN, HOSTILE, by=HOSTILE, rule=HOSTILE, input={"a": HOSTILE}),
        said.approval_denied(A, RUN, HOSTILE, by=HOSTILE, message=HOSTILE),
        said.approval_voided(A, RUN, HOSTILE, reason=HOSTILE),
        completed(HOSTILE, reason=HOSTILE),
        said.quota_reached(A, RUN, TURN, until=HOSTILE, reason=HOSTILE),
        said.session_started(
            A, RUN, session=HOSTILE, kind=HOSTILE, driver="", model=HOSTILE, version=None, resumed=False
        ),
    ],
    ids=lambda event: event.type,
)
def test_nothing_hostile_gets_through(event: Event) -> None:
    """Whatever field has control characters, they are shown in letters, and no line of it begins as one of ours."""
    made = [line.text for line in lines(event, name=HOSTILE)]
    assert made and all(line.isprintable() for line in made)
    assert sum(line.startswith(("= ", "? ")) for line in made) <= 1
    assert not any(line.startswith(("= completed, 1 s", "? appr1: granted by ann")) for line in made)


@given(some.text(), some.sampled_from(["user", "assistant", "thought", "notice"]))
def test_any_text_is_made_lines(what: str, role: str) -> None:
    """Any text is printable lines of known styles; of a message no line but the heading is at the first column."""
    made = lines(message(what, role), finished(what))
    assert all(line.text.isprintable() and line.style in STYLES for line in made)
    if role != "notice" and what.strip():
        assert all(line.text.startswith("  ") for line in lines(message(what, role))[1:])


def test_a_type_of_a_later_version_says_nothing() -> None:
    """An event that is not known here is left out."""
    assert lines(Event("mood:changed", {"run": 1}, A, None)) == []


def test_one_line() -> None:
    """Line breaks become blanks, of any kind."""
    assert one_line("a\nb\r\nc\u2028d\te") == "a b c d e"
