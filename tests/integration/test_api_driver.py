"""The driver of a model API against the canned one: turns, tools, approvals, errors, and going on after a death."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.canned import Canned, canning, chat
from support.looking import processes_of, until
from support.model_api import opened, run
from support.rooms import Room, nobody
from swarmctl.host.decide import CONTINUE
from swarmctl.host.driver import DriverError, NotLoggedIn, SessionGone
from swarmctl.host.facts import Answer, Message, Opened, ToolCalled


@pytest.fixture
def canned() -> Iterator[Canned]:
    with canning() as server:
        yield server


def test_takes_turns(tmp_path: Path, canned: Canned) -> None:
    """Each turn is answered with all that was said before; what was used is what was served, with its price."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("hi")).outcome == "completed"
            assert (await one.driver.prompt("and now?")).stop_reason == "stop"
            assert one.room.texts == ["HELLO users=1 last=hi", "HELLO users=2 last=and now?"]
            assert "".join(text for _, text in one.room.deltas) == "".join(one.room.texts)
            tokens, used = canned.served().tokens, one.room.used
            assert used[:6] == ("canned-1", *tokens)
            price = tokens.input * 2 + tokens.output * 10 + tokens.cache_read * 0.5
            assert used.cost is not None and abs(used.cost - price) <= 1
            assert [json.loads(line)["role"] for line in one.room.lines] == ["assistant", "assistant"]

    run(work())


def test_runs_tools(tmp_path: Path, canned: Canned) -> None:
    """A shell, reading and writing, several in one answer; each with its result, in the directory of the agent."""
    script = (
        'CALL:write_file {"path": "sub/a.txt", "content": "one\\ntwo\\nthree\\n"}\n'
        'CALL:read_file {"path": "sub/a.txt", "offset": 2, "limit": 1}\n'
        "TOOLS:cat sub/a.txt | wc -l && pwd\n"
        "TOOL:echo oops >&2; exit 3"
    )

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt(script)).outcome == "completed"
            assert one.room.finished == [
                ("completed", "14 bytes are in sub/a.txt"),
                ("completed", "two\n"),
                ("completed", "3\n"),
                ("completed", f"{tmp_path / 'work'}\n"),
                ("failed", "oops\n\n[exit status 3]"),
            ]
            assert [wish.reads_only for wish in one.room.asked] == [False, True, False, False, False]
            called = [fact for fact in one.room.said if isinstance(fact, ToolCalled)]
            assert called[0].title == "sub/a.txt" and called[2].title == "cat sub/a.txt | wc -l"

    run(work())


@pytest.mark.parametrize("named", ["call_{}", ""], ids=["numbered", "unnamed"])
def test_calls_that_a_service_does_not_tell_apart(
    tmp_path: Path, canned: Canned, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    """Where calls are numbered anew in each answer, or have no ids, each is asked for and run for itself."""
    as_it_was = chat._calls

    def calls(reply: Any) -> list[dict[str, Any]]:
        return [{**call, "id": named.format(number)} for number, call in enumerate(as_it_was(reply))]

    monkeypatch.setattr(chat, "_calls", calls)

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt("TOOLS:echo 1 && echo 2\nTOOL:echo 3")).outcome == "completed"
            assert (await one.driver.prompt("TOOL:echo 4")).outcome == "completed"
            assert [status for status, _ in one.room.finished] == ["completed"] * len(one.room.finished)
            assert len({wish.call for wish in one.room.asked}) == len(one.room.asked) >= 3

    run(work())


def test_what_is_denied_is_not_run(tmp_path: Path, canned: Canned) -> None:
    """The model is told so, with the reason, and goes on."""

    async def work() -> None:
        room = Room(lambda wish: Answer(False, message="not today"))
        async with opened(tmp_path, canned, room=room) as one:
            assert (await one.driver.prompt("TOOL:touch made")).outcome == "completed"
        assert room.finished == [("denied", "Denied: not today")]
        assert room.texts == ["DONE tool_result=Denied: not today"]
        assert not (tmp_path / "work" / "made").exists()

    run(work())


def test_an_answer_may_change_the_input(tmp_path: Path, canned: Canned) -> None:
    """What is run is what was allowed; an edited input that makes no sense is not run."""

    async def work() -> None:
        room = Room(lambda wish: Answer(True, input={"command": "echo other"}))
        async with opened(tmp_path, canned, room=room) as one:
            await one.driver.prompt("TOOL:echo this")
            room.answering = lambda wish: Answer(True, input={"cmd": "x"})
            await one.driver.prompt("TOOL:echo this")
        assert room.finished == [("completed", "other\n"), ("failed", "Not run: command is missing.")]

    run(work())


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("fly {}", "there is no tool 'fly'; there are bash, read_file, write_file"),
        ("bash {}", "command is missing"),
        ('bash {"command": 1}', "command is no string"),
        ('bash {"command": "x", "timeout": true}', "timeout is no integer"),
        ('bash {"command": "a\\u0000b"}', "command cannot hold NUL"),
        ("bash []", "the input is no JSON object"),
    ],
)
def test_a_call_that_makes_no_sense(tmp_path: Path, canned: Canned, call: str, says: str) -> None:
    """The model is told what is wrong with its call; nobody is asked."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt(f"CALL:{call}")
            assert one.room.finished == [("failed", f"Not run: {says}.")] and not one.room.asked

    run(work())


def test_files_that_are_none(tmp_path: Path, canned: Canned) -> None:
    """What is not there, is a directory, or is no text, is said; nothing hangs on a FIFO."""
    import os

    place = tmp_path / "work"
    place.mkdir()
    os.mkfifo(place / "fifo")
    (place / "binary").write_bytes(b"\0\1")
    script = "".join(f'CALL:read_file {{"path": "{one}"}}\n' for one in ("none", ".", "fifo", "binary"))

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt(script + 'CALL:write_file {"path": "fifo", "content": ""}')
            told = [output.replace(f"{place}/", "") for _, output in one.room.finished]
            assert told == [
                "No such file or directory: none",
                ". is no file",
                "fifo is no file",
                "it is no text",
                "fifo is no file",
            ]

    run(work())


def test_long_output_is_cut_in_the_middle(tmp_path: Path, canned: Canned) -> None:
    """The beginning and the end stay, and it is said how much is left out."""

    async def work() -> None:
        async with opened(tmp_path, canned, tool_output=1000) as one:
            await one.driver.prompt("TOOL:head -c 5000000 /dev/zero | tr '\\0' x; echo end")
            output = one.room.finished[0][1]
            assert len(output) < 1100 and output.endswith("xend\n") and "[4999004 bytes are left out here]" in output

    run(work())


def test_a_command_may_take_its_time_alone(tmp_path: Path, canned: Canned) -> None:
    """After its timeout it is ended with all that it has started; what it leaves behind is not waited for."""

    async def work() -> None:
        async with opened(tmp_path, canned, env={"MARK": str(tmp_path)}) as one:
            await one.driver.prompt('CALL:bash {"command": "echo begun; sleep 1000 | sleep 1000", "timeout": 1}')
            assert one.room.finished == [("failed", "begun\n\n[ended after 1 s]")]
            until(lambda: not processes_of(tmp_path), "the end of the command")
            await one.driver.prompt("TOOL:(trap '' HUP; exec setsid sleep 1000) & echo $! > pid; echo there")
            assert one.room.finished[1] == ("completed", "there\n")
            await one.driver.prompt("TOOL:kill $(cat pid)")

    run(work())


def test_the_key_is_no_tools(tmp_path: Path, canned: Canned) -> None:
    """The key is sent to the service, and is not in the environment of commands."""

    async def work() -> None:
        env = {"CANNED_KEY": "secret", "OTHER": "shown"}
        async with opened(tmp_path, canned, env=env, key_env="CANNED_KEY") as one:
            await one.driver.prompt("TOOL:echo ${CANNED_KEY-none} $OTHER")
            assert one.room.finished == [("completed", "none shown\n")]

    run(work())


def test_without_its_key_nobody_has_signed_in(tmp_path: Path, canned: Canned) -> None:
    """A key that is not set is said before anything is sent."""

    async def work() -> None:
        with pytest.raises(NotLoggedIn, match=r"test needs a key, and \$CANNED_KEY is not set"):
            async with opened(tmp_path, canned, key_env="CANNED_KEY"):
                pass

    run(work())


# -- how a turn ends


@pytest.mark.parametrize(
    ("script", "outcome", "reason"),
    [
        ("FAIL:500", "failed", "status 500: canned error 500"),
        ("FAIL:401", "failed", "the key is refused: canned error 401"),
        ("STOP:length", "limited", "the answer has grown longer than the model may answer"),
        ("STOP:refusal", "refused", "the provider's filter has cut the answer off"),
    ],
)
def test_a_turn_that_does_not_end_well(tmp_path: Path, canned: Canned, script: str, outcome: str, reason: str) -> None:
    """What the provider says is the reason; the session goes on with the next turn."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            completed = await one.driver.prompt(script)
            assert (completed.outcome, completed.reason) == (outcome, reason)
            assert (await one.driver.prompt("hi")).outcome == "completed"

    run(work())


def test_tries_again(tmp_path: Path, canned: Canned) -> None:
    """A request that fails is made again as often as the profile says."""

    async def work() -> None:
        async with opened(tmp_path, canned, retries=2) as one:
            assert (await one.driver.prompt("FAIL:503*2 retry-after=0.01\nSAY:at last")).outcome == "completed"
            assert one.room.texts == ["at last"] and canned.served().only.failed == 2

    run(work())


def test_a_quota_says_when_it_is_new(tmp_path: Path, canned: Canned) -> None:
    """429 gives the moment from which on more is allowed; 0 where it does not say."""
    import time

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            completed = await one.driver.prompt("FAIL:429*1 retry-after=3600\nSAY:at last")
            assert completed.outcome == "failed" and completed.stop_reason == "rate_limit"
            assert completed.retry_at is not None and abs(completed.retry_at - time.time() - 3600) < 60
            assert (await one.driver.prompt(CONTINUE)).outcome == "completed"
            assert one.room.texts == ["at last"] and canned.served().only.turns == 1
            assert (await one.driver.prompt("FAIL:429")).retry_at == 0.0

    run(work())


def test_a_service_that_is_not_there(tmp_path: Path, canned: Canned) -> None:
    """Nobody listens: the turn fails, and says where."""

    async def work() -> None:
        async with opened(tmp_path, canned, base_url="http://127.0.0.1:1/v1") as one:
            completed = await one.driver.prompt("hi")
            assert completed.outcome == "failed"
            assert str(completed.reason).startswith("cannot speak with http://127.0.0.1:1/v1: ")
            with pytest.raises(DriverError, match="cannot speak with"):
                await one.driver.reach()

    run(work())


def test_a_loop_is_ended(tmp_path: Path, canned: Canned) -> None:
    """A model that calls tools for ever is asked so often and no more."""

    async def work() -> None:
        async with opened(tmp_path, canned, requests=5) as one:
            completed = await one.driver.prompt("LOOP:true")
            assert (completed.outcome, completed.stop_reason) == ("limited", "max_turns")
            assert canned.served().requests == 5
            assert [status for status, _ in one.room.finished] == ["completed"] * 4 + ["interrupted"]

    run(work())


def test_tells_thoughts_apart(tmp_path: Path, canned: Canned) -> None:
    """What a model thinks is a thought, and is not sent back to it."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("THINK:well, well\nSAY:yes")
            assert [(one.role, one.text) for one in one.room.said if isinstance(one, Message)] == [
                ("thought", "well, well"),
                ("assistant", "yes"),
            ]
            assert one.room.used.reasoning == canned.served().tokens.reasoning > 0
            await one.driver.prompt("more")
            assert "well, well" not in json.dumps(canned.bodies[-1]["messages"][2:])

    run(work())


# -- interrupting


def test_an_interrupt_keeps_what_was_said(tmp_path: Path, canned: Canned) -> None:
    """A slow answer is let go of; what came of it is said, and the session goes on."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            turn = asyncio.ensure_future(one.driver.prompt("SLOW"))
            while not one.room.deltas:
                await asyncio.sleep(0.01)
            await one.driver.interrupt()
            assert (await turn).outcome == "interrupted"
            assert one.room.texts == ["chunk0 "]
            canned.flow()
            assert (await one.driver.prompt("go on")).outcome == "completed"
            assert one.room.texts[1] == "HELLO users=2 last=go on"

    run(work())


def test_an_interrupt_ends_the_command(tmp_path: Path, canned: Canned) -> None:
    """The command that runs is killed, those that wait are not run, and the model is told of both."""

    async def work() -> None:
        async with opened(tmp_path, canned, env={"MARK": str(tmp_path)}) as one:
            turn = asyncio.ensure_future(one.driver.prompt("TOOLS:touch begun; sleep 1000 && touch never"))
            while not (tmp_path / "work" / "begun").exists():
                await asyncio.sleep(0.01)
            await one.driver.interrupt()
            assert (await turn).outcome == "interrupted"
            assert [status for status, _ in one.room.finished] == ["interrupted", "interrupted"]
            until(lambda: not processes_of(tmp_path), "the end of the command")
            await one.driver.prompt("go on")
            told = [message["content"] for message in canned.bodies[-1]["messages"] if message["role"] == "tool"]
            assert told == [
                "It was interrupted, and may have been run in part.",
                "It was not run: the turn was interrupted.",
            ]
            assert not (tmp_path / "work" / "never").exists()

    run(work())


# -- going on


def test_a_session_goes_on(tmp_path: Path, canned: Canned) -> None:
    """Another process has all that was said."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("TOOL:echo one")
        async with opened(tmp_path, canned, one.opened.session) as two:
            assert two.opened == Opened(one.opened.session, "canned-1", resumed=True, heard=["TOOL:echo one"])
            await two.driver.prompt("hi again")
            assert two.room.texts == ["HELLO users=2 last=hi again"]
        assert canned.served().only.users == ("TOOL:echo one", "hi again")

    run(work())


def test_a_pending_approval_outlives_the_process(tmp_path: Path, canned: Canned) -> None:
    """The call is asked for again by the same id, and run once it is allowed; the model is not asked again."""

    async def work() -> None:
        room = Room(nobody)
        async with opened(tmp_path, canned, room=room) as one:
            turn = asyncio.ensure_future(one.driver.prompt("TOOL:touch made; echo ran"))
            await room.waiting.wait()
            turn.cancel()
            await asyncio.gather(turn, return_exceptions=True)
        assert canned.served().requests == 1 and not (tmp_path / "work" / "made").exists()
        counted = {"canned-1": room.used}
        async with opened(tmp_path, canned, one.opened.session, counted=counted) as two:
            assert (await two.driver.prompt(CONTINUE)).outcome == "completed"
        assert [wish.call for wish in two.room.asked] == [wish.call for wish in room.asked]
        assert two.room.asked[0].deferred and two.room.delivered[0] == room.asked[0].call
        assert two.room.finished == [("completed", "ran\n")]
        assert not any(isinstance(fact, ToolCalled) for fact in two.room.said)
        served = canned.served()
        assert (served.requests, served.only.turns) == (2, 1)
        assert room.used.input + two.room.used.input == served.tokens.input

    run(work())


@pytest.mark.parametrize("cut", range(1, 9))
def test_goes_on_from_every_line(tmp_path: Path, canned: Canned, cut: int) -> None:
    """Killed after any line of the history, or in the middle of one, the next process does what is left, no more.

    A call that was begun is not run again; one that was not is; what was answered is not asked for again.
    """

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("TOOL:echo x >> runs\nSAY:over")
        path = next((tmp_path / "home" / "agents" / "a1").glob("session-*.jsonl"))
        lines = path.read_bytes().splitlines(keepends=True)
        kinds = [next(iter(json.loads(line))) for line in lines]
        assert kinds == ["session", "message", "message", "said", "begun", "message", "message", "said"]
        path.write_bytes(b"".join(lines[:cut]) + b'{"torn": ')
        (tmp_path / "work" / "runs").unlink(missing_ok=True)
        before = canned.served().requests
        async with opened(tmp_path, canned, one.opened.session) as two:
            text = CONTINUE if two.opened.heard else "TOOL:echo x >> runs\nSAY:over"
            assert (await two.driver.prompt(text)).outcome == "completed"
            assert two.driver._history is not None
            final = [message["role"] for message in two.driver._history.messages]
        assert final == ["user", "assistant", "tool", "assistant"]
        asked = {1: 2, 2: 2, 3: 1, 4: 1, 5: 1, 6: 1, 7: 0, 8: 0}[cut]
        assert canned.served().requests - before == asked
        assert (tmp_path / "work" / "runs").exists() == (cut < 5)
        assert two.room.texts == ([] if cut == 8 else ["over"])

    run(work())


def test_counts_what_a_killed_run_did_not_say(tmp_path: Path, canned: Canned) -> None:
    """What is in the history and not in the log is reported once; what is in both is not."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("hi")
        async with opened(tmp_path, canned, one.opened.session, counted={}) as two:
            await two.driver.prompt("again")
            assert two.room.used[:6] == ("canned-1", *canned.served().tokens)
        async with opened(tmp_path, canned, one.opened.session, counted={"canned-1": two.room.used}) as three:
            await three.driver.prompt("and again")
            assert three.room.used.input + two.room.used.input == canned.served().tokens.input

    run(work())


def test_a_session_of_another_agent_is_copied(tmp_path: Path, canned: Canned) -> None:
    """--session of another agent goes on from there, without what that has paid; the other's stays as it is."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("hi")
        (tmp_path / "home" / "agents" / "a2").mkdir()
        async with opened(tmp_path, canned, one.opened.session, agent_id="a2") as two:
            await two.driver.prompt("again")
            assert two.room.texts[-1] == "HELLO users=2 last=again"
            assert two.room.used.output == canned.ledger.requests[-1].tokens.output
        async with opened(tmp_path, canned, one.opened.session) as three:
            assert three.opened.heard == ["hi"]

    run(work())


@pytest.mark.parametrize("session", ["", "nope", "../../x", "00000000-0000-4000-8000-000000000000"])
def test_an_unknown_session(tmp_path: Path, canned: Canned, session: str) -> None:
    """A session that is not here is gone, whatever it is called."""

    async def work() -> None:
        with pytest.raises(SessionGone, match="there is no session"):
            async with opened(tmp_path, canned, session):
                pass

    run(work())


def test_a_damaged_history_is_said(tmp_path: Path, canned: Canned) -> None:
    """A line in the middle that is no JSON: nothing is guessed."""

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            await one.driver.prompt("hi")
        path = next((tmp_path / "home" / "agents" / "a1").glob("session-*.jsonl"))
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([lines[0], b"{]\n", *lines[1:]]))
        with pytest.raises(DriverError, match="is damaged"):
            async with opened(tmp_path, canned, one.opened.session):
                pass

    run(work())


def test_a_prompt_of_a_megabyte(tmp_path: Path, canned: Canned) -> None:
    """It goes through whole, and is there again after a resume."""
    text = "x" * (1 << 20)

    async def work() -> None:
        async with opened(tmp_path, canned) as one:
            assert (await one.driver.prompt(text)).outcome == "completed"
        async with opened(tmp_path, canned, one.opened.session) as two:
            assert two.opened.heard == [text]

    run(work())
