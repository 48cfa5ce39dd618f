"""Clients' streams when something goes wrong: a killed server, a damaged log, an older one, one taken elsewhere."""

from __future__ import annotations

import io
import json
import signal
import sqlite3
import threading
from pathlib import Path

import httpx
import pytest

from support.cli import Swarm
from support.client_streams import TEXT, content, delete, post, put, spec
from support.damage import WAYS
from support.facts import life
from support.homes import empty_log, swarm
from support.looking import until
from support.servers import Server, serving
from swarm_store import backup, client_streams, client_writes, health, recovery, registry
from swarm_store.client_streams import JSON, Fork
from swarm_store.errors import NotPossible, WrongUsage
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Producer
from swarm_store.transfer import export, take_in

__all__ = ["empty_log", "swarm"]
# Tables since version 2, and since version 3.
ADDED = ("client_streams", "subscriptions", "subscription_links", "sessions", "approvals", "usage")


def fill(log: Log) -> None:
    """Streams of every kind, forks, one that is kept for its fork, one that is gone."""
    put(log, "json", spec(JSON, ttl=3600))
    for n in range(20):
        post(log, "json", b'{"n":%d}' % n, kind=JSON, producer=Producer("p", 0, n), sequence=f"{n:03d}")
    put(log, "text", body=b"x" * 10_000)
    put(log, "fork", spec(JSON, fork=Fork("json", 10, 0)))
    post(log, "fork", b'"mine"', kind=JSON)
    put(log, "kept", body=b"kept ")
    put(log, "of kept", spec(fork=Fork("kept", None, 0)), b"on")
    delete(log, "kept")
    put(log, "gone", body=b"gone")
    delete(log, "gone")
    put(log, "gone", body=b"back")
    put(log, "closed", spec(closed=True), b"done")


def all_of(log: Log) -> dict[str, tuple[bytes, str, int | None, int, str]]:
    """Every stream that clients see: its content, type, time to live, whether it is closed, its tag."""
    found = client_streams.names(log)
    return {one.name: (content(log, one.name), one.content_type, one.ttl, one.closed, one.tag) for one in found}


def test_a_killed_server_leaves_no_half_of_an_append(swarm: Swarm) -> None:
    """Each append that was acknowledged is there whole, once and in order, with at most those under way besides."""
    acknowledged: list[list[int]] = [[], [], [], []]
    with serving(swarm.home) as server, server.client() as client:
        for n in range(4):
            client.put(f"/v1/stream/s{n}", headers={"Content-Type": JSON})
        threads = [threading.Thread(target=append, args=(server, n, acknowledged[n])) for n in range(4)]
        for thread in threads:
            thread.start()
        until(lambda: all(len(one) > 20 for one in acknowledged))
        server.stop(signal.SIGKILL)
        for thread in threads:
            thread.join()
    with serving(swarm.home) as server, server.client() as client:
        for n, numbers in enumerate(acknowledged):
            messages = read_all(client, f"s{n}")
            last = numbers[-1] + (len(messages) // 2 > len(numbers))
            assert messages == [one for k in range(last + 1) for one in pair(k)]
    with Log(Home(str(swarm.home))) as log:
        assert health.integrity(log) == []


def pair(n: int) -> list[dict[str, object]]:
    return [{"n": n, "x": "x" * 3000}, {"half": n}]


def append(server: Server, number: int, acknowledged: list[int]) -> None:
    """Append pairs until the server is gone."""
    with server.client() as client:
        try:
            for n in range(10_000):
                got = client.post(f"/v1/stream/s{number}", json=pair(n))
                assert got.status_code == 204
                acknowledged.append(n)
        except httpx.HTTPError:
            return


def read_all(client: httpx.Client, name: str) -> list[dict[str, object]]:
    """All messages of a stream, page by page."""
    found: list[dict[str, object]] = []
    offset = "-1"
    while True:
        got = client.get(f"/v1/stream/{name}", params={"offset": offset})
        found += got.json()
        offset = got.headers["stream-next-offset"]
        if "stream-up-to-date" in got.headers:
            return found


def test_a_log_of_version_one_is_brought_up(home: Home) -> None:
    """What an older version has made gets the new tables at the first opening, and keeps all that it has."""
    with Log(home) as log:
        registry.publish(log, *life("agent1"))
    database = sqlite3.connect(home.database)
    for table in ADDED:
        database.execute(f"DROP TABLE {table}")
    database.execute("DROP INDEX agents_by_parent")
    database.execute("PRAGMA user_version=1")
    database.commit()
    database.close()
    with Log(home) as log:
        fill(log)
        assert registry.get(log, "agent1") is not None
        assert "fork" in all_of(log)
        assert health.integrity(log) == health.differing(log) == []


def test_a_recovered_log_has_its_streams(home: Home) -> None:
    """Where nothing was lost, every stream is as it was, forks and what is kept for them too, and all goes on."""
    with Log(home) as log:
        fill(log)
        before = all_of(log)
    recovery.set_aside_and_recover(home)
    with Log(home) as log:
        assert all_of(log) == before
        assert content(log, "of kept") == b"kept on"
        assert not post(log, "json", b"1", kind=JSON, producer=Producer("p", 0, 19)).is_new
        assert post(log, "json", b"1", kind=JSON, producer=Producer("p", 0, 20)).is_new
        assert not put(log, "fork", spec(JSON, fork=Fork("json", 10, 0))).is_new
        delete(log, "of kept")
        while client_writes.clear(log):
            pass
        assert put(log, "kept").is_new
        assert health.integrity(log) == []


@pytest.mark.parametrize("way", WAYS)
def test_a_damaged_log_has_streams_that_can_be_read(home: Home, way: str) -> None:
    """Whatever is damaged: the new log is sound, each stream in it can be read to its end, and nothing is false."""
    with Log(home) as log:
        for n in range(60):
            put(log, f"s{n}", spec(JSON))
            for k in range(20):
                post(log, f"s{n}", b'{"s":%d,"k":%d,"x":"%s"}' % (n, k, b"x" * 200), kind=JSON)
        fill(log)
        before = all_of(log)
    WAYS[way](home.database)
    recovery.recover_if_needed(home, check=True)
    with Log(home) as log:
        assert health.integrity(log) == []
        for name, (body, *_) in all_of(log).items():
            if name in before:
                there = set(before[name][0].replace(b"},{", b"}\0{").split(b"\0"))
                pieces = set(body.replace(b"},{", b"}\0{").split(b"\0")) - {b""}
                assert pieces <= there or name in ("text", "fork", "of kept"), name
            put(log, name + " more", spec(None, fork=Fork(name, None, 0)))
            assert content(log, name + " more") == body


def test_an_export_takes_streams_along(home: Home, tmp_path: Path) -> None:
    """What is imported elsewhere has every stream, with its offsets, forks and life; what is there already stays."""
    with Log(home) as log:
        fill(log)
        before = all_of(log)
        lines = io.BytesIO("".join(export(log)).encode())
    elsewhere = tmp_path / "elsewhere"
    with Log(Home(str(elsewhere))) as other:
        take_in(other, lines)
        assert all_of(other) == before
        assert health.integrity(other) == []
        post(other, "json", b"1", kind=JSON)
        delete(other, "of kept")


def test_an_export_does_not_mix_with_streams_that_are_there(home: Home, tmp_path: Path) -> None:
    """A stream of the same name is neither changed nor added to by an import."""
    with Log(home) as log:
        fill(log)
        lines = io.BytesIO("".join(export(log)).encode())
    with Log(Home(str(tmp_path / "elsewhere"))) as other:
        put(other, "json", spec(TEXT), b"not JSON")
        before = all_of(other)
        with pytest.raises(NotPossible, match="'json'"):
            take_in(other, lines)
        assert all_of(other) == before


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"name": 1},
        {"name": "x"},
        {"name": "x", "tag": "t", "content_type": "a/b", "ttl": "1", "expires_at": None, "fork": None},
        {"name": "x", "tag": "t", "content_type": "a/b", "ttl": None, "expires_at": "soon", "fork": None},
        {"name": "x", "tag": "t", "content_type": "a/b", "ttl": None, "expires_at": None, "fork": {"source": "a"}},
    ],
)
def test_an_import_refuses_what_no_stream_says(home: Home, said: dict[str, object]) -> None:
    """A stream's beginning without what it should say is told by its line, and nothing is imported."""
    with Log(home) as log:
        put(log, "elsewhere")
        lines = [json.loads(line) for line in export(log)]
        lines[1]["data"] = said
        with pytest.raises(WrongUsage, match="line 2"):
            take_in(log, io.BytesIO("".join(json.dumps(line) + "\n" for line in lines).encode()))
        assert log.position() == 1


def test_an_import_refuses_subscriptions(home: Home) -> None:
    """What would have this log call somebody is no line of an export."""
    with Log(home) as log:
        fill(log)
        text = "".join(export(log))
        with pytest.raises(WrongUsage, match="no stream that could be imported"):
            take_in(log, io.BytesIO(text.replace('"stream":"streams"', '"stream":"subscriptions"').encode()))


def test_a_backup_has_them(home: Home, tmp_path: Path) -> None:
    """A backup is the log: opened elsewhere it has every stream."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    with Log(home) as log:
        fill(log)
        before = all_of(log)
        backup.backup(log, str(elsewhere / "swarm.db"))
    with Log(Home(str(elsewhere))) as other:
        assert all_of(other) == before


def test_doctor_finds_nothing(swarm: Swarm) -> None:
    """A log with clients' streams, cleared or not, is healthy."""
    with Log(Home(str(swarm.home))) as log:
        fill(log)
    swarm.ok("doctor")
    with Log(Home(str(swarm.home))) as log:
        while client_writes.clear(log):
            pass
    swarm.ok("doctor")
    swarm.ok("prune", "--keep", "0")
    with Log(Home(str(swarm.home)), write=False) as log:
        assert len(all_of(log)) == 6


def test_a_server_clears_what_is_gone(swarm: Swarm) -> None:
    """Streams that expire, that were deleted, and what a killed server had not cleared: nothing of them is kept."""
    with Log(Home(str(swarm.home))) as log:
        put(log, "left", body=b"x" * 100_000)
        delete(log, "left")
    with serving(swarm.home) as server, server.client() as client:
        client.put("/v1/stream/short", content=b"x", headers={"Stream-TTL": "1"})
        client.put("/v1/stream/deleted", content=b"x")
        assert client.delete("/v1/stream/deleted").status_code == 204
        client.put("/v1/stream/stays", content=b"x")
        with Log(Home(str(swarm.home)), write=False) as log:
            count = "SELECT count(*) FROM records WHERE type = 'data:appended'"
            until(lambda: log.query(count) == [(1,)])
            assert {one.name for one in client_streams.names(log)} == {"stays"}
