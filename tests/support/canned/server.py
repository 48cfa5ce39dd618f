"""The canned model API over HTTP, and the gates by which a test holds its answers."""

from __future__ import annotations

import json
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from support.canned import anthropic, chat, gemini, responses
from support.canned.dialogue import BREAK, Asked, Piece
from support.canned.ledger import Ledger, Request, Served, Tokens, price
from support.canned.script import Reply, answer
from support.looking import DEADLINE, until

AHEAD = "*"  # the name of the gate that is opened at the end


class Api(Protocol):
    """What each module of an API has."""

    WRITES_CACHE: bool

    def read(self, body: dict[str, Any], headers: dict[str, str]) -> Asked: ...
    def whole(self, reply: Reply, model: str, tokens: Tokens) -> dict[str, Any]: ...
    def stream(self, reply: Reply, model: str, tokens: Tokens) -> Iterator[Piece]: ...
    def error(self, reply: Reply) -> dict[str, Any]: ...


APIS: dict[str, Api] = {"anthropic": anthropic, "responses": responses, "chat": chat, "gemini": gemini}


class Canned:
    """A running server. `url` has no path: /v1/messages, /v1/responses, /v1/chat/completions and /v1beta/models/… are
    below it."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.bodies: list[dict[str, Any]] = []  # as they came, for a test that looks closer
        self._gates = threading.Condition()
        self._held: dict[str, int] = {}  # gate → how many wait at it
        self._open: set[str] = set()
        self._steps = 0
        self._http = _Http(self)
        self.port: int = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), name="canned")
        self._thread.start()

    def served(self, api: str | None = None) -> Served:
        """What was served until now: anthropic | responses | chat | gemini, or all."""
        return self.ledger.served(api)

    def wait_served(self, requests: int, api: str | None = None) -> Served:
        """What was served, once there are so many whole requests of turns."""
        until(lambda: self.served(api).requests >= requests, f"{requests} requests; there were {self.served(api)}")
        return self.served(api)

    # -- what is held -----------------------------------------------------------------------------------------------

    def wait_held(self, gate: str = "hold") -> None:
        """Until an answer waits at this gate; `chunk` is that of slow answers."""
        with self._gates:
            assert self._gates.wait_for(lambda: self._held.get(gate, 0) > 0, DEADLINE), f"nobody waits at {gate}"

    def let_go(self, gate: str = "hold") -> None:
        """Open the gate, for whoever waits at it and for all that come."""
        with self._gates:
            self._open.add(gate)
            self._gates.notify_all()

    def step(self, chunks: int = 1) -> None:
        """Let so many more chunks of slow answers out."""
        with self._gates:
            self._steps += chunks
            self._gates.notify_all()

    def flow(self) -> None:
        """Let all chunks of slow answers out, now and later."""
        self.let_go("chunk")

    def hold(self, gate: str) -> None:
        """Wait at a gate until it is open. A chunk takes a step with it."""
        with self._gates:
            self._held[gate] = self._held.get(gate, 0) + 1
            self._gates.notify_all()
            self._gates.wait_for(lambda: self._may_pass(gate))
            self._held[gate] -= 1
            if gate == "chunk" and "chunk" not in self._open and self._steps:
                self._steps -= 1

    def _may_pass(self, gate: str) -> bool:
        return bool({gate, AHEAD} & self._open) or (gate == "chunk" and self._steps > 0)

    def close(self) -> None:
        self.let_go(AHEAD)
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


@contextmanager
def canning() -> Iterator[Canned]:
    """A server for as long as the block lasts."""
    server = Canned()
    try:
        yield server
    finally:
        server.close()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, canned: Canned) -> None:
        self.canned = canned
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # agents that are killed leave connections behind


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_POST(self) -> None:
        body = json.loads(self._body() or b"{}")
        path = self.path.partition("?")[0]
        if (name := _api_of(path)) is None:
            self._other({"input_tokens": 1, "totalTokens": 1} if "ount" in path else {}, 200 if "ount" in path else 404)
        else:
            self._answer(name, path, _with_path(body, path))

    def do_GET(self) -> None:
        known = "/models" in self.path
        self._other({"object": "list", "data": [{"id": "canned-1", "object": "model"}], "models": []} if known else {})

    def do_HEAD(self) -> None:
        self._other({})

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().partition(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _answer(self, name: str, path: str, body: dict[str, Any]) -> None:
        api, canned = APIS[name], self.server.canned
        canned.bodies.append(body)
        asked = api.read(body, {key.lower(): value for key, value in self.headers.items()})
        reply = answer(asked, canned.ledger.failures(asked))
        tokens = price(canned.ledger.number(), reply, writes_cache=api.WRITES_CACHE)
        outcome = "served" if reply.status == 200 else "failed"
        noted = Request(name, path, asked, reply, tokens, outcome)
        self._noted = False
        try:
            if reply.hold:
                canned.hold(reply.hold)
            self._send(api, noted, asked.stream)
        except OSError:  # whoever asked has gone away
            self.close_connection = True
            if not self._noted:
                canned.ledger.write(noted._replace(outcome="dropped"))

    def _send(self, api: Api, noted: Request, streamed: bool) -> None:
        reply, model = noted.reply, noted.asked.model
        if reply.status == 200 and streamed:
            return self._stream(noted, list(api.stream(reply, model, noted.tokens)))
        said = api.whole(reply, model, noted.tokens) if reply.status == 200 else api.error(reply)
        self._note(noted)
        return self._json(said, reply.status, _headers(reply))

    def _stream(self, noted: Request, pieces: list[Piece]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in pieces[:-1]:
            if piece.waits:
                self.server.canned.hold("chunk")
            self._piece(piece)
        self._note(noted)
        self._piece(pieces[-1])
        self.wfile.write(b"0\r\n\r\n")

    def _note(self, noted: Request) -> None:
        """Write down that it was served, before the last bytes: so whoever has the whole answer finds it counted."""
        if self._is_gone():
            raise BrokenPipeError
        self.server.canned.ledger.write(noted)
        self._noted = True

    def _is_gone(self) -> bool:
        """Whether the other end has closed the connection."""
        if not select.select([self.connection], [], [], 0)[0]:
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def _piece(self, piece: Piece) -> None:
        if piece.data == BREAK:
            raise ConnectionAbortedError
        data = piece.data if isinstance(piece.data, str) else json.dumps(piece.data)
        event = f"event: {piece.event}\n" if piece.event else ""
        text = f"{event}data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))

    def _other(self, said: dict[str, Any], status: int = 200) -> None:
        self.server.canned.ledger.others.append(f"{self.command} {self.path}")
        self._json(said, status, {})

    def _json(self, said: dict[str, Any], status: int, headers: dict[str, str]) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *said: object) -> None:
        pass


def _api_of(path: str) -> str | None:
    if path.endswith("/messages"):
        return "anthropic"
    if path.endswith("/responses"):
        return "responses"
    if path.endswith("/chat/completions"):
        return "chat"
    return "gemini" if path.endswith((":generateContent", ":streamGenerateContent")) else None


def _with_path(body: dict[str, Any], path: str) -> dict[str, Any]:
    """Gemini's model and manner are said in the path."""
    if ":" not in path:
        return body
    model, _, manner = path.rpartition("/")[2].partition(":")
    return {**body, "model": model, "stream": manner.startswith("stream")}


def _headers(reply: Reply) -> dict[str, str]:
    """`reset=S` is when an hour's or a week's quota is new, in the forms that agents know."""
    headers = dict(reply.headers)
    if (seconds := headers.pop("reset", None)) is not None:
        at = str(int(time.time()) + int(seconds))
        headers |= {"anthropic-ratelimit-unified-status": "rejected", "anthropic-ratelimit-unified-reset": at}
        headers |= {"x-ratelimit-reset-requests": f"{seconds}s", "x-ratelimit-remaining-requests": "0"}
    return headers
