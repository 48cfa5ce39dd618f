"""Delivering by https: the certificate must be the name's, though the connection goes to a checked address."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.x509.oid import NameOID

from swarm_store.home import Home
from swarmctl.server.subscriptions import targets
from swarmctl.server.subscriptions.courier import Courier, Outcome
from swarmctl.server.subscriptions.keys import Keys

NAME = "worker.test"


class Handler(BaseHTTPRequestHandler):
    hosts: list[str]

    def do_POST(self) -> None:
        self.hosts.append(self.headers["Host"])
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"done": true}')

    def log_message(self, *said: object) -> None:
        pass


def certificate(path: Path) -> None:
    """A certificate for NAME that signs itself, with its key."""
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.datetime.now(datetime.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
    made = made.add_extension(x509.BasicConstraints(True, None), True)
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private = key.private_bytes(encoding, form, serialization.NoEncryption())
    path.write_bytes(private + made.sign(key, hashes.SHA256()).public_bytes(encoding))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[HTTPServer]:
    """An https server on this machine that is NAME."""
    certificate(tmp_path / "pem")
    Handler.hosts = []
    made = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    made.socket = context.wrap_socket(made.socket, server_side=True)
    thread = threading.Thread(target=made.serve_forever, args=(0.05,))
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


def post(home: Home, name: str, port: int, trusted: Path) -> Outcome:
    """POST to a name at this machine's address, which `deliver` would refuse."""

    async def send() -> Outcome:
        courier = Courier(Keys(home), ssl.create_default_context(cafile=str(trusted)))
        try:
            return await courier.post(targets.parse(f"https://{name}:{port}/hook"), "127.0.0.1", b"{}")
        finally:
            await courier.close()

    return asyncio.run(send())


def test_the_certificate_is_the_names(home: Home, server: HTTPServer, tmp_path: Path) -> None:
    """The name in the URL is what TLS asks for and verifies, and what the Host header says."""
    port = server.server_address[1]
    assert post(home, NAME, port, tmp_path / "pem") == Outcome(None, True)
    assert Handler.hosts == [f"{NAME}:{port}"]


def test_another_names_certificate_is_refused(home: Home, server: HTTPServer, tmp_path: Path) -> None:
    """A server that can show no certificate for the name gets nothing."""
    with pytest.raises(httpx.ConnectError, match=r"(?i)certificate|hostname"):
        post(home, "other.test", server.server_address[1], tmp_path / "pem")
    assert Handler.hosts == []


def test_what_delivers_refuses_this_machine(home: Home, server: HTTPServer) -> None:
    """By its URL alone the same server is not reached: nothing is sent, and the outcome says why."""

    async def deliver() -> Outcome:
        courier = Courier(Keys(home))
        try:
            return await courier.deliver(f"https://ip6-localhost:{server.server_address[1]}/", b"{}", 5)
        finally:
            await courier.close()

    failure, done = asyncio.run(deliver())
    assert failure is not None and not done
    assert Handler.hosts == []
