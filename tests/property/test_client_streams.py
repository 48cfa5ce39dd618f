"""Clients' streams made, written, forked, closed and deleted at random: always what a model in memory says."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from support.client_streams import content, delete, post, put, spec
from swarm_store import client_streams, client_writes, health, recovery
from swarm_store.client_streams import Fork
from swarm_store.errors import NoSuchStream, StreamClosed, StreamConflict, StreamGone, SwarmError, WrongUsage
from swarm_store.home import Home
from swarm_store.log import Log

NAMES = st.sampled_from(["a", "b", "c", "a/b", "é"])
BODIES = st.binary(min_size=1, max_size=5)


@dataclass
class Model:
    """A stream: its pieces, inherited ones too, and how it stands."""

    pieces: list[bytes]
    source: Model | None = None
    fork: tuple[str, int, int] | None = None
    is_closed: bool = False
    is_deleted: bool = False
    forks: list[Model] = field(default_factory=list)


class Streams(RuleBasedStateMachine):
    """Every step is done to the log and to the model; both refuse the same."""

    def __init__(self) -> None:
        super().__init__()
        self.path = tempfile.mkdtemp()
        self.home = Home(self.path)
        self.log = Log(self.home)
        self.there: dict[str, Model] = {}

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.path)

    def both(self, expected: type[SwarmError] | None, work: Callable[[], Any]) -> bool:
        """Do it, and see that it is refused as expected; whether it was done."""
        position = self.log.position()
        try:
            work()
        except SwarmError as error:
            assert type(error) is expected, error
            assert self.log.position() == position
            return False
        assert expected is None
        return True

    def missing(self, name: str) -> type[SwarmError] | None:
        model = self.there.get(name)
        if model is None:
            return NoSuchStream
        return StreamGone if model.is_deleted else None

    @rule(name=NAMES, body=st.just(b"") | BODIES, closed=st.booleans())
    def put(self, name: str, body: bytes, closed: bool) -> None:
        model = self.there.get(name)
        same = model is not None and not model.is_deleted and model.fork is None and model.is_closed == closed
        expected = None if model is None or same else StreamConflict
        if self.both(expected, lambda: put(self.log, name, spec(closed=closed), body)) and model is None:
            self.there[name] = Model([body] if body else [], is_closed=closed)

    @rule(name=NAMES, source=NAMES, share=st.floats(0, 1.2), beyond=st.integers(0, 3), body=st.just(b"") | BODIES)
    def fork(self, name: str, source: str, share: float, beyond: int, body: bytes) -> None:
        origin = self.there.get(source)
        offset = round(share * (len(origin.pieces) if origin else 1))
        expected = self.refused_fork(name, source, offset, beyond)
        wanted = spec(fork=Fork(source, offset, beyond))
        is_new = name not in self.there
        if self.both(expected, lambda: put(self.log, name, wanted, body)) and is_new:
            assert origin is not None
            part = [origin.pieces[offset][:beyond]] if beyond else []
            made = Model([*origin.pieces[:offset], *part], origin, (source, offset, beyond))
            made.pieces += [body] if body else []
            origin.forks.append(made)
            self.there[name] = made

    def refused_fork(self, name: str, source: str, offset: int, beyond: int) -> type[SwarmError] | None:
        model, origin = self.there.get(name), self.there.get(source)
        if model is not None:
            same = not model.is_deleted and model.fork == (source, offset, beyond) and not model.is_closed
            return None if same else StreamConflict
        if origin is None:
            return NoSuchStream
        if origin.is_deleted:
            return StreamConflict
        if offset > len(origin.pieces):
            return WrongUsage
        fits = not beyond or (offset < len(origin.pieces) and beyond <= len(origin.pieces[offset]))
        return None if fits else WrongUsage

    @rule(name=NAMES, body=BODIES, close=st.booleans())
    def append(self, name: str, body: bytes, close: bool) -> None:
        model = self.there.get(name)
        expected = self.missing(name) or (StreamClosed if model and model.is_closed else None)
        if self.both(expected, lambda: post(self.log, name, body, close=close)):
            assert model is not None
            model.pieces.append(body)
            model.is_closed = close

    @rule(name=NAMES)
    def close(self, name: str) -> None:
        if self.both(self.missing(name), lambda: post(self.log, name, close=True)):
            self.there[name].is_closed = True

    @rule(name=NAMES)
    def delete(self, name: str) -> None:
        if self.both(self.missing(name), lambda: delete(self.log, name)):
            self.there[name].is_deleted = True
            self.let_go(self.there[name])

    def let_go(self, model: Model | None) -> None:
        while model is not None and model.is_deleted and not model.forks:
            del self.there[next(name for name, one in self.there.items() if one is model)]
            if model.source is not None:
                model.source.forks.remove(model)
            model = model.source

    @rule()
    def clear(self) -> None:
        while client_writes.clear(self.log):
            pass

    @rule()
    def recover(self) -> None:
        """All is folded again from the events."""
        self.log.close()
        recovery.set_aside_and_recover(self.home)
        self.log = Log(self.home)

    @invariant()
    def every_stream_is_what_the_model_says(self) -> None:
        seen = {name: model for name, model in self.there.items() if not model.is_deleted}
        assert [one.name for one in client_streams.names(self.log)] == sorted(seen, key=str.encode)
        for name, model in seen.items():
            stream = client_streams.find(self.log, name)
            assert (stream.head, bool(stream.closed)) == (len(model.pieces), model.is_closed)
            assert content(self.log, name) == b"".join(model.pieces)
            assert content(self.log, name, len(model.pieces) // 2) == b"".join(model.pieces[len(model.pieces) // 2 :])

    @invariant()
    def the_log_is_sound(self) -> None:
        assert health.integrity(self.log) == []


TestStreams = Streams.TestCase
TestStreams.settings = settings(max_examples=25, stateful_step_count=30, deadline=None)
