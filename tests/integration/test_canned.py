"""The canned model API that agents are tested with: what it says, what it holds, and what it counts."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from support.canned import Canned, Tokens, canning
from support.canned.dialogue import spoken_by_user
from support.canned.script import steps
from support.looking import until

SHELL = {
    "anthropic": [{"name": "Bash", "input_schema": {}}, {"name": "mcp__swarm__list", "input_schema": {}}],
    "responses": [{"type": "function", "name": "exec_command"}],
    "chat": [{"type": "function", "function": {"name": "bash"}}],
    "gemini": [{"functionDeclarations": [{"name": "run_shell_command"}]}],
}
PATHS = {
    "anthropic": "/v1/messages",
    "responses": "/v1/responses",
    "chat": "/v1/chat/completions",
    "gemini": "/v1beta/models/canned-1:generateContent",
}


@pytest.fixture
def canned() -> Iterator[Canned]:
    with canning() as server:
        yield server


def body(api: str, *users: str, result: str | None = None, **more: Any) -> dict[str, Any]:
    """A request of that API: the user's texts, and the result of a tool after the last."""
    made: dict[str, Any] = {"model": "canned-1", "tools": SHELL[api], **more}
    if api == "gemini":
        made["contents"] = [{"role": "user", "parts": [{"text": text}]} for text in users]
        if result is not None:
            part = {"functionResponse": {"name": "run_shell_command", "response": {"output": result}}}
            made["contents"].append({"role": "user", "parts": [part]})
    elif api == "responses":
        made["input"] = [{"type": "message", "role": "user", "content": text} for text in users]
        if result is not None:
            made["input"].append({"type": "function_call_output", "call_id": "1", "output": result})
    else:
        made["messages"] = [{"role": "user", "content": text} for text in users]
        if result is not None and api == "anthropic":
            block = {"type": "tool_result", "tool_use_id": "1", "content": result}
            made["messages"].append({"role": "user", "content": [block]})
        elif result is not None:
            made["messages"].append({"role": "tool", "tool_call_id": "1", "content": result})
    return made


def ask(canned: Canned, api: str, *users: str, result: str | None = None, **more: Any) -> httpx.Response:
    return httpx.post(canned.url + PATHS[api], json=body(api, *users, result=result, **more), trust_env=False)


@pytest.mark.parametrize("api", PATHS)
def test_says_how_many_turns_it_was_told(canned: Canned, api: str) -> None:
    """A prompt that is no script is answered with the number of the user's turns, in the form of each API."""
    assert "HELLO users=2 last=and now?" in ask(canned, api, "hi", "and now?").text


@pytest.mark.parametrize("api", PATHS)
def test_calls_a_tool_and_tells_its_result(canned: Canned, api: str) -> None:
    """TOOL is one call of the shell; with its result there, the turn ends."""
    said = ask(canned, api, "TOOL:touch made.txt").text
    assert "touch made.txt" in said and "DONE" not in said
    assert "DONE tool_result=" in ask(canned, api, "TOOL:touch made.txt", result="fine").text


@pytest.mark.parametrize("api", PATHS)
def test_streams_what_it_would_say(canned: Canned, api: str) -> None:
    """A stream has the same answer, whole, and its tokens."""
    path = PATHS[api].replace("generateContent", "streamGenerateContent")
    sent = body(api, "hi") | {"stream": True}
    with httpx.stream("POST", canned.url + path, json=sent, trust_env=False) as got:
        data = [line.removeprefix("data: ") for line in got.iter_lines() if line.startswith("data: ")]
    assert any("HELLO users=1" in one for one in data)
    assert canned.served(api).only.tokens == canned.served().tokens
    assert str(canned.served().tokens.output) in "".join(data)


def test_a_script_has_steps(canned: Canned) -> None:
    """Lines are done one after the other: two calls in one answer, a call of another tool, then the text."""
    prompt = 'TOOLS:echo a && echo b\nMCP:list {"all": true}\nSAY:all done'
    first = ask(canned, "anthropic", prompt).json()
    assert [block["input"]["command"] for block in first["content"]] == ["echo a", "echo b"]
    results = [{"type": "tool_result", "tool_use_id": str(n), "content": "x"} for n in range(3)]
    messages: list[dict[str, Any]] = [{"role": "user", "content": prompt}, {"role": "user", "content": results[:2]}]
    second = httpx.post(
        canned.url + "/v1/messages", json=body("anthropic") | {"messages": messages}, trust_env=False
    ).json()
    assert second["content"][0]["name"] == "mcp__swarm__list" and second["content"][0]["input"] == {"all": True}
    messages[1]["content"] = results
    third = httpx.post(canned.url + "/v1/messages", json=body("anthropic") | {"messages": messages}, trust_env=False)
    assert third.json()["content"][0]["text"] == "all done"


def test_a_loop_never_ends(canned: Canned) -> None:
    """LOOP calls again whatever came of the last call, each time another command."""
    results = [{"type": "tool_result", "tool_use_id": str(n), "content": "x"} for n in range(40)]
    messages = [{"role": "user", "content": "LOOP:echo on"}, {"role": "user", "content": results}]
    got = httpx.post(canned.url + "/v1/messages", json=body("anthropic") | {"messages": messages}, trust_env=False)
    assert got.json()["content"][0]["input"]["command"] == "echo on #40"


@pytest.mark.parametrize("api", PATHS)
def test_fails_as_often_as_it_is_told(canned: Canned, api: str) -> None:
    """FAIL:429*2 fails twice, with the headers that say when to try again, and then goes on."""
    prompt = "FAIL:429*2 retry-after=7\nSAY:at last"
    first, second = ask(canned, api, prompt), ask(canned, api, prompt)
    assert (first.status_code, second.status_code, first.headers["retry-after"]) == (429, 429, "7")
    assert "at last" in ask(canned, api, prompt).text
    served = canned.served().only
    assert (served.requests, served.failed, served.turns) == (1, 2, 1)


def test_holds_an_answer_until_it_is_let_go(canned: Canned) -> None:
    """HOLD gives nothing before the test says so."""
    got: list[str] = []
    asking = threading.Thread(target=lambda: got.append(ask(canned, "chat", "HOLD:here\nSAY:now").text))
    asking.start()
    canned.wait_held("here")
    assert (got, canned.served().requests) == ([], 0)
    canned.let_go("here")
    asking.join()
    assert "now" in got[0]


def test_paces_a_slow_answer_by_steps(canned: Canned) -> None:
    """SLOW sends its next chunk when the test takes a step."""
    sent = body("chat", "SLOW:3") | {"stream": True}
    with httpx.stream("POST", canned.url + PATHS["chat"], json=sent, trust_env=False) as got:
        lines = (line for line in got.iter_lines() if '"content": "chunk' in line)
        assert "chunk0" in next(lines)
        canned.wait_held("chunk")
        canned.step()
        assert "chunk1" in next(lines)
        canned.flow()
        assert "chunk2" in next(lines)


def test_counts_what_was_dropped_apart(canned: Canned) -> None:
    """An answer whose reader has gone away is dropped: its tokens are nobody's."""
    sent = body("chat", "SLOW") | {"stream": True}
    with httpx.stream("POST", canned.url + PATHS["chat"], json=sent, trust_env=False) as got:
        next(got.iter_lines())
        canned.wait_held("chunk")
    canned.flow()
    until(lambda: canned.ledger.requests, "the dropped request")
    only = canned.served().only
    assert (only.requests, only.dropped, only.tokens) == (0, 1, Tokens())


def test_counts_asides_apart(canned: Canned) -> None:
    """A request without tools is the agent's own (a title, say): no turn of the user's, and its tokens are apart."""
    ask(canned, "anthropic", "hi")
    ask(canned, "anthropic", "What is the title of this?", tools=[])
    served = canned.served()
    assert (served.requests, served.asides, served.only.users) == (1, 1, ("hi",))
    assert served.tokens != served.aside_tokens


def test_no_two_requests_cost_the_same(canned: Canned) -> None:
    """One that is left out, or counted twice, is told by the sum; each API says the tokens in its own form."""
    for api in PATHS:
        ask(canned, api, "hi")
    assert len({one.tokens for one in canned.ledger.requests}) == len(PATHS)
    usage = ask(canned, "responses", "hi").json()["usage"]
    tokens = canned.ledger.requests[-1].tokens
    assert usage["input_tokens"] == tokens.input + tokens.cache_read
    assert usage["total_tokens"] == tokens.total


def test_leaves_out_what_the_agent_has_added() -> None:
    """What an agent's harness puts into a user's turn is none of the user's words."""
    assert spoken_by_user("<system-reminder>mind this</system-reminder>\nhello") == "hello"
    assert spoken_by_user("<environment_context>\n <cwd>/x</cwd>\n</environment_context>") == ""
    assert spoken_by_user("# AGENTS.md instructions for /x") == ""
    assert spoken_by_user("1 < 2 and <b>this</b> too") == "1 < 2 and  too"


def test_reads_directives_anywhere_in_a_line() -> None:
    """What stands before a directive is ignored, and HOLD belongs to what follows."""
    found = steps("please ESC TOOL:touch x\nHOLD:a\nTHINK:well\nSAY: done")
    assert [(one.verb, one.said, one.hold, one.thought) for one in found] == [
        ("TOOL", "touch x", None, ""),
        ("SAY", "done", "a", "well"),
    ]


def test_knows_a_session_by_the_agents_own_name(canned: Canned) -> None:
    """Claude Code names its session in the metadata; who names none is known by the first thing the user said."""
    ask(canned, "anthropic", "hi", metadata={"user_id": json.dumps({"session_id": "s-1"})})
    ask(canned, "chat", "hello")
    assert list(canned.served().conversations) == ["s-1", "hello"]
