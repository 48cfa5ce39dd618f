"""Where webhooks may go, and where not."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from swarmctl.server.subscriptions import targets
from swarmctl.server.subscriptions.targets import WebhookRefused, choose, is_public, parse

GOOD = [
    "https://worker.example/hook",
    "https://worker.example:8443/hook?a=b",
    "https://1.1.1.1/",
    "https://[2606:4700:4700::1111]/",
    "http://localhost:8080/hook",
    "http://127.0.0.1/",
    "http://127.8.9.10:1/",
    "HTTPS://Worker.Example/",
]
BAD = [
    "",
    "worker.example",
    "ftp://worker.example/",
    "file:///etc/passwd",
    "https://",
    "https:///hook",
    "http://worker.example/",
    "http://10.0.0.1/hook",
    "http://192.168.1.1/",
    "http://[::1]/",
    "http://127.0.0.1.example/",
    "http://localhost.example/",
    "http://127.0.0.999/",
    "http://2130706433/",
    "https://localhost/",
    "https://a.localhost/",
    "https://localhost./",
    "https://127.0.0.1/",
    "https://10.1.2.3/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://168.63.129.16/",
    "https://100.100.100.200/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://255.255.255.255/",
    "https://[::1]/",
    "https://[::]/",
    "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/",
    "https://[fd00:ec2::254]/",
    "https://[::ffff:10.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[64:ff9b::a9fe:a9fe]/",
    "https://[2002:7f00:1::]/",
    "https://user@worker.example/",
    "https://user:word@worker.example/",
    "https://worker.example/#fragment",
    "https://worker.example:0/",
    "https://worker.example:99999/",
    "https://worker.example/\r\nX: y",
    "https://worker.example\\@10.0.0.1/",
    "https://wörker.example/",
    "https://worker.example/" + "a" * 3000,
]


@pytest.mark.parametrize("url", GOOD)
def test_public_https_and_local_http_are_taken(url: str) -> None:
    """https to a public host, and plain http to this machine."""
    assert parse(url).scheme in ("https", "http")


@pytest.mark.parametrize("url", BAD)
def test_everything_else_is_refused(url: str) -> None:
    """Other schemes, users, private, loopback, link-local and metadata addresses, in whatever notation."""
    with pytest.raises(WebhookRefused) as refused:
        parse(url)
    assert refused.value.code == "WEBHOOK_URL_REJECTED"


@pytest.mark.parametrize(
    "url", ["https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/", "https://ip6-localhost/"]
)
def test_a_name_that_means_this_machine_is_refused(url: str) -> None:
    """What only the resolver understands as an address of this machine is refused once it is looked up."""

    async def look() -> None:
        await targets.check(url)

    try:
        addresses = asyncio.run(targets.look_up(parse(url)))
    except OSError:
        pytest.skip("the resolver here does not know it")
    assert all(ipaddress.ip_address(one).is_loopback for one in addresses)
    with pytest.raises(WebhookRefused):
        asyncio.run(look())


def test_a_name_that_nobody_knows_yet_is_taken() -> None:
    """A webhook may be asked for before its name is in the DNS: each delivery looks again."""
    asyncio.run(targets.check("https://nobody.invalid/hook"))


def test_one_forbidden_address_is_enough() -> None:
    """A name that has a public and a private address is refused: it could be either when it is connected to."""
    with pytest.raises(WebhookRefused):
        choose(parse("https://worker.example/"), ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(WebhookRefused):
        choose(parse("http://localhost/"), ["127.0.0.1", "10.0.0.1"])
    with pytest.raises(WebhookRefused):
        choose(parse("https://worker.example/"), [])
    assert choose(parse("https://worker.example/"), ["1.1.1.1", "8.8.8.8"]) == "1.1.1.1"
    assert choose(parse("http://localhost/"), ["::1"]) == "::1"


def test_what_is_public() -> None:
    """An address is public if it is, and so is the one that it stands for."""
    assert is_public(ipaddress.ip_address("64:ff9b::101:101"))
    assert not is_public(ipaddress.ip_address("64:ff9b::7f00:1"))
    assert not is_public(ipaddress.ip_address("::ffff:169.254.169.254"))


def test_the_host_header_is_as_the_url_has_it() -> None:
    """A port is said where it is not the scheme's own."""
    assert parse("https://worker.example:443/").authority == "worker.example"
    assert parse("https://worker.example:8443/").authority == "worker.example:8443"
    assert parse("https://[2606:4700:4700::1111]/").authority == "[2606:4700:4700::1111]"
