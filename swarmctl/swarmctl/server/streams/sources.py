"""What can be read as a stream of the protocol: how it stands, and its contents from an offset on.

A source is asked from the event loop's thread and from the pool's alike, each with a log of its own.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from swarm_store import client_streams
from swarm_store.client_streams import JSON, ClientStream, media_type
from swarm_store.events import client_stream
from swarm_store.log import Log


class Facts(NamedTuple):
    """How a stream stands: `head` is the offset that its next record gets, `tag` what no other stream ever has."""

    content_type: str
    head: int
    tag: str
    closed: bool = False
    ttl: int | None = None
    expires_at: str | None = None
    cacheable: bool = True
    stream: ClientStream | None = None  # if it is a client's

    @property
    def is_json(self) -> bool:
        """Whether it holds messages, and not bytes."""
        return media_type(self.content_type) == JSON

    @property
    def is_text(self) -> bool:
        """Whether its bytes can stand in an SSE event as they are."""
        kind = media_type(self.content_type)
        return kind.startswith("text/") or kind == JSON


class Page(NamedTuple):
    """What was read: the offset to go on at, and bytes, or JSON messages with commas between; the time of the last."""

    next: int
    body: bytes
    time: int | None = None  # microseconds since 1970; None where nothing was read


class Source(Protocol):
    """One stream: `bell` is the log's stream whose bell rings when there is more, `key` no other source has."""

    @property
    def bell(self) -> str: ...

    @property
    def key(self) -> str: ...

    def facts(self, log: Log) -> Facts:
        """How it stands now. Raises NoSuchStream, StreamGone, NoSuchAgent."""
        ...

    def read(self, log: Log, facts: Facts, start: int, most: int) -> Page:
        """From the offset `start` on, until there are `most` bytes or the head of `facts` is reached."""
        ...


class ClientSource:
    """A stream that clients made."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bell = self.key = client_stream(name)

    def facts(self, log: Log) -> Facts:
        one = client_streams.find(log, self.name)
        return Facts(one.content_type, one.head, one.tag, bool(one.closed), one.ttl, one.expires_at, stream=one)

    def read(self, log: Log, facts: Facts, start: int, most: int) -> Page:
        assert facts.stream is not None
        after, pieces = client_streams.read(log, facts.stream, start, most)
        body = (b"," if facts.is_json else b"").join(piece.body for piece in pieces)
        return Page(after, body, pieces[-1].time if pieces else None)
