"""Readers of streams over HTTP, as any client of the protocol is one: pages, and live events, each with its offset."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

STREAM = "/v1/stream/"
NEXT = "stream-next-offset"


def pages(client: httpx.Client, name: str, offset: str = "-1") -> Iterator[httpx.Response]:
    """Every page of a stream from `offset` on, until it is up to date."""
    while True:
        page = client.get(STREAM + name, params={"offset": offset})
        assert page.status_code == 200, page.text
        yield page
        offset = page.headers[NEXT]
        if "stream-up-to-date" in page.headers:
            return


def messages(client: httpx.Client, name: str, offset: str = "-1") -> list[Any]:
    """All JSON messages of a stream from `offset` on."""
    return [message for page in pages(client, name, offset) for message in page.json()]


def content(client: httpx.Client, name: str) -> bytes:
    """All bytes of a stream."""
    return b"".join(page.content for page in pages(client, name))


class Batch(NamedTuple):
    """A data event of a live response, if there was one, and the control event after it."""

    data: str
    control: dict[str, Any]

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The JSON messages in it."""
        return json.loads(self.data) if self.data else []

    @property
    def bytes(self) -> bytes:
        """The bytes in it, of a stream that is no text."""
        return base64.b64decode(self.data)

    @property
    def next(self) -> str:
        """Where to go on."""
        return str(self.control["streamNextOffset"])


@contextmanager
def live(client: httpx.Client, name: str, offset: str = "-1") -> Iterator[Iterator[Batch]]:
    """A live response, event by event, until the server ends it."""
    params = {"offset": offset, "live": "sse"}
    with client.stream("GET", STREAM + name, params=params, timeout=30) as response:
        assert response.status_code == 200, response.read()
        yield _batches(response.iter_lines())


def _batches(lines: Iterator[str]) -> Iterator[Batch]:
    data, event, payload = "", "", []
    for line in lines:
        field, _, value = line.partition(":")
        if field == "event":
            event = value.strip()
        elif field == "data":
            payload.append(value)
        elif not line and event:
            if event == "control":
                yield Batch(data, json.loads("".join(payload)))
                data = ""
            else:
                data = "\n".join(payload)
            event, payload = "", []
