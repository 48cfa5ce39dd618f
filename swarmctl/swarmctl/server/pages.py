"""The page of the server: `/` and the files it loads, the same in every installation, so they need no token.

An exact list, read once from the package: no path of a request ever reaches the file system. What the page may do in a
browser is said by POLICY: nothing but these files runs, and nothing but this server is spoken with.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

from .wire import Headers, Receive, Refused, Scope, Send, header, respond

PREFIX = "/page/"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS: Headers = [  # beside those that every response has: guard.security_headers
    (b"content-security-policy", POLICY.encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-cache"),  # kept, and asked about each time: a new version is there at once
]


class File(NamedTuple):
    """What is answered for one path."""

    type: str
    body: bytes
    etag: str


def load() -> dict[str, File]:
    """The files by their paths; `/` is the first of them."""
    found = {}
    for entry in files(__package__).joinpath("page").iterdir():
        kind = _TYPES.get(entry.name.rpartition(".")[2])
        if kind is not None and entry.is_file():
            body = entry.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            found["/" if entry.name == "index.html" else PREFIX + entry.name] = File(kind, body, etag)
    return found


class Page:
    """The part of the server that answers for `/` and what is below `/page/`."""

    def __init__(self) -> None:
        self.files = load()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise Refused(405, "the page is only read", "the API is below /v1/", [(b"allow", b"GET, HEAD")])
        file = self.files.get(scope["path"])
        if file is None:
            raise Refused(404, f"there is nothing at {scope['path']}", "the page is at /")
        head = [*_HEADERS, (b"etag", file.etag.encode())]
        if file.etag in (header(scope, b"if-none-match") or ""):
            await respond(send, 304, head)
            return
        head.append((b"content-type", file.type.encode()))
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": _sized(head, file)})
            await send({"type": "http.response.body", "body": b""})
            return
        await respond(send, 200, head, file.body)


def _sized(head: Headers, file: File) -> Headers:
    return [*head, (b"content-length", str(len(file.body)).encode())]
