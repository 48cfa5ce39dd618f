"""The session host with a driver for scripted_agent.py, run in place of the real program by the same interpreter.

SWARM_DIE makes the first run die at one step, as in dying_daemon.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from support.dying_daemon import arm
from swarmctl.host import __main__ as host
from swarmctl.host import asking, finding, process
from swarmctl.host.driver import AgentDied, Interrupted, Room, SessionGone, SessionSpec
from swarmctl.host.facts import Answer, Completed, Message, Opened, Option, Permission, ToolCalled, ToolFinished, Usage

AGENT = str(Path(__file__).with_name("scripted_agent.py"))
OPTIONS = (Option("yes", "allow_once", "Yes"), Option("no", "reject_once", "No"))


class ScriptedDriver:
    """Speaks scripted_agent's protocol. What it is told it tells in a file, if the option `unheard` is not set."""

    def __init__(self, config: SessionSpec, room: Room) -> None:
        self._config, self._room = config, room
        self._process: Process | None = None
        self._answering: asyncio.Future[Answer] | None = None

    async def open(self, session: str | None) -> Opened:
        self._process = await process.start([sys.executable, AGENT], cwd=self._config.cwd, env=self._config.env)
        await self._tell(open=session)
        said = await self._hear()
        if "gone" in said:
            await self.close()
            raise SessionGone(f"the agent knows no session {session}", "spawn it anew")
        heard = None if self._config.options.get("unheard") else said["heard"]
        return Opened(said["session"], "script-1", "1.0", said["resumed"], heard)

    async def prompt(self, text: str) -> Completed:
        await self._tell(prompt=text)
        while True:
            said = await self._hear()
            if "end" in said:
                return Completed(said["end"], said["end"], said.get("why"), said.get("retry_at"))
            if said.get("say") == "fault":
                raise KeyError("fault")
            if "ask" in said:
                try:
                    await self._ask(said)
                except Interrupted:
                    continue  # its interrupt is on its way
            elif "both" in said:
                wishes = [Permission(f"call-{one}", "Bash", one, {"command": one}, OPTIONS) for one in said["both"]]
                await asyncio.gather(*map(self._room.ask, wishes))
                await self._tell(answered=True)
            elif "use" in said:
                await self._room.say(Usage("script-1", said["use"][0], said["use"][1], cost=said["use"][0]))
            else:
                self._room.live(said["role"], said["say"])
                await self._room.say(Message(said["role"], said["say"]))

    async def _ask(self, said: dict[str, Any]) -> None:
        command = {"command": said["command"]}
        await self._room.say(ToolCalled(said["ask"], said["tool"], said["command"], command))
        wish = Permission(said["ask"], said["tool"], said["command"], command, OPTIONS)
        wish = wish._replace(reads_only=said["tool"] == "Read", deferred=said["deferred"], editable=True)
        answer = self._room.pending(said["ask"]) or await self._answer(wish)
        if said["deferred"]:
            answer = self._room.pending(said["ask"]) or answer
        await self._tell(**answer._asdict())
        await self._room.say(ToolFinished(said["ask"], "completed" if answer.granted else "denied", finished(answer)))

    async def _answer(self, wish: Permission) -> Answer:
        """The answer, unless the agent dies first."""
        assert self._process is not None
        dying = asyncio.ensure_future(self._process.wait())
        answering = self._answering = asyncio.ensure_future(self._room.ask(wish))
        await asyncio.wait([dying, answering], return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            answering.cancel()
            raise AgentDied(f"the agent's process has ended with status {dying.result()}")
        dying.cancel()
        return await answering

    async def interrupt(self) -> None:
        await self._tell(interrupt=True)

    async def close(self) -> None:
        if self._answering is not None:
            self._answering.cancel()
            await asyncio.wait([self._answering])
        if self._process is not None:
            await process.end(self._process)

    async def _tell(self, **told: Any) -> None:
        assert self._process is not None and self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(told).encode() + b"\n")
            await self._process.stdin.drain()
        except OSError as error:
            raise AgentDied("the agent's process has ended") from error

    async def _hear(self) -> dict[str, Any]:
        assert self._process is not None and self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line.endswith(b"\n"):
            raise AgentDied(f"the agent's process has ended with status {await self._process.wait()}")
        self._room.raw(line.rstrip(b"\n"))
        said: dict[str, Any] = json.loads(line)
        return said


def finished(answer: Answer) -> str:
    return "done" if answer.granted else answer.message or "denied"


if __name__ == "__main__":
    finding.BUILT_IN["scripted"] = "__main__:ScriptedDriver"
    process.END_SECONDS = 1.0
    asking.LOOK_SECONDS = 0.5
    if "SWARM_DIE" in os.environ and os.environ["SWARM_RUN"].endswith(".1"):
        arm(os.environ["SWARM_DIE"])
    host.main()
