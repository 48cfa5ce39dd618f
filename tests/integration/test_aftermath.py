"""What follows the end of a run: who wants to be told is told, and that it was done is in the log."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from support import agents
from support.looking import processes_of, until
from support.supervisors import supervising
from swarm_daemon import control
from swarm_daemon.run import Run
from swarm_store import events, registry, sessions
from swarm_store.errors import CannotStart, WrongUsage
from swarm_store.fold import Agent
from swarm_store.log import Log
from swarmctl import aftermath, notify

TOLD = 'read line; echo "$SWARM_EVENT|$SWARM_AGENT_ID|$SWARM_AGENT_NAME|$SWARM_STATE|$SWARM_REASON|$line" >> "$TOLD"'

IMGHDR = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # Apprise loads it


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that TOLD writes a line to each time."""
    monkeypatch.setenv("TOLD", str(tmp_path / "told"))
    return tmp_path / "told"


def watched(log: Log, script: str, *targets: str, **options: Any) -> Agent:
    """Spawn a shell script of which `targets` are to be told."""
    return agents.sh(log, script, around=aftermath.around(targets), **options)


def settled(log: Log, agent: Agent, *runs: int) -> None:
    """Wait until what follows the agent's runs has been done."""

    def look() -> bool:
        found = agents.get(log, agent["id"])
        return found["ended_at"] is not None and not found["owed"]

    until(look, "all is settled")


def sent(log: Log, agent: Agent) -> list[dict[str, Any]]:
    """What was recorded of notifications."""
    found = log.read(events.agent_stream(agent["id"]), types=[events.NOTIFICATION_SENT])
    return [one.data for one in found]


def test_who_is_told_of_a_success(log: Log, told: Path) -> None:
    """A command is told of the end, with all that it may want to know, and that is recorded."""
    agent = watched(log, "true", TOLD, name="build")
    settled(log, agent)
    line = f"agent build ({agent['id']}) is done"
    assert told.read_text() == f"done|{agent['id']}|build|completed||{line}\n"
    assert sent(log, agent) == [{"run": 1, "on": "done", "number": 0, "to": TOLD, "ok": True, "reason": None}]
    assert agents.get(log, agent["id"])["notify"] == [TOLD]


@pytest.mark.parametrize(
    ("script", "options", "reason"),
    [
        ("exit 3", {}, "exit status 3"),
        ("kill -9 $$", {}, "signal SIGKILL"),
        ("sleep 600", {"timeout": 0.1, "grace": 0.0}, "timeout"),
    ],
    ids=["status", "signal", "timeout"],
)
def test_who_is_told_of_a_failure(log: Log, told: Path, script: str, options: dict[str, Any], reason: str) -> None:
    """A failure is told with why: its status, its signal, its timeout."""
    agent = watched(log, script, TOLD, **options)
    settled(log, agent)
    assert told.read_text() == f"failed|{agent['id']}||failed|{reason}|agent {agent['id']} has failed: {reason}\n"


def test_nobody_is_told_of_what_was_cancelled(log: Log, told: Path) -> None:
    """Whoever cancels an agent knows of it: nothing is sent, and the run is settled."""
    agent = watched(log, "sleep 600", TOLD)
    control.ask_cancel(log, agent, grace=0)
    settled(log, agent)
    assert not told.exists() and not sent(log, agent)


def test_a_notification_that_fails_is_recorded(log: Log, told: Path) -> None:
    """What cannot be told is recorded with why; the others are told all the same, and the agent has completed."""
    agent = watched(log, "true", "echo no such host >&2; exit 7", TOLD, "kill -9 $$")
    settled(log, agent)
    reasons = [(one["ok"], one["reason"]) for one in sent(log, agent)]
    assert reasons == [(False, "exit status 7: no such host"), (True, None), (False, "signal 9")]
    assert agents.get(log, agent["id"])["state"] == "completed"


def test_a_hanging_notification_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A command that takes too long is ended with what it has started, whatever it ignores."""
    monkeypatch.setattr(notify, "SECONDS", 0.2)
    monkeypatch.setattr(notify, "GRACE", 0.1)
    news = notify.News("done", "completed", "", "text")
    agent = {"id": "agentid2", "name": None, "run": 1}
    mark = {"PATH": os.environ["PATH"], "MARK": str(tmp_path)}
    assert notify.tell("trap '' TERM; sleep 600 & sleep 600", news, agent, mark, "/") == "it did not end in 0.2 s"
    until(lambda: not processes_of(tmp_path), "all of it is gone")


def test_each_run_is_told_of(log: Log, told: Path) -> None:
    """A restart is another run, with an end of its own to be told."""
    agent = watched(log, "exit 3", TOLD)
    settled(log, agent)
    from swarm_daemon import spawn

    spawn.restart(log, agents.get(log, agent["id"]))
    until(lambda: len(sent(log, agent)) == 2, "the second is told")
    settled(log, agent)
    assert [one["run"] for one in sent(log, agent)] == [1, 2]


def test_a_dead_daemon_is_made_up_for(log: Log, told: Path) -> None:
    """Where the daemon was killed before the end, its successor tells; nothing is told twice."""
    agent = watched(log, "while [ ! -e go ]; do sleep 0.05; done", TOLD, cwd=str(told.parent))
    agents.kill(agents.get(log, agent["id"])["daemon"]["pid"])
    (told.parent / "go").touch()
    with supervising(log.home):
        settled(log, agent)
    assert len(told.read_text().splitlines()) == 1 == len(sent(log, agent))


def test_the_supervisor_tells_what_nobody_has(log: Log, told: Path) -> None:
    """Where whoever tells was killed before that was recorded, the supervisor has it told again."""
    once = 'test -e "$TOLD.once" || { touch "$TOLD.once"; kill -9 $PPID; }'
    agent = watched(log, "exit 1", TOLD, once)
    until(lambda: Path(f"{told}.once").exists() and not processes_of(log.home.path), "it was killed")
    assert agents.get(log, agent["id"])["owed"] == [1] and len(sent(log, agent)) == 1
    with supervising(log.home):
        settled(log, agent)
    assert [(one["number"], one["ok"]) for one in sent(log, agent)] == [(0, True), (1, True)]
    assert len(told.read_text().splitlines()) == 1


def test_a_lost_agent_is_told_of(log: Log, told: Path) -> None:
    """An agent of which nobody can say how it ended has failed, and its supervisor has that told."""
    agent = watched(log, "sleep 600", TOLD)
    known = agents.get(log, agent["id"])
    for who in ("keeper", "daemon", "child"):
        agents.kill(known[who]["pid"])
    shutil.rmtree(Run(log.home, agent["id"], 1).path)
    with supervising(log.home):
        settled(log, agent)
    assert told.read_text().startswith(f"failed|{agent['id']}||lost|")


def test_what_cannot_be_done_any_more_is_settled(log: Log, told: Path) -> None:
    """Where the files that say who is to be told are gone, nothing is owed for ever."""
    agent = watched(log, "sleep 600", TOLD)
    os.unlink(Run(log.home, agent["id"], 1).spec_path)
    control.ask_cancel(log, agent, grace=0)
    settled(log, agent)
    assert not told.exists()


def test_who_is_told_that_it_waits(log: Log, told: Path) -> None:
    """Waiting is told while it lasts, and not when the agent has gone on by then."""
    agent = watched(log, "sleep 600", TOLD, name="web")
    aftermath.tell_waiting(log, agent["id"], 1, "turn")  # it does not wait
    until(lambda: not [1 for line in processes_of(log.home.path).values() if "aftermath" in line], "that is over")
    sessions.wait(log, agent["id"], 1, "turn")
    aftermath.tell_waiting(log, agent["id"], 1, "turn")
    until(lambda: sent(log, agent), "it is told")
    line = f"agent web ({agent['id']}) waits for its next turn"
    assert told.read_text() == f"waiting|{agent['id']}|web|waiting|turn|{line}\n"
    assert sent(log, agent)[0]["on"] == "waiting"


@IMGHDR
def test_a_webhook_is_told(log: Log) -> None:
    """A URL gets the news by Apprise; its secrets are in no event, and one that takes nothing is recorded."""
    got: list[dict[str, Any]] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(500 if "broken" in self.path else 200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        where = f"json://user:secret@127.0.0.1:{server.server_port}"
        agent = watched(log, "exit 4", where, f"{where}/broken")
        settled(log, agent)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert [one["message"] for one in got[:1]] == [f"agent {agent['id']} has failed: exit status 4"]
    assert got[0]["title"] == "swarmctl: failed"
    assert [(one["ok"], one["to"]) for one in sent(log, agent)] == [(True, "json://…"), (False, "json://…")]
    everything = [*log.read(limit=1000), *registry.history(log, agent["id"])]
    assert not any("secret" in json.dumps(one.data) for one in everything)


@IMGHDR
@pytest.mark.parametrize("target", ["", " ", "a\0b", "nonesuch://host"])
def test_what_nobody_can_be_told_by_is_refused(target: str) -> None:
    """An empty command, and a URL that Apprise does not know, are wrong usage before anything is spawned."""
    with pytest.raises(WrongUsage):
        aftermath.around([target])


def test_a_run_that_cannot_start_is_told_of(log: Log, told: Path, tmp_path: Path) -> None:
    """A later run whose command is gone has failed, and that is told too."""
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o700)
    agent = agents.spawn(log, str(script), around=aftermath.around([TOLD]))
    settled(log, agent)
    script.unlink()
    from swarm_daemon import spawn

    with pytest.raises(CannotStart):
        spawn.restart(log, agents.get(log, agent["id"]))
    settled(log, agent)
    assert [one["on"] for one in sent(log, agent)] == ["done", "failed"]


def test_two_at_the_same_time_tell_once(log: Log, told: Path) -> None:
    """Of two processes at one run's aftermath the second waits for the first, and finds nothing left to do."""
    agent = watched(log, "true", f"sleep 0.3; {TOLD}")
    until(lambda: agents.get(log, agent["id"])["ended_at"], "the end")
    command = [*aftermath.COMMAND, agent["id"], "1"]
    assert subprocess.run(command, env={**os.environ, "SWARM_HOME": log.home.path}, check=False).returncode == 0
    settled(log, agent)
    assert len(told.read_text().splitlines()) == 1
