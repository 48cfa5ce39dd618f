"""The load on a server, in a process of its own: `load.py WHAT JSON`, JSON being the arguments of the function WHAT.

Plain sockets and epoll, so that it is not the one that is measured: it takes 15 microseconds for an append. It knows
nothing of either server, and prints what it has seen as one line of JSON. Times in its results are milliseconds.

append   writers that each send the next append when the last one is answered
tail     readers of one stream by SSE, and appends to it at a fixed pace
fill     many messages, as quickly as may be
catch_up one reader from the first message to the last
idle     readers by SSE of a stream to which nothing comes, until it is killed
follow   one reader by SSE of an agent that writes the time
"""

from __future__ import annotations

import http.client
import json
import re
import select
import socket
import statistics
import sys
import time
from collections.abc import Iterator
from typing import Any

PATIENCE = 60.0  # seconds for what must come
_NUMBER = re.compile(rb"#(\d{6})#")
_STAMP = re.compile(rb"(\d{10,})\\n")


class Server:
    """Where the server listens, and with what token."""

    def __init__(self, port: int, token: str) -> None:
        self.address = ("127.0.0.1", port)
        self.headers = {"Host": f"127.0.0.1:{port}", **({"Authorization": f"Bearer {token}"} if token else {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())

    def connect(self) -> socket.socket:
        made = socket.create_connection(self.address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return made

    def request(self, method: str, path: str, body: bytes = b"", media: str = "text/plain") -> bytes:
        head = f"{method} /v1/stream/{path} HTTP/1.1\r\n{self._head}"
        if method != "GET":
            head += f"Content-Type: {media}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"\r\n" + body

    def make(self, path: str, media: str = "text/plain") -> None:
        with self.connect() as made:
            made.sendall(self.request("PUT", path, media=media))
            _check(made.recv(65536), b"201")

    def reader(self, path: str, offset: str = "now") -> socket.socket:
        """A reader by SSE, which has asked."""
        made = self.connect()
        made.sendall(self.request("GET", f"{path}?offset={offset}&live=sse"))
        return made


def _check(answer: bytes, *statuses: bytes) -> None:
    if answer[9:12] not in statuses:
        raise RuntimeError(f"refused: {answer[:600]!r}")


class Writer:
    """One that sends the next of its requests when the last one is answered."""

    def __init__(self, made: socket.socket, requests: list[bytes], number: int, step: int) -> None:
        self.socket = made
        self._requests = requests
        self._number = number
        self._step = step
        self.sent = 0.0

    def send(self, now: float) -> None:
        self.sent = now
        self.socket.sendall(self._requests[self._number % len(self._requests)])
        self._number += self._step


def append(server: Server, name: str, writers: int, streams: int, seconds: float, size: int = 100) -> dict[str, Any]:
    """`writers` on `streams` for so long, after a tenth of it that is not counted."""
    paths = [f"{name}-{number}" for number in range(streams)]
    for path in paths:
        server.make(path)
    requests = [server.request("POST", path, b"a" * size) for path in paths]
    poll, known = select.epoll(), {}
    for number in range(writers):
        writer = Writer(server.connect(), requests, number, writers)
        known[writer.socket.fileno()] = writer
        poll.register(writer.socket.fileno(), select.EPOLLIN)
    begin = time.perf_counter() + seconds / 10
    end, answered, taken = begin + seconds, 0, []
    for writer in known.values():
        writer.send(time.perf_counter())
    while (now := time.perf_counter()) < end:
        for file, _ in poll.poll(1):
            writer = known[file]
            _check(writer.socket.recv(65536), b"204", b"200")
            now = time.perf_counter()
            answered += 1
            if now >= begin:
                taken.append(now - writer.sent)
            writer.send(now)
    return {"rate": len(taken) / (now - begin), "appends": answered, **_percentiles(taken)}


def _percentiles(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {"p50": cuts[49] * 1e3, "p99": cuts[98] * 1e3}


def tail(server: Server, name: str, readers: int, messages: int, pause: float) -> dict[str, Any]:
    """From just before the append is sent until each reader has it."""
    server.make(name)
    poll, known = select.epoll(), {}
    for _ in range(readers):
        made = server.reader(name)
        known[made.fileno()] = made
        poll.register(made.fileno(), select.EPOLLIN)
    _await_ready(poll, known)
    writer = server.connect()
    sent: list[float] = []
    taken: list[float] = []
    for number in range(messages):
        sent.append(time.perf_counter())
        writer.sendall(server.request("POST", name, b"#%06d#" % number + b"a" * 92))
        _gather(poll, known, sent, taken, sent[-1] + pause)
        _check(writer.recv(65536), b"200", b"204")
    _gather(poll, known, sent, taken, sent[-1] + PATIENCE, readers * messages)
    if len(taken) != readers * messages:
        raise RuntimeError(f"{len(taken)} of {readers * messages} messages arrived")
    return _percentiles(taken)


def _await_ready(poll: select.epoll, known: dict[int, socket.socket]) -> None:
    """Until each reader has been told that it is up to date."""
    waiting = dict.fromkeys(known, b"")
    end = time.perf_counter() + PATIENCE
    while waiting and time.perf_counter() < end:
        for number, _ in poll.poll(1):
            waiting[number] = waiting.get(number, b"") + known[number].recv(65536)
            _check(waiting[number], b"200")
            if b"upToDate" in waiting[number]:
                del waiting[number]
    if waiting:
        raise RuntimeError(f"{len(waiting)} readers are not up to date: {next(iter(waiting.values()))!r}")


def _gather(
    poll: select.epoll,
    known: dict[int, socket.socket],
    sent: list[float],
    taken: list[float],
    until: float,
    wanted: int = sys.maxsize,
) -> None:
    """Take what arrives until a moment, or until so much has come."""
    while len(taken) < wanted and (left := until - time.perf_counter()) > 0:
        for number, _ in poll.poll(left):
            block = known[number].recv(65536)
            now = time.perf_counter()
            if not block:
                raise RuntimeError("a reader was cut off")
            taken += [now - sent[int(found)] for found in _NUMBER.findall(block)]


def fill(server: Server, name: str, messages: int, at_once: int) -> dict[str, Any]:
    """JSON messages of 100 bytes, `at_once` of them in each append."""
    server.make(name, "application/json")
    poll, known, left = select.epoll(), {}, iter(range(0, messages, at_once))
    for _ in range(32):
        made = server.connect()
        known[made.fileno()] = made
        poll.register(made.fileno(), select.EPOLLIN)
    flying = sum(_fill_next(server, one, name, left, at_once) for one in known.values())
    begin = time.perf_counter()
    while flying:
        for number, _ in poll.poll(1):
            _check(known[number].recv(65536), b"200", b"204")
            flying += _fill_next(server, known[number], name, left, at_once) - 1
    return {"seconds": time.perf_counter() - begin}


def _fill_next(server: Server, writer: socket.socket, name: str, left: Iterator[int], at_once: int) -> int:
    first = next(left, None)
    if first is None:
        return 0
    bodies = (json.dumps({"n": f"{number:09}", "text": "x" * 72}).encode() for number in range(first, first + at_once))
    body = next(bodies) if at_once == 1 else b"[" + b",".join(bodies) + b"]"
    writer.sendall(server.request("POST", name, body, "application/json"))
    return 1


def catch_up(server: Server, name: str, messages: int, seconds: float) -> dict[str, Any]:
    """From the first message until the server says that this is all, again and again; each message is there once."""
    connection = http.client.HTTPConnection(*server.address)
    pages = _whole(server, connection, name)
    numbers = [int(message["n"]) for page in pages for message in json.loads(page)]
    if sorted(numbers) != list(range(messages)):
        raise RuntimeError(f"{len(numbers)} messages came, of {messages}")
    begin, size = time.perf_counter(), 0
    while (now := time.perf_counter()) < begin + seconds:
        size += sum(map(len, _whole(server, connection, name)))
    return {"rate": size / 1e6 / (now - begin), "pages": len(pages)}


def _whole(server: Server, connection: http.client.HTTPConnection, name: str) -> list[bytes]:
    """The bodies of one catching up."""
    offset, pages = "-1", []
    while True:
        connection.request("GET", f"/v1/stream/{name}?offset={offset}", headers=server.headers)
        answer = connection.getresponse()
        pages.append(answer.read())
        if answer.status != 200:
            raise RuntimeError(f"refused: {answer.status} {pages[-1][:600]!r}")
        offset = answer.headers["Stream-Next-Offset"]
        if answer.headers.get("Stream-Up-To-Date"):
            return pages


def idle(server: Server, name: str, readers: int) -> None:
    """Say "ready" when all wait; whoever is sent away comes again, as a client does."""
    server.make(name)
    poll, known = select.epoll(), {}
    for _ in range(readers):
        made = server.reader(name)
        known[made.fileno()] = made
        poll.register(made.fileno(), select.EPOLLIN)
    _await_ready(poll, known)
    print("ready", flush=True)
    while True:
        for number, _ in poll.poll():
            if not known[number].recv(65536):
                known.pop(number).close()
                made = server.reader(name)
                known[made.fileno()] = made
                poll.register(made.fileno(), select.EPOLLIN)


def follow(server: Server, name: str, messages: int, ready: int, gate: str) -> dict[str, Any]:
    """From an agent's write of the time until it is here; the gate is opened when it has said "ready" so often."""
    made = server.reader(name)
    block, said = b"", 0
    taken: list[float] = []
    made.settimeout(PATIENCE)
    while len(taken) < messages:
        piece = made.recv(65536)
        now = time.monotonic_ns()
        if not piece:
            raise RuntimeError(f"the server has gone after {len(taken)} of {messages} lines")
        block += piece
        *events, block = block.split(b"\n\n")
        for event in events:
            taken += [(now - int(stamp)) / 1e9 for stamp in _STAMP.findall(event)]
            said += event.count(b"ready")
        if said >= ready:
            said = -sys.maxsize
            open(gate, "w").close()
    return _percentiles(taken[20:])


if __name__ == "__main__":
    arguments = json.loads(sys.argv[2])
    target = Server(arguments.pop("port"), arguments.pop("token"))
    print(json.dumps(globals()[sys.argv[1]](target, **arguments)), flush=True)
