"""Agents over HTTP: spawned, listed, steered, waited for, read and removed, as on the command line."""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.apis import Api, api_in
from support.looking import is_running, state, until
from support.servers import serving

NOWHERE = {"command": ["no-such-command"]}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, empty_log: Path) -> Iterator[Api]:
    """One server for the tests of this file, each of which has agents of its own."""
    with api_in(tmp_path_factory.mktemp("api"), empty_log, "--long-poll", "10") as made:
        yield made


def test_an_agent_is_what_the_command_line_shows(api: Api) -> None:
    """An answer to spawn, show and list has an agent just as `swarmctl list --json` and `show --json` give it."""
    made = api.spawn("sleep 60", name="same", labels={"test": "same"})
    listed = api.get("/agents", params={"label": "test=same"})
    assert listed == {"agents": api.swarm.json("list", "--label", "test=same"), "next": None}
    assert [made] == listed["agents"] == [api.swarm.agent("same")] == [api.get("/agents/same")]
    assert list(made) == list(api.swarm.agent("same"))


def test_spawn_says_what_it_has_made(api: Api) -> None:
    """Spawning answers 201 with the running agent, and where it is to be found."""
    got = api.ask("POST", "/agents", {"command": ["sleep", "60"]}, status=201)
    agent = got.json()
    assert (agent["state"], got.headers["location"]) == ("running", f"/v1/agents/{agent['id']}")
    assert is_running(agent["child"]["pid"])


def test_spawn_takes_every_option(api: Api) -> None:
    """What the body says is what the agent gets: directory, variables, labels, policies, times."""
    options = {"cwd": "/", "env": {"A": "b"}, "labels": {"k": "v"}, "restart": "on-failure", "max_restarts": 3}
    options |= {"timeout": 60, "grace": 2.5, "silence": 30, "on_silence": "restart"}
    agent = api.ended('echo "$A"; pwd', **options)
    assert {name: agent[name] for name in options if name != "env"} == {k: v for k, v in options.items() if k != "env"}
    assert api.ask("GET", f"/agents/{agent['id']}/output").content == b"b\n/\n"


def test_spawn_gives_standard_input(api: Api) -> None:
    """Standard input may be text or bytes, and is there whole."""
    raw = bytes(range(256)) * 1000
    for given, wanted in (({"stdin": "é\n"}, "é\n".encode()), ({"stdin_base64": base64.b64encode(raw).decode()}, raw)):
        agent = api.ended("cat", **given)
        assert api.ask("GET", f"/agents/{agent['id']}/output").content == wanted


def test_spawn_begins_in_the_users_home(api: Api) -> None:
    """Where no directory is named it is the home of the server's user, wherever the server stands."""
    assert api.ended("true")["cwd"] == str(Path.home())


def test_an_agent_is_told_nothing_of_the_servers_tokens(tmp_path: Path, empty_log: Path) -> None:
    """The environment is the server's own, less its tokens and what systemd told it."""
    with api_in(tmp_path, empty_log, SWARM_TOKEN="secret", NOTIFY_SOCKET="/nowhere", KEPT="yes") as api:
        agent = api.ended("env")
        told = dict(line.split("=", 1) for line in api.ask("GET", f"/agents/{agent['id']}/output").text.splitlines())
    assert told["KEPT"] == "yes" and told["SWARM_AGENT_ID"] == agent["id"]
    assert not {"SWARM_TOKEN", "NOTIFY_SOCKET"} & told.keys()


def test_an_agent_may_open_as_many_files_as_the_servers_user(tmp_path: Path, empty_log: Path) -> None:
    """The server allows itself more open files; an agent has the limit that the server was started with."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, limits[1]))
    try:
        with api_in(tmp_path, empty_log) as api:
            agent = api.ended("ulimit -Sn")
            assert api.ask("GET", f"/agents/{agent['id']}/output").content == b"1000\n"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_what_cannot_be_executed_is_not_spawned(api: Api) -> None:
    """A command that is not there is 422 with the shell's status, and no agent is made."""
    got = api.ask("POST", "/agents", {**NOWHERE, "name": "nowhere"}, status=422).json()
    assert (got["type"], got["exit_code"]) == ("urn:swarmctl:cannot-start", 127)
    api.ask("GET", "/agents/nowhere", status=404)


def test_a_name_is_one_living_agents(api: Api) -> None:
    """A second living agent of the same name is 409."""
    api.spawn("sleep 60", name="taken")
    got = api.ask("POST", "/agents", {"command": ["true"], "name": "taken"}, status=409).json()
    assert got["type"] == "urn:swarmctl:name-taken"


def test_an_agents_agent_has_it_as_parent(api: Api) -> None:
    """With `parent` an agent is one deeper than that, and past the greatest depth there is none."""
    above = api.spawn("sleep 60")
    for depth in range(1, 9):
        below = api.spawn("sleep 60", parent=above["id"])
        assert (below["parent"], below["depth"]) == (above["id"], depth)
        above = below
    got = api.ask("POST", "/agents", {"command": ["true"], "parent": above["id"]}, status=409)
    assert "8 is the most" in got.json()["detail"]


def test_bytes_that_no_encoding_knows_are_listed(api: Api) -> None:
    """An agent whose command is not UTF-8 is shown over HTTP as on the command line."""
    agent = api.swarm.command(
        ["sh", "-c", "swarmctl spawn --wait --label bytes=1 -- echo \"$(printf '\\377')\""]
    ).text.strip()
    assert api.get(f"/agents/{agent}") == api.swarm.agent(agent)
    assert [one["id"] for one in api.get("/agents", params={"all": "true", "label": "bytes=1"})["agents"]] == [agent]


def test_pages_go_on_where_the_last_one_ended(api: Api) -> None:
    """A page has `limit` agents, and `next` leads through all of them in the order of their spawning."""
    made = [api.ended("true", labels={"page": str(number)})["id"] for number in range(5)]
    found: list[str] = []
    query: dict[str, Any] = {"label": "page", "all": "true", "limit": 2}
    while True:
        page = api.get("/agents", params=query)
        found += [agent["id"] for agent in page["agents"]]
        assert len(page["agents"]) <= 2
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert found == made


def test_lists_are_filtered_and_searched(api: Api) -> None:
    """States, labels, names and parts of what is known choose; without `all` only the living are there."""
    ended = api.ended("exit 3", name="finder-a", labels={"find": "a"})["id"]
    living = api.spawn("sleep 61", name="finder-b", labels={"find": "b"})["id"]

    def found(**query: Any) -> list[str]:
        return [agent["id"] for agent in api.get("/agents", params={"label": "find", **query})["agents"]]

    assert found() == [living] and found(all="true") == [ended, living]
    assert found(state="failed") == [ended] and found(state=["failed", "running"]) == [ended, living]
    assert found(name="finder-b") == [living] and found(q="SLEEP 61") == [living]
    assert found(all="true", q="finder-") == [ended, living] and found(q="find=b") == [living]


def test_the_past_is_shown(api: Api) -> None:
    """`at` shows agents as they were at a position of the log."""
    agent = api.ended("true", labels={"past": "1"})
    (started,) = api.get("/events", params={"agent": agent["id"], "type": "agent:started"})["events"]
    at = str(started["position"])
    assert api.get(f"/agents/{agent['id']}", params={"at": at})["state"] == "running"
    assert api.get("/agents", params={"label": "past", "at": at})["agents"] == api.swarm.json(
        "list", "--label", "past", "--at", at
    )


def test_wait_answers_at_the_end(api: Api) -> None:
    """A waiter has the agent once it has ended, at once where it has, and 204 when its time is up."""
    agent = api.spawn("while ! test -e go; do sleep 0.05; done; exit 7", cwd=str(api.swarm.cwd))
    api.ask("GET", f"/agents/{agent['id']}/wait", params={"timeout": "0.1"}, status=204)
    with ThreadPoolExecutor() as pool:
        waiters = [pool.submit(api.get, f"/agents/{agent['id']}/wait") for _ in range(3)]
        (api.swarm.cwd / "go").touch()
        ends = [waiter.result() for waiter in waiters]
    assert ends == [api.swarm.agent(agent["id"])] * 3 and ends[0]["exit_code"] == 7
    assert api.get(f"/agents/{agent['id']}/wait", params={"timeout": 0.2}) == ends[0]


def test_cancel_ends_the_tree(api: Api) -> None:
    """Cancelling answers 202 when it has asked, with `wait` 200 when the agent has ended, and then 409."""
    asked = api.spawn("sleep 60")
    assert api.ask("POST", f"/agents/{asked['id']}/cancel", status=202).json()["id"] == asked["id"]
    assert api.get(f"/agents/{asked['id']}/wait")["state"] == "cancelled"
    agent = api.spawn("trap '' TERM; sleep 60 & wait; wait")
    ended = api.ask("POST", f"/agents/{agent['id']}/cancel", {"grace": 0.2, "wait": True}).json()
    assert (ended["state"], ended["signal"]) == ("cancelled", "SIGKILL")
    api.ask("POST", f"/agents/{agent['id']}/cancel", status=409)


def test_cancel_ends_one_without_a_daemon(api: Api) -> None:
    """Where the daemon is dead, a successor ends the agent, and not the server itself."""
    agent = api.spawn("echo out; sleep 60")
    until(lambda: api.ask("GET", f"/agents/{agent['id']}/output").content, "the output")
    os.kill(agent["daemon"]["pid"], signal.SIGKILL)
    until(lambda: api.get(f"/agents/{agent['id']}")["status"] == "lost?", "the daemon's death is seen")
    ended = api.ask("POST", f"/agents/{agent['id']}/cancel", {"wait": True}).json()
    assert (ended["state"], ended["signal"]) == ("cancelled", "SIGTERM")
    assert ended["daemon"]["pid"] not in (agent["daemon"]["pid"], api.server.process.pid)


def test_cancel_withdraws_a_restart(api: Api) -> None:
    """An ended agent that its policy would start again is started no more."""
    agent = api.ended("exit 1", restart="on-failure")
    assert api.ask("POST", f"/agents/{agent['id']}/cancel").json()["no_more_restarts"] == "withdrawn"


def test_a_signal_reaches_the_agent(api: Api) -> None:
    """A signal goes to the agent; to an ended one it is 409, and one that there is not is 422."""
    agent = api.spawn("trap 'exit 9' USR1; echo ready; while :; do sleep 0.05; done")
    until(lambda: b"ready" in api.ask("GET", f"/agents/{agent['id']}/output").content, "it is ready")
    api.ask("POST", f"/agents/{agent['id']}/signal", {"signal": "USR1"}, status=202)
    assert api.get(f"/agents/{agent['id']}/wait")["exit_code"] == 9
    api.ask("POST", f"/agents/{agent['id']}/signal", {"signal": "USR1"}, status=409)
    api.ask("POST", f"/agents/{agent['id']}/signal", {"signal": "NONE"}, status=422)


def test_input_is_read_once_and_in_order(api: Api) -> None:
    """What is sent is read in order, bytes too; what is sent again with its key is not; the closed one is 409."""
    agent = api.spawn("cat", input=True)
    assert agent["input"]
    place = f"/agents/{agent['id']}/input"
    for body, key in (
        ({"text": "é\n"}, "a"),
        ({"base64": "/w=="}, "b"),
        ({"text": "é\n"}, "a"),
        ({"close": True}, "c"),
    ):
        api.ask("POST", place, body, status=202, headers={"Idempotency-Key": key})
    assert api.get(f"/agents/{agent['id']}/wait")["exit_code"] == 0
    assert api.ask("GET", f"/agents/{agent['id']}/output").content == "é\n".encode() + b"\xff"
    api.ask("POST", place, {"text": "late"}, status=409)
    api.ask("POST", f"/agents/{api.spawn('sleep 60')['id']}/input", {"text": "x"}, status=409)
    api.ask("POST", place, {}, status=422)
    api.ask("POST", "/agents", {"command": ["cat"], "input": True, "stdin": ""}, status=422)


def test_an_agent_may_have_a_terminal(api: Api) -> None:
    """With `tty` it has a terminal of the size that is said, under a name that programs know; what is sent is typed."""
    asked = {"command": ["sh", "-c", 'stty size; echo $TERM; read line; test "$line" = typed'], "tty": True}
    agent = api.ask("POST", "/agents", {**asked, "size": [30, 99]}, status=201).json()
    assert agent["tty"] and agent["input"]
    api.ask("POST", f"/agents/{agent['id']}/input", {"text": "typed\r"}, status=202)
    assert api.get(f"/agents/{agent['id']}/wait")["exit_code"] == 0
    output = api.ask("GET", f"/agents/{agent['id']}/output").content
    assert output.startswith(b"30 99\r\n") and b"typed\r\n" in output
    for more in ({"input": True}, {"stdin": ""}, {"size": [0, 1]}, {"size": [30]}):
        api.ask("POST", "/agents", {**asked, **more}, status=422)


def test_restart_begins_another_run(api: Api) -> None:
    """A living agent is ended and started again; so is one that has ended, and each run has its output."""
    agent = api.spawn("echo run; sleep 60")
    until(lambda: api.ask("GET", f"/agents/{agent['id']}/output").content, "its output")
    again = api.ask("POST", f"/agents/{agent['id']}/restart", {"grace": 1}).json()
    assert (again["state"], again["run"]) == ("running", 2)
    api.ask("POST", f"/agents/{agent['id']}/cancel", {"wait": True})
    assert api.ask("POST", f"/agents/{agent['id']}/restart").json()["run"] == 3
    ended = api.get(f"/agents/{agent['id']}/wait", params={"run": 2})
    assert ended["run"] == 3
    assert api.ask("GET", f"/agents/{agent['id']}/output", params={"run": 1}).content == b"run\n"


def test_output_is_what_logs_prints(api: Api) -> None:
    """Output over HTTP is byte for byte what `swarmctl logs` prints, whole, by stream, by run, by lines and by time."""
    agent = api.ended("seq 1 20000; printf 'a\\377b' >&2")["id"]
    for query, options in (
        ({}, ()),
        ({"stream": "stderr"}, ("--stream", "stderr")),
        ({"lines": 3, "stream": "stdout"}, ("-n", "3", "--stream", "stdout")),
        ({"since": "1h", "run": 1}, ("--since", "1h", "--run", "1")),
        ({"until": "2020-01-01T00:00:00Z"}, ("--until", "2020-01-01T00:00:00Z")),
        ({"lines": 0}, ("-n", "0")),
    ):
        got = api.ask("GET", f"/agents/{agent}/output", params=query)
        assert got.headers["content-type"] == "application/octet-stream"
        assert got.content == api.swarm.logs(agent, *options), query


def test_only_ended_agents_are_removed(api: Api) -> None:
    """Removing a living agent is 409; an ended one is gone with its output."""
    agent = api.spawn("sleep 60")
    api.ask("DELETE", f"/agents/{agent['id']}", status=409)
    api.ask("POST", f"/agents/{agent['id']}/cancel", {"wait": True})
    api.ask("DELETE", f"/agents/{agent['id']}", status=204)
    api.ask("GET", f"/agents/{agent['id']}", status=404)
    api.ask("DELETE", f"/agents/{agent['id']}", status=404)


def keyed(api: Api, key: str, body: dict[str, Any], status: int) -> dict[str, Any]:
    got: dict[str, Any] = api.ask("POST", "/agents", body, status=status, headers={"Idempotency-Key": key}).json()
    return got


def test_a_request_with_a_key_is_done_once(api: Api) -> None:
    """Sent again, in whatever order its members stand, it gives the same agent; another body, or none left, is 409."""
    body = {"command": ["true"], "env": {"A": "1", "B": "2"}}
    agent = keyed(api, "once", body, 201)
    assert keyed(api, "once", {"env": {"B": "2", "A": "1"}, "command": ["true"]}, 200)["id"] == agent["id"]
    assert "another request" in keyed(api, "once", {"command": ["false"]}, 409)["detail"]
    api.get(f"/agents/{agent['id']}/wait")
    api.ask("DELETE", f"/agents/{agent['id']}", status=204)
    assert "removed" in keyed(api, "once", body, 409)["detail"]
    assert keyed(api, "twice", body, 201)["id"] != agent["id"]


def test_a_key_of_a_refused_request_is_free(api: Api) -> None:
    """A request that made no agent has not used its key."""
    keyed(api, "refused", NOWHERE, 422)
    keyed(api, "refused", {"command": ["true"]}, 201)


def test_two_servers_do_it_once(tmp_path: Path, empty_log: Path) -> None:
    """Of the same request over two servers at once, many times, each makes one agent; and a restarted server knows."""
    with api_in(tmp_path, empty_log) as api, serving(api.swarm.home) as other, other.client() as client:
        two = [api, Api(api.swarm, other, client)]
        body = {"command": ["true"]}
        for key in ("a", "b", "c", "d"):
            gate = threading.Barrier(4)

            def ask(number: int, key: str = key, gate: threading.Barrier = gate) -> tuple[int, str]:
                gate.wait()
                got = two[number % 2].client.post("/v1/agents", json=body, headers={"Idempotency-Key": key})
                return got.status_code, got.json()["id"]

            with ThreadPoolExecutor(4) as pool:
                answers = list(pool.map(ask, range(4)))
            assert sorted(status for status, _ in answers) == [200, 200, 200, 201]
            assert len({agent for _, agent in answers}) == 1
        assert len(api.get("/agents", params={"all": "true"})["agents"]) == 4
        with serving(api.swarm.home) as third, third.client() as client:
            again = client.post("/v1/agents", json=body, headers={"Idempotency-Key": "d"})
            assert (again.status_code, again.json()["id"]) == (200, answers[0][1])
    assert not list((api.swarm.home / "agents").glob("*/spec.json.*"))


def test_agents_outlive_their_server(tmp_path: Path, empty_log: Path) -> None:
    """A server that is killed takes no agent with it, and none of its processes are left as zombies while it lives."""
    with api_in(tmp_path, empty_log) as api:
        ended = api.ended("true")
        until(lambda: state(ended["keeper"]["pid"]) is None, "the keeper has ended, and was reaped")
        agent = api.spawn("echo $$; sleep 60")
        api.server.process.kill()
        api.server.process.wait()
        with serving(api.swarm.home) as other, other.client() as client:
            found = client.get(f"/v1/agents/{agent['id']}").json()
            assert found["status"] == "running" and is_running(found["child"]["pid"])
            assert found["daemon"] == agent["daemon"]


def test_a_server_that_stops_answers_who_waits(tmp_path: Path, empty_log: Path) -> None:
    """Told to stop, a server lets nobody wait any longer: 204, and an empty page of events, and it ends well."""
    with api_in(tmp_path, empty_log) as api, ThreadPoolExecutor() as pool:
        agent = api.spawn("sleep 60")
        after = api.get("/info")["position"]
        ends = pool.submit(api.ask, "GET", f"/agents/{agent['id']}/wait", status=204)
        events = pool.submit(api.get, "/events", params={"after": after, "wait": 30})
        until(lambda: list((api.swarm.home / "bells" / "registry").glob("*")), "somebody waits for the end")
        until(lambda: list((api.swarm.home / "bells" / "*").glob("*")), "somebody waits for an event")
        assert api.server.stop() == 0
        assert ends.result().content == b"" and events.result()["events"] == []
        assert is_running(agent["child"]["pid"]) and api.server.complaints().count("\n") == 1


def test_a_bad_request_says_what_is_wrong(api: Api) -> None:
    """Every fault of a request is named with its place, and what was sent there is not repeated."""
    got = api.ask("POST", "/agents", {"command": [], "nmae": "x", "env": {"A": 5}}, status=422).json()
    places = [tuple(fault["where"]) for fault in got["errors"]]
    assert {("body", "command"), ("body", "nmae"), ("body", "env", "A")} <= set(places)
    assert (got["type"], got["exit_code"]) == ("urn:swarmctl:invalid", 2)
    assert json.dumps(got).count('"x"') == 0


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/agents?lable=x", 422),
        ("GET", "/agents?all=yes", 422),
        ("GET", "/agents?limit=0", 422),
        ("GET", "/agents?state=gone", 422),
        ("GET", "/agents?at=99999999", 400),
        ("GET", "/agents/nobody", 404),
        ("GET", f"/agents/{'x' * 65}", 422),
        ("GET", "/agents/nobody/wait", 404),
        ("GET", "/agents/nobody/output", 404),
        ("GET", "/nothing", 404),
        ("GET", "/agents/", 404),
        ("PUT", "/agents", 405),
        ("POST", "/agents", 422),
        ("POST", "/prune", 422),
    ],
)
def test_every_refusal_is_a_problem(api: Api, method: str, path: str, status: int) -> None:
    """Whatever is refused, a path or a method that is not there too, is refused as a problem."""
    api.ask(method, path, status=status)


def test_a_refused_method_names_the_others(api: Api) -> None:
    """A method that a path does not know is answered with all those that it knows."""
    assert api.ask("PUT", "/agents", status=405).headers["allow"] == "GET, POST"
    assert api.ask("PUT", "/agents/nobody", status=405).headers["allow"] == "DELETE, GET"
