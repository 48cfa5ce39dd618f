"""A receiver of webhooks: a real HTTP server that keeps what it is sent, and answers as it is told."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from support.looking import until
from support.servers import Server

Answer = tuple[int, dict[str, str], bytes]
DONE: Answer = (200, {}, b'{"done":true}')
LATER: Answer = (202, {}, b"")


class Notified:
    """One request that came: its head and body as they were, and when (monotonic seconds)."""

    def __init__(self, headers: dict[str, str], raw: bytes) -> None:
        self.headers = headers
        self.raw = raw
        self.at = time.monotonic()
        self.body: dict[str, Any] = json.loads(raw)

    @property
    def pending(self) -> dict[str, str]:
        """Path → end, of the streams that have something new."""
        return {one["path"]: one["tail_offset"] for one in self.body["streams"] if one["has_pending"]}

    def call_back(self, **said: Any) -> httpx.Response:
        """Call back as the worker does; `said` beside or instead of the wake's own facts."""
        facts = {name: self.body[name] for name in ("wake_id", "generation")}
        headers = {"Authorization": f"Bearer {self.body['callback_token']}"}
        return httpx.post(self.body["callback_url"], json={**facts, **said}, headers=headers, trust_env=False)

    def is_signed_by(self, jwks: dict[str, Any]) -> bool:
        """Whether the signature is that of one of these keys, and of this body."""
        said = dict(part.split("=", 1) for part in self.headers["webhook-signature"].split(","))
        key = next(one for one in jwks["keys"] if one["kid"] == said["kid"])
        public = Ed25519PublicKey.from_public_bytes(_unpadded(key["x"]))
        try:
            public.verify(_unpadded(said["ed25519"]), said["t"].encode() + b"." + self.raw)
        except InvalidSignature:
            return False
        return abs(time.time() - int(said["t"])) < 300


def _unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Receiver:
    """`answer` is what it says; while `gate` is not set, nobody gets an answer."""

    def __init__(self, answer: Answer, port: int = 0) -> None:
        self.answer = answer
        self.got: list[Notified] = []
        self.gate = threading.Event()
        self.gate.set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.got.append(Notified({k.lower(): v for k, v in self.headers.items()}, raw))
                receiver.gate.wait(60)
                status, headers, body = receiver.answer
                try:
                    self.send_response(status)
                    for name, value in {"Content-Length": str(len(body)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # whoever asked was killed

            do_GET = do_POST

            def log_message(self, *said: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://localhost:{self.port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def wait(self, count: int) -> Notified:
        """The `count`-th request, once it has come."""
        until(lambda: len(self.got) >= count, f"{count} webhooks; there were {len(self.got)}")
        return self.got[count - 1]

    def close(self) -> None:
        self.gate.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def receiving(answer: Answer = DONE, port: int = 0) -> Iterator[Receiver]:
    """A receiver for as long as the block lasts."""
    receiver = Receiver(answer, port)
    try:
        yield receiver
    finally:
        receiver.close()


class Subscriber:
    """What its owner does with a server's streams and subscriptions."""

    def __init__(self, server: Server, client: httpx.Client) -> None:
        self.server = server
        self.client = client

    def subscribe(self, id: str, **said: Any) -> dict[str, Any]:
        """Make or confirm a subscription."""
        got = self.client.put(f"/v1/stream/__ds/subscriptions/{id}", json=said)
        assert got.status_code in (200, 201), got.text
        made: dict[str, Any] = got.json()
        return made

    def hook(self, id: str, receiver: Receiver, **said: Any) -> dict[str, Any]:
        """Make a subscription to `events/*` that a receiver hears of."""
        return self.subscribe(
            id, **{"type": "webhook", "pattern": "events/*", "webhook": {"url": receiver.url}, **said}
        )

    def put(self, name: str, body: bytes = b"", kind: str = "text/plain") -> None:
        got = self.client.put(f"/v1/stream/{name}", content=body, headers={"Content-Type": kind})
        assert got.status_code == 201, got.text

    def post(self, name: str, body: bytes, kind: str = "text/plain") -> str:
        """Append; the stream's end then."""
        got = self.client.post(f"/v1/stream/{name}", content=body, headers={"Content-Type": kind})
        assert got.status_code == 204, got.text
        return got.headers["stream-next-offset"]

    def get(self, id: str) -> dict[str, Any]:
        said: dict[str, Any] = self.client.get(f"/v1/stream/__ds/subscriptions/{id}").json()
        return said

    def acked(self, id: str) -> dict[str, str]:
        """Path → acknowledged offset."""
        return {one["path"]: one["acked_offset"] for one in self.get(id)["streams"]}

    def ask(self, id: str, action: str, token: str | None = None, **said: Any) -> httpx.Response:
        """POST an action, with another token than the client's own, if one is given."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return self.client.post(f"/v1/stream/__ds/subscriptions/{id}/{action}", json=said, headers=headers)
