"""The driver of a model API where the service or the model does not keep to the API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.canned import Canned, canning, chat
from support.canned.dialogue import BREAK
from support.model_api import USED, call, chunk, next_answer, opened, run
from swarmctl.host.decide import CONTINUE
from swarmctl.host.driver import DriverError, NotLoggedIn
from swarmctl.host.facts import ToolCalled


@pytest.fixture
def canned() -> Iterator[Canned]:
    with canning() as server:
        yield server


# -- how an answer ends


@pytest.mark.parametrize(
    ("finish", "outcome", "reason"),
    [
        ("stop", "completed", None),
        ("error", "failed", "the answer ended with 'error', and may not be whole"),
        ("insufficient_system_resource", "failed", "the answer ended with 'insufficient_system_resource', and may not"),
        ("tool_calls", "failed", "the answer ended with 'tool_calls', and may not be whole"),
        (None, "failed", "the answer broke off"),
    ],
)
def test_only_an_answer_that_stopped_completes_a_turn(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, finish: str | None, outcome: str, reason: str
) -> None:
    """Whatever else ends an answer without calls fails the turn, which says by what; its text and tokens are kept."""
    next_answer(monkeypatch, chunk(content="half an ans"), chunk(finish, USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            completed = await one.driver.prompt("hi")
            assert (completed.outcome, completed.stop_reason) == (outcome, finish)
            assert completed.reason is None if reason is None else str(completed.reason).startswith(reason)
            assert one.room.texts == ["half an ans"] and one.room.used[1:3] == (10, 5)
            assert (await one.driver.prompt("go on")).outcome == "completed"

    run(work())


@pytest.mark.parametrize("finish", ["error", "length", "content_filter", None])
def test_calls_of_an_answer_that_broke_off_are_not_run(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, finish: str | None
) -> None:
    """Their input may be cut off: nobody is asked for them, and the session goes on without."""
    next_answer(monkeypatch, call('{"command": "touch made"}'), chunk(finish, USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome != "completed"
            assert (await one.driver.prompt("go on")).outcome == "completed"
            assert not one.room.asked and not (tmp_path / "work" / "made").exists()

    run(work())


@pytest.mark.parametrize("finish", ["tool_calls", "function_call", "stop"])
def test_calls_are_run_however_their_answer_says_so(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, finish: str
) -> None:
    """Services end an answer with calls by any of three words."""
    next_answer(monkeypatch, call('{"command": "echo 1"}'), chunk(finish, USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            assert one.room.finished == [("completed", "1\n")]

    run(work())


def test_a_broken_answer_is_begun_anew(tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a connection breaks in the middle, the next try's answer is the answer."""
    next_answer(monkeypatch, chunk(content="half"), BREAK)

    async def work() -> None:
        async with opened(tmp_path, canned, retries=1) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            assert one.room.texts == ["HELLO users=1 last=hi"]

    run(work())


@pytest.mark.parametrize("breaks", [BREAK, {"error": {"code": 429}}, "{]", chunk("error"), chunk()], ids=str)
def test_what_had_come_of_an_answer_is_kept(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, breaks: dict[str, Any] | str
) -> None:
    """An answer that breaks for good fails the turn, and is said as far as it came; who goes on with it asks anew."""
    next_answer(monkeypatch, chunk(content="half an "), chunk(content="ans"), breaks)

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "failed"
            assert one.room.texts == ["half an ans"]
        async with opened(tmp_path, canned, one.opened.session) as two:
            assert (await two.driver.prompt(CONTINUE)).outcome == "completed"
            assert len(two.room.texts) == 1 and canned.served().requests == 2 - (breaks == BREAK)
            sent = canned.bodies[-1]["messages"][1:]
            assert [one["content"] for one in sent] == ["hi", "half an ans", CONTINUE]

    run(work())


def test_an_answer_in_which_the_host_is_ended(tmp_path: Path, canned: Canned) -> None:
    """It is said as far as it came, and its turn is not completed with that: the next run asks anew."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            turn = asyncio.ensure_future(one.driver.prompt("SLOW"))
            while not one.room.deltas:
                await asyncio.sleep(0.01)
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
            assert turn.cancelled() and one.room.texts == ["chunk0 "]
        canned.flow()
        async with opened(tmp_path, canned, one.opened.session) as two:
            assert (await two.driver.prompt(CONTINUE)).outcome == "completed"
            assert two.room.texts[0].startswith("chunk0 chunk1 ")

    run(work())


def test_calls_of_an_answer_that_broke_off_are_not_run_later(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed before it could say that the turn has failed, the next run knows that the answer was not whole."""
    next_answer(monkeypatch, call('{"command": "touch made"}'), chunk(None, USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("hi")
        path = next((tmp_path / "home" / "agents" / "a1").glob("session-*.jsonl"))
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
        async with opened(tmp_path, canned, one.opened.session) as two:
            assert (await two.driver.prompt(CONTINUE)).outcome == "completed"
            assert not two.room.asked and not (tmp_path / "work" / "made").exists()

    run(work())


# -- what is secret


@pytest.mark.parametrize("key", ["sk-verysecret\r", "sk-very secret", "sk-verysecrét", "sk-verysecret\udc80"])
def test_a_key_that_is_none_is_not_shown(tmp_path: Path, canned: Canned, key: str) -> None:
    """What no header can carry, a CR of a file with Windows' lines say, is refused before anything is sent."""

    async def work() -> None:
        with pytest.raises(NotLoggedIn, match=r"test needs a key, and \$CANNED_KEY holds none") as caught:
            async with opened(tmp_path, canned, key_env="CANNED_KEY", env={"CANNED_KEY": key}):
                pass
        assert "sk-" not in f"{caught.value.message} {caught.value.hint}"

    run(work())


def test_no_reason_has_the_key(tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a service says the key again, it is left out; also where the words are cut just there."""
    key = "sk-" + "verysecret" * 3
    said = {"error": {"code": "no", "message": f"you sent {key}. " * 20}}
    monkeypatch.setattr(chat, "error", lambda reply: said)

    async def work() -> None:
        async with opened(tmp_path, canned, key_env="CANNED_KEY", env={"CANNED_KEY": key}) as one:
            reason = str((await one.driver.prompt("FAIL:401")).reason)
            assert reason.startswith("the key is refused: you sent ***. you sent ***.") and "sk-" not in reason

    run(work())


def test_no_reason_has_a_password(tmp_path: Path, canned: Canned) -> None:
    """Where a service cannot be spoken with, its address is shown without who speaks."""

    async def work() -> None:
        async with opened(tmp_path, canned, base_url="http://user:hunter2@127.0.0.1:1/v1") as one:
            reason = str((await one.driver.prompt("hi")).reason)
            assert reason.startswith("cannot speak with http://127.0.0.1:1/v1: ") and "hunter2" not in reason
            with pytest.raises(DriverError) as caught:
                await one.driver.reach()
            assert "hunter2" not in caught.value.message

    run(work())


# -- what the model wants


DEEP = '{"command": "echo x", "more": ' + "[" * 3000 + "]" * 3000 + "}"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ('{"command": "echo x", "more": 1e999}', "a number in the input is too great"),
        ('{"command": "echo x", "timeout": NaN}', "the input is no JSON: NaN"),
        ('{"command": "echo x", "more": [-Infinity]}', "the input is no JSON: -Infinity"),
        ('{"command": "echo x", "more": ' + "9" * 5000 + "}", "the input is no JSON: Exceeds the limit"),
        (DEEP, "the input is nested too deep"),
        ('{"command": "echo x", "more": ' + "[" * 200 + "]" * 200 + "}", "the input is nested too deep"),
    ],
    ids=["great", "nan", "infinity", "long", "deep", "deep2"],
)
def test_an_input_that_the_log_cannot_take(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, arguments: str, says: str
) -> None:
    """The call is not run, the model is told why, the tokens are reported, and the session goes on, later too."""
    next_answer(monkeypatch, call(arguments), chunk("tool_calls", USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            [(status, output)] = one.room.finished
            assert status == "failed" and output.startswith(f"Not run: {says}") and not one.room.asked
            assert one.room.used.output == 5 + canned.ledger.requests[-1].tokens.output
        async with opened(tmp_path, canned, one.opened.session) as two:
            assert (await two.driver.prompt("and now?")).outcome == "completed"

    run(work())


def test_a_session_that_had_such_an_input_goes_on(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where an earlier version had written it down and could not say it, it is said now."""
    next_answer(monkeypatch, call('{"command": "echo x", "more": 1e999}'), chunk("tool_calls", USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("hi")
        path = next((tmp_path / "home" / "agents" / "a1").glob("session-*.jsonl"))
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
        async with opened(tmp_path, canned, one.opened.session) as two:
            assert (await two.driver.prompt("and now?")).outcome == "completed"
            assert [fact.input for fact in two.room.said if isinstance(fact, ToolCalled)] == [{}]
            assert [status for status, _ in two.room.finished] == ["interrupted"]

    run(work())


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("bash", '{"command": "echo \\ud800"}', "surrogates not allowed"),
        ("read_file", '{"path": "x\\ud800"}', "surrogates not allowed"),
        ("write_file", '{"path": "x\\ud800", "content": ""}', "surrogates not allowed"),
    ],
)
def test_an_input_that_no_system_call_takes(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, name: str, arguments: str, says: str
) -> None:
    """The call has failed, and the model goes on."""
    next_answer(monkeypatch, call(arguments, name=name), chunk("tool_calls", USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            [(status, output)] = one.room.finished
            assert status == "failed" and says in output and one.room.asked

    run(work())


def test_a_timeout_beyond_all_measure(tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command never has longer than the profile says, whatever the model says."""
    given = '{"command": "echo x; exec sleep 1000", "timeout": 1' + "0" * 400 + "}"
    next_answer(monkeypatch, call(given), chunk("tool_calls", USED))

    async def work() -> None:
        async with opened(tmp_path, canned, tool_seconds=0.5) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            assert one.room.finished == [("failed", "x\n\n[ended after 0.5 s]")]

    run(work())


@pytest.mark.parametrize("text", ["a \ud83d", "\udc80"])
def test_half_a_character(tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What UTF-8 cannot take, from the model or a file's name, is replaced, so that the session can be sent again."""
    given = json.dumps({"path": "\udc80", "content": "x"})
    next_answer(monkeypatch, chunk(content=text), call(given, name="write_file"), chunk("tool_calls", USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            assert one.room.texts[0] == text[:-1] + "\ufffd"
            assert one.room.finished == [("completed", "1 bytes are in \ufffd")]

    run(work())


def test_a_character_in_two_pieces(tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a service cuts a character in two, it is whole again."""
    next_answer(monkeypatch, chunk(content="a \ud83d"), chunk(content="\ude00 b"), chunk("stop", USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("hi")
            assert one.room.texts == ["a \U0001f600 b"]

    run(work())


# -- what the service says


NULLS = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}


@pytest.mark.parametrize(
    ("piece", "says"),
    [
        ("{not json", "Expecting property name"),
        ("[" * 5000, "maximum recursion depth"),
        ("3", ""),
        ({"id": "x", "usage": USED}, "choices: input should be a valid list"),
        ({"id": "x", "choices": None}, "choices: input should be a valid list"),
        (chunk("stop", NULLS), "usage.prompt_tokens: input should be a valid integer"),
        (chunk("stop", {**USED, "prompt_tokens": 10**30}), "usage.prompt_tokens: input should be less than"),
        (chunk("stop", 3), "usage: input should be a valid"),
        (
            call({"command": "echo 1"}),
            "choices.0.delta.tool_calls.0.function.arguments: input should be a valid string",
        ),
        (chunk(content=[{"type": "text", "text": "hi"}]), "choices.0.delta.content: input should be a valid string"),
        (chunk(tool_calls={"a": 1}), "choices.0.delta.tool_calls: input should be a valid list"),
        (chunk({"a": 1}), "choices.0.finish_reason: input should be a valid string"),
    ],
    ids=str,
)
def test_a_malformed_answer(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, piece: dict[str, Any] | str, says: str
) -> None:
    """The turn fails, and says that it is the service's fault and where."""
    next_answer(monkeypatch, chunk(content="hi"), piece, chunk("stop"))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            completed = await one.driver.prompt("hi")
            assert (completed.outcome, completed.stop_reason) == ("failed", "malformed")
            reason = str(completed.reason)
            assert reason.startswith(f"{canned.url}/v1 has sent a malformed answer: {says}"), reason
            assert (await one.driver.prompt("go on")).outcome == "completed"

    run(work())


def test_what_services_leave_out(tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer is taken without all that nothing here needs."""
    bare: list[dict[str, Any]] = [
        {"choices": [{"delta": {"role": "assistant", "content": None, "tool_calls": None}}]},
        {"choices": [{"delta": {"content": "hi"}}], "usage": None},
        {"choices": [{"finish_reason": "stop"}]},
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": None}},
    ]
    next_answer(monkeypatch, *bare)

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            assert one.room.texts == ["hi"] and one.room.used[:3] == ("canned-1", 1, 2)

    run(work())


# -- errors in the middle of an answer


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ({"code": 429, "message": "Rate limit"}, ("rate_limit", "the quota is used up: Rate limit", 0.0)),
        ({"type": "rate_limit_error", "message": "Slowly"}, ("rate_limit", "the quota is used up: Slowly", 0.0)),
        ({"code": "insufficient_quota", "message": "Pay"}, ("rate_limit", "the quota is used up: Pay", 0.0)),
        ({"code": "401", "message": "No"}, ("authentication", "the key is refused: No", None)),
        ({"code": 502, "message": "Bad\ngateway"}, ("http_502", "status 502: Bad gateway", None)),
        ({"type": "server_error", "message": "Oh"}, ("server_error", "the answer ended with an error: Oh", None)),
        ({"message": "Oh"}, ("error", "the answer ended with an error: Oh", None)),
        ("Oh", ("error", "the answer ended with an error: Oh", None)),
    ],
    ids=str,
)
def test_an_error_in_the_middle_of_an_answer(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, error: Any, outcome: tuple[Any, ...]
) -> None:
    """It means what its code says, as the status of a refused request does; the provider's words are the reason."""
    next_answer(monkeypatch, chunk(content="hi"), {"error": error})

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            completed = await one.driver.prompt("hi")
            assert completed == ("failed", *outcome)

    run(work())


# -- calls


@pytest.mark.parametrize("index", [None, 0], ids=["none", "the same"])
def test_calls_that_a_service_does_not_number(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, index: int | None
) -> None:
    """Another id is another call, also in pieces."""
    pieces = [call('{"command": "echo 1"}', "a", index), call('{"command": ', "b", index)]
    pieces += [call('"echo 2', "b", index, None), call('"}', None, index, None)]
    next_answer(monkeypatch, *pieces, chunk("tool_calls", USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            assert one.room.finished == [("completed", "1\n"), ("completed", "2\n")]

    run(work())


def test_pieces_of_a_call_with_other_ids(tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some services give each piece an id; only the first has the tool's name."""
    pieces = [call('{"command": ', "a"), call('"echo 1', "b", name=None), call('"}', "c", name="")]
    next_answer(monkeypatch, *pieces, chunk("tool_calls", USED))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            assert one.room.finished == [("completed", "1\n")]

    run(work())
