"""Recorded conversations with the four agents over ACP, had again with the driver: whole, cut off, and spoilt."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import played_acp
from support.acp_room import Room, Talk, config, converse, talk, told
from swarmctl.host.drivers.acp import AcpDriver, gemini, opencode
from swarmctl.host.facts import ToolCalled, ToolFinished, Usage

NAMES = played_acp.names()
CODEX = "notice: Warning: Model metadata for `fake-1` not found. Defaulting t"
# What is said, and then how each turn ends.
SAID = {
    "acp-claude/01-refused": ([], []),
    "acp-claude/02-approve": (
        [
            "call Bash: touch acpc1.txt",
            "completed: (Bash completed with no output)",
            "assistant: DONE tool_result=(Bash completed with no output)",
            "used 3000 0 126 0 $14520 of claude-opus-5-5",
        ],
        ["completed"],
    ),
    "acp-claude/03-load": (
        ["assistant: HELLO users=2 last=second turn", "used 1000 0 42 0 $24200 of claude-opus-5-5"],
        ["completed"],
    ),
    "acp-claude/04-resume": (
        ["assistant: HELLO users=3 last=third turn", "used 1000 0 42 0 of claude-opus-5-5"],
        ["completed"],
    ),
    "acp-claude/05-deny-interrupt": (
        [
            "call Bash: touch t-deny",
            "denied: User refused permission to run tool",
            "assistant: DONE tool_result=User refused permission to run tool",
            "used 3000 0 126 0 $14520 of claude-opus-5-5",
            "assistant: chunk0 chunk1 chunk2 chunk3 chunk4",
            "used 1000 0 42 0 $4840 of claude-opus-5-5",
            "call Bash: touch t-cancel",
            "interrupted: Tool permission request failed: Error: T",
            "used 2000 0 84 0 $9680 of claude-opus-5-5",
        ],
        ["completed", "interrupted", "interrupted"],
    ),
    "acp-claude/06-fail": (
        [
            "assistant: HELLO users=1 last=hello there",
            "used 2000 0 84 0 $9680 of claude-opus-5-5",
            "assistant: API Error: 400 fake error 400",
        ],
        ["completed", "failed"],
    ),
    "acp-codex/02-reviewed": (
        [
            CODEX,
            "call execute: /bin/bash -lc 'touch /home/user/acpx1.txt'",
            "call think: Guardian Review",
            "failed: Status: Denied Action: exec /bin/bash -l",
            "failed:",
            "assistant: DONE tool_result=exec_command failed: CreateProcess { messag",
            "used 1800 200 84 14 of fake-1",
        ],
        ["completed"],
    ),
    "acp-codex/03-approve": (
        [
            CODEX,
            "call execute: touch /home/user/acpx1.txt",
            "completed:",
            "assistant: DONE tool_result=Chunk ID: f93f75 Wall time: 0.0000 seconds",
            "used 1800 200 84 14 of fake-1",
        ],
        ["completed"],
    ),
    "acp-codex/04-load": (
        [CODEX, "assistant: HELLO users=2 last=second turn", "used 900 100 42 7 of fake-1"],
        ["completed"],
    ),
    "acp-codex/05-deny-interrupt": (
        [
            CODEX,
            "call execute: touch /home/user/t-deny",
            "denied:",
            "used 900 100 42 7 of fake-1",
            "assistant: chunk0 chunk1 chunk2 chunk3 chunk4",
            "call execute: touch /home/user/t-cancel",
            "interrupted:",
            "used 900 100 42 7 of fake-1",
            "call execute: sleep 7",
            "interrupted:",
            "used 900 100 42 7 of fake-1",
            "call exec_command: List files",
            "completed: README.md src",
            "assistant: DONE tool_result=Chunk ID: 17ec9d Wall time: 0.0000 seconds",
            "used 1800 200 84 14 of fake-1",
            "assistant: HELLO users=6 last=after",
            "used 900 100 42 7 of fake-1",
        ],
        ["denied", "interrupted", "interrupted", "interrupted", "completed", "completed"],
    ),
    "acp-codex/06-fail": (
        [
            CODEX,
            "assistant: HELLO users=1 last=hello there",
            "used 900 100 42 7 of fake-1",
            'notice: {"type": "error", "error": {"type": "api_error", "message":',
            "notice: exceeded retry limit, last status: 429 Too Many Requests",
            "assistant: HELLO users=4 last=after",
            "used 900 100 42 7 of fake-1",
        ],
        ["completed", "failed", "failed", "completed"],
    ),
    "acp-gemini/02-approve": (
        [
            "call run_shell_command: touch acpg1.txt",
            "completed:",
            'assistant: DONE tool_result={"output": "<untrusted_context>\\nOutput: (e',
            "used 1000 0 42 0 of gemini-3.1-pro-preview",
            "used 1000 0 42 0 of auto",
        ],
        ["completed"],
    ),
    "acp-gemini/03-load": (
        ["assistant: HELLO users=2 last=second turn", "used 1000 0 42 0 of gemini-3.1-pro-preview"],
        ["completed"],
    ),
    "acp-gemini/04-deny-interrupt": (
        [
            "call run_shell_command: touch t-deny",
            "denied:",
            'assistant: DONE tool_result={"error": "Tool \\"run_shell_command\\" was c',
            "used 1000 0 42 0 of gemini-2.5-pro",
            "used 1000 0 42 0 of auto",
            "assistant: chunk0 chunk1 chunk2 chunk3 chunk4",
            "call run_shell_command: touch t-cancel",
            "interrupted:",
            "call run_shell_command: sleep 7",
            "completed: Command cancelled by user.",
            "call run_shell_command: ls /",
            "completed:",
            'assistant: DONE tool_result={"output": "<untrusted_context>\\nOutput: RE',
            "used 1000 0 42 0 of gemini-2.5-pro",
            "used 1000 0 42 0 of auto",
            "assistant: HELLO users=5 last=after",
            "used 1000 0 42 0 of gemini-2.5-pro",
        ],
        ["completed", "interrupted", "interrupted", "interrupted", "completed", "completed"],
    ),
    "acp-gemini/05-fail": (
        ["assistant: HELLO users=1 last=hello there", "used 1000 0 42 0 of gemini-2.5-pro"],
        ["completed", "failed"],
    ),
    "acp-opencode/02-approve": (
        [
            "call bash: touch acpo1.txt",
            "completed: (no output)",
            "assistant: DONE tool_result=(no output)",
            "used 1000 0 42 0 $7260 of fake/fake-1",
        ],
        ["completed"],
    ),
    "acp-opencode/03-load": (
        ["assistant: HELLO users=2 last=second turn", "used 1000 0 42 0 $10890 of fake/fake-1"],
        ["completed"],
    ),
    "acp-opencode/04-deny-interrupt": (
        [
            "call bash: touch t-deny",
            "denied: The user rejected permission to use this",
            "used 1000 0 42 0 $3630 of fake/fake-1",
            "assistant: chunk0 chunk1 chunk2 chunk3 chunk4",
            "call bash: touch t-cancel",
            "interrupted: Tool execution aborted",
            "call bash: sleep 7",
            "completed: (no output) <shell_metadata> User aborte",
            "call bash: ls /",
            "completed: README.md src",
            "assistant: DONE tool_result=README.md src proc d root run sbin srv sys",
            "used 1000 0 42 0 $7260 of fake/fake-1",
            "assistant: HELLO users=6 last=after",
            "used 1000 0 42 0 $3630 of fake/fake-1",
        ],
        ["completed", "interrupted", "interrupted", "interrupted", "completed", "completed"],
    ),
    "acp-opencode/05-fail": (
        [
            "assistant: HELLO users=1 last=hello there",
            "used 1000 0 42 0 $3630 of fake/fake-1",
            "assistant: HELLO users=4 last=after",
            "used 1000 0 42 0 $3630 of fake/fake-1",
        ],
        ["completed", "failed", "failed", "completed"],
    ),
}


def check(name: str, done: Talk) -> None:
    """It is what was said then."""
    said, outcomes = SAID[name]
    assert [line.rstrip() for line in told(done.room.said)] == said
    assert done.outcomes == outcomes, done.completed


def check_sound(name: str, done: Talk) -> None:
    """Whatever came: each call is told once and ends once, and what is said is what was said then, or a part of it."""
    called = [fact.call for fact in done.room.said if isinstance(fact, ToolCalled)]
    finished = [fact.call for fact in done.room.said if isinstance(fact, ToolFinished)]
    assert len(set(called)) == len(called) and len(set(finished)) == len(finished) and set(finished) <= set(called)
    assert done.error is not None or len(done.completed) == len(SAID[name][1])


@pytest.mark.parametrize("name", NAMES)
def test_says_what_was_said(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each conversation messages whole, calls and their ends, tokens and cost as deltas, and how each turn ended."""
    recording = played_acp.load(name)
    done = talk(recording, monkeypatch)
    check(name, done)
    assert (done.error is None) == (name != "acp-claude/01-refused"), done.error
    if done.opened is not None:
        assert done.opened.resumed == (recording.session is not None)


@pytest.mark.parametrize("name", NAMES)
def test_raw_is_all_but_pieces_of_messages(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is kept raw are the agent's lines, byte for byte, without the pieces that the messages are made of."""
    recording = played_acp.load(name)
    done = talk(recording, monkeypatch)
    kinds = [json.loads(line).get("params", {}).get("update", {}).get("sessionUpdate") for line in done.room.lines]
    said = [one.message for one in recording.entries if one.dir == "out"]
    pieces = [one for one in said if "_chunk" in str(one.get("params", {}).get("update", {}).get("sessionUpdate"))]
    assert len(kinds) == len(said) - len(pieces)
    assert not [kind for kind in kinds if kind and kind.endswith("_chunk")]


def test_history_is_heard_and_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that is loaded tells its user's turns, also where its history comes after its answer."""
    for name in ("acp-claude/03-load", "acp-codex/04-load", "acp-gemini/03-load", "acp-opencode/03-load"):
        done = talk(played_acp.load(name), monkeypatch)
        assert done.opened is not None and done.opened.heard is not None
        assert [turn.split("TOOL:touch ")[-1].rpartition("/")[2][:3] for turn in done.opened.heard] == ["acp"], name


def test_a_session_without_history_is_resumed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an agent only resumes sessions, nobody knows what it has heard."""
    done = talk(played_acp.load("acp-claude/04-resume"), monkeypatch)
    assert done.opened is not None and done.opened.resumed and done.opened.heard is None


def test_why_a_turn_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of the model's API is the reason of a failed turn, in one line; a quota is told apart from others."""
    reasons = {}
    for name in ("acp-claude/06-fail", "acp-codex/06-fail", "acp-gemini/05-fail", "acp-opencode/05-fail"):
        done = talk(played_acp.load(name), monkeypatch)
        reasons[name] = [(one.reason, one.retry_at) for one in done.completed if one.outcome == "failed"]
    assert reasons == {
        "acp-claude/06-fail": [("API Error: 400 fake error 400", None)],
        "acp-codex/06-fail": [
            ("fake error 400", None),
            ("exceeded retry limit, last status: 429 Too Many Requests", 0.0),
        ],
        "acp-gemini/05-fail": [("fake", None)],
        "acp-opencode/05-fail": [("fake error 400", None), ("fake error 429", 0.0)],
    }


class Sums:
    """A ledger that tells these sums, one after the other; None where it cannot."""

    arguments: tuple[str, ...] = ()

    def __init__(self, *sums: list[Usage] | None, by_model: bool, is_sure: bool) -> None:
        self._sums, self.by_model, self.is_sure = iter(sums), by_model, is_sure
        self.env: dict[str, str] = {}

    async def sums(self, session: str) -> list[Usage] | None:
        return next(self._sums)


def used(done: Talk) -> list[str]:
    assert done.error is None, done.error
    return [line for line in told(done.room.said) if line.startswith("used")]


def test_what_a_ledger_could_not_tell_once_is_told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """With opencode's own sums, a turn after which they cannot be had is in the next ones, and nothing twice."""
    sums = [
        [Usage(None, 1000, 10, cost=100)],
        None,
        [Usage(None, 3000, 30, cost=300)],
        [Usage(None, 3000, 31, cost=300)],
    ]
    monkeypatch.setattr(opencode, "ledger", lambda command, env: Sums(*sums, by_model=False, is_sure=True))
    done = talk(played_acp.load("acp-opencode/05-fail"), monkeypatch)
    assert used(done) == [
        f"used {one} of fake/fake-1" for one in ("1000 0 10 0 $100", "2000 0 20 0 $200", "0 0 1 0 $0")
    ]


def test_what_the_protocol_has_told_is_not_told_by_a_ledger_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where gemini's file is not found after a turn, the protocol's tokens are told, and taken off its next sums."""
    sums = [None, [Usage("g", 2500, 90)], [Usage("g", 2500, 90)], [Usage("g", 2500, 90)], [Usage("g", 4000, 100)], None]
    monkeypatch.setattr(gemini, "Ledger", lambda env: Sums(*sums, by_model=True, is_sure=False))
    done = talk(played_acp.load("acp-gemini/04-deny-interrupt"), monkeypatch)
    assert used(done) == [
        "used 1000 0 42 0 of gemini-2.5-pro",
        "used 1000 0 42 0 of auto",
        "used 500 0 6 0 of g",
        "used 1500 0 10 0 of g",
        "used 1000 0 42 0 of gemini-2.5-pro",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_cut_off_at_every_message(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that dies after any message ends it in an error that says so, and what it had said stays said."""
    recording = played_acp.load(name)
    whole, _ = SAID[name]
    for cut in range(recording.said):
        done = talk(recording, monkeypatch, cut=cut)
        if len(done.completed) == len(SAID[name][1]):
            continue  # it was idle when it died
        assert "agent has ended with status 3" in str(done.error), (cut, done.error)
        check_sound(name, done)
        said = [line.rstrip() for line in told(done.room.said)]
        assert [line for line in said if line.startswith("call")] == [
            line for line in whole if line.startswith("call")
        ][: sum(line.startswith("call") for line in said)]


@pytest.mark.parametrize("name", NAMES)
def test_doubled(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages that come twice are asked, called, finished and counted once."""
    recording = played_acp.load(name)
    done = talk(recording, monkeypatch, spoil=lambda line: [line, line])
    check_sound(name, done)
    assert done.outcomes == SAID[name][1]
    assert [line.rstrip() for line in told(done.room.said) if not line.startswith("assistant")] == [
        line for line in SAID[name][0] if not line.startswith("assistant")
    ]
    assert len(done.room.asked) == len(recording.answers())


def swapping() -> Callable[[bytes], list[bytes]]:
    """Each second line before the one that came before it; what the client is asked or answered stays where it is."""
    held: list[bytes] = []

    def spoil(line: bytes) -> list[bytes]:
        if b'"id"' in line.split(b'"params"')[0] or b'"result"' in line or held:
            out, held[:] = [line, *held], []
            return out
        held.append(line)
        return []

    return spoil


@pytest.mark.parametrize("name", NAMES)
def test_out_of_order(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates that come in another order end no conversation, and call nothing twice."""
    done = talk(played_acp.load(name), monkeypatch, spoil=swapping())
    check_sound(name, done)
    assert done.outcomes == SAID[name][1] or name.endswith("fail")


GARBAGE = [
    b"Welcome to the agent!\n",
    b"\n",
    b"\xff\xfe\x00\n",
    b"[]\n",
    b'"text"\n',
    b'{"jsonrpc": "2.0"}\n',
    b'{"jsonrpc": "2.0", "id": {}, "result": {}}\n',
    b'{"jsonrpc": "2.0", "id": 0, "error": "no"}\n',
    b'{"jsonrpc": "2.0", "id": 99, "result": {}}\n',
    b'{"jsonrpc": "2.0", "method": 7}\n',
    b'{"jsonrpc": "2.0", "method": "session/update", "params": []}\n',
    b'{"jsonrpc": "2.0", "method": "session/update", "params": {"update": "x"}}\n',
    b'{"jsonrpc": "2.0", "method": "session/update", "params": {"update": {"sessionUpdate": "tool_call"}}}\n',
    b'{"jsonrpc": "2.0", "method": "session/update"}\n',
    b'{"jsonrpc": "2.0", "method": "_vendor/news", "params": {"a": 1}}\n',
    b'{"jsonrpc": "2.0", "id": "f1", "method": "fs/read_text_file", "params": {"path": "/etc/passwd"}}\n',
    b'{"jsonrpc": "2.0", "id": "p1", "method": "session/request_permission", "params": {}}\n',
    b"[" * 100_000 + b"\n",
    b"x" * 300_000 + b"\n",
]


@pytest.mark.parametrize("name", NAMES)
def test_between_garbage(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that are no messages, or senseless ones, change nothing but that they are noticed."""
    junk = itertools.cycle(GARBAGE)
    done = talk(played_acp.load(name), monkeypatch, spoil=lambda line: [next(junk), line])
    said, outcomes = SAID[name]
    known = [line.rstrip() for line in told(done.room.said) if not line.startswith("notice") or line.rstrip() in said]
    assert known == said and done.outcomes == outcomes
    assert "notice: Welcome to the agent!" in told(done.room.said)


def mutations(message: dict[str, Any]) -> Iterator[bytes]:
    """A message with one of its values replaced by one of another kind, and cut short."""
    whole = json.dumps(message).encode()
    yield whole[: len(whole) // 2] + b"\n"
    for path in list(_paths(message)):
        others: list[Any] = [None, 7, "?", [], {}]
        for other in others:
            broken = json.loads(whole)
            place = broken
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = other
            yield json.dumps(broken).encode() + b"\n"


def _paths(value: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*before, key)
        yield from _paths(inner, (*before, key))


@pytest.mark.parametrize("name", [name for name in NAMES if "approve" in name])
def test_malformed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates in which a value is of another kind end no conversation; each is told whatever is left of it."""
    recording = played_acp.load(name)
    kinds: dict[str, dict[str, Any]] = {}
    for one in recording.entries:
        kind = one.message.get("params", {}).get("update", {}).get("sessionUpdate")
        if one.dir == "out" and kind:
            kinds.setdefault(str(kind) + str(one.message["params"]["update"].get("status")), one.message)
    broken = [line for message in kinds.values() for line in mutations(message)]
    left = iter(broken)
    done = talk(recording, monkeypatch, spoil=lambda line: [*left, line])
    check_sound(name, done)
    assert done.outcomes == SAID[name][1] and len(broken) > 100


@pytest.mark.parametrize("name", ["acp-codex/03-approve", "acp-gemini/03-load", "acp-opencode/05-fail"])
@pytest.mark.parametrize("env", [{}, {"PLAY_BYTES": "7"}, {"PLAY_BANNER": "Hello!"}], ids=["whole", "slow", "banner"])
def test_as_a_process(name: str, env: dict[str, str], tmp_path: Path) -> None:
    """A real process says the same, in whatever pieces it is read."""
    recording = played_acp.load(name)
    done = Talk(Room(recording.answers()))
    asyncio.run(converse(AcpDriver(_process(recording, tmp_path, env), done.room), recording, done))
    assert done.error is None
    if "PLAY_BANNER" in env:
        assert told([done.room.said.pop(0)]) == ["notice: Hello!"]
    check(name, done)


@pytest.mark.parametrize("cut", range(0, 16, 3))
def test_a_process_that_dies(cut: int, tmp_path: Path) -> None:
    """The death of a real process is told with its status, and nothing is left running."""
    recording = played_acp.load("acp-codex/03-approve")
    done = Talk(Room(recording.answers()))
    asyncio.run(converse(AcpDriver(_process(recording, tmp_path, {"PLAY_CUT": str(cut)}), done.room), recording, done))
    assert "has ended with status 3" in str(done.error)


def _process(recording: played_acp.Recording, place: Path, env: dict[str, str]) -> Any:
    command = [sys.executable, "-P", played_acp.__file__, str(recording.path)]
    return config(command, place, options=recording.options, env=env)


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A late history is a matter of milliseconds here."""
    monkeypatch.setattr("swarmctl.host.drivers.acp.driver.UNSURE_SECONDS", 0.05)
