"""The streams that clients make, by the store's functions: made, written, closed, deleted, expired, forked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.client_streams import TEXT, content, delete, post, put, spec
from support.facts import is_dense, life
from swarm_store import client_streams, client_writes, health, registry
from swarm_store.bells import Bell, wait
from swarm_store.client_streams import JSON, Fork, Spec
from swarm_store.clock import SECOND, rfc3339
from swarm_store.errors import (
    ContentTypeConflict,
    NoSuchStream,
    ProducerFenced,
    ProducerGap,
    SequenceConflict,
    StreamClosed,
    StreamConflict,
    StreamGone,
    SwarmError,
    WrongUsage,
)
from swarm_store.events import CLIENT_STREAMS, STREAMS, client_stream
from swarm_store.home import Home
from swarm_store.log import Log
from swarm_store.transaction import Producer


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000 * SECOND

    def __call__(self) -> int:
        return self.now

    def pass_seconds(self, seconds: float) -> None:
        self.now += int(seconds * SECOND)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(home: Home, clock: Clock) -> Iterator[Log]:
    """A log whose clock the test moves."""
    with Log(home, clock=clock) as made:
        yield made
        assert health.integrity(made) == []
        assert is_dense(made.read(STREAMS))


def clear(log: Log) -> None:
    """Delete all that streams that are gone have left."""
    while client_writes.clear(log):
        pass


def held(log: Log) -> int:
    """How many payloads of clients there are in the log."""
    count: int = log.query("SELECT count(*) FROM records WHERE type = 'data:appended'")[0][0]
    return count


def expire(log: Log) -> int:
    with log.transaction() as t:
        return client_writes.expire(t)


# -- made, written, closed, deleted


def test_what_is_appended_is_read(log: Log) -> None:
    """A stream has what its requests brought, in order, each at an offset of its own."""
    assert put(log, "a", body=b"one ").is_new
    assert post(log, "a", b"two ").stream.head == 2
    post(log, "a", b"\0\xff")
    assert content(log, "a") == b"one two \0\xff"
    assert content(log, "a", 1) == b"two \0\xff"
    assert [one.name for one in client_streams.names(log)] == ["a"]


def test_json_is_read_as_messages(log: Log) -> None:
    """Messages of several requests stand beside each other, as they were written."""
    put(log, "a", spec(JSON))
    post(log, "a", b"[1.0, 2]", kind=JSON)
    post(log, "a", b'{"a" : 1}', kind=JSON)
    assert content(log, "a") == b'1.0,2,{"a" : 1}'


def test_a_stream_that_is_there_just_so_is_left(log: Log) -> None:
    """PUT twice finds the stream and appends nothing; with any difference it is a conflict."""
    put(log, "a", spec("text/plain; charset=utf-8", ttl=60), b"x")
    assert not put(log, "a", spec("TEXT/plain; charset=UTF-8", ttl=60), b"more").is_new
    assert content(log, "a") == b"x"
    for other in (spec(JSON, ttl=60), spec("text/plain; charset=utf-8"), spec("text/plain; charset=utf-8", ttl=61)):
        with pytest.raises(StreamConflict):
            put(log, "a", other)
    with pytest.raises(StreamConflict):
        put(log, "a", spec("text/plain; charset=utf-8", ttl=60, closed=True))


def test_nothing_is_appended_to_a_closed_stream(log: Log) -> None:
    """Closing is final, can be said again, and may bring a last append."""
    put(log, "a")
    assert post(log, "a", b"last", close=True).stream.closed
    with pytest.raises(StreamClosed) as refused:
        post(log, "a", b"more")
    assert refused.value.head == 1
    assert post(log, "a", close=True).stream.head == 1
    with pytest.raises(StreamClosed):
        post(log, "a", b"more", close=True)
    assert content(log, "a") == b"last"
    assert put(log, "b", spec(closed=True), b"x").stream.closed


def test_a_deleted_stream_is_gone_and_its_name_is_free(log: Log) -> None:
    """Nobody sees it, its records go in steps, and a new one of its name has nothing of it."""
    put(log, "a", body=b"old")
    before = client_streams.find(log, "a").tag
    delete(log, "a")
    for use in (lambda: content(log, "a"), lambda: post(log, "a", b"x"), lambda: delete(log, "a")):
        with pytest.raises(NoSuchStream):
            use()
    put(log, "a", body=b"new")
    clear(log)
    assert (content(log, "a"), held(log)) == (b"new", 1)
    assert client_streams.find(log, "a").tag != before


def test_types_are_compared_without_parameters(log: Log) -> None:
    """An append is of the stream's media type, whatever its parameters and letters; another is refused."""
    put(log, "a")
    post(log, "a", b"x", kind="Text/Plain; charset=utf-8")
    with pytest.raises(ContentTypeConflict):
        post(log, "a", b"x", kind="text/html")
    post(log, "a", close=True, kind="text/html")  # without a body there is nothing to be of a type


def test_sequences_only_go_up(log: Log) -> None:
    """Stream-Seq is compared as bytes; what is not after the last is refused and changes nothing."""
    put(log, "a")
    for sequence in ("10", "2", "é"):
        post(log, "a", b"x", sequence=sequence)
    for sequence in ("é", "2", ""):
        with pytest.raises(SequenceConflict):
            post(log, "a", b"y", sequence=sequence)
    post(log, "a", b"x")
    assert content(log, "a") == b"xxxx"


# -- producers


def test_a_producers_repeats_are_dropped(log: Log) -> None:
    """What a producer says again is not written again, in whatever order; gaps and old epochs are refused."""
    put(log, "a")
    for sequence in (0, 1, 1, 0, 2):
        done = post(log, "a", b"%d" % sequence, producer=Producer("p", 0, sequence))
        assert done.last_sequence == (sequence if done.is_new else max(1, sequence))
    assert content(log, "a") == b"012"
    with pytest.raises(ProducerGap) as gap:
        post(log, "a", b"x", producer=Producer("p", 0, 4))
    assert (gap.value.expected, gap.value.received) == (3, 4)
    with pytest.raises(WrongUsage):
        post(log, "a", b"x", producer=Producer("p", 1, 1))
    post(log, "a", b"n", producer=Producer("p", 1, 0))
    with pytest.raises(ProducerFenced) as fenced:
        post(log, "a", b"x", producer=Producer("p", 0, 3))
    assert fenced.value.epoch == 1
    post(log, "a", b"q", producer=Producer("q", 0, 0))
    assert content(log, "a") == b"012nq"


def test_a_producer_may_repeat_its_close(log: Log) -> None:
    """The request that closed a stream is answered as before; another producer's, or sequence, is not."""
    put(log, "a")
    last = Producer("p", 0, 0)
    assert post(log, "a", b"x", producer=last, close=True).is_new
    again = post(log, "a", b"x", producer=last, close=True)
    assert (again.is_new, again.last_sequence, again.stream.head) == (False, 0, 1)
    for producer in (Producer("p", 0, 1), Producer("q", 0, 0)):
        with pytest.raises(StreamClosed):
            post(log, "a", b"x", producer=producer, close=True)


def test_producers_of_a_deleted_stream_are_forgotten(log: Log) -> None:
    """In a new stream of the same name a producer begins anew."""
    put(log, "a")
    post(log, "a", b"x", producer=Producer("p", 3, 0))
    delete(log, "a")
    put(log, "a")
    assert post(log, "a", b"y", producer=Producer("p", 0, 0)).is_new


# -- time


def test_a_time_to_live_begins_anew_with_each_use(log: Log, clock: Clock) -> None:
    """A stream lives as long as somebody writes; then it is gone, and its name is free, before anybody clears up."""
    put(log, "a", spec(ttl=10), b"x")
    for _ in range(5):
        clock.pass_seconds(8)
        post(log, "a", b"x")
    assert expire(log) == 0
    clock.pass_seconds(10)
    with pytest.raises(NoSuchStream):
        content(log, "a")
    assert client_streams.names(log) == []
    assert put(log, "a", spec(), b"new").is_new
    assert content(log, "a") == b"new"
    clear(log)
    assert held(log) == 1


def test_an_absolute_end_is_not_moved(log: Log, clock: Clock) -> None:
    """A stream that ends at a time ends then, however it is used; time zones are understood."""
    put(log, "a", spec(expires_at=rfc3339(clock.now + 10 * SECOND).replace("Z", "+00:00")))
    put(log, "b")
    clock.pass_seconds(9)
    post(log, "a", b"x")
    assert client_writes.next_deadline(log) == clock.now + SECOND
    clock.pass_seconds(1)
    assert (expire(log), expire(log), client_writes.next_deadline(log)) == (1, 0, None)
    assert [one.name for one in client_streams.names(log)] == ["b"]


def test_one_that_was_due_in_the_past_is_gone_at_once(log: Log, clock: Clock) -> None:
    """A stream that is made with an end in the past is never seen."""
    put(log, "a", spec(expires_at="1970-01-01T00:00:01Z"))
    with pytest.raises(NoSuchStream):
        content(log, "a")


# -- forks


def test_a_fork_has_its_source_up_to_where_it_parted(log: Log) -> None:
    """What either gets afterwards is its own; the fork goes on with its source's offsets."""
    put(log, "a", body=b"1")
    post(log, "a", b"2")
    assert put(log, "b", spec(None, fork=Fork("a", 1, 0))).stream.head == 1
    assert put(log, "c", spec(None, fork=Fork("a", None, 0)), b"c").stream.head == 3
    post(log, "a", b"3")
    post(log, "b", b"b")
    assert [content(log, name) for name in "abc"] == [b"123", b"1b", b"12c"]
    assert content(log, "c", 1) == b"2c"
    assert client_streams.find(log, "b").content_type == TEXT


def test_a_fork_of_a_fork(log: Log) -> None:
    """Forks fork, at any offset, their own or inherited; each reads through to the first."""
    put(log, "a", body=b"1")
    post(log, "a", b"2")
    put(log, "b", spec(fork=Fork("a", None, 0)), b"3")
    put(log, "c", spec(fork=Fork("b", 3, 0)), b"4")
    put(log, "d", spec(fork=Fork("c", 1, 0)), b"d")
    put(log, "e", spec(fork=Fork("c", 0, 0)), b"e")
    post(log, "b", b"b")
    assert [content(log, name) for name in "abcde"] == [b"12", b"123b", b"1234", b"1d", b"e"]


@pytest.mark.parametrize(
    ("kind", "bodies", "beyond", "kept"),
    [
        (TEXT, [b"abc", b"def"], 2, b"ab"),
        (TEXT, [b"abc", b"def"], 3, b"abc"),
        (JSON, [b"[1,[2,3],4]", b"5"], 2, b"1,[2,3]"),
    ],
)
def test_a_fork_may_part_within_an_append(log: Log, kind: str, bodies: list[bytes], beyond: int, kept: bytes) -> None:
    """A sub-offset takes so many bytes, or messages, of the record at the offset; more than it has is refused."""
    put(log, "a", spec(kind))
    for body in bodies:
        post(log, "a", body, kind=kind)
    put(log, "b", spec(kind, fork=Fork("a", 0, beyond)))
    assert content(log, "b") == kept
    assert client_streams.find(log, "b").head == 1
    for fork in (Fork("a", 0, 4), Fork("a", 2, 1), Fork("a", 3, 0)):
        with pytest.raises(WrongUsage):
            put(log, "c", spec(kind, fork=fork))
    put(log, "d", spec(kind, fork=Fork("b", 0, 1)))
    assert content(log, "d") == kept[:1]


def test_a_fork_is_confirmed_by_what_was_asked(log: Log) -> None:
    """The same fork asked for again is found though its source has grown; another offset or source is a conflict."""
    put(log, "a", spec(ttl=60), b"1")
    put(log, "z", body=b"1")
    fork = spec(None, fork=Fork("a", None, 0))
    put(log, "b", fork)
    assert client_streams.find(log, "b").ttl == 60
    post(log, "a", b"2")
    assert not put(log, "b", fork).is_new
    assert not put(log, "b", spec(None, fork=Fork("a", 1, 0))).is_new
    for other in (Fork("a", 0, 0), Fork("z", 1, 0), Fork("a", 0, 1), None):
        with pytest.raises(StreamConflict):
            put(log, "b", spec(fork=other, ttl=60))


def test_a_fork_needs_its_source(log: Log) -> None:
    """No source, one of another type, and one that was deleted cannot be forked."""
    put(log, "a")
    with pytest.raises(NoSuchStream):
        put(log, "b", spec(fork=Fork("none", None, 0)))
    with pytest.raises(ContentTypeConflict):
        put(log, "b", spec(JSON, fork=Fork("a", None, 0)))
    put(log, "b", spec(fork=Fork("a", None, 0)))
    delete(log, "a")
    with pytest.raises(StreamConflict):
        put(log, "c", spec(fork=Fork("a", None, 0)))


def test_a_source_is_kept_for_its_forks(log: Log) -> None:
    """Deleted it is gone for everybody (410), its name is taken, and forks read on; with the last fork it goes."""
    put(log, "a", body=b"1")
    put(log, "b", spec(fork=Fork("a", None, 0)), b"2")
    put(log, "c", spec(fork=Fork("b", None, 0)), b"3")
    delete(log, "a")
    for use in (lambda: content(log, "a"), lambda: post(log, "a", b"x"), lambda: delete(log, "a")):
        with pytest.raises(StreamGone):
            use()
    with pytest.raises(StreamConflict):
        put(log, "a")
    delete(log, "b")
    assert content(log, "c") == b"123"
    clear(log)
    assert (content(log, "c"), held(log)) == (b"123", 3)
    delete(log, "c")
    clear(log)
    assert held(log) == 0
    assert put(log, "a").is_new and put(log, "b").is_new
    assert log.query("SELECT name FROM streams WHERE name LIKE 'gone/%'") == []


def test_a_source_that_expires_is_kept_too(log: Log, clock: Clock) -> None:
    """A fork that outlives its source reads on, and takes it along when it goes."""
    put(log, "a", spec(ttl=10), b"1")
    put(log, "b", Spec(None, 100, None, False, Fork("a", None, 0)), b"2")
    clock.pass_seconds(10)
    assert (expire(log), content(log, "b")) == (1, b"12")
    clock.pass_seconds(90)
    assert expire(log) == 1
    clear(log)
    assert held(log) == 0


# -- together with everything else


def test_what_is_left_of_a_deleted_stream_is_not_read(log: Log) -> None:
    """Who has looked a stream up and reads it while it is deleted and cleared is told, and gets nothing with holes."""
    put(log, "s")
    for _ in range(2 * client_writes.CLEAR_STEP):
        post(log, "s", b"x")
    known = client_streams.find(log, "s")
    delete(log, "s")
    while client_writes.clear(log):
        with pytest.raises(NoSuchStream):
            client_streams.read(log, known, 0, 1 << 20)


def test_a_fork_that_is_deleted_with_its_source_is_not_read(log: Log) -> None:
    """Who reads a fork while it is deleted, and takes along the source that was kept for it, is told."""
    put(log, "source", body=b"1")
    put(log, "fork", spec(None, fork=Fork("source", None, 0)), b"2")
    known = client_streams.find(log, "fork")
    delete(log, "source")
    assert client_streams.read(log, known, 0, 1 << 20)[0] == known.head
    delete(log, "fork")
    with pytest.raises(NoSuchStream):
        client_streams.read(log, known, 0, 1 << 20)


def test_a_page_of_tiny_records_is_small(log: Log) -> None:
    """What a record takes beside its body counts too: a page of one-byte records ends long before its bytes do."""
    put(log, "s")
    for _ in range(20):
        post(log, "s", b"x")
    after, pieces = client_streams.read(log, client_streams.find(log, "s"), 0, 1000)
    assert after == len(pieces) == 10


def test_what_is_refused_leaves_the_others_whole(log: Log) -> None:
    """Of several requests in one transaction, those that raise write nothing, and the others are there."""
    put(log, "a")
    refused: list[type[SwarmError]] = []

    def attempt(t: Any, name: str, **more: Any) -> None:
        try:
            client_writes.append(t, name, b"x", **{"content_type": TEXT, **more})
        except SwarmError as error:
            refused.append(type(error))

    with log.transaction() as t:
        attempt(t, "a")
        attempt(t, "none")
        attempt(t, "a", content_type=JSON)
        attempt(t, "a", producer=Producer("p", 0, 5))
        attempt(t, "a", producer=Producer("p", 0, 0))
        attempt(t, "a", sequence="")
        attempt(t, "a", sequence="")
    assert refused == [NoSuchStream, ContentTypeConflict, ProducerGap, SequenceConflict]
    assert content(log, "a") == b"xxx"


def test_removing_agents_leaves_them_alone(log: Log) -> None:
    """Streams of clients have nothing to do with agents, whatever they are called."""
    registry.publish(log, *life("agent1"))
    put(log, "agent1", body=b"x")
    agent = registry.get(log, "agent1")
    assert agent is not None
    registry.remove(log, agent)
    registry.delete_streams(log, "agent1")
    assert content(log, "agent1") == b"x"


@pytest.mark.parametrize("name", ["é" * 512, "a/" * 500 + "b", ".", "..", "%2F", "*", "\n", "a" * 1024])
def test_any_name_has_a_bell(home: Home, log: Log, name: str) -> None:
    """Whatever a stream is called, up to 1024 bytes, who listens to it is woken by an append, and by its deletion."""
    put(log, name)
    with Bell(home, client_stream(name)) as bell:
        post(log, name, b"x")
        assert wait([bell], 1)
        delete(log, name)
        assert wait([bell], 1)
    assert content_of_all(log) == {}


def content_of_all(log: Log) -> dict[str, bytes]:
    return {one.name: content(log, one.name) for one in client_streams.names(log)}


def test_the_logs_own_name_of_a_stream_is_its_own(log: Log) -> None:
    """A client's stream can be called as the log's are, and touches none of them."""
    for name in ("registry", "streams", "client/a", "gone/a"):
        put(log, name, body=b"x")
        assert log.head(CLIENT_STREAMS + name) == 1
    assert log.head("registry") == 0
    clear(log)
    assert len(content_of_all(log)) == 4
