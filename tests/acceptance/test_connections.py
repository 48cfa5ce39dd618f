"""What `swarmctl serve` does with clients that are slow, stalled, endless or too many, and with tricks."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from support.cli import DEADLINE, Swarm
from support.looking import until
from support.servers import Server, serving

PATIENCE = 1.0  # seconds of the servers of these tests
PAUSE = 0.05


@pytest.fixture
def server(swarm: Swarm) -> Iterator[Server]:
    """A server that has little patience."""
    with serving(swarm.home, "--stalled-after", str(PATIENCE)) as running:
        yield running
        assert running.complaints().count("\n") == 1, running.complaints()


@pytest.fixture
def connection(server: Server) -> Iterator[socket.socket]:
    """A bare connection to it."""
    with server.connect() as made:
        yield made


def head(server: Server, start: str = "GET /v1/none HTTP/1.1", *lines: str, token: bool = True) -> bytes:
    """The head of a request as it should be, with more lines."""
    known = [f"Host: {server.host}"] + ([f"Authorization: Bearer {server.token}"] if token else [])
    return "\r\n".join([start, *known, *lines, "", ""]).encode("latin-1")


def rest(connection: socket.socket) -> bytes:
    """All that comes until the server closes, in time."""
    connection.settimeout(DEADLINE)
    got = b""
    try:
        while piece := connection.recv(1 << 16):
            got += piece
    except ConnectionResetError:
        pass
    return got


def answer(connection: socket.socket) -> tuple[int, bytes]:
    """The status of one response, and its body."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(1)
        assert piece, got
        got += piece
    length = next(int(line.split(b":")[1]) for line in got.split(b"\r\n") if line.lower().startswith(b"content-length"))
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return int(got.split()[1]), body


def is_closed(connection: socket.socket) -> bool:
    """Whether the server has closed it; what has come meanwhile is passed over."""
    while select.select([connection], [], [], 0)[0]:
        try:
            if not connection.recv(1 << 16):
                return True
        except ConnectionResetError:
            return True
    return False


def trickle(connection: socket.socket, piece: bytes) -> None:
    """Send a piece now and again, until the server closes."""

    def is_cut() -> bool:
        try:
            connection.sendall(piece)
        except OSError:
            return True
        time.sleep(PAUSE)
        return is_closed(connection)

    until(is_cut, "it is cut off")


def serves(server: Server) -> bool:
    """Whether others are answered."""
    with server.client() as client:
        return client.get("/v1/none").status_code == 404


# -- what comes slowly


def test_silence(server: Server, connection: socket.socket) -> None:
    """Who connects and says nothing is cut off."""
    assert rest(connection) == b""
    assert serves(server)


@pytest.mark.parametrize("piece", [b"X-A: b\r\n", b"a", b"\r\n"])
def test_a_head_that_trickles(server: Server, connection: socket.socket, piece: bytes) -> None:
    """A head that comes line by line, byte by byte, or not at all after empty lines, is cut off."""
    connection.sendall(b"" if piece == b"\r\n" else head(server)[:-2])
    trickle(connection, piece)
    assert serves(server)


def test_a_second_head_that_trickles(server: Server, connection: socket.socket) -> None:
    """The same holds for the next request of a connection."""
    connection.sendall(head(server))
    assert answer(connection)[0] == 404
    connection.sendall(head(server)[:-2])
    trickle(connection, b"X-A: b\r\n")


@pytest.mark.parametrize("how", ["Content-Length: 100000", "Transfer-Encoding: chunked"])
def test_a_body_that_trickles(server: Server, connection: socket.socket, how: str) -> None:
    """A body that comes byte by byte is cut off, though it is waited for."""
    with server.client() as client:
        client.put("/v1/stream/slow", headers={"Content-Type": "text/plain"}).raise_for_status()
    connection.sendall(head(server, "POST /v1/stream/slow HTTP/1.1", "Content-Type: text/plain", how))
    trickle(connection, b"1\r\nx\r\n" if "chunked" in how else b"x")


@pytest.mark.parametrize("length", [100_000, 5])
def test_a_body_that_nobody_wants(server: Server, connection: socket.socket, length: int) -> None:
    """Where a request is refused before its body has come, the rest is waited for no longer than a head is."""
    connection.sendall(head(server, "POST /v1/none HTTP/1.1", f"Content-Length: {length}", token=False))
    assert answer(connection)[0] == 401
    trickle(connection, b"x")


def test_a_body_that_is_only_slow(server: Server, connection: socket.socket) -> None:
    """A body that keeps coming is waited for, however long it takes."""
    with server.client() as client:
        client.put("/v1/stream/slow", headers={"Content-Type": "text/plain"}).raise_for_status()
    pieces = 30
    connection.sendall(
        head(server, "POST /v1/stream/slow HTTP/1.1", "Content-Type: text/plain", f"Content-Length: {pieces * 1000}")
    )
    for _ in range(pieces):
        connection.sendall(b"x" * 1000)
        time.sleep(PAUSE)
    assert b" 204 " in connection.recv(100)


def test_a_refusal_is_heard(server: Server) -> None:
    """A client that reads only when it has sent all of a large body hears why it was refused, and may go on."""
    with server.client(None) as client:
        assert client.post("/v1/none", content=b"x" * (20 << 20)).status_code == 401
        assert client.get("/v1/none").status_code == 401


# -- what is too long


def test_long_heads(server: Server) -> None:
    """A head of more than 32 KB, in one header, in many or in the path, is 431."""
    with server.client() as client:
        for headers in ({"X-Long": "x" * 40_000}, {f"X-{n}": "x" for n in range(200)}):
            assert client.get("/v1/none", headers=headers).status_code == 431
        assert client.get("/v1/" + "x" * 40_000).status_code == 431
        assert client.get("/v1/none", headers={"X-Long": "x" * 20_000}).status_code == 404


@pytest.mark.parametrize("unending", [b"x" * 4096, b"X-A: b\r\n" * 512])
def test_a_head_without_end(server: Server, connection: socket.socket, unending: bytes) -> None:
    """A head that goes on and on is 431 or cut off, long before it is a megabyte."""
    connection.sendall(head(server)[:-2] + b"X-Long: ")
    sent = 0
    try:
        while sent < 16 << 20:
            sent += connection.send(unending)
    except OSError:
        pass
    assert sent < 8 << 20  # what fits into the kernel's buffers is not the server's
    assert rest(connection)[:12] in (b"HTTP/1.1 431", b"")
    assert serves(server)


def test_long_bodies(server: Server, connection: socket.socket) -> None:
    """A body that says it has more than 16 MB is 413 before it has come; one that does not say is so when it has."""
    connection.sendall(head(server, "POST /v1/none HTTP/1.1", f"Content-Length: {17 << 20}"))
    assert answer(connection)[0] == 413
    with server.client() as client:
        client.put("/v1/stream/long", headers={"Content-Type": "text/plain"}).raise_for_status()
        pieces = (b"x" * (1 << 20) for _ in range(17))
        got = client.post("/v1/stream/long", content=pieces, headers={"Content-Type": "text/plain"})
        assert (got.status_code, got.headers["content-type"]) == (413, "application/problem+json")


def test_expect(server: Server, connection: socket.socket) -> None:
    """Who asks before it sends a body is refused without having to send it."""
    asking = ("Content-Length: 100", "Expect: 100-continue")
    connection.sendall(head(server, "POST /v1/none HTTP/1.1", *asking, token=False))
    assert answer(connection)[0] == 401


# -- who does not read


def fill(server: Server, name: str, megabytes: int) -> None:
    with server.client() as client:
        client.put(f"/v1/stream/{name}", headers={"Content-Type": "application/octet-stream"}).raise_for_status()
        for _ in range(megabytes):
            body = b"x" * (1 << 20)
            kind = {"Content-Type": "application/octet-stream"}
            client.post(f"/v1/stream/{name}", content=body, headers=kind).raise_for_status()


def test_a_reader_that_takes_nothing(server: Server) -> None:
    """Live readers of a large stream that read nothing are cut off, and counted; others are answered meanwhile."""
    fill(server, "large", 24)
    with ExitStack() as stack:
        stalled = [stack.enter_context(server.connect()) for _ in range(4)]
        for one in stalled:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            one.sendall(head(server, "GET /v1/stream/large?offset=-1&live=sse HTTP/1.1"))
        assert serves(server)
        with server.client() as client:
            until(lambda: cut_off(client) == 4, "readers are cut off")
            until(lambda: not established(server, stalled), "the server has let go of all of them")


def cut_off(client: httpx.Client) -> float:
    """How many stalled readers the server has counted."""
    lines = client.get("/metrics").text.splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("swarmctl_stalled_readers_total"))


def established(server: Server, connections: list[socket.socket]) -> list[str]:
    """Which of these connections the kernel has as established on the server's side."""
    ports = {f"{one.getsockname()[1]:04X}" for one in connections}
    with open(f"/proc/{server.process.pid}/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    mine = f"{server.port:04X}"
    is_mine = [row for row in rows if row[1].endswith(":" + mine) and row[2].rpartition(":")[2] in ports]
    return [row[2] for row in is_mine if row[3] == "01"]


def test_a_reader_that_is_only_slow(server: Server) -> None:
    """A reader that takes a little at a time gets all of it."""
    fill(server, "some", 1)
    with server.connect() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(head(server, "GET /v1/stream/some?offset=-1 HTTP/1.1", "Connection: close"))
        slow.settimeout(DEADLINE)
        got = 0
        while piece := slow.recv(65536):
            got += len(piece)
            time.sleep(PAUSE)
    assert got > 1 << 20


def test_a_client_that_goes(server: Server) -> None:
    """Clients that close in the middle of a live response leave a server that rests: nothing is made for nobody."""
    fill(server, "left", 8)
    for _ in range(4):
        with server.connect() as leaving:
            leaving.sendall(head(server, "GET /v1/stream/left?offset=-1&live=sse HTTP/1.1"))
            leaving.recv(1)
    assert serves(server)


# -- the token of a live response


def test_a_live_response_ends_with_its_token(swarm: Swarm, server: Server) -> None:
    """What is being read with a token is cut off when it is revoked; what others read is not."""
    mine, others = (swarm.ok("token", "create", "--read").strip() for _ in range(2))
    with server.client(mine) as client, server.client(others) as other, ExitStack() as stack:
        path = "/v1/stream/registry?offset=-1&live=sse"
        reading = stack.enter_context(client.stream("GET", path)).iter_bytes()
        reading_too = stack.enter_context(other.stream("GET", path)).iter_bytes()
        assert next(reading) and next(reading_too)
        swarm.ok("token", "revoke", mine.partition(".")[0])
        with pytest.raises(httpx.RemoteProtocolError):
            list(reading)
        swarm.sh("true")
        assert next(reading_too)


# -- too many


def test_too_many_connections(swarm: Swarm) -> None:
    """Beyond the most that there may be, requests get 503, and more are closed; when some end, all is well."""
    with serving(swarm.home, "--most-connections", "20") as server, ExitStack() as stack:
        live = [stack.enter_context(server.connect()) for _ in range(19)]
        for one in live:
            one.sendall(head(server, "GET /v1/stream/registry?offset=now&live=sse HTTP/1.1"))
            assert one.recv(12) == b"HTTP/1.1 200"
        with server.client() as client:
            got = client.get("/v1/none")
            assert (got.status_code, got.headers["x-content-type-options"]) == (503, "nosniff")
        more = [stack.enter_context(server.connect()) for _ in range(80)]
        until(lambda: any(map(is_closed, more)), "some are closed unheard")
        stack.close()
        until(lambda: serves(server), "others are answered again")


def test_many_connections(swarm: Swarm) -> None:
    """Hundreds of live readers that idle keep nobody from being answered."""
    with serving(swarm.home) as server, ExitStack() as stack:
        for _ in range(400):
            one = stack.enter_context(server.connect())
            one.sendall(head(server, "GET /v1/stream/registry?offset=now&live=sse HTTP/1.1"))
            assert one.recv(12) == b"HTTP/1.1 200"
        assert serves(server)


# -- tricks


@pytest.mark.parametrize(
    ("start", "lines", "statuses"),
    [
        ("GET http://evil.example/v1/none HTTP/1.1", (), {404}),  # the Host header says whom it is for
        ("GET //evil.example/v1/none HTTP/1.1", (), {404}),
        ("GET /v1/%00 HTTP/1.1", (), {400}),
        ("GET /v1/\0 HTTP/1.1", (), {400}),
        ("TRACE /v1/none HTTP/1.1", (), {405}),
        ("CONNECT 127.0.0.1:22 HTTP/1.1", (), {400}),
        ("OPTIONS * HTTP/1.1", (), {400, 404}),
        ("BREW /v1/none HTTP/1.1", (), {400}),
        ("GET /v1/none HTTP/9.9", (), {400}),
        ("GET /v1/none HTTP/1.1", ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: eA=="), {404}),
        ("GET /v1/none HTTP/1.1", ("Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings"), {404}),
        ("GET /v1/none HTTP/1.1", ("Host: evil.example",), {400}),
        ("GET /v1/none HTTP/1.1", ("Authorization: Bearer x",), {400}),
        ("GET /v1/none HTTP/1.1", ("X : y",), {400}),
        ("GET /v1/none HTTP/1.1", ("X-Bare: a\nb",), {400}),
        ("POST /v1/none HTTP/1.1", ("Content-Length: 5", "Content-Length: 6"), {400}),
        ("POST /v1/none HTTP/1.1", ("Content-Length: 5", "Transfer-Encoding: chunked"), {400}),
        ("POST /v1/none HTTP/1.1", ("Transfer-Encoding: chunked", "Transfer-Encoding: identity"), {400}),
        ("POST /v1/none HTTP/1.1", ("Transfer-Encoding: xchunked",), {400}),
        ("POST /v1/none HTTP/1.1", ("Transfer-Encoding: gzip, chunked",), {501}),
        ("POST /v1/none HTTP/1.1", ("Transfer-Encoding: chunked, gzip",), {400}),
        ("POST /v1/none HTTP/1.0", ("Transfer-Encoding: chunked",), {400}),
        ("GET /v1/none HTTP/1.1", ("X-Folded: a", " b"), {400}),
        ("POST /v1/none HTTP/1.1", ("Content-Length: +5",), {400}),
        ("POST /v1/none HTTP/1.1", ("Content-Length: -1",), {400}),
        ("POST /v1/none HTTP/1.1", (f"Content-Length: {1 << 70}",), {400, 413}),
    ],
)
def test_tricks(
    server: Server, connection: socket.socket, start: str, lines: tuple[str, ...], statuses: set[int]
) -> None:
    """What is malformed or means two things is refused; what asks for another protocol is answered in this one."""
    connection.sendall(head(server, start, *lines))
    assert int(connection.recv(64).split()[1]) in statuses
    assert serves(server)


def test_rubbish_within_a_response(server: Server, connection: socket.socket) -> None:
    """Who sends rubbish while a live response lasts is cut off, and has no other answer in the middle of it."""
    connection.sendall(head(server, "GET /v1/stream/registry?offset=now&live=sse HTTP/1.1"))
    assert connection.recv(12) == b"HTTP/1.1 200"
    connection.sendall(b"RUBBISH\r\n\r\n")
    assert b"HTTP/1.1" not in rest(connection)


def test_nothing_of_the_page_leads_elsewhere(server: Server, connection: socket.socket) -> None:
    """What is open without a token is the page's folder as it is written, not what is beside it."""
    for path in ("/page/../v1/agents", "/page/%2e%2e/v1/agents", "//page/x", "/page%2f..%2fv1%2fagents", "/PAGE/x"):
        connection.sendall(head(server, f"GET {path} HTTP/1.1", token=False))
        assert answer(connection)[0] == 401, path


def test_one_request_in_anothers_body(server: Server, connection: socket.socket) -> None:
    """A request that is hidden in the body of a refused one is a body, and is not answered."""
    hidden = head(server, "DELETE /v1/agents/x HTTP/1.1")
    refused = head(server, "POST /v1/none HTTP/1.1", f"Content-Length: {len(hidden)}", token=False)
    connection.sendall(refused + hidden + head(server, "GET /v1/no-such HTTP/1.1"))
    assert answer(connection)[0] == 401
    status, body = answer(connection)
    assert status == 404 and b"/v1/no-such" in body


def test_trailers_are_no_headers(server: Server, connection: socket.socket) -> None:
    """What comes after a chunked body cannot be a header that nobody has checked."""
    with server.client() as client:
        client.put("/v1/stream/t", headers={"Content-Type": "text/plain"}).raise_for_status()
    asking = head(server, "POST /v1/stream/t HTTP/1.1", "Content-Type: text/plain", "Transfer-Encoding: chunked")
    connection.sendall(asking + b"1\r\nx\r\n0\r\nStream-Closed: true\r\n\r\n")
    assert b" 204 " in connection.recv(100)
    with server.client() as client:
        assert "stream-closed" not in client.head("/v1/stream/t").headers


def test_a_form_of_another_page(server: Server) -> None:
    """What another page can post without being asked about (a form as text/plain) is refused by its Origin."""
    with server.client(None, {"Origin": "https://evil.example", "Content-Type": "text/plain"}) as client:
        assert client.post("/v1/agents", content='{"command":["true"]}').status_code == 403


def test_without_a_host(server: Server, connection: socket.socket) -> None:
    """A request that does not say whom it is for is for somebody else."""
    connection.sendall(f"GET /v1/none HTTP/1.0\r\nAuthorization: Bearer {server.token}\r\n\r\n".encode())
    assert connection.recv(12) == b"HTTP/1.1 421"
