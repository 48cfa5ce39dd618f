"""The log's own streams over HTTP: the registry, what an agent writes, and the agents as rows that change."""

from __future__ import annotations

import base64
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.agents import ended, output, sh
from support.looking import DEADLINE, until
from support.reading import NEXT, STREAM, content, live, messages
from support.servers import Server, serving
from swarm_daemon import control
from swarm_store import events, registry
from swarm_store.backup import backup
from swarm_store.home import Home
from swarm_store.log import Log

HOSTILE = rb"printf 'caf\303\251 \377\000 <b>\n'; printf 'e\r\n' >&2"


def offsets_of(found: list[dict[str, Any]]) -> list[int]:
    return [message["offset"] for message in found]


def test_the_registry_is_all_events_of_it_in_order(home: Home, log: Log) -> None:
    """Read page by page, the registry's messages are the log's records: dense offsets, the same types and agents."""
    agents = [sh(log, "true")["id"] for _ in range(3)]
    for one in agents:
        ended(log, one)
    with serving(home.path) as server, server.client() as client:
        found = messages(client, "registry")
    records = log.read(events.REGISTRY)
    assert offsets_of(found) == list(range(len(records)))
    assert [(one["type"], one["agent"], one["data"]) for one in found] == [(r.type, r.key, r.data) for r in records]


def test_every_offset_is_a_place_to_go_on_at(home: Home, log: Log) -> None:
    """From the offset before any record on, exactly the records from there on are read."""
    ended(log, sh(log, "true")["id"])
    with serving(home.path) as server, server.client() as client:
        everything = messages(client, "registry")
        for number in range(len(everything) + 1):
            assert messages(client, "registry", f"{0:016d}_{number:016d}") == everything[number:]
        head = client.head(STREAM + "registry").headers[NEXT]
    assert head == f"{0:016d}_{len(everything):016d}"


def test_what_an_agent_writes_is_read_byte_for_byte(home: Home, log: Log) -> None:
    """stdout and stderr as streams of their own are the child's bytes; as messages they are text, or else base64."""
    agent = ended(log, sh(log, HOSTILE.decode("latin-1"))["id"])["id"]
    with serving(home.path) as server, server.client() as client:
        found = messages(client, f"agents/{agent}")
        raw = {name: content(client, f"agents/{agent}/{name}") for name in ("stdout", "stderr")}
    for name in ("stdout", "stderr"):
        chunks = [one for one in found if one["type"] == events.OUTPUT_TYPES[name]]
        said = b"".join(
            one["text"].encode() if "text" in one else base64.b64decode(one["base64"], validate=True) for one in chunks
        )
        assert said == raw[name] == output(log, agent, name)
    assert raw == {"stdout": b"caf\xc3\xa9 \xff\0 <b>\n", "stderr": b"e\r\n"}


def test_a_live_reader_gets_output_as_it_is_written(home: Home, log: Log) -> None:
    """Someone who follows an agent's stdout gets each line while the agent runs on, and the bytes are the child's."""
    agent = sh(log, "while read -r line; do echo got $line; done < $PIPE", env={"PIPE": _fifo(home)})["id"]
    with (
        serving(home.path) as server,
        server.client() as client,
        live(client, f"agents/{agent}/stdout") as batches,
        open(f"{home.path}/pipe", "wb", buffering=0) as pipe,
    ):
        assert next(batches).control["upToDate"] is True
        for number in range(3):
            pipe.write(b"%d\n" % number)
            assert next(batch for batch in batches if batch.data).bytes == b"got %d\n" % number


def _fifo(home: Home) -> str:
    os.mkfifo(f"{home.path}/pipe")
    return f"{home.path}/pipe"


@pytest.mark.parametrize("signum", [signal.SIGKILL, signal.SIGTERM])
def test_a_reader_goes_on_at_its_offset_when_the_server_was_ended(home: Home, log: Log, signum: int) -> None:
    """Whatever ends the server, a reader that comes again at its offset has every record once, and in order."""
    agent = sh(log, "i=0; while [ $i -lt 400 ]; do i=$((i+1)); echo $i; done; sleep 0.2; seq 401 800")["id"]
    found: list[dict[str, Any]] = []
    offset, port = "-1", "0"
    for _ in range(3):
        with serving(home.path, "--port", port) as server:
            port = str(server.port)
            with server.client() as client, live(client, f"agents/{agent}", offset) as batches:
                batch = next(batches)
                found += batch.messages
                offset = batch.next
            server.stop(signum)
    ended(log, agent)
    with serving(home.path, "--port", port) as server, server.client() as client:
        found += messages(client, f"agents/{agent}", offset)
    assert offsets_of(found) == list(range(log.head(events.agent_stream(agent))))


def folded(found: list[dict[str, Any]]) -> dict[str, Any]:
    """What somebody has who applies change messages strictly: no row is inserted twice, none is changed unseen."""
    rows: dict[str, Any] = {}
    for message in found:
        operation, key = message["headers"]["operation"], message["key"]
        assert (key in rows) == (operation != "insert"), message
        assert message["type"] == "agent"
        if operation == "delete":
            del rows[key]
        else:
            rows[key] = message["value"]
    return rows


def test_the_agents_are_rows_that_change(home: Home, log: Log) -> None:
    """Changes applied from the beginning on, or from any batch's end on, give the registry's rows as they are."""
    with serving(home.path) as server, server.client() as client:
        first = sh(log, "true", name="first")["id"]
        ended(log, first)
        found = messages(client, "state/agents")
        offset = client.head(STREAM + "state/agents").headers[NEXT]
        second = sh(log, "sleep 60", name="second")["id"]
        control.forget(log, ended(log, first))
        sh(log, "exit 3")
        until(lambda: sum(one["state"] == "failed" for one in registry.agents(log, ended=True)) == 1)
        found += messages(client, "state/agents", offset)
        rows = folded(found)
        assert rows == folded(messages(client, "state/agents"))
    assert rows == json.loads(json.dumps({one["id"]: one for one in registry.agents(log, ended=True)}))
    assert rows[second]["state"] == "running" and first not in rows


def test_rows_are_followed_live(home: Home, log: Log) -> None:
    """A live reader of the rows hears of an agent that is spawned, and of its end."""
    with serving(home.path) as server, server.client() as client, live(client, "state/agents") as batches:
        assert next(batches).messages == []
        agent = sh(log, "exit 7")["id"]
        rows: dict[str, Any] = {}
        for batch in batches:
            rows = folded([*({"type": "agent", "key": k, "value": v, "headers": {"operation": "insert"}}
                             for k, v in rows.items()), *batch.messages])  # fmt: skip
            if agent in rows and rows[agent]["exit_code"] == 7:
                return


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_our_own_streams_are_not_written(home: Home, log: Log, method: str) -> None:
    """Writing to one of the log's own streams is refused with 405, and changes nothing."""
    agent = ended(log, sh(log, "true")["id"])["id"]
    before = log.position()
    with serving(home.path) as server, server.client() as client:
        for name in ("registry", f"agents/{agent}", f"agents/{agent}/stdout", "state/agents"):
            answer = client.request(method, STREAM + name, content=b"{}", headers={"content-type": "application/json"})
            assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
            assert answer.headers["content-type"] == "application/problem+json"
    assert log.position() == before


def test_names_that_the_log_keeps_for_itself_cannot_be_had(home: Home, log: Log) -> None:
    """Inboxes, tokens and whatever else the log holds are no streams of the protocol, to read or to write."""
    agent = ended(log, sh(log, "true")["id"])["id"]
    control_of = sh(log, "sleep 60")["id"]
    control.ask_signal(log, registry.resolve(log, control_of), "CONT")
    assert log.head(events.inbox_stream(control_of))
    with serving(home.path) as server, server.client() as client:
        for name in (
            f"inbox/{agent}",
            "tokens",
            "streams",
            "supervisor",
            "imports",
            "agents",
            "agents/none",
            "state/x",
        ):
            assert client.get(STREAM + name, params={"offset": "-1"}).status_code == 404, name
            assert client.put(STREAM + name).status_code in (404, 405), name


def test_a_reader_of_a_removed_agent_comes_to_an_end(home: Home, log: Log) -> None:
    """When an agent is removed its live readers' responses end, and whoever comes again is told that it is gone."""
    agent = ended(log, sh(log, "echo out")["id"])
    with serving(home.path) as server, server.client() as client:
        with live(client, f"agents/{agent['id']}") as batches:
            assert next(batches).messages
            control.forget(log, agent)
            assert list(batches) == []
        assert client.get(STREAM + f"agents/{agent['id']}").status_code == 404


def test_a_long_poll_is_answered_when_there_is_something(home: Home, log: Log) -> None:
    """A reader that waits at the end gets 204 when its time is up, and the record as soon as there is one."""
    with serving(home.path, "--long-poll", "0.2") as server, server.client() as client:
        waiting = {"offset": "now", "live": "long-poll"}
        answer = client.get(STREAM + "registry", params=waiting)
        assert (answer.status_code, answer.headers["stream-up-to-date"]) == (204, "true")
    with serving(home.path) as server, server.client() as client:
        head = client.head(STREAM + "registry").headers[NEXT]
        sh(log, "true")
        answer = client.get(STREAM + "registry", params={"offset": head, "live": "long-poll"})
        assert answer.json()[0]["type"] == events.AGENT_SPAWNED


def test_a_page_is_not_sent_twice_to_who_has_it(home: Home, log: Log) -> None:
    """The entity tag of a page gives 304 while nothing is added to it."""
    ended(log, sh(log, "true")["id"])
    with serving(home.path) as server, server.client() as client:
        page = client.get(STREAM + "registry", params={"offset": "-1"})
        again = client.get(
            STREAM + "registry", params={"offset": "-1"}, headers={"if-none-match": page.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        sh(log, "true")
        more = client.get(STREAM + "registry", params={"offset": "-1"}, headers={"if-none-match": page.headers["etag"]})
    assert more.status_code == 200


def test_the_log_may_go_and_come_back(home: Home, log: Log) -> None:
    """While the log is deleted readers are told so with 503; when it is there again the same server serves it."""
    agent = sh(log, "echo before; sleep 60")["id"]
    until(lambda: output(log, agent))
    with serving(home.path) as server, server.client() as client:
        assert content(client, f"agents/{agent}/stdout") == b"before\n"
        _delete(home)
        gone = client.get(STREAM + "registry", params={"offset": "-1"})
        assert (gone.status_code, gone.json()["type"]) == (503, "urn:swarmctl:log-gone")
        assert gone.headers["retry-after"]
        _bring_back(home)
        assert content(client, f"agents/{agent}/stdout") == b"before\n"


def _delete(home: Home) -> None:
    for name in ("", "-wal", "-shm"):
        os.rename(home.database + name, f"{home.path}/away{name}")


def _bring_back(home: Home) -> None:
    for name in ("-wal", "-shm", ""):
        os.rename(f"{home.path}/away{name}", home.database + name)


def test_a_live_response_ends_where_an_older_copy_takes_the_logs_place(home: Home, log: Log) -> None:
    """Whoever is beyond the end of a copy that was put back is not given what comes after that: it comes again."""
    kind = {"content-type": "text/plain"}
    with (
        serving(home.path) as server,
        server.client() as client,
        server.client() as other,
        ThreadPoolExecutor(1) as pool,
    ):
        offset = client.put(STREAM + "copied", headers=kind, content=b"before").headers["stream-next-offset"]
        backup(log, f"{home.path}-copy")
        for _ in range(3):
            offset = client.post(STREAM + "copied", headers=kind, content=b"since").headers["stream-next-offset"]
        with live(other, "copied", offset) as batches:
            assert next(batches).control["streamNextOffset"] == offset
            _delete(home)
            os.rename(f"{home.path}-copy", home.database)
            until(lambda: client.post(STREAM + "copied", headers=kind, content=b"anew").status_code == 204)
            assert pool.submit(list, batches).result(timeout=DEADLINE) == []
        assert client.get(STREAM + "copied", params={"offset": offset}).status_code == 410
        assert content(client, "copied") == b"beforeanew"


def test_two_servers_on_one_log_are_one(home: Home, log: Log) -> None:
    """What is appended through one server is read through another, live, in the order of its offsets."""
    with serving(home.path) as one, serving(home.path) as other, one.client() as writer, other.client() as reader:
        assert writer.put(STREAM + "shared", headers={"content-type": "application/json"}).status_code == 201
        with live(reader, "shared") as batches:
            assert next(batches).messages == []
            found: list[Any] = []
            for number in range(5):
                client = (writer, reader)[number % 2]
                assert _post(client, "shared", {"n": number}).status_code == 204
            for batch in batches:
                found += batch.messages
                if len(found) == 5:
                    break
    assert [one["n"] for one in found] == list(range(5))


def _post(client: httpx.Client, name: str, message: Any) -> httpx.Response:
    return client.post(STREAM + name, json=message)


def test_told_to_stop_it_stops_at_once(home: Home, log: Log) -> None:
    """TERM ends a server with live readers at once, with status 0, and their responses end as they should."""
    with serving(home.path) as server, server.client() as client, live(client, "registry") as batches:
        next(batches)
        assert server.stop() == 0
        assert list(batches) == []
    assert isinstance(server, Server)
