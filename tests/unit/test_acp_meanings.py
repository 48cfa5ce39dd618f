"""What agents' errors, sums and answers mean to the driver of ACP: the pure parts."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from acp.exceptions import RequestError

from swarmctl.host.driver import DriverError, NotLoggedIn, SessionGone
from swarmctl.host.drivers.acp import asking, counting, failing, gemini, traits
from swarmctl.host.drivers.acp.updates import Delta, Hearing
from swarmctl.host.facts import Answer, Message, Option, ToolCalled, ToolFinished, Usage

NOW = 1_000_000_000.0
UUID = "0bd979b6-c121-48d0-aaf2-e897af066809"


@pytest.mark.parametrize(
    ("said", "retry_at"),
    [
        ("Internal error: API Error: 500 overloaded", None),
        ("Claude AI usage limit reached|1760000000", 1_760_000_000.0),
        ("You've hit your usage limit. Try again in 2 hours 5 minutes.", NOW + 7500),
        ("Rate limit reached for gpt in organization: Please try again in 1.5s.", NOW + 1.5),
        ("exceeded retry limit, last status: 429 Too Many Requests", 0.0),
        ("Quota exceeded, your quota will reset after 3h12m.", NOW + 11520),
    ],
)
def test_when_a_quota_allows_more(said: str, retry_at: float | None) -> None:
    """A quota's error says from when on to go on, or that nobody knows; any other error says nothing of it."""
    assert failing.retry_at(said, NOW) == retry_at


def test_a_code_tells_a_quota_too() -> None:
    """429 as the code, or as the kind, of an error is a quota, whatever its text is."""
    assert failing.failed(RequestError(429, "slow down"), NOW).retry_at == 0.0
    assert failing.failed(RequestError(-32603, "no", {"errorKind": "rate_limit"}), NOW).retry_at == 0.0
    assert failing.failed(RequestError(-32603, "no"), NOW).retry_at is None


@pytest.mark.parametrize(
    ("code", "message", "data", "kind"),
    [
        (-32000, "Authentication required", None, NotLoggedIn),
        (-32002, "Resource not found", {"sessionId": "x"}, SessionGone),
        (-32603, "Internal error", {"details": "no rollout found for thread id x"}, SessionGone),
        (-32603, "Internal error", {"details": "No previous sessions found for this project."}, SessionGone),
        (-32603, "Internal error: OpenCode service failure", {"service": "session"}, SessionGone),
        (-32603, "Internal error: no", {"service": "session", "errorName": "APIError"}, DriverError),
        (-32603, "Internal error: disk full", None, DriverError),
    ],
)
def test_why_a_session_is_not_resumed(code: int, message: str, data: Any, kind: type[DriverError]) -> None:
    """That nobody is logged in, or the session is gone, is told apart from other trouble, in one line."""
    error = failing.opening(RequestError(code, message, data), "agent", "x")
    assert type(error) is kind and "\n" not in error.message


def test_a_new_session_cannot_be_gone() -> None:
    """Where none was asked for, what is not found is something else."""
    assert type(failing.opening(RequestError(-32002, "Resource not found"), "agent", None)) is DriverError


@pytest.mark.parametrize(
    ("stop", "outcome"),
    [
        ("end_turn", "completed"),
        ("max_tokens", "limited"),
        ("max_turn_requests", "limited"),
        ("refusal", "refused"),
        ("cancelled", "interrupted"),
        ("?", "failed"),
        (None, "failed"),
    ],
)
def test_what_a_stop_reason_means(stop: Any, outcome: str) -> None:
    """Each stop reason is an outcome, and one that is not known is no success."""
    ended = failing.ended(stop, is_failing=False, has_denied=False, notice=None, now=NOW)
    assert ended.outcome == outcome


def test_a_turn_that_ends_for_a_denial_is_denied() -> None:
    """Where nobody interrupted and something was denied, a cancelled turn is a denied one."""
    assert failing.ended("cancelled", is_failing=False, has_denied=True, notice=None, now=NOW).outcome == "denied"


OFFERED = (
    Option("a", "allow_always", "Always"),
    Option("o", "allow_once", "Once"),
    Option("r", "reject_once", "No"),
)


def test_answers_are_chosen_by_kind() -> None:
    """The narrowest option of the kind is chosen, whatever its id and place; without one the request is cancelled."""
    assert asking.answered(Answer(True), OFFERED)["outcome"]["optionId"] == "o"
    assert asking.answered(Answer(False), OFFERED)["outcome"]["optionId"] == "r"
    assert asking.answered(Answer(True, option="a"), OFFERED)["outcome"]["optionId"] == "a"
    assert asking.answered(Answer(False), OFFERED[:2]) == asking.CANCELLED


def test_senseless_options_are_left_out() -> None:
    """What is offered and is no option, or of no known kind, is not offered on."""
    offered = [{"optionId": "o", "kind": "allow_once"}, {"optionId": 7}, None, {"optionId": "x", "kind": "maybe"}]
    assert asking.options(offered) == (Option("o", "allow_once", "o"),)
    assert asking.options("?") == ()


def test_sums_become_deltas() -> None:
    """Of a sum that is told again and again only what is new counts, from what earlier runs have reported on."""
    before = {"m": Usage("m", 30, 3, cost=5), "n": Usage("n", 20, 2)}
    counter = counting.Counter(before)
    assert counter.since([Usage("m", 35, 4, cost=7)]) == [Usage("m", 5, 1, cost=2)]
    assert counter.since([Usage("m", 35, 4, cost=7)]) == []
    assert counter.since([Usage("n", 21, 2), Usage("o", 1)]) == [Usage("n", 1), Usage("o", 1)]
    counter = counting.Counter({"": counting.total(before.values())})
    assert counter.since([Usage(None, 60, 5, cost=9)]) == [Usage(None, 10, cost=4)]


def test_sums_of_others_are_not_ours() -> None:
    """Where nobody knows what was counted before, the first sum is where counting begins."""
    counter = counting.Counter(None)
    assert counter.since([Usage("m", 35, cost=7)]) == []
    assert counter.since([Usage("m", 36, cost=9)]) == [Usage("m", 1, cost=2)]


def test_a_cost_that_goes_back_begins_anew() -> None:
    """An agent that was killed before it had saved its counter tells what it has cost since, and that is told."""
    counter = counting.Counter({"": Usage(None, 30, cost=300)})
    assert counter.since([Usage(None, cost=100)]) == [Usage(None, cost=100)]
    assert counter.since([Usage(None, cost=180)]) == [Usage(None, cost=80)]


def test_what_was_told_otherwise_is_taken_off_the_sums() -> None:
    """Whatever model they say it is of, and from later ones what is more than they have yet."""
    counter = counting.Counter({"m": Usage("m", 30)})
    counter.tell([Usage("auto", 10, 5)])
    assert counter.since([Usage("m", 36, 5)]) == []
    assert counter.since([Usage("m", 41, 6), Usage("n", 2)]) == [Usage("m", 1, 1), Usage("n", 2)]
    counter = counting.Counter(None)
    counter.tell([Usage("auto", 10, 5)])
    assert counter.since([Usage("m", 99, 9)]) == []
    assert counter.since([Usage("m", 100, 9)]) == [Usage("m", 1)]


def hear(*updates: dict[str, Any], name: str = "OpenCode") -> list[Any]:
    """What comes of some updates and the end of their turn."""
    hearing = Hearing("/place")
    hearing.traits = traits.of(name)
    hearing.begin()
    said = [fact for update in updates for fact in hearing.hear(update)]
    return [fact for fact in [*said, *hearing.end()] if not isinstance(fact, Delta)]


def chunk(text: str, kind: str = "agent_message_chunk", **more: Any) -> dict[str, Any]:
    return {"sessionUpdate": kind, "content": {"type": "text", "text": text}, **more}


def test_messages_are_whole() -> None:
    """Pieces are joined until another message, a thought or a call of a tool begins."""
    assert hear(
        chunk("a ", messageId="1"),
        chunk("b", messageId="1"),
        chunk("c", messageId="2"),
        chunk("hm", "agent_thought_chunk"),
        {"sessionUpdate": "tool_call", "toolCallId": "t", "title": "ls", "kind": "execute", "status": "in_progress"},
        chunk("d"),
    ) == [
        Message("assistant", "a b"),
        Message("assistant", "c"),
        Message("thought", "hm"),
        ToolCalled("t", "execute", "ls", {"command": "ls"}),
        Message("assistant", "d"),
        ToolFinished("t", "interrupted", ""),
    ]


def test_other_content_is_named() -> None:
    """A picture or a link is no text, but is not lost without a word."""
    assert hear(
        {"sessionUpdate": "agent_message_chunk", "content": {"type": "image", "data": "…"}},
        {"sessionUpdate": "agent_message_chunk", "content": {"type": "resource_link", "uri": "file:///x"}},
    ) == [Message("assistant", "[image][resource_link file:///x]")]


def test_an_edit_tells_its_file() -> None:
    """A change of a file is told with its path as input, and what is written as output."""
    diff = {"type": "diff", "path": "/p/a.py", "oldText": "1", "newText": "2"}
    call = {"sessionUpdate": "tool_call", "toolCallId": "t", "kind": "edit", "status": "in_progress", "content": [diff]}
    done = {"sessionUpdate": "tool_call_update", "toolCallId": "t", "status": "completed", "content": [diff]}
    assert hear(call, done) == [
        ToolCalled("t", "edit", "edit", {"path": "/p/a.py"}),
        ToolFinished("t", "completed", "/p/a.py\n2"),
    ]


def patch(*paths: str) -> dict[str, Any]:
    """codex begins a change of files: there is a diff of each, under the name it will have."""
    diffs = [{"type": "diff", "path": path, "oldText": "1", "newText": "2"} for path in paths]
    return {"sessionUpdate": "tool_call", "toolCallId": "p", "title": "Editing files", "kind": "edit", "content": diffs}


def request(*paths: str, **more: Any) -> dict[str, Any]:
    """And asks for it with the names that they have now."""
    places = [{"path": path} for path in paths]
    return {"toolCall": {"toolCallId": "p", "title": "Edit files", "kind": "edit", "locations": places, **more}}


def test_a_change_of_several_files_tells_them_all() -> None:
    """Those of the request and of the call before it, once each, in its input and in its title."""
    hearing = Hearing("/place")
    hearing.hear(patch("/place/src/a.py", "/place/moved.py"))
    home = str(Path.home() / ".bashrc")
    said, wish = hearing.wish(request("/place/src/a.py", "/place/b.py", home, "/place/src/../../etc/x"))
    paths = ["/place/src/a.py", "/place/moved.py", "/place/b.py", home, "/place/src/../../etc/x"]
    assert wish.input == {"paths": paths} and wish.title == "src/a.py, moved.py, b.py, ~/.bashrc, /etc/x"
    assert said == [ToolCalled("p", "edit", wish.title, wish.input)]


def test_a_change_of_one_file_tells_its_path() -> None:
    """However often it is named; the title is the agent's."""
    hearing = Hearing("/place")
    hearing.hear(patch("/place/a.py", "/place/a.py"))
    _, wish = hearing.wish(request("/place/a.py"))
    assert (wish.title, wish.input) == ("Edit files", {"path": "/place/a.py"})


def test_where_what_is_given_says_more_than_the_places() -> None:
    """What only looks at several files is told by its input, where that has a path or a command; a change never is."""
    paths = ["/place/a.py", "/place/b.py"]
    for given in ({"file_path": "/place/a.py"}, {"command": "cat a b"}):
        _, looks = Hearing("/place").wish(request(*paths, kind="search", rawInput=given))
        assert (looks.title, looks.input) == ("Edit files", given)
        _, changes = Hearing("/place").wish(request(*paths, rawInput=given))
        assert (changes.title, changes.input) == ("a.py, b.py", {**given, "paths": paths})
    _, looks = Hearing("/place").wish(request(*paths, kind="search", rawInput={"reason": "x"}))
    assert (looks.title, looks.input) == ("a.py, b.py", {"reason": "x", "paths": paths})


def test_a_title_names_no_more_files_than_can_be_read() -> None:
    """The first ones, and how many more there are."""
    _, wish = Hearing("/place").wish(request(*(f"/place/{number:030}.py" for number in range(100))))
    assert len(wish.title) < 220 and wish.title.endswith(".py, and 95 more") and len(wish.input["paths"]) == 100


def test_of_ended_calls_only_their_ids_are_kept() -> None:
    """A long session keeps nothing of what its tools gave; what comes late of a call that has ended is not told."""
    hearing = Hearing("/place")
    call = {"sessionUpdate": "tool_call", "kind": "execute", "title": "ls", "status": "completed"}
    tracemalloc.start()
    for number in range(100):
        assert len(hearing.hear({**call, "toolCallId": f"t{number}", "rawOutput": "x" * 100_000 + str(number)})) == 2
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000
    assert hearing.hear({**call, "toolCallId": "t7"}) == []
    said, wish = hearing.wish({"toolCall": {"toolCallId": "t7", "title": "rm x", "kind": "execute"}})
    assert (said, wish.input) == ([], {"command": "rm x"})
    assert hearing.end() == []


def test_a_plan_is_a_notice() -> None:
    """A plan is told when it changes."""
    entries = [{"content": "look", "status": "completed"}, {"content": "mend", "status": "pending"}]
    plan = {"sessionUpdate": "plan", "entries": entries}
    assert hear(plan, plan) == [Message("notice", "plan:\n[x] look\n[ ] mend")]


def test_geminis_file_tells_all_tokens(tmp_path: Path) -> None:
    """Of each message once, whatever is written again, with what was cached and thought."""
    tokens = '"tokens":{"input":100,"output":5,"cached":40,"thoughts":2,"tool":0,"total":107},"model":"g"'
    answer = f'{{"id":"2","type":"gemini",{tokens}}}'
    again = f'{{"$set":{{"messages":[{answer}]}}}}'
    chat(tmp_path, "session-2026-11-21T02-10-0bd979b6-af066809.jsonl", f"{HEADER}{TURN}{answer}\n{answer}\n{again}\n")
    ledger = gemini.Ledger({"HOME": str(tmp_path)})
    assert asyncio.run(ledger.sums(UUID)) == [Usage("g", 60, 7, 40, 0, 2)]
    assert asyncio.run(ledger.sums("ffffffff-unknown")) is None


HEADER = f'{{"sessionId":"{UUID}","kind":"main"}}\n'
TURN = '{"id":"1","type":"user","content":[{"text":"hello"}]}\n'


def chat(home: Path, name: str, text: str) -> Path:
    path = home / ".gemini" / "tmp" / "project" / "chats" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_geminis_session_is_kept_from_gemini(tmp_path: Path) -> None:
    """The file of a session that is resumed gets a name that gemini neither uses nor clears away, once."""
    kept = chat(tmp_path, "session-2026-11-21T02-10-0bd979b6.jsonl", HEADER + TURN)
    for _ in range(2):
        gemini.keep(UUID, {"HOME": str(tmp_path)})
        assert [path.name for path in kept.parent.iterdir()] == ["session-2026-11-21T02-10-0bd979b6-af066809.jsonl"]


def test_other_files_of_gemini_are_left_alone(tmp_path: Path) -> None:
    """What is empty, another session's, or no session's keeps its name."""
    empty = '{"$set":{"messages":[{"id":"1","type":"user"}]}}\n'
    names = {
        chat(tmp_path, "session-2026-11-21T02-10-0bd979b6.jsonl", HEADER + empty),
        chat(tmp_path, "session-2026-11-21T02-11-0bd979b6.jsonl", HEADER.replace("c121", "c122") + TURN),
        chat(tmp_path, "session-2026-11-21T02-12-0bd979b6.jsonl", "?"),
    }
    gemini.keep(UUID, {"HOME": str(tmp_path)})
    assert set(next(iter(names)).parent.iterdir()) == names
    gemini.keep("../../x", {"HOME": str(tmp_path)})
