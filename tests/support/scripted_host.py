"""A session's host for tests, as a program: it does what its turns say, through the log's own transactions.

Each line of a turn is a word and what it is about: `say TEXT`, `think TEXT`, `tool COMMAND`, `ask COMMAND` (an
approval, waited for), `type FIFO PART|REST` (with --live, by the letter to who is attached; the rest when the FIFO is
written), `use IN OUT COST` (COST may be -), `wait` (for an interrupt), `end OUTCOME`, `die`, `hold FIFO` (until it is
written). With --stay it waits for the next turn; with `--linger FIFO` it ends when that is written.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any

from swarm_daemon.run import Run
from swarm_store import events, registry, sessions
from swarm_store import session_events as said
from swarm_store.bells import Bell, wait
from swarm_store.home import locate
from swarm_store.log import Log
from swarmctl.host.live import listener


class Host:
    def __init__(self, log: Log, bell: Bell, agent_id: str) -> None:
        self.log = log
        self.bell = bell
        self.id = agent_id
        agent = registry.get(log, agent_id)
        assert agent is not None
        self.run: int = agent["run"]
        self.kind: str = agent["kind"]
        self.calls = 0
        self.outcome = said.COMPLETED
        self.denials = 0
        self.viewers = listener(Run(log.home, agent_id, self.run).path) if "--live" in sys.argv else None
        version = {"driver": "scripted", "model": "m1", "version": "1.0"}
        self.say(
            said.session_started(agent_id, self.run, session="s-1", kind=self.kind, resumed=self.run > 1, **version)
        )

    def say(self, *happened: events.Event) -> None:
        sessions.say(self.log, self.id, *happened)

    def take(self, turn: sessions.Turn) -> None:
        self.outcome, self.denials = said.COMPLETED, 0
        for line in turn.text.splitlines():
            word, _, rest = line.partition(" ")
            act = getattr(self, f"do_{word}", None)
            if act is not None:
                act(turn.turn, rest)
        why = None if self.outcome == said.COMPLETED else f"it was to be {self.outcome}"
        ended = {"outcome": self.outcome, "stop_reason": "end_turn", "reason": why}
        over: Any = {**ended, "denials": self.denials, "seconds": 1.5}
        self.say(said.turn_completed(self.id, self.run, turn.turn, **over))

    def do_say(self, turn: int, text: str) -> None:
        self.say(said.message(self.id, self.run, turn, role="assistant", text=text.replace("\\n", "\n")))

    def do_type(self, turn: int, rest: str) -> None:
        path, _, text = rest.partition(" ")
        assert self.viewers is not None
        self.viewers.setblocking(True)
        with self.viewers.accept()[0] as viewer:
            for number, part in enumerate(text.split("|")):
                if number:
                    self.do_hold(turn, path)
                for letter in part:
                    viewer.sendall(json.dumps({"role": "assistant", "text": letter}).encode() + b"\n")
            self.do_say(turn, text.replace("|", ""))

    def do_think(self, turn: int, text: str) -> None:
        self.say(said.message(self.id, self.run, turn, role="thought", text=text))

    def do_tool(self, turn: int, command: str, status: str = "completed") -> None:
        call, given = self._called(turn, command)
        self.say(
            said.tool_finished(self.id, self.run, turn, call=call, status=status, output=f"ran {given['command']}\n")
        )

    def _called(self, turn: int, command: str) -> tuple[str, dict[str, str]]:
        self.calls += 1
        call, given = f"c{self.run}.{self.calls}", {"command": command}
        self.say(said.tool_called(self.id, self.run, turn, call=call, name="Bash", title=command, input=given))
        return call, given

    def do_ask(self, turn: int, command: str) -> None:
        call, given = self._called(turn, command)
        approval = f"{self.id[:5]}{self.run}{self.calls:02}"
        options = [{"id": "y", "kind": "allow_once", "name": "Yes"}, {"id": "n", "kind": "reject_once", "name": "No"}]
        asked: Any = {"tool": "Bash", "title": command, "input": given, "options": options, "deferred": False}
        self.say(
            said.approval_requested(
                self.id,
                self.run,
                turn,
                approval=approval,
                call=call,
                editable=self.kind == "claude",
                until=None,
                **asked,
            )
        )
        sessions.wait(self.log, self.id, self.run, "approval")
        answer = self._hear(said.APPROVAL_ANSWERED, approval=approval)
        sessions.resume(self.log, self.id, self.run)
        self.say(said.approval_delivered(self.id, self.run, approval))
        command = (answer.data["input"] or given)["command"]
        self.denials += not answer.data["granted"]
        output = f"ran {command}\n" if answer.data["granted"] else f"denied: {answer.data['message']}"
        status = "completed" if answer.data["granted"] else "denied"
        self.outcome = self.outcome if answer.data["granted"] else said.DENIED
        self.say(said.tool_finished(self.id, self.run, turn, call=call, status=status, output=output))

    def do_use(self, turn: int, rest: str) -> None:
        given, made, cost = rest.split()
        counted: Any = {"input": int(given), "output": int(made), "cost": None if cost == "-" else int(cost)}
        self.say(said.usage_reported(self.id, self.run, turn, model="m1", **counted))

    def do_wait(self, turn: int, rest: str) -> None:
        self._hear(said.INTERRUPT_REQUESTED, turn=turn)
        self.outcome = said.INTERRUPTED

    def do_end(self, turn: int, outcome: str) -> None:
        self.outcome = outcome

    def do_die(self, turn: int, rest: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def do_hold(self, turn: int, path: str) -> None:
        with open(path, encoding="ascii") as fifo:
            fifo.read()

    def _hear(self, type: str, **about: object) -> events.Record:
        while True:
            for record in self.log.read(events.inbox_stream(self.id), types=[type]):
                if about.items() <= record.data.items():
                    return record
            wait([self.bell], 5)

    def serve(self, *, stay: bool, linger: str | None) -> int:
        is_waiting = False
        while True:
            turn = sessions.begin(self.log, self.id, self.run)
            if turn is not None:
                if is_waiting:
                    sessions.resume(self.log, self.id, self.run)
                is_waiting = False
                self.take(turn)
            elif stay:
                if not is_waiting:
                    sessions.wait(self.log, self.id, self.run, "turn")
                is_waiting = True
                wait([self.bell], 5)
            elif sessions.close(self.log, self.id, self.run, "no turn waits"):
                if linger is not None:
                    self.do_hold(0, linger)
                return int(self.outcome != said.COMPLETED)


def main() -> int:
    agent_id = os.environ["SWARM_AGENT_ID"]
    with Log(locate(), create=False) as log, Bell(log.home, events.inbox_stream(agent_id)) as bell:
        print("raw", flush=True)
        linger = sys.argv[sys.argv.index("--linger") + 1] if "--linger" in sys.argv else None
        return Host(log, bell, agent_id).serve(stay="--stay" in sys.argv, linger=linger)


if __name__ == "__main__":
    sys.exit(main())
