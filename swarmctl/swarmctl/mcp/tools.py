"""What an agent can do with its tree. Each tool is one call of what the verb of that name calls too.

There is none to answer approvals: an agent that could would be asked for nothing.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from swarm_daemon import control, conversing
from swarm_daemon import spawn as spawning
from swarm_store import events, lifecycle, registry
from swarm_store.bells import NET, Bell
from swarm_store.errors import NotPossible, SwarmError, WrongUsage
from swarm_store.fold import Agent
from swarm_store.log import Log

from .. import beside, values
from . import reading
from .kin import resolve, resolve_all
from .results import Cancelled, Known, Listed, Read, Sent, Spawned, Waited
from .tree import Inside, Tree

MOST_WAIT = 300.0  # seconds in one call; clients give up a call after a time of their own, often 60 s
WAIT = 45.0
MOST_LISTED = 200
MOST_READ, READ = 65536, 16384  # bytes
CANCEL_SECONDS = 20.0
MOST_INPUT = 1 << 20  # bytes of one send

# A `str | None` would be parsed as JSON by the SDK where it looks like that: what is not said is the empty string.
AgentName = Annotated[str, Field(description="An id, the start of one, or a name, of an agent in your tree.")]
AgentNames = Annotated[list[str], Field(description="Ids or names of agents in your tree.", max_length=100)]
Seconds = Annotated[float, Field(ge=0, le=MOST_WAIT)]


class Tools:
    """The tools over one tree; every method but `all` is one, and its docstring what the model reads."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def all(self) -> dict[str, Callable[..., Any]]:
        """Each by its name."""
        return {
            "spawn": self.spawn,
            "list": self.listed,
            "read": self.read,
            "wait": self.wait,
            "send": self.send,
            "cancel": self.cancel,
        }

    async def spawn(
        self,
        command: Annotated[
            list[str] | None, Field(description='The words of a command: ["make", "test"]. No shell reads them.')
        ] = None,
        kind: Annotated[
            str, Field(description="Instead of a command an AI agent: claude, codex, opencode, gemini, ...")
        ] = "",
        prompt: Annotated[str, Field(description="What the AI agent is to do: it knows nothing of you.")] = "",
        model: Annotated[str, Field(description="Its model; the kind's own by default.")] = "",
        with_swarm: Annotated[bool, Field(description="Give the AI agent these tools too.")] = False,
        worktree: Annotated[bool, Field(description="In a git worktree and branch of its own.")] = False,
        name: Annotated[str, Field(description="A name; no two living agents share one.")] = "",
        labels: Annotated[dict[str, str] | None, Field(description="Labels, to find it by.")] = None,
        cwd: Annotated[str, Field(description="The directory it runs in; yours by default.")] = "",
        env: Annotated[dict[str, str] | None, Field(description="Variables beside those you have.")] = None,
        input: Annotated[bool, Field(description="Keep a command's stdin open, for send.")] = False,
        timeout: Annotated[float | None, Field(description="End it after so many seconds.", gt=0)] = None,
        wait: Annotated[Seconds, Field(description="Wait so many seconds for its end before this returns.")] = 0,
    ) -> Spawned:
        """Start another agent, as your child: it runs beside you, and goes on if you end.

        Either a command, or a kind and a prompt. An AI agent may do unasked what you may; a person is asked for more.
        It returns the agent's id once its command is really executed; nothing is spawned where it cannot be. Use wait
        for its end, and read for what it says. How deep agents may spawn agents, and how many, is capped: a refusal
        says so, and trying again does not help.
        """
        asked = {"kind": kind, "prompt": prompt, "model": model or None, "with_swarm": with_swarm}
        agent = await asyncio.to_thread(
            self._spawn,
            command,
            asked,
            worktree=worktree,
            name=name or None,
            labels=labels,
            cwd=cwd,
            env=env,
            input=input,
            timeout=timeout,
        )
        if wait:
            ((agent,), _) = await self._wait([agent["id"]], wait, all_of_them=True)
        note = "it has ended" if agent["ended_at"] else "it runs: use wait for its end, read for its output"
        return Spawned(agent=Known.of(agent), note=note)

    def _spawn(self, command: list[str] | None, asked: dict[str, Any], **wish: Any) -> Agent:
        if bool(command) == bool(asked["kind"]):
            raise WrongUsage("no command to run, or two things", 'give the words of one, ["make"], or kind and prompt')
        _check(command or [], **wish)
        with self._tree.enter() as inside:
            wish["cwd"] = os.path.join(inside.own["cwd"], wish["cwd"] or "")
            what = {"agent": inside.asked(**asked)} if asked["kind"] else {"command": command}
            how = {"by": f"agent {inside.own['id']}", "caller": inside.environment()}
            request = beside.request(inside.log.home, {**what, **wish}, **how)
            for _, outcome in spawning.spawn(inside.log, [request]):
                if isinstance(outcome, SwarmError):
                    raise outcome
            return _known(inside.log, request.agent_id)

    async def listed(
        self,
        living: Annotated[bool, Field(description="Only those that have not ended.")] = False,
        labels: Annotated[
            list[str] | None, Field(description="Only those with these labels: KEY or KEY=VALUE.")
        ] = None,
    ) -> Listed:
        """The agents of your tree: your children, theirs, and so on, in the order they were spawned."""
        return await asyncio.to_thread(self._list, living, labels or [])

    def _list(self, living: bool, labels: list[str]) -> Listed:
        with self._tree.enter() as inside:
            found = [one for one in inside.agents if not (living and one["ended_at"])]
            found = [one for one in found if values.has_labels(one["labels"], labels)]
        left_out = max(0, len(found) - MOST_LISTED)
        return Listed(agents=[Known.of(one) for one in found[left_out:]], left_out=left_out)

    async def read(
        self,
        agent: AgentName,
        start: Annotated[
            str | None,
            Field(description="Where to go on: what `next` said the last time. From the beginning if not said."),
        ] = None,
        tail: Annotated[bool, Field(description="Instead of the beginning, the end: the last max_bytes.")] = False,
        max_bytes: Annotated[int, Field(ge=256, le=MOST_READ, description="At most so much text.")] = READ,
        raw: Annotated[
            bool, Field(description="The bytes it wrote, also of an agent that has a conversation.")
        ] = False,
    ) -> Read:
        """What an agent of your tree has said: a command's output, stdout and stderr as they came; an AI agent's
        conversation.

        A piece at a time: where `more` is true, call again with `start` set to `next`. Later the same `next` gives what
        is new since.
        """
        if start and tail:
            raise WrongUsage("start and tail exclude each other", "leave one out")
        return await asyncio.to_thread(self._read, agent, start or None, tail, max_bytes, raw)

    def _read(self, word: str, start: str | None, tail: bool, most: int, raw: bool) -> Read:
        with self._tree.enter(write=False) as inside:
            agent = resolve(inside.agents, word)
            how = {"conversation": bool(agent.get("kind")) and not raw}
            begin = reading.last(inside.log, agent["id"], most, **how) if tail else reading.place(start)
            piece = reading.read(inside.log, agent["id"], begin, most, **how)
        return Read(agent=Known.of(agent), text=piece.text, next=str(piece.after), more=not piece.is_all)

    async def wait(
        self,
        agents: AgentNames,
        timeout: Annotated[Seconds, Field(description="Return after so many seconds, whatever is so then.")] = WAIT,
        any: Annotated[bool, Field(description="Return when one of them has ended, not all.")] = False,
    ) -> Waited:
        """Wait for agents of your tree to end: until all have, or any, or the time is over.

        It costs nothing while it waits. `still_running` lists those that have not ended: call again to go on waiting.
        One that is `waiting` for an approval goes on when a person has answered.
        """
        found, is_done = await self._wait(agents, timeout, all_of_them=not any)
        ended = [Known.of(one) for one in found if one["ended_at"]]
        left = [Known.of(one) for one in found if not one["ended_at"]]
        note = f"still running: {', '.join(one.id for one in left)}" if left else "all have ended"
        return Waited(ended=ended, still_running=left, note=note if is_done or not left else f"{note}; wait again")

    async def _wait(self, words: list[str], seconds: float, *, all_of_them: bool) -> tuple[list[Agent], bool]:
        """The agents when they have ended, or when the time is over; whether they have."""
        deadline = time.monotonic() + seconds
        with self._tree.enter(write=False) as inside, Bell(inside.log.home, events.REGISTRY) as bell:
            ids = [one["id"] for one in resolve_all(inside.agents, words)]
            while True:
                bell.clear()
                found = [_known(inside.log, one) for one in ids]
                enough = all if all_of_them else any
                is_done = enough(one["ended_at"] is not None for one in found)
                left = min(deadline - time.monotonic(), NET)  # a ring is lost only with its ringer
                if is_done or left <= 0:
                    return found, is_done
                await _rung(bell, left)

    async def send(
        self,
        agent: AgentName,
        text: Annotated[str, Field(description="A line for a command's stdin; for an AI agent its next prompt.")],
        close: Annotated[bool, Field(description="After it, a command's stdin ends.")] = False,
    ) -> Sent:
        """Tell an agent of your tree something. It is durable when this returns, and reaches the agent once, in order.

        A plain command must have been spawned with `input`; an AI agent that has ended goes on where it was.
        """
        return await asyncio.to_thread(self._send, agent, text, close)

    def _send(self, word: str, text: str, close: bool) -> Sent:
        data = text.encode("utf-8", "replace")
        if len(data) > MOST_INPUT:
            raise WrongUsage(f"{len(data)} bytes are too much for one send", "put it in a file, and send its name")
        with self._tree.enter() as inside:
            agent = resolve(inside.agents, word)
            if agent["kind"] is not None:
                turn = conversing.send_turn(inside.log, agent, text, by=f"agent {inside.own['id']}")
                return Sent(
                    agent=Known.of(_known(inside.log, agent["id"])), turn=turn, note="it takes it as its next turn"
                )
            line = data if data.endswith(b"\n") or not data else data + b"\n"
            control.send_input(inside.log, agent, line, close=close)
            return Sent(agent=Known.of(_known(inside.log, agent["id"])), note="it will read it")

    async def cancel(
        self,
        agents: AgentNames,
        grace: Annotated[
            float | None, Field(ge=0, le=MOST_WAIT, description="Seconds between the signal and KILL.")
        ] = None,
    ) -> Cancelled:
        """End agents of your tree, each with all its processes; not those that they have spawned: name these too."""
        asked = await asyncio.to_thread(self._cancel, agents, grace)
        found, is_done = await self._wait(asked, CANCEL_SECONDS, all_of_them=True) if asked else ([], True)
        note = "they have ended" if is_done else "asked to end, and not ended yet: wait for them"
        return Cancelled(agents=[Known.of(one) for one in found], note=note)

    def _cancel(self, words: list[str], grace: float | None) -> list[str]:
        with self._tree.enter() as inside:
            agents = resolve_all(inside.agents, words)
            over = [one["id"] for one in agents if one["ended_at"] and not lifecycle.may_be_restarted(one)]
            if over:
                raise NotPossible(f"already ended: {', '.join(over)}", "nothing was cancelled")
            for one in agents:
                _end(inside, one, grace)
            control.have_ended_without_daemon(inside.log, [one for one in agents if not one["ended_at"]])
            return [one["id"] for one in agents]


def _end(inside: Inside, agent: Agent, grace: float | None) -> None:
    if agent["ended_at"]:
        control.withdraw_restart(inside.log, agent)
    else:
        control.ask_cancel(inside.log, agent, grace=grace)


def _check(command: list[str], *, name: str | None, labels: Any, cwd: str | None, env: Any, **_: Any) -> None:
    """Raises WrongUsage for what no agent can have."""
    values.name(name)
    values.check_labels(labels or {})
    values.check_environment(env or {})
    if any("\0" in word for word in (*command, cwd or "")):
        raise WrongUsage("command and cwd cannot hold NUL", "leave it out")
    if any(key.startswith("SWARM_") for key in env or {}):
        raise WrongUsage("variables that begin with SWARM_ are swarmctl's own", "leave them out")


def _known(log: Log, agent_id: str) -> Agent:
    agent = registry.get(log, agent_id)
    if agent is None:
        raise registry.no_such(agent_id)
    return agent


async def _rung(bell: Bell, seconds: float) -> None:
    """Sleep until the bell rings, or so long."""
    loop, rung = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(bell.file, rung.set)
    try:
        async with asyncio.timeout(seconds):
            await rung.wait()
    except TimeoutError:
        pass
    finally:
        loop.remove_reader(bell.file)
