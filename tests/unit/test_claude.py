"""Claude Code's protocol, read: who will be asked, how turns end, what they cost, what a session's history knows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from support.claude_room import spec
from swarmctl.host.drivers.claude import asking, command, ending, protocol, reading, transcript
from swarmctl.host.facts import Completed, Message, ToolFinished, Usage

# What Claude Code 2.1.329 was measured to do in its default mode.
FREE = (
    "ls -la|pwd|git status|cat big|cat big | head -1|echo hi|find . -name x|ls; pwd|ls && pwd|grep -r x .|git log -1"
    "|wc -l big|which ls|sed -n 1p big|sort big|true|rg x|du -sh .|stat big"
)
ASKED = (
    "python3 -c 1|ls && touch q|rm -rf x|cat /etc/passwd|ls /etc|cd /tmp && ls|env|npm test|awk 1 big|echo x > y"
    "|find . -delete|sed -i s/a/b/ x|echo `touch x`|echo $(touch x)|sleep 9 & ls|git push|cat ../../x|cat ~/.ssh/id|"
)


@pytest.mark.parametrize("shell", [*FREE.replace(" | ", " ¦ ").split("|")])
def test_a_command_that_reads_is_foretold_to_be_free(shell: str) -> None:
    """As Claude Code itself judges it."""
    assert not asking.will_ask("Bash", {"command": shell.replace("¦", "|")}, "default")


@pytest.mark.parametrize("shell", ASKED.split("|"))
def test_a_command_that_may_write_is_foretold_to_be_asked_about(shell: str) -> None:
    """Or one that nobody knows, or that leaves the directory."""
    assert asking.will_ask("Bash", {"command": shell}, "default")


HARMLESS = (
    "ls -la|git status|git branch -a|git log -1 --oneline|cat big ¦ head -1|sed -n 1,5p big|sort -u big|uniq -c big"
    "|find . -name 'x y'|grep -r 'a b' .|rg -n x|wc -l big|date|file big"
)
HARMFUL = (
    "sed -Ei s/a/b/ x|sed -ni p x|sed '1e touch q' x|sed -n 'w out' x|sed -n 1p '-i' x|sort -oout x|sort '-o' out x"
    "|sort --compress-program=./x y|find . '-delete'|find . -fprintf out %p|find . -fls out|git branch -D main"
    "|git branch new|git diff --outpu=x|git diff '--output=x'|uniq a b|rg --pre ./x y|date -s 2020-01-01|file -C -m x"
    "|cat $HOME/.ssh/id|echo 'a|find . \\-delete|cat '/etc/passwd'|tree -ao out"
)


@pytest.mark.parametrize("shell", HARMLESS.split("|"))
def test_what_changes_nothing_is_known_to(shell: str) -> None:
    """The policy auto-read lets it run."""
    assert asking.wish("c", "Bash", {"command": shell.replace("¦", "|")}, deferred=False).reads_only


@pytest.mark.parametrize("shell", HARMFUL.split("|"))
def test_what_may_change_something_is_not_taken_for_reading(shell: str) -> None:
    """Programs that read have options that write, or run others: nobody lets these run unasked."""
    assert not asking.wish("c", "Bash", {"command": shell}, deferred=False).reads_only


@pytest.mark.parametrize(
    ("tool", "mode", "allowed", "asks"),
    [
        ("Read", "default", [], False),
        ("Agent", "default", [], False),
        ("Write", "default", [], True),
        ("Write", "acceptEdits", [], False),
        ("Bash", "acceptEdits", [], True),
        ("Bash", "bypassPermissions", [], False),
        ("Bash", "auto", [], False),
        ("AskUserQuestion", "bypassPermissions", [], True),
        ("ExitPlanMode", "plan", [], True),
        ("mcp__swarm__spawn", "default", [], True),
        ("mcp__swarm__spawn", "default", ["mcp__swarm"], False),
        ("mcp__swarm__spawn", "default", ["mcp__swarm__spawn"], False),
        ("Write", "default", ["Edit"], False),
        ("Bash", "default", ["Bash(make:*)"], False),
        ("Bash", "default", ["Bash(make test)"], True),
        ("Bash", "default", ["Bash"], False),
    ],
)
def test_who_is_asked_follows_modes_and_the_users_own_rules(
    tool: str, mode: str, allowed: list[str], asks: bool
) -> None:
    """As Claude Code's settings say."""
    assert asking.will_ask(tool, {"command": "make clean"}, mode, allowed) is asks


OK: dict[str, Any] = {
    "subtype": "success",
    "is_error": False,
    "stop_reason": "end_turn",
    "terminal_reason": "completed",
}


@pytest.mark.parametrize(
    ("result", "outcome", "reason"),
    [
        ({}, "completed", None),
        ({"terminal_reason": None}, "completed", None),
        ({"permission_denials": [{"tool_name": "Bash", "tool_use_id": "a"}]}, "denied", "denied: Bash"),
        ({"permission_denials": [{"tool_name": "Bash", "tool_use_id": "question"}]}, "completed", None),
        ({"is_error": True, "result": "API Error:\n 500"}, "failed", "API Error: 500"),
        ({"terminal_reason": "hook_stopped"}, "failed", "hook_stopped"),
        ({"terminal_reason": "tool_deferred_unavailable"}, "failed", "tool_deferred_unavailable"),
        ({"terminal_reason": None, "stop_reason": "tool_deferred"}, "failed", "tool_deferred"),
        ({"subtype": "error_during_execution", "errors": ["a", "b"]}, "failed", "a; b"),
        ({"subtype": "error_max_turns", "terminal_reason": "max_turns"}, "limited", "max_turns"),
        ({"subtype": "error_max_budget_usd", "terminal_reason": "budget_exhausted"}, "limited", "budget_exhausted"),
        ({"stop_reason": "max_tokens"}, "limited", "completed"),
        ({"stop_reason": "refusal"}, "refused", "completed"),
        ({"subtype": "error_during_execution", "terminal_reason": "aborted_tools"}, "interrupted", None),
        ({"subtype": None}, "failed", "completed"),
    ],
)
def test_how_a_turn_ended(result: dict[str, Any], outcome: str, reason: str | None) -> None:
    """Well is only what is said to be; the reason is one line."""
    got = ending.completed({**OK, **result}, interrupted=True, not_denied={"question"})
    assert (got.outcome, got.retry_at) == (outcome, None)
    assert got.reason == reason or outcome in ("limited", "refused")


@pytest.mark.parametrize(
    ("result", "reset", "retry_at"),
    [
        ({"api_error_status": 429}, None, 0.0),
        ({"api_error_status": 429}, 1795000000.0, 1795000000.0),
        ({"result": "Claude AI usage limit reached|1795000000"}, None, 1795000000.0),
        ({"api_error_status": 500}, None, None),
    ],
)
def test_a_quota_says_when_to_try_again(result: dict[str, Any], reset: float | None, retry_at: float | None) -> None:
    """If Claude Code does; 0 where nobody knows."""
    assert ending.completed({**OK, "is_error": True, **result}, reset=reset).retry_at == retry_at


def test_an_abort_that_nobody_asked_for_is_a_failure() -> None:
    """It is not an interrupt of ours."""
    assert ending.completed({**OK, "terminal_reason": "aborted_tools"}) == Completed(
        "failed", "end_turn", "aborted_tools"
    )


@pytest.mark.parametrize("field", ["terminal_reason", "stop_reason"])
def test_a_deferred_call_is_known_by_either_reason(field: str) -> None:
    """A call that is deferred a second time ends without a terminal reason."""
    held = {"id": "toolu_1", "name": "Bash", "input": {"command": "x"}}
    result = {"deferred_tool_use": held, "terminal_reason": None, "stop_reason": None, field: "tool_deferred"}
    assert ending.deferred(result) == ending.Deferred("toolu_1", "Bash", {"command": "x"})


def test_counters_that_go_on_become_deltas() -> None:
    """Of each model, from what was counted before; from nothing where they begin anew; and never of empty ones."""
    meter = ending.Meter({"a": Usage("a", 10, 5, cost=100)})
    assert meter.read({"a": _counters(15, 6, 0.000150)}) == [Usage("a", 5, 1, cost=50)]
    assert meter.read({"a": _counters(0, 0, 0)}) == []
    assert meter.read({"a": _counters(15, 6, 0.000150), "b": _counters(3, 1, None)}) == [Usage("b", 3, 1)]
    assert meter.read({"a": _counters(2, 1, 0.00002)}) == [Usage("a", 2, 1, cost=20)]
    assert meter.read(None) == meter.read({"a": 7}) == []


def _counters(given: int, output: int, cost: float | None) -> dict[str, Any]:
    return {"inputTokens": given, "outputTokens": output} | ({} if cost is None else {"costUSD": cost})


def test_the_history_tells_the_users_turns_and_the_last_counters() -> None:
    """And nothing of what only has the user's role."""
    lines = [
        {"type": "user", "message": {"content": "first"}, "promptSource": "sdk"},
        {"type": "user", "message": {"content": [{"type": "tool_result", "content": "x"}]}},
        {"type": "user", "message": {"content": "Continue from where you left off."}, "isMeta": True},
        {"type": "user", "message": {"content": "<task-notification>"}, "promptSource": "system"},
        {"type": "user", "message": {"content": "a subagent's task"}, "isSidechain": True},
        {"type": "user", "message": {"content": [{"type": "text", "text": "[Request interrupted by user]"}]}},
        {
            "type": "user",
            "message": {"content": "<command-name>/compact</command-name>\n<command-args>now</command-args>"},
        },
        {"type": "user", "message": {"content": [{"type": "text", "text": "second"}]}},
        {"type": "cost-state", "modelUsage": {"a": {"inputTokens": 1}}},
        {"type": "cost-state", "modelUsage": {"b": {"inputTokens": 2}}},
    ]
    text = [json.dumps(line, separators=(",", ":")).encode() for line in lines] + [b'{"type":"user", cut', b"\xff\n"]
    assert transcript.history(text) == transcript.History(["first", "/compact now", "second"], {"b": Usage("b", 2)})


def test_a_history_that_is_not_there_is_unknown(tmp_path: Path) -> None:
    """Neither heard nor counted."""
    assert transcript.load("no-such", {"CLAUDE_CONFIG_DIR": str(tmp_path)}) is None


def test_a_session_stays_in_its_permission_mode(tmp_path: Path) -> None:
    """Also where another process goes on with it, which does not know it by itself."""
    config = spec(str(tmp_path), ["claude"], options={"permission_mode": "plan"})
    said = protocol.mode({"type": "system", "subtype": "status", "permissionMode": "default"})
    assert "--permission-mode=plan" in command.command(config, "abc", resumes=False)
    assert "--permission-mode=default" in command.command(config, "abc", resumes=True, mode=said)


def test_secrets_of_servers_are_in_no_command_line(tmp_path: Path) -> None:
    """They are in a file that nobody else may read."""
    server = {"name": "swarm", "command": "python", "args": ["-m", "x"], "env": {"SWARM_TOKEN": "s3cret"}}
    config = spec(str(tmp_path), ["claude"], options={"mcp": [server], "args": ["--verbose"]}, model="opus")
    command.write_servers(config)
    argv = command.command(config, "abc", resumes=True)
    (place,) = [Path(word.partition("=")[2]) for word in argv if word.startswith("--mcp-config=")]
    assert "s3cret" not in " ".join(argv) and "--resume=abc" in argv and "--model=opus" in argv
    assert json.loads(place.read_text())["mcpServers"]["swarm"]["env"] == {"SWARM_TOKEN": "s3cret"}
    assert place.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("meta", "status"),
    [
        ({"permission_decision": {"decision": "reject"}}, "denied"),
        ({"non_execution_kind": "user-rejected"}, "interrupted"),
        ({"non_execution_kind": "cancelled"}, "interrupted"),
        ({}, "failed"),
    ],
)
def test_what_became_of_a_call(meta: dict[str, Any], status: str) -> None:
    """A call that was not allowed has not failed."""
    block = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": [{"type": "text", "text": "no"}]}
    message = {"type": "user", "message": {"content": [block]}, "tool_result_meta": [{"id": "t", **meta}]}
    assert reading.Reader().read(message) == [ToolFinished("t", status, "no")]  # type: ignore[arg-type]


def test_calls_of_a_dead_process_were_interrupted() -> None:
    """They have no end of their own."""
    reader = reading.Reader()
    reader.read({"type": "assistant", "message": {"content": [{"type": "tool_use", "id": "t", "name": "Bash"}]}})
    assert reader.cut_off() == [ToolFinished("t", "interrupted", "")]
    assert reader.cut_off() == []


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"type": "assistant"},
        {"type": "assistant", "message": []},
        {"type": "assistant", "message": {"content": [7, {"type": "text", "text": 7}, {"type": "image"}]}},
        {"type": "user", "message": {"content": [{"type": "tool_result"}]}},
        {"type": "system", "subtype": "api_retry"},
        {"type": "system", "subtype": 7},
        {"type": "stream_event", "event": 7},
        {"type": "control_request", "request": 7},
        {"type": "control_response", "response": 7},
        {"type": "result", "modelUsage": 7, "permission_denials": 7, "errors": 7},
        {"type": "rate_limit_event", "rate_limit_info": 7},
    ],
)
def test_what_is_not_as_expected_harms_nothing(message: dict[str, Any]) -> None:
    """Whatever is left out or of another type."""
    assert all(isinstance(one, Message) for one in reading.Reader().read(message))
    for look in (protocol.hooked, protocol.wanted, protocol.answered, protocol.withdrawn, protocol.unknown_request):
        look(message)
    assert reading.delta(message) is None and ending.deferred(message) is None
    assert ending.completed(message).outcome != "completed"
    assert ending.quota_reset(message) is None and ending.Meter().read(message.get("modelUsage")) == []
