"""The page's files as the server gives them: an exact list, each with its type, its tag and the policy."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from swarmctl.server import pages
from swarmctl.server.wire import Refused


class Answer:
    """What one request got."""

    def __init__(self, path: str, method: str = "GET", **headers: str) -> None:
        self.sent: list[Any] = []
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": method, "path": path, "headers": given, "query_string": b""}
        asyncio.run(pages.Page()(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def _send(self, message: Any) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.sent[1:])


def test_the_page_is_at_the_root() -> None:
    """`/` is the page, as HTML, with its length."""
    answer = Answer("/")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.body.startswith(b"<!doctype html>")
    assert answer.headers["content-length"] == str(len(answer.body))


def test_every_file_has_the_policy() -> None:
    """Nothing runs but this server's own files, nothing may frame them, and no text becomes markup."""
    for path in pages.load():
        policy = Answer(path).headers["content-security-policy"]
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
        assert "require-trusted-types-for 'script'" in policy
        assert "unsafe" not in policy and "http" not in policy and "*" not in policy


def test_a_file_that_is_known_is_not_sent_again() -> None:
    """If-None-Match with the file's tag gets 304 without a body; with another the file."""
    tag = Answer("/page/main.js").headers["etag"]
    assert (Answer("/page/main.js", if_none_match=tag).status, Answer("/page/main.js", if_none_match=tag).body) == (
        304,
        b"",
    )
    assert Answer("/page/main.js", if_none_match='"other"').status == 200


def test_head_is_get_without_the_body() -> None:
    """HEAD has the headers of GET, and no body."""
    get, head = Answer("/page/base.css"), Answer("/page/base.css", "HEAD")
    assert head.headers == get.headers and head.body == b"" and get.body


@pytest.mark.parametrize(
    "path", ["/page/", "/page/../pages.py", "/page/index.html", "/page//main.js", "/favicon.ico", "/x"]
)
def test_there_is_nothing_else(path: str) -> None:
    """A path that is not on the list is 404, whatever it looks like."""
    with pytest.raises(Refused) as refused:
        Answer(path)
    assert refused.value.status == 404


def test_the_page_is_only_read() -> None:
    """Any other method is 405, and says which there are."""
    with pytest.raises(Refused) as refused:
        Answer("/", "POST")
    assert refused.value.status == 405 and (b"allow", b"GET, HEAD") in refused.value.headers


def test_nothing_is_loaded_from_elsewhere() -> None:
    """No file names another host (but for XML's own name of SVG), and none makes markup of text."""
    for path, file in pages.load().items():
        text = file.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http://" not in text and "https://" not in text, path
        assert "innerHTML" not in text and "insertAdjacentHTML" not in text and "document.write" not in text, path
        assert "eval(" not in text and "new Function" not in text and " style=" not in text, path
