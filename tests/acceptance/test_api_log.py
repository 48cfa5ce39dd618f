"""The log over HTTP: events as they come, export and import, backup, prune; and how the machine is."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.apis import Api, api_in


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, empty_log: Path) -> Iterator[Api]:
    """One server for the tests of this file, each of which has agents of its own."""
    with api_in(tmp_path_factory.mktemp("api"), empty_log, "--long-poll", "10") as made:
        yield made


def events(api: Api, **query: Any) -> list[dict[str, Any]]:
    """All pages from the beginning."""
    found: list[dict[str, Any]] = []
    after = 0
    while True:
        page = api.get("/events", params={**query, "after": after})
        if not page["events"]:
            return found
        found += page["events"]
        after = page["next"]


def test_events_are_what_the_command_line_shows(api: Api) -> None:
    """Pages of events are together what `swarmctl events --json` prints, of all, of one agent, of a type."""
    agent = api.ended("echo x; echo y >&2")["id"]
    assert events(api, agent=agent, limit=2) == api.swarm.json("events", agent)
    written = events(api, agent=agent, type=["stdout:written", "stderr:written"], limit=1)
    assert written == api.swarm.json("events", agent, "--type", "stdout:written", "--type", "stderr:written")
    assert len(written) == 2 and {one["base64"] for one in written} == {"eAo=", "eQo="}
    after = written[0]["position"]
    later = api.get("/events", params={"agent": agent, "type": ["stdout:written", "stderr:written"], "after": after})
    assert later["events"] == written[1:]
    assert events(api, type="agent:spawned") == api.swarm.json("events", "--type", "agent:spawned")


def test_whoever_waits_for_events_is_woken(api: Api) -> None:
    """Where nothing is there the answer comes with the next event, long before the time is up, or empty at its end."""
    after = api.get("/events", params={"after": 1 << 60})["next"]
    after = api.get("/events", params={"after": 0, "limit": 1000, "type": "agent:removed"})["next"]
    with ThreadPoolExecutor() as pool:
        query = {"after": after, "type": "agent:spawned", "wait": 10}
        waiter = pool.submit(api.get, "/events", params=query)
        agent = api.spawn("true")["id"]
        begun = time.monotonic()
        page = waiter.result()
        assert time.monotonic() - begun < 5
    assert [one["agent"] for one in page["events"]] == [agent]
    empty = api.get("/events", params={**query, "after": page["next"], "type": "agent:lost", "wait": 0.1})
    assert empty["events"] == [] and empty["next"] >= page["next"]


def test_an_export_can_be_imported(api: Api, tmp_path: Path, empty_log: Path) -> None:
    """What one server exports, another takes in: the agent is there as it was, and again it is 409."""
    agent = api.ended("seq 1 1000", name="exported")
    exported = api.ask("GET", "/export", params={"agent": "exported"})
    assert exported.headers["content-type"] == "application/x-ndjson"
    assert exported.content == api.swarm.command(["swarmctl", "export", "exported"]).out
    with api_in(tmp_path, empty_log) as other:
        got = other.ask("POST", "/import", content=exported.content)
        assert got.json() == {"imported": [agent["id"]]}
        assert other.ask("GET", "/agents/exported/output").content == b"".join(b"%d\n" % n for n in range(1, 1001))
        other.ask("POST", "/import", content=exported.content, status=409)
        other.ask("POST", "/import", content=exported.content[:-20], status=400)
    api.ask("GET", "/export", params={"agent": "nobody"}, status=404)


def test_a_backup_is_a_log(tmp_path: Path, empty_log: Path) -> None:
    """The file that is sent is a sound database with all agents in it; sent or not, the server keeps nothing of it."""
    (tmp_path / "temporary").mkdir()
    with api_in(tmp_path, empty_log, TMPDIR=str(tmp_path / "temporary")) as api:
        api.ended("true")
        (tmp_path / "copy.db").write_bytes(api.ask("GET", "/backup").content)
        with api.client.stream("GET", "/v1/backup") as broken_off:
            assert broken_off.headers["content-type"] == "application/vnd.sqlite3"
        assert list((tmp_path / "temporary").iterdir()) == []
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert copy.execute("SELECT count(*) FROM agents").fetchone() == (1,)


def test_prune_forgets_what_it_is_told(tmp_path: Path, empty_log: Path) -> None:
    """A dry run says which it would be, a prune forgets those; labels narrow the choice."""
    with api_in(tmp_path, empty_log) as api:
        a, b = api.ended("true", labels={"team": "a"})["id"], api.ended("true", labels={"team": "b"})["id"]
        dry = api.ask("POST", "/prune", {"older_than": 0, "dry_run": True}).json()
        assert dry == {"removed": [a, b]} and len(api.swarm.json("list", "--all")) == 2
        assert api.ask("POST", "/prune", {"keep": 0, "labels": {"team": "b"}}).json() == {"removed": [b]}
        assert api.ask("POST", "/prune", {"keep": 0, "labels": ["team=a"]}).json() == {"removed": [a]}
        assert api.swarm.json("list", "--all") == []


def test_the_machine_is_told_of(api: Api) -> None:
    """doctor, supervisor and info say what the command line says."""
    report = api.get("/doctor")
    checks = {finding["check"]: finding["ok"] for finding in api.swarm.json("doctor")}
    assert {finding["check"]: finding["ok"] for finding in report["findings"]} == checks and report["ok"]
    none = json.loads(api.swarm.run("supervisor", "status", "--json").text)
    assert api.get("/supervisor") == none == {"running": False, "last": None}
    info = api.get("/info")
    assert (info["host"], info["epoch"], info["rights"]) == (os.uname().nodename, 0, "control")
    reader = api.swarm.ok("token", "create", "--read").strip()
    with api.server.client(reader) as client:
        assert client.get("/v1/info").json()["rights"] == "read"
    assert info["version"] in api.swarm.ok("--version")


def test_a_deleted_log_is_a_problem_that_passes(tmp_path: Path, empty_log: Path) -> None:
    """While there is no log requests are 503 with a time to try again; when it is back they are answered."""
    with api_in(tmp_path, empty_log) as api:
        agent = api.spawn("sleep 60")["id"]
        database = api.swarm.home / "swarm.db"
        database.rename(tmp_path / "aside")
        got = api.ask("GET", "/agents", status=503)
        assert got.headers["retry-after"] and got.json()["type"] == "urn:swarmctl:log-gone"
        api.ask("POST", "/agents", {"command": ["true"]}, status=503)
        (tmp_path / "aside").rename(database)
        assert [one["id"] for one in api.get("/agents")["agents"]] == [agent]


def test_last_lines_are_those_that_are_not_blank(api: Api) -> None:
    """Of each agent that has written: the last line that is not blank, of which stream it is, cut to 400 characters."""
    out = api.ended("echo first; echo second; echo; echo")["id"]
    err = api.ended("echo out; sleep 0.05; printf 'no newline\\377' >&2")["id"]
    long = api.ended("head -c 20000 /dev/zero | tr '\\0' x")["id"]
    none = api.ended("true")["id"]
    found = api.get("/last", params={"agent": [out, err, long, none, "nobody"]})
    assert {one: (line["stream"], line["text"]) for one, line in found["last"].items()} == {
        out: ("stdout", "second"),
        err: ("stderr", "no newline\ufffd"),
        long: ("stdout", "x" * 400),
    }
    assert api.get("/last", params={"agent": [out, err, long], "after": found["next"]}) == {
        "last": {},
        "next": found["next"],
    }


def test_a_last_line_can_be_waited_for(api: Api) -> None:
    """Asked to wait, the answer comes with the next line of any of the agents, or with none when the time is up."""
    fifo = api.swarm.cwd / "lines"
    os.mkfifo(fifo)
    quiet = api.spawn("exec sleep 60")["id"]
    agent = api.spawn(f"while read -r line; do echo $line; done < {fifo}")["id"]
    with ThreadPoolExecutor(1) as pool, open(fifo, "w", buffering=1) as lines:
        waiting = pool.submit(api.get, "/last", params={"agent": [quiet, agent], "wait": 9})
        lines.write("hello\n")
        assert waiting.result(20)["last"][agent]["text"] == "hello"
        after = waiting.result()["next"]
        assert api.get("/last", params={"agent": [agent], "wait": 0.05, "after": after})["last"] == {}


def test_no_new_log_takes_the_place_of_a_deleted_one(tmp_path: Path, empty_log: Path) -> None:
    """A server whose log was deleted makes none by itself, whatever it is asked."""
    with api_in(tmp_path, empty_log) as api:
        for path in api.swarm.home.glob("swarm.db*"):
            path.unlink()
        for _ in range(3):
            got = api.client.post("/v1/agents", json={"command": ["true"]})
            assert got.status_code in (404, 503) and got.headers["content-type"] == "application/problem+json"
        assert not (api.swarm.home / "swarm.db").exists()
