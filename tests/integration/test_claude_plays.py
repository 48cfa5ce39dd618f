"""The driver of Claude Code through recorded conversations: whole, cut off, doubled, out of order, malformed, slow."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from support import played_claude
from support.claude_connection import Spoil, Stage
from support.claude_plays import Play, take
from support.claude_room import KeepingRoom, spec
from support.played_claude import Recording, Step, load, recordings
from swarmctl.host.driver import AgentDied, DriverError, NotLoggedIn, SessionGone
from swarmctl.host.drivers.claude import ClaudeDriver, calls, driver
from swarmctl.host.facts import Message, Usage

RECORDINGS = [load(path) for path in recordings()]
DEADLINE = 10.0

each = pytest.mark.parametrize("recording", RECORDINGS, ids=lambda recording: recording.name)


class Took:
    """What came of a play: the outcomes, or what ended it."""

    def __init__(self, recording: Recording, place: Path, **stage: Any) -> None:
        self.stage, self.room = Stage(recording, **stage), KeepingRoom()
        self.outcomes: list[str] = []
        self.error: BaseException | None = None
        self._recording, self._place = recording, place

    def run(self, monkeypatch: pytest.MonkeyPatch) -> Took:
        """Play it in this process."""
        monkeypatch.setattr(driver, "Connection", self.stage)
        asyncio.run(self._take())
        return self

    async def _take(self) -> None:
        self._place.mkdir(exist_ok=True)
        config = spec(str(self._place), ["claude"], {"CLAUDE_CONFIG_DIR": str(self._place)})
        made = ClaudeDriver(config, self.room)
        try:
            self.outcomes = await asyncio.wait_for(take(made, self.room, Play(**self._recording.play)), DEADLINE)
        except DriverError as error:
            self.error = error


@each
def test_a_recording_is_taken_as_it_was(recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each turn ends as it did, and the driver writes what it wrote then, no more and no less."""
    took = Took(recording, tmp_path).run(monkeypatch)
    assert (took.outcomes, took.error) == (recording.play["outcomes"], None)
    assert [played.unexpected for played in took.stage.played] == [[]] * len(recording.processes)
    assert all(played.is_over for played in took.stage.played)


@each
def test_calls_and_ends_of_calls_are_paired(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every tool that was called has ended once, over all processes of a turn."""
    room = Took(recording, tmp_path).run(monkeypatch).room
    assert sorted(one.call for one in room.calls()) == sorted(one.call for one in room.finished())


@each
def test_each_token_is_counted_once(recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sum of the deltas is what the last result of each process says of that process."""
    room = Took(recording, tmp_path).run(monkeypatch).room
    totals = [_totals(process) for process in recording.processes]
    last = totals[-1]  # no history is here: a resumed process counts on from what it says itself
    assert last.cost is not None
    assert sum(one.output for one in room.usage()) >= last.output
    assert len(room.usage()) <= sum(1 for process in recording.processes for step in process if _is_result(step.line))


def test_counting_goes_on_from_what_the_history_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was killed had told more than it saved: the next one counts on from that, and so do we."""
    recording = load(played_claude.RECORDINGS / "01-hello.duplex.jsonl")
    model = "claude-opus-5-5"
    saved = {"type": "cost-state", "modelUsage": {model: {"inputTokens": 7, "outputTokens": 1, "costUSD": 0.0009786}}}
    history = tmp_path / "projects" / "here" / "abc.jsonl"
    history.parent.mkdir(parents=True)
    history.write_text(json.dumps(saved, separators=(",", ":")))
    counted = {model: Usage(model, 1500, 60, cost=7000)}
    config = spec(str(tmp_path), ["claude"], {"CLAUDE_CONFIG_DIR": str(tmp_path)}, counted=counted)
    monkeypatch.setattr(driver, "Connection", Stage(recording))
    room = KeepingRoom()
    asyncio.run(_through(config, room, Play(**recording.play), "abc"))
    assert [(one.input, one.output, one.cost) for one in room.usage()] == [(1000, 40, 4000), (1014, 42, 5037)]


@each
def test_a_process_that_dies_at_any_message_is_told(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off after each line, the driver says so, and no turn is completed that was not."""
    whole = Took(recording, tmp_path / "whole").run(monkeypatch)
    for count in range(whole.stage.said):
        took = Took(recording, tmp_path / str(count), die_after=count).run(monkeypatch)
        assert took.error is not None or took.outcomes == recording.play["outcomes"], count
        assert len(took.room.said) <= len(whole.room.said) + len(whole.room.calls())


@each
def test_what_is_said_twice_is_taken_once(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every line doubled, the facts are the same, and every request is answered once."""
    whole = Took(recording, tmp_path).run(monkeypatch)
    took = Took(recording, tmp_path, spoil=_double).run(monkeypatch)
    assert (took.outcomes, took.error) == (whole.outcomes, None)
    assert _facts(took) == _facts(whole)
    assert _answers(took) == _answers(whole)


@each
def test_what_is_no_message_is_told_and_passed_over(
    recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Malformed lines between all others become notices, and change nothing else."""
    whole = Took(recording, tmp_path).run(monkeypatch)
    took = Took(recording, tmp_path, spoil=_malformed).run(monkeypatch)
    assert (took.outcomes, took.error) == (whole.outcomes, None)
    strange = [one for one in took.room.said if isinstance(one, Message) and "not a message of" in one.text]
    assert strange and _facts(took) == sorted(_facts(whole) + [repr(one) for one in strange])


@each
def test_another_order_does_no_harm(recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With each line in turn after the next one, nothing hangs, fails or is answered twice."""
    monkeypatch.setattr(calls, "WHOLE_SECONDS", 0.01)
    whole = Took(recording, tmp_path / "whole").run(monkeypatch)
    for place in range(whole.stage.said):
        took = Took(recording, tmp_path / str(place), spoil=_swapped(place)).run(monkeypatch)
        assert took.error is None, (place, took.error)
        assert len(_answers(took)) == len(set(_answers(took)))


FAILED = {"type": "result", "subtype": "error_during_execution"}
UNKNOWN = {**FAILED, "errors": ["No conversation found with session ID: x"]}
REFUSED = {**FAILED, "errors": ["Session x is held by\nanother process"]}
ACCOUNT = {"apiProvider": "firstParty", "tokenSource": "none"}
NOBODY = {"type": "control_response", "response": {"request_id": "begin", "response": {"account": ACCOUNT}}}


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        ([UNKNOWN], SessionGone, "knows no session x"),
        ([REFUSED], DriverError, "Session x is held by another process"),
        ([NOBODY], NotLoggedIn, "nobody has signed in"),
        ([], AgentDied, "ended before it began"),
    ],
)
def test_what_cannot_begin_says_why(
    said: list[Any], error: type[DriverError], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, and nothing is left running."""
    steps = [Step("out", json.dumps(one)) for one in said]
    stage = Stage(Recording("none", {}, [steps]), die_after=None if said else -1)
    monkeypatch.setattr(driver, "Connection", stage)

    async def begin() -> None:
        made = ClaudeDriver(spec(str(tmp_path), ["claude"]), KeepingRoom())
        with pytest.raises(error, match=words):
            await made.open("x")
        await made.close()

    asyncio.run(begin())


def test_an_interrupt_between_two_processes_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It comes with the answer to a deferred call, when there is no process: the next one takes the call back."""
    recording = load(played_claude.RECORDINGS / "08-interrupted-while-deferred.duplex.jsonl")
    stage, room = Stage(recording), KeepingRoom()
    monkeypatch.setattr(driver, "Connection", stage)
    got = asyncio.run(_interrupted_with_the_answer(tmp_path, room))
    assert got == ["interrupted", "completed"]
    assert [one["request"]["subtype"] for one in stage.written if "request" in one].count("interrupt") == 1


async def _interrupted_with_the_answer(place: Path, room: KeepingRoom) -> list[str]:
    made = ClaudeDriver(spec(str(place), ["claude"], {"CLAUDE_CONFIG_DIR": str(place)}), room)
    await made.open(None)
    prompting = asyncio.create_task(made.prompt("TOOL:touch made"))
    await room.until(lambda it: it.asked)
    await made.interrupt()
    room.answer(True)
    outcomes: list[str] = [(await prompting).outcome, (await made.prompt("hello")).outcome]
    await made.close()
    return outcomes


@pytest.mark.parametrize("name", ["03-deferred-allowed", "07-interrupted-in-text"])
@pytest.mark.parametrize("chunk", [0, 97])
def test_as_a_process(name: str, chunk: int, tmp_path: Path) -> None:
    """A real process that says it, whole or in small pieces, is taken alike."""
    path = played_claude.RECORDINGS / f"{name}.duplex.jsonl"
    recording = load(path)
    command = [sys.executable, played_claude.__file__, str(path)]
    room = KeepingRoom()
    config = spec(str(tmp_path), command, {"CLAUDE_CONFIG_DIR": str(tmp_path), "PLAY_CHUNK": str(chunk)})
    got = asyncio.run(_through(config, room, Play(**recording.play)))
    assert got == recording.play["outcomes"]


async def _through(config: Any, room: KeepingRoom, play: Play, session: str | None = None) -> list[str]:
    return await take(ClaudeDriver(config, room), room, play, session)


def _double(first: int, lines: list[str]) -> list[str]:
    return [line for line in lines for _ in range(2)]


def _malformed(first: int, lines: list[str]) -> list[str]:
    strange = (
        '{"type":"assis',
        "null",
        '["x"]',
        "\x00\x1b[31m",
        '{"type":7}',
        '{"type":"user","message":{"content":7}}',
    )
    return [one for number, line in enumerate(lines) for one in (strange[(first + number) % len(strange)], line)]


def _swapped(place: int) -> Spoil:
    def spoil(first: int, lines: list[str]) -> list[str]:
        here = place - first
        if 0 <= here < len(lines) - 1:
            lines[here], lines[here + 1] = lines[here + 1], lines[here]
        return lines

    return spoil


def _facts(took: Took) -> list[str]:
    """What was said, in whatever session; what runs side by side may be told in any order."""
    return sorted(repr(one).replace(took.stage.played[0].session, "SESSION") for one in took.room.said)


def _answers(took: Took) -> list[str]:
    """The requests that were answered."""
    return [one["response"]["request_id"] for one in took.stage.written if one["type"] == "control_response"]


def _is_result(line: str) -> bool:
    return bool(json.loads(line).get("type") == "result")


def _totals(process: list[played_claude.Step]) -> Usage:
    said = [json.loads(step.line) for step in process if _is_result(step.line)]
    models = said[-1]["modelUsage"].values() if said else []
    return Usage(None, output=sum(one["outputTokens"] for one in models), cost=sum(1 for _ in models))
