"""Sessions in the log: turns, approvals, usage and budgets, each decided in the transaction that says it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.facts import happened
from swarm_store import approvals, budgets, events, health, registry, sessions, transfer
from swarm_store import session_events as said
from swarm_store.errors import (
    AlreadyAnswered,
    NoRoom,
    NoSuchAgent,
    NoSuchApproval,
    NotPossible,
    TooDeep,
    TreeRefused,
    WrongUsage,
)
from swarm_store.events import Event
from swarm_store.fold import Agent
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.retention import Policy
from swarm_store.transaction import Producer
from swarmctl import asking, pruning


@pytest.fixture
def log(home: Home) -> Iterator[Log]:
    """A log whose agents are events alone."""
    with Log(home) as log:
        yield log


def spawn(log: Log, agent_id: str, **spec: Any) -> None:
    """An agent of the kind `claude` unless it is said otherwise, running."""
    spawned = happened(agent_id, "agent:spawned")
    data = {**spawned.data, "kind": "claude", "name": None, **spec}
    rest = (happened(agent_id, "agent:starting"), happened(agent_id, "agent:started"))
    registry.publish(log, spawned._replace(data=data), *rest)


def send(log: Log, agent_id: str, text: str) -> int:
    agent = registry.get(log, agent_id)
    assert agent is not None
    return sessions.send(log, agent, text, by="me")


def completed(agent_id: str, turn: int, outcome: str = "completed") -> Event:
    ended = {"stop_reason": None, "reason": None, "denials": 0, "seconds": 0.1}
    return said.turn_completed(agent_id, 1, turn, outcome=outcome, **ended)  # type: ignore[arg-type]


def wish(agent_id: str, approval: str, **given: Any) -> Event:
    asked: dict[str, Any] = {"call": "c1", "tool": "Bash", "title": "ls", "input": {"command": "ls"}, "options": []}
    asked |= {"deferred": False, "editable": True, "until": None, **given}
    return said.approval_requested(agent_id, 1, 0, approval=approval, **asked)


def used(agent_id: str, *, tokens: int = 0, cost: int | None = 0) -> Event:
    return said.usage_reported(agent_id, 1, 0, model="m", input=tokens, cost=cost)


def end(log: Log, agent_id: str) -> Agent:
    """The agent, which has ended by itself."""
    registry.publish(log, happened(agent_id, "agent:exited", outcome="completed"))
    agent = registry.get(log, agent_id)
    assert agent is not None
    return agent


def session(log: Log, agent_id: str) -> dict[str, Any]:
    found = sessions.get(log, agent_id)
    assert found is not None
    return found


def test_turns_are_begun_in_order_and_once(log: Log) -> None:
    """Each turn that was sent is begun once, in the order sent, with its text as it came."""
    spawn(log, "a")
    sent = [send(log, "a", text) for text in ("one", "zwölf\n", "x" * 1_000_000)]
    begun = []
    while turn := sessions.begin(log, "a", 1):
        begun.append((turn.turn, turn.text, turn.again, turn.by))
        sessions.say(log, "a", completed("a", turn.turn))
    expected = zip(sent, ("one", "zwölf\n", "x" * 1_000_000), strict=True)
    assert begun == [(turn, text, False, "me") for turn, text in expected]
    assert session(log, "a")["completed"] == 3


def test_a_turn_that_was_not_completed_comes_again(log: Log) -> None:
    """Whoever begins after a death gets the turn that was under way, marked so, before those that wait."""
    spawn(log, "a")
    first, second = send(log, "a", "one"), send(log, "a", "two")
    assert sessions.begin(log, "a", 1) == (first, "one", False, "me")
    assert sessions.begin(log, "a", 2) == (first, "one", True, "me")
    sessions.say(log, "a", completed("a", first))
    assert sessions.begin(log, "a", 2) == (second, "two", False, "me")
    users = log.read(events.agent_stream("a"), types=[said.MESSAGE])
    assert [record.data["text"] for record in users] == ["one", "two"]


def test_turns_with_the_same_text_are_counted(log: Log) -> None:
    """How many turns just before one had its text, whatever else was asked in between."""
    spawn(log, "a")
    for text in ("next", "other", "next", "next\n"):
        send(log, "a", text)
        turn = sessions.begin(log, "a", 1)
        assert turn is not None
        sessions.interrupt(log, {**(registry.get(log, "a") or {})}, by="me")
        sessions.say(log, "a", completed("a", turn.turn))
    send(log, "a", "next")
    turn = sessions.begin(log, "a", 1)
    assert turn is not None
    assert sessions.alike(log, "a", turn) == 2


def test_a_run_that_is_closed_has_left_no_turn(log: Log) -> None:
    """A run is closed where no turn waits; what is sent after it wants another run, once the agent has ended."""
    spawn(log, "a")
    turn = send(log, "a", "one")
    assert not sessions.close(log, "a", 1, "idle")
    sessions.begin(log, "a", 1)
    assert not sessions.close(log, "a", 1, "idle")
    sessions.say(log, "a", completed("a", turn))
    assert sessions.close(log, "a", 1, "idle")
    end(log, "a")
    assert sessions.wanting_runs(log) == []
    send(log, "a", "two")
    assert [agent["id"] for agent in sessions.wanting_runs(log)] == ["a"]


def test_a_run_that_failed_is_not_begun_again_for_what_had_waited(log: Log) -> None:
    """A turn that a run was begun for and left when it ended wants no other: that would fail as this one did."""
    spawned = happened("a", "agent:spawned")
    registry.publish(log, spawned._replace(data={**spawned.data, "kind": "claude"}))
    send(log, "a", "one")
    registry.publish(log, *(happened("a", type) for type in ("agent:starting", "agent:started")))
    registry.publish(log, happened("a", "agent:exited", outcome="failed"))
    assert sessions.wanting_runs(log) == []


def test_a_turn_that_was_queued_when_a_run_ended_wants_another(log: Log) -> None:
    """A turn that was sent while a run had another under way, and died, wants one more run, however that ends."""
    spawn(log, "a")
    send(log, "a", "one")
    registry.publish(log, happened("a", "agent:exited", outcome="failed"))
    assert [agent["id"] for agent in sessions.wanting_runs(log)] == ["a"]
    registry.publish(log, happened("a", "agent:restarted", run=2))
    registry.publish(log, *(happened("a", type) for type in ("agent:starting", "agent:started")))
    registry.publish(log, happened("a", "agent:exited", outcome="failed"))
    assert sessions.wanting_runs(log) == []


def test_a_command_has_no_turns(log: Log) -> None:
    """A turn for an agent of no kind is refused, and nothing is written."""
    spawn(log, "a", kind=None)
    with pytest.raises(NotPossible, match="agent a is a command"):
        send(log, "a", "one")
    assert log.head(events.inbox_stream("a")) == 0


def test_an_interrupt_names_the_turn(log: Log) -> None:
    """An interrupt is of the turn that is under way, and refused where none is."""
    spawn(log, "a")
    agent = registry.get(log, "a")
    assert agent is not None
    turn = send(log, "a", "one")
    with pytest.raises(NotPossible, match="no turn under way"):
        sessions.interrupt(log, agent, by=None)
    sessions.begin(log, "a", 1)
    assert sessions.interrupt(log, agent, by=None) == turn
    assert session(log, "a")["interrupt"] == turn


def test_an_approval_is_answered_once(log: Log) -> None:
    """The first answer stands and is in the agent's inbox; a second is told who gave the first."""
    spawn(log, "a")
    sessions.say(log, "a", wish("a", "pqrstuvw"))
    assert [one["id"] for one in approvals.asked(log)] == ["pqrstuvw"]
    granted = approvals.answer(log, "pq", granted=True, by="ann", input={"command": "pwd"})
    assert (granted["state"], granted["by"], granted["answer_input"]) == ("granted", "ann", {"command": "pwd"})
    with pytest.raises(AlreadyAnswered, match="approval pqrstuvw was granted by ann at 2"):
        approvals.answer(log, "pqrstuvw", granted=False, by="bob")
    told = log.read(events.inbox_stream("a"), types=[said.APPROVAL_ANSWERED])
    assert [(one.data["approval"], one.data["granted"], one.data["input"]) for one in told] == [
        ("pqrstuvw", True, {"command": "pwd"})
    ]
    assert session(log, "a")["undelivered"] == ["pqrstuvw"]
    sessions.say(log, "a", said.approval_delivered("a", 1, "pqrstuvw"))
    assert session(log, "a")["undelivered"] == []
    assert approvals.asked(log) == []
    assert [one["delivered"] for one in approvals.asked(log, pending=False)] == [True]


def test_a_void_approval_takes_no_answer(log: Log) -> None:
    """Where whoever asked has died, an answer is refused and says so."""
    spawn(log, "a")
    sessions.say(log, "a", wish("a", "pqrstuvw"), said.approval_voided("a", 2, "pqrstuvw", reason="it died"))
    with pytest.raises(AlreadyAnswered, match=r"is void since .*: it died"):
        approvals.answer(log, "pqrstuvw", granted=True, by="ann")
    assert approvals.asked(log) == []


def test_an_ended_agent_asks_for_nothing_that_it_held(log: Log) -> None:
    """Where whoever asked has ended, only what was deferred is still asked for; where it was cancelled, nothing."""
    for agent, outcome, reason in (("a", "failed", None), ("b", "cancelled", "cancel"), ("c", "cancelled", "shutdown")):
        spawn(log, agent)
        sessions.say(log, agent, wish(agent, f"{agent}held"), wish(agent, f"{agent}deferred", deferred=True))
        ended = happened(agent, "agent:exited", outcome=outcome)
        registry.publish(log, ended._replace(data={**ended.data, "reason": reason}))
    assert [one["id"] for one in approvals.asked(log)] == ["adeferred", "cdeferred"]
    assert approvals.pending(log) == 2
    shown = {one["id"]: one for one in asking.as_shown(log, approvals.asked(log, pending=False))}
    assert [one for one in shown if shown[one]["state"] == "pending"] == ["adeferred", "cdeferred"]
    assert (shown["aheld"]["state"], shown["aheld"]["reason"]) == ("voided", "agent a, who asked, is failed")
    with pytest.raises(AlreadyAnswered, match="approval aheld is void: agent a, who asked, is failed"):
        approvals.answer(log, "aheld", granted=True, by="ann")
    with pytest.raises(AlreadyAnswered, match="approval bdeferred is void: agent b, who asked, is cancelled"):
        approvals.answer(log, "bdeferred", granted=True, by="ann")
    assert approvals.answer(log, "adeferred", granted=True, by="ann")["state"] == "granted"


def test_approvals_that_are_not_there(log: Log) -> None:
    """An unknown id, one that is the start of several, and an input for who can take none are told apart."""
    spawn(log, "a")
    sessions.say(log, "a", wish("a", "pqrstuvw"), wish("a", "pqxxxxxx", editable=False))
    with pytest.raises(NoSuchApproval):
        approvals.answer(log, "zzz", granted=True, by=None)
    with pytest.raises(WrongUsage, match="several approvals: pqxxxxxx, pqrstuvw"):
        approvals.answer(log, "pq", granted=True, by=None)
    with pytest.raises(NotPossible, match="cannot be given another input"):
        approvals.answer(log, "pqx", granted=True, by=None, input={})
    assert len(approvals.asked(log)) == 2


def test_nothing_is_said_of_an_agent_that_is_removed_meanwhile(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer, a budget and an interrupt that come just after it write nothing, and say so."""
    spawn(log, "a")
    sessions.say(log, "a", wish("a", "pqrstuvw", deferred=True))
    agent = end(log, "a")
    found = approvals.resolve(log, "pqrstuvw")
    monkeypatch.setattr(approvals, "resolve", lambda log, word: found)
    registry.remove(log, agent)
    with pytest.raises(NoSuchApproval):
        approvals.answer(log, "pqrstuvw", granted=True, by="ann")
    with pytest.raises(NoSuchAgent):
        budgets.change(log, agent, usd=1, tokens=None, by="ann")
    with pytest.raises(NoSuchAgent):
        sessions.interrupt(log, agent, by="ann")
    assert sessions.sessions(log) == {} and health.differing(log) == []


def test_usage_is_summed_by_agent_day_and_model(log: Log) -> None:
    """Reports are deltas; one whose cost is not known is counted as such, not as free."""
    spawn(log, "a")
    sessions.say(log, "a", used("a", tokens=10, cost=5), used("a", tokens=1, cost=None))
    (row,) = budgets.usage(log)
    assert (row["agent"], row["model"], row["input"], row["cost"], row["unpriced"]) == ("a", "m", 11, 5, 1)
    assert session(log, "a")["usage"]["m"]["input"] == 11


def test_a_budget_holds_for_the_tree(log: Log) -> None:
    """At 80 % of a budget there is an event; at all of it everything below is told to stop, and no more is spawned."""
    spawn(log, "a", kind=None, budget={"usd": 100, "tokens": None})
    spawn(log, "b", parent="a")
    spawn(log, "c", parent="b")
    spawn(log, "d", parent="a", kind=None)
    spawn(log, "x")
    sessions.say(log, "c", used("c", cost=79))
    assert log.read(events.agent_stream("a")) == []
    sessions.say(log, "b", used("b", cost=1))
    sessions.say(log, "b", used("b", cost=1))
    sessions.say(log, "c", used("c", cost=30))
    budget = [(one.type, one.data["spent"]) for one in log.read(events.agent_stream("a"))]
    assert budget == [("budget:warned", 80), ("budget:exhausted", 111)]
    inboxes = {one: [record.type for record in log.read(events.inbox_stream(one))] for one in "abcdx"}
    stopped, cancelled = ["session:stopped"], ["cancel:requested"]
    assert inboxes == {"a": cancelled, "b": stopped, "c": stopped, "d": cancelled, "x": []}
    assert budgets.may_begin(log, "c") == "the budget of agent a is spent: usd"
    assert budgets.may_begin(log, "x") is None
    with pytest.raises(TreeRefused, match="the budget of agent a is spent: usd"):
        spawn(log, "e", parent="c")


def test_no_turn_is_begun_once_a_budget_is_spent(log: Log) -> None:
    """Also where who is to take it had been told that it may: the budget is looked at again as the turn is begun."""
    spawn(log, "a", budget={"usd": None, "tokens": 10})
    spawn(log, "b", parent="a")
    turn = send(log, "b", "one")
    assert budgets.may_begin(log, "b") is None
    sessions.say(log, "a", used("a", tokens=12))
    assert sessions.begin(log, "b", 1) is None
    assert session(log, "b")["waiting"] == [turn]
    begun = sessions.begin(log, "b", 1, to_fail=True)
    assert begun is not None and begun.turn == turn


def test_a_spent_budget_is_said_once(log: Log) -> None:
    """What turns under way use after it is spent, and reports that come twice, have nobody told again."""
    spawn(log, "a", budget={"usd": 100, "tokens": 1000})
    spawn(log, "b", parent="a")
    for number, tokens in enumerate((10, 2000, 5, 5)):
        for _ in range(2):
            sessions.say(log, "b", used("b", tokens=tokens, cost=60), producer=Producer("host", 0, number))
    budget = [(one.type, one.data["limit"], one.data["spent"]) for one in log.read(events.agent_stream("a"))]
    assert budget == [("budget:exhausted", "usd", 120)]
    stopped = [log.read(events.inbox_stream(one), types=[said.SESSION_STOPPED]) for one in "ab"]
    assert [len(one) for one in stopped] == [1, 1]
    assert budgets.usage(log)[0]["cost"] == 240


def test_no_command_is_started_again_on_a_spent_budget(log: Log) -> None:
    """A command that had just ended when the budget above it was spent stays so, whatever its policy."""
    spawn(log, "a", budget={"usd": None, "tokens": 10})
    spawn(log, "b", parent="a", kind=None)
    registry.publish(log, happened("b", "agent:exited", outcome="failed"))
    sessions.say(log, "a", used("a", tokens=12))
    again = happened("b", "agent:restarted", run=2)
    with pytest.raises(NotPossible, match="the budget of agent a is spent: tokens"):
        registry.publish(log, again)
    agent = registry.get(log, "a")
    assert agent is not None
    budgets.change(log, agent, usd=None, tokens=20, by="me")
    registry.publish(log, again)


def test_a_budget_of_nothing_is_one(log: Log) -> None:
    """Where nothing may be used, a budget that is set to that stops the tree at once, and a first report does."""
    for one, budget in (("a", None), ("b", {"usd": 0, "tokens": None})):
        spawn(log, one, budget=budget)
    agent = registry.get(log, "a")
    assert agent is not None
    budgets.change(log, agent, usd=None, tokens=0, by="me")
    sessions.say(log, "b", used("b", cost=1))
    assert budgets.may_begin(log, "a") == "the budget of agent a is spent: tokens"
    assert budgets.may_begin(log, "b") == "the budget of agent b is spent: usd"


def test_what_counts_against_a_budget_is_not_removed(log: Log) -> None:
    """Who has used some of a budget above it goes after whose budget that is: otherwise it could be spent again."""
    spawn(log, "a", kind=None, budget={"usd": None, "tokens": 10})
    spawn(log, "b", parent="a")
    sessions.say(log, "b", used("b", tokens=9))
    for one in ("b", "a"):
        registry.publish(log, happened(one, "agent:exited", outcome="completed"))
    ended = {one["id"]: one for one in registry.agents(log, ended=True)}
    with pytest.raises(NotPossible, match="what agent b has used counts against the budget of agent a"):
        registry.remove(log, ended["b"])
    assert budgets.get(log, ended["a"])["spent"]["tokens"] == 9
    assert [one["id"] for one in pruning.due(log, Policy(keep=0))] == ["a"]
    for one in ("a", "b"):
        registry.remove(log, ended[one])
    assert registry.agents(log, ended=True) == [] and budgets.usage(log) == []


def test_who_lives_below_a_cap_stays_below_it(log: Log) -> None:
    """An ended agent is not removed while others live below it that a cap above it counts."""
    spawn(log, "a", kind=None, caps={"depth": None, "children": 2})
    spawn(log, "b", parent="a")
    spawn(log, "c", parent="b")
    gone = end(log, "b")
    with pytest.raises(NotPossible, match="agents below agent b live, and count against the caps of agent a"):
        registry.remove(log, gone)
    end(log, "c")
    registry.remove(log, gone)


@pytest.mark.parametrize("above", [{"budget": {"usd": None, "tokens": 10}}, {"caps": {"depth": 1, "children": None}}])
def test_who_lives_below_keeps_what_stands_above_it(log: Log, above: dict[str, Any]) -> None:
    """An ended agent with a budget or a cap is not removed, nor pruned, while agents live below it: these hold on."""
    spawn(log, "a", **above)
    spawn(log, "b", parent="a")
    gone = end(log, "a")
    with pytest.raises(NotPossible, match="agents below agent a live, and its budget or caps hold for them"):
        registry.remove(log, gone)
    assert pruning.due(log, Policy(keep=0)) == []
    end(log, "b")
    registry.remove(log, gone)


def test_a_budget_that_is_set_later_stays_too(log: Log) -> None:
    """A budget that was set after the agent was spawned keeps it likewise, until it is taken away."""
    spawn(log, "a")
    spawn(log, "b", parent="a")
    gone = end(log, "a")
    budgets.change(log, gone, usd=5, tokens=None, by="me")
    with pytest.raises(NotPossible, match="agents below agent a live"):
        registry.remove(log, gone)
    budgets.change(log, gone, usd=None, tokens=None, by="me")
    registry.remove(log, gone)


def test_what_counts_far_above_is_not_removed(log: Log) -> None:
    """A budget counts whoever is below it, however far: what is between has none."""
    spawn(log, "a", budget={"usd": None, "tokens": 10})
    spawn(log, "b", parent="a")
    spawn(log, "c", parent="b")
    gone = end(log, "c")
    with pytest.raises(NotPossible, match="what agent c has used counts against the budget of agent a"):
        registry.remove(log, gone)


def test_a_budget_that_is_raised_lets_the_tree_go_on(log: Log) -> None:
    """After another budget is set, turns may be begun until that is spent; one below what was spent stops at once."""
    spawn(log, "a", budget={"usd": None, "tokens": 10})
    agent = registry.get(log, "a")
    assert agent is not None
    sessions.say(log, "a", used("a", tokens=12))
    assert budgets.may_begin(log, "a")
    budgets.change(log, agent, usd=None, tokens=20, by="me")
    assert budgets.may_begin(log, "a") is None
    budgets.change(log, agent, usd=None, tokens=11, by="me")
    assert budgets.may_begin(log, "a")


def test_caps_hold_for_the_tree(log: Log) -> None:
    """How deep and how many agents live below one is decided by the log's parents, whoever spawns."""
    spawn(log, "a", caps={"depth": 2, "children": 3})
    spawn(log, "b", parent="a")
    spawn(log, "c", parent="b")
    with pytest.raises(TooDeep, match="below a may be 2 deep, and this would be 3"):
        spawn(log, "d", parent="c")
    spawn(log, "e", parent="b")
    with pytest.raises(TreeRefused, match="3 agents live below a, and 3 is the most"):
        spawn(log, "f", parent="b")
    end(log, "c")
    spawn(log, "f", parent="b")


@pytest.mark.parametrize("kind", [None, "claude"])
def test_caps_hold_for_who_is_started_again(log: Log, kind: str | None) -> None:
    """An ended agent, of a kind or not, takes a place in its tree again, and needs one; what lives on needs none."""
    spawn(log, "a", kind=None, caps={"depth": None, "children": 1})
    spawn(log, "b", kind=kind, parent="a")
    registry.publish(log, happened("b", "agent:exited", outcome="failed"))
    spawn(log, "c", parent="a")
    again = happened("b", "agent:restarted", run=2)
    with pytest.raises(NoRoom, match="1 agents live below a, and 1 is the most"):
        registry.publish(log, again)
    recovered = again._replace(data={**again.data, "reason": "recovered"})
    registry.publish(log, recovered)
    registry.publish(log, happened("b", "agent:lost"), happened("c", "agent:exited", outcome="failed"))
    registry.publish(log, happened("b", "agent:restarted", run=3))


def test_a_tree_without_a_cap_has_one(log: Log) -> None:
    """Where nobody says, 200 agents live below the topmost, whoever between has spawned them."""
    spawn(log, "a", kind=None)
    spawn(log, "b", parent="a")
    spawned = happened("c", "agent:spawned")._replace(data={**happened("c", "agent:spawned").data, "parent": "b"})
    registry.publish(log, *(spawned._replace(key=f"c{n}") for n in range(199)))
    with pytest.raises(TreeRefused, match="200 agents live below a, and 200 is the most"):
        registry.publish(log, spawned)


def test_a_waiting_agent_says_what_for(log: Log) -> None:
    """Waiting and going on again are states; what is said twice, or of one that has ended, changes nothing."""
    spawn(log, "a")
    for _ in range(2):
        sessions.wait(log, "a", 1, "approval")
    found = registry.get(log, "a")
    assert found is not None
    assert (found["state"], found["waiting_for"]) == ("waiting", "approval")
    for _ in range(2):
        sessions.resume(log, "a", 1)
    found = registry.get(log, "a")
    assert found is not None
    assert (found["state"], found["waiting_for"]) == ("running", None)


def test_the_rows_are_what_the_events_say(log: Log) -> None:
    """Rows of sessions, approvals and usage that are written anew from the events are the same rows."""
    spawn(log, "a")
    turn = send(log, "a", "one")
    sessions.begin(log, "a", 1)
    sessions.say(log, "a", wish("a", "pqrstuvw"), used("a", tokens=3))
    approvals.answer(log, "pqrstuvw", granted=True, by="ann")
    sessions.say(log, "a", completed("a", turn))
    before = session(log, "a"), approvals.asked(log, pending=False), budgets.usage(log)
    assert health.differing(log) == []
    with log.transaction() as transaction:
        transaction.execute("UPDATE sessions SET session = json_set(session, '$.sent', 7)", {})
    assert health.differing(log) == ["a"]
    registry.rebuild(log)
    assert (session(log, "a"), approvals.asked(log, pending=False), budgets.usage(log)) == before
    assert health.differing(log) == []


def test_a_removed_agent_takes_its_session_along(log: Log) -> None:
    """With an agent go its session, its approvals, and what it used."""
    spawn(log, "a")
    sessions.say(log, "a", wish("a", "pqrstuvw"), used("a", tokens=3))
    agent = end(log, "a")
    registry.remove(log, agent)
    assert sessions.get(log, "a") is None
    assert approvals.asked(log, pending=False) == []
    assert budgets.usage(log) == []


def test_a_session_is_the_same_in_another_log(log: Log, tmp_path: Path) -> None:
    """An export that another log takes in brings sessions, approvals and usage along, as they were."""
    spawn(log, "a")
    send(log, "a", "one")
    sessions.begin(log, "a", 1)
    sessions.say(log, "a", wish("a", "pqrstuvw"), used("a", tokens=3))
    end(log, "a")
    lines = "".join(transfer.export(log))
    (tmp_path / "other").mkdir(mode=0o700)
    with Log(Home(str(tmp_path / "other"))) as other:
        transfer.take_in(other, io.BytesIO(lines.encode()))
        assert sessions.get(other, "a") == sessions.get(log, "a")
        assert approvals.asked(other) == approvals.asked(log)
        assert budgets.usage(other) == budgets.usage(log)
        assert health.differing(other) == []


def test_a_session_that_was_removed_and_imported_again_is_whole(log: Log) -> None:
    """An agent that comes back from its export has its session, for the proof and the repair too."""
    spawn(log, "a")
    send(log, "a", "one")
    sessions.say(log, "a", wish("a", "pqrstuvw"), used("a", tokens=3))
    agent = end(log, "a")
    lines = "".join(transfer.export(log, [agent]))
    before = session(log, "a"), approvals.asked(log), budgets.usage(log)
    registry.remove(log, agent)
    transfer.take_in(log, io.BytesIO(lines.encode()))
    assert health.differing(log) == []
    registry.rebuild(log)
    assert (session(log, "a"), approvals.asked(log), budgets.usage(log)) == before
