"""What clients write over HTTP: one's mistake is not the others', and whoever reads learns when a stream is another."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from support.looking import until
from support.reading import NEXT, STREAM, live, messages
from support.servers import Server, serving
from swarm_store import client_writes, events
from swarm_store.client_streams import Spec
from swarm_store.errors import WrongUsage
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Transaction

JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for the tests of this file, each of which has streams of its own."""
    home: Path = tmp_path_factory.mktemp("served") / "home"
    home.mkdir(mode=0o700)
    with serving(home) as made:
        yield made


def test_a_fork_that_is_refused_is_not_there(server: Server) -> None:
    """A fork whose body is not what it inherits is refused with 400, and nothing of it is left behind."""
    with server.client() as client:
        client.put(STREAM + "source", headers=JSON, content=b'{"n": 1}')
        fork = {"stream-forked-from": "/v1/stream/source"}
        assert client.put(STREAM + "fork", headers=fork, content=b"no JSON").status_code == 400
        assert client.get(STREAM + "fork").status_code == 404
        assert client.put(STREAM + "fork", headers=fork, content=b"[]").status_code == 201
        assert messages(client, "fork") == [{"n": 1}]
        assert client.delete(STREAM + "fork").status_code == client.delete(STREAM + "source").status_code == 204
        assert client.get(STREAM + "source").status_code == 404


def test_what_is_refused_leaves_the_others_whole(log: Log) -> None:
    """In one transaction an attempt that raises after it has written leaves nothing, and the others all they wrote."""

    def spoiled(t: Transaction) -> None:
        client_writes.create(t, "spoiled", Spec("text/plain", None, None, False, None), b"x", None)
        raise WrongUsage("changed its mind")

    with log.transaction(durable=True) as t:
        t.attempt(lambda t: client_writes.create(t, "a", Spec("text/plain", None, None, False, None), b"1", None))
        with pytest.raises(WrongUsage):
            t.attempt(spoiled)
        t.attempt(lambda t: client_writes.append(t, "a", b"2", content_type="text/plain"))
    assert [record.payload for record in log.read("client/a")] == [b"1", b"2"]
    assert [record.data["name"] for record in log.read(events.STREAMS)] == ["a"]
    assert log.head("client/spoiled") == 0


def remake(server: Server, name: str, *contents: bytes) -> None:
    """Delete a stream and make another of its name, in one moment: nobody sees the time between."""
    with Log(Home(str(server.home))) as log, log.transaction(durable=True) as t:
        client_writes.delete(t, name)
        client_writes.create(t, name, Spec("application/json", None, None, False, None), b"", None)
        for content in contents:
            client_writes.append(t, name, content, content_type="application/json", messages=1)


@pytest.mark.parametrize("contents", [(), (b"1", b"2", b"3")])
def test_a_live_response_ends_with_its_stream(server: Server, contents: tuple[bytes, ...]) -> None:
    """A stream that is deleted and made anew at once ends the responses that followed the first, long or short."""
    with server.client() as client, server.client() as other:
        name = f"remade-{len(contents)}"
        client.put(STREAM + name, headers=JSON, content=b"[1,2]")
        with live(other, name) as batches:
            assert next(batches).data == "[1,2]"
            remake(server, name, *contents)
            assert [batch.messages for batch in batches if batch.data] == []


def test_who_waits_for_a_stream_is_told_that_it_is_another(server: Server) -> None:
    """A long-poll on a stream that is made anew is answered with 410, and so is an offset that it has never had."""
    with server.client() as client, server.client() as other, ThreadPoolExecutor(1) as pool:
        offset = client.put(STREAM + "waited", headers=JSON, content=b"[1,2]").headers[NEXT]
        params = {"offset": offset, "live": "long-poll"}
        waiting = pool.submit(other.get, STREAM + "waited", params=params)
        until(lambda: (Path(server.home) / "bells" / "client%2Fwaited").exists(), "it waits")
        remake(server, "waited")
        assert waiting.result().status_code == 410
        for way in ({}, {"live": "long-poll"}, {"live": "sse"}):
            answer = client.get(STREAM + "waited", params={"offset": f"{0:016d}_{7:016d}", **way})
            assert (answer.status_code, answer.headers["content-type"]) == (410, "application/problem+json")


def test_what_came_after_now_is_not_kept(server: Server) -> None:
    """The answer to a long-poll from `now` on has no ETag, and no cache may give it to who asks for `now` later."""
    with server.client() as client, server.client() as other, ThreadPoolExecutor(1) as pool:
        client.put(STREAM + "now", headers=JSON, content=b"[1]")
        waiting = pool.submit(other.get, STREAM + "now", params={"offset": "now", "live": "long-poll"})
        until(lambda: (Path(server.home) / "bells" / "client%2Fnow").exists(), "it waits")
        client.post(STREAM + "now", json=[2])
        answer = waiting.result()
        assert answer.json() == [2]
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers


def test_a_head_says_no_length(server: Server) -> None:
    """HEAD says no Content-Length, because a GET would have another: its page's."""
    with server.client() as client:
        client.put(STREAM + "headed", headers=JSON, content=b"[1]")
        answer = client.head(STREAM + "headed")
        assert answer.status_code == 200
        assert "content-length" not in answer.headers
        assert "transfer-encoding" not in answer.headers


def test_a_large_body_is_taken_apart(server: Server) -> None:
    """A JSON array of a megabyte is as many messages as it has elements, and one that is broken at its end is none."""
    numbers = list(range(150_000))
    with server.client() as client:
        client.put(STREAM + "large", headers=JSON)
        assert client.post(STREAM + "large", json=numbers).status_code == 204
        assert messages(client, "large") == numbers
        assert client.post(STREAM + "large", headers=JSON, content=b"[" + b"1," * 100_000).status_code == 400
        assert len(messages(client, "large")) == len(numbers)
