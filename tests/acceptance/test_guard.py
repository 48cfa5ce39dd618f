"""Who is let in by `swarmctl serve`, and what the others get."""

from __future__ import annotations

import json
import os
import shutil
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from support.cli import DEADLINE, Swarm
from support.looking import until
from support.servers import Server, serving

ALLOWED = "https://swarm.example.org"


@pytest.fixture
def server(swarm: Swarm) -> Iterator[Server]:
    """A server as it is by default."""
    with serving(swarm.home) as running:
        yield running


def asked(
    server: Server, method: str = "GET", path: str = "/v1/none", token: str | None = "", **headers: str
) -> httpx.Response:
    """What one request gets; `_` in a header's name is `-`."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with server.client(token, named) as client:
        return client.request(method, path)


def refusal(got: httpx.Response, status: int) -> str:
    """The detail of a problem of that status."""
    assert (got.status_code, got.headers["content-type"]) == (status, "application/problem+json"), got.text
    problem = got.json()
    assert (problem["status"], got.headers["cache-control"]) == (status, "no-store")
    detail: str = problem["detail"]
    return detail


def made(swarm: Swarm, *options: str) -> str:
    """A new token, which is all that is printed."""
    printed = swarm.ok("token", "create", *options)
    assert printed == printed.strip() + "\n" and "." in printed
    return printed.strip()


# -- tokens


def test_without_a_token(server: Server) -> None:
    """Without a token everything is 401 with a challenge, whether it is there or not; only the page's shell is open."""
    for path in ("/v1/agents", "/v1/stream/registry", "/metrics", "/healthz", "/v1/openapi.json", "/none"):
        got = asked(server, path=path, token=None)
        assert refusal(got, 401) == "no token"
        assert got.headers["www-authenticate"].startswith("Bearer ")
        assert str(server.home) not in got.text
    assert asked(server, path="/", token=None).status_code in (200, 404)


@pytest.mark.parametrize("header", ["Bearer", "", "Bearer x", "Bearer admin.x", "Basic {}", "{}", "Bearer {}x"])
def test_with_no_such_token(server: Server, header: str) -> None:
    """What is no token, or nearly one, is 401, and the answer does not repeat it."""
    got = asked(server, token=None, Authorization=header.format(server.token))
    assert refusal(got, 401) == "no such token"
    assert server.token not in got.text


def test_the_admins_token(fresh: Swarm) -> None:
    """The first start makes a home, and in it a token for its owner alone, which opens everything; the next keep it."""
    with serving(fresh.home) as server:
        first = server.token
        assert stat.S_IMODE((fresh.home / "token").stat().st_mode) == 0o600
        assert len(first) >= 43
        assert refusal(asked(server), 404)
    with serving(fresh.home) as server:
        assert server.token == first
    assert [path.name for path in fresh.home.iterdir() if "token" in path.name] == ["token"]


def test_another_admins_token(swarm: Swarm) -> None:
    """Where the file is deleted, the next start makes another, and the old one opens nothing."""
    with serving(swarm.home) as server:
        old = server.token
    (swarm.home / "token").unlink()
    with serving(swarm.home) as server:
        assert refusal(asked(server, token=old), 401) == "no such token"
        assert refusal(asked(server), 404)


def test_two_first_starts_at_once(fresh: Swarm) -> None:
    """Of servers that start at once in an empty home each has the same token."""
    servers = [Server(fresh.home, "--port", "0") for _ in range(3)]
    try:
        for one in servers:
            one.up()
            assert refusal(asked(one), 404)
    finally:
        for one in servers:
            one.end()


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_token_that_others_can_read(swarm: Swarm, mode: int) -> None:
    """A token's file that is open to others is refused, with what to do, and nothing is served."""
    file = swarm.home / "token"
    file.write_text("admin." + "x" * 43)
    file.chmod(mode)
    said = swarm.run("serve", "--port", "0")
    assert said.status == 1 and f"open to others (mode {mode:04o})" in said.error and f"rm {file}" in said.error


@pytest.mark.parametrize("text", ["", "short", "with spaces in it and long enough to be one"])
def test_a_token_that_is_none(swarm: Swarm, text: str) -> None:
    """A file that holds no token is refused, with what to do."""
    file = swarm.home / "token"
    file.write_text(text)
    file.chmod(0o600)
    said = swarm.run("serve", "--port", "0")
    assert said.status == 1 and "no token in" in said.error


def test_a_token_that_is_a_link(swarm: Swarm, tmp_path: Path) -> None:
    """A link in the file's place is not followed."""
    (tmp_path / "elsewhere").write_text("admin." + "x" * 43)
    (swarm.home / "token").symlink_to(tmp_path / "elsewhere")
    assert swarm.run("serve", "--port", "0").status == 1


def test_a_token_that_is_no_file(swarm: Swarm) -> None:
    """A directory in the file's place, or a FIFO, which would never be read, is refused."""
    (swarm.home / "token").mkdir(mode=0o700)
    assert "token is no file" in swarm.refused(1, "serve", "--port", "0")
    (swarm.home / "token").rmdir()
    os.mkfifo(swarm.home / "token", 0o600)
    assert "token is no file" in swarm.refused(1, "serve", "--port", "0")


def test_another_log(swarm: Swarm, empty_log: Path) -> None:
    """Where another log takes the place of the one that is served, its tokens are good, and no others."""
    with serving(swarm.home) as server:
        old = made(swarm, "--read")
        assert asked(server, token=old).status_code == 404
        (swarm.home / "swarm.db").rename(swarm.home / "aside")
        for left in ("swarm.db-wal", "swarm.db-shm"):
            (swarm.home / left).unlink(missing_ok=True)
        shutil.copy(empty_log, swarm.home / "swarm.db")
        (swarm.home / "swarm.db").chmod(0o600)
        new = made(swarm, "--read")
        until(lambda: asked(server, token=new).status_code == 404, "the new log's token is known")
        assert refusal(asked(server, token=old), 401) == "no such token"
        assert asked(server).status_code == 404


def test_without_a_log(swarm: Swarm) -> None:
    """While the log is gone, what is known of tokens holds; what has to be counted is 503."""
    with serving(swarm.home) as server:
        free, counted = made(swarm, "--read"), made(swarm, "--read", "--uses", "5")
        assert asked(server, token=counted).status_code == 404
        aside = [path.rename(path.with_suffix(".aside")) for path in swarm.home.glob("swarm.db")]
        assert asked(server, token=free).status_code == 404
        assert asked(server, token=counted).status_code in (404, 503)
        aside[0].rename(swarm.home / "swarm.db")
        assert asked(server, token=counted).status_code == 404


def test_read_and_control(swarm: Swarm, server: Server) -> None:
    """A token to read may GET and HEAD everything, and 403 is what it gets else; one to control may everything."""
    text = {"Content_Type": "text/plain"}
    read, control = made(swarm, "--read"), made(swarm, "--control")
    assert refusal(asked(server, "PUT", "/v1/stream/mine", read, **text), 403)
    assert asked(server, "PUT", "/v1/stream/mine", control, **text).status_code == 201
    for path in ("/v1/stream/mine", "/v1/stream/registry"):
        assert asked(server, "GET", path, read).status_code == 200
        assert asked(server, "HEAD", path, read).status_code == 200
    assert asked(server, "GET", "/metrics", read).status_code == 200
    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        assert "does not allow" in refusal(asked(server, method, token=read), 403)
        assert refusal(asked(server, method, token=control), 404)


def test_of_one_agent(swarm: Swarm, server: Server) -> None:
    """A token of an agent, named when it is made, opens what is that agent's by its id, and nothing of another's."""
    mine, other = swarm.ended("true", "--name", "mine"), swarm.ended("true")
    token = made(swarm, "--control", "--agent", "mine")
    assert asked(server, path=f"/v1/agents/{mine}", token=token).status_code != 403
    for path in (f"/v1/stream/agents/{mine}", f"/v1/stream/agents/{mine}/stdout"):
        assert asked(server, path=path, token=token).status_code == 200
        assert asked(server, "PUT", path=path, token=token).status_code == 405
    for path in (f"/v1/agents/{other}", f"/v1/stream/agents/{other}", "/v1/agents", "/v1/stream/registry"):
        assert refusal(asked(server, path=path, token=token), 403)
    assert refusal(asked(server, "PUT", path="/v1/stream/new", token=token), 403)
    assert refusal(asked(server, path="/v1/agents/mine", token=token), 403)


def test_of_a_removed_agent(swarm: Swarm, server: Server) -> None:
    """A token of a removed agent opens nothing of one that bears the old id as its name."""
    mine = swarm.ended("true")
    token = made(swarm, "--control", "--agent", mine)
    swarm.ok("rm", mine)
    heir = swarm.ended("true", "--name", mine)
    assert asked(server, path=f"/v1/agents/{mine}").json()["id"] == heir
    for path in (f"/v1/agents/{mine}", f"/v1/stream/agents/{mine}", f"/v1/agents/{mine}/output"):
        assert refusal(asked(server, path=path, token=token), 404) == "the agent has been removed"
    assert asked(server, "DELETE", path=f"/v1/agents/{mine}", token=token).status_code == 404
    assert swarm.agent(heir)["id"] == heir


def test_an_expired_token(swarm: Swarm, server: Server) -> None:
    """A token whose time is over is 401, and says so to whoever has it."""
    token = made(swarm, "--read", "--expires", "0.4")
    until(lambda: asked(server, token=token).status_code == 401, "the token expires")
    assert refusal(asked(server, token=token), 401).endswith("is expired")
    assert swarm.json("token", "list") == []


def test_a_used_up_token(swarm: Swarm, server: Server) -> None:
    """A token for three requests opens three; what it does not allow is not counted."""
    token = made(swarm, "--read", "--uses", "3")
    assert asked(server, "POST", token=token).status_code == 403
    assert [asked(server, token=token).status_code for _ in range(5)] == [404, 404, 404, 401, 401]
    assert refusal(asked(server, token=token), 401).endswith("is used up")


def test_uses_are_counted_by_all(swarm: Swarm) -> None:
    """Of sixty requests at three servers at once, a token for twenty lets exactly twenty in."""
    with serving(swarm.home) as a, serving(swarm.home) as b, serving(swarm.home) as c:
        token = made(swarm, "--read", "--uses", "20")
        with ThreadPoolExecutor(12) as pool:
            got = list(pool.map(lambda n: asked((a, b, c)[n % 3], token=token).status_code, range(60)))
    assert sorted(got) == [401] * 40 + [404] * 20


def test_a_token_of_now(swarm: Swarm, server: Server) -> None:
    """A token is good for a running server as soon as it is printed, and for nothing as soon as revoke has ended."""
    for _ in range(5):
        token = made(swarm, "--read")
        until(lambda token=token: asked(server, token=token).status_code == 404, "the token is known", seconds=2)  # type: ignore[misc]
        assert swarm.ok("token", "revoke", token.partition(".")[0]) == ""
        until(lambda token=token: asked(server, token=token).status_code == 401, "it is revoked", seconds=2)  # type: ignore[misc]


def test_tokens_survive_a_restart(swarm: Swarm) -> None:
    """Another server of the same log knows the same tokens, the revoked ones too."""
    good, bad = made(swarm, "--read"), made(swarm, "--read")
    swarm.ok("token", "revoke", bad.partition(".")[0])
    with serving(swarm.home) as server:
        assert asked(server, token=good).status_code == 404
        assert refusal(asked(server, token=bad), 401).endswith("is revoked")


@pytest.mark.parametrize("query", ["token=x", "a=1&token=", "TOKEN=x", "access_token=x", "%74oken=x"])
def test_no_token_in_a_url(server: Server, query: str) -> None:
    """A token in a URL is refused, whatever it is, before it is looked at."""
    assert "token in the URL" in refusal(asked(server, path=f"/v1/agents?{query}", token=None), 400)


def test_tokens_are_never_written_down(swarm: Swarm) -> None:
    """No token is in what a server says, nor in the log but as its hash."""
    with serving(swarm.home) as server:
        token = made(swarm, "--read", "--uses", "1")
        for _ in range(2):
            asked(server, token=token)
            asked(server, path=f"/v1/agents?token={token}")
        admin, said = server.token, server.complaints()
    kept = b"".join(path.read_bytes() for path in swarm.home.glob("swarm.db*"))
    for secret in (token, token.partition(".")[2], admin):
        assert secret not in said and secret.encode() not in kept


# -- the command line


def test_list(swarm: Swarm) -> None:
    """`list` has what is good, `--all` the others too, with what is known of each, and never what opens anything."""
    agent = swarm.ended("true")
    token = made(swarm, "--control", "--agent", agent, "--uses", "5", "--expires", "1h")
    gone = made(swarm, "--read")
    swarm.ok("token", "revoke", gone.partition(".")[0])
    one, *more = swarm.json("token", "list")
    assert (one["scope"], one["agents"], one["uses_left"], one["last_used"], more) == ("control", [agent], 5, None, [])
    assert [each["state"] for each in swarm.json("token", "list", "--all")] == ["good", "revoked"]
    shown = swarm.ok("token", "list", "-a")
    assert shown.splitlines()[0].split()[:3] == ["ID", "SCOPE", "AGENTS"] and token.partition(".")[0] in shown
    for secret in (token, gone):
        assert secret.partition(".")[2] not in shown + json.dumps(swarm.json("token", "list", "--all"))


def test_list_of_nothing(fresh: Swarm) -> None:
    """Where there is no log there are no tokens, and none is made by asking."""
    assert fresh.json("token", "list") == []
    assert not fresh.home.exists()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (2, "create"),
        (2, "create --read --control"),
        (2, "create --read --expires never"),
        (2, "create --read --expires 0"),
        (2, "create --read --uses 0"),
        (3, "create --read --agent nobody"),
        (3, "revoke nobody"),
        (2, "revoke admin"),
        (2, "revoke"),
    ],
)
def test_refused(swarm: Swarm, status: int, words: str) -> None:
    """What makes no sense is refused in one line, and changes nothing."""
    swarm.refused(status, "token", *words.split())
    assert swarm.json("token", "list", "--all") == []


def test_revoke_all_or_none(swarm: Swarm) -> None:
    """Several tokens are revoked at once, or none where one of them is not there."""
    ids = [made(swarm, "--read").partition(".")[0] for _ in range(2)]
    swarm.refused(3, "token", "revoke", *ids, "nobody")
    assert len(swarm.json("token", "list")) == 2
    swarm.ok("token", "revoke", *ids, ids[0])
    swarm.ok("token", "revoke", ids[1])
    assert swarm.json("token", "list") == []


def test_tokens_do_not_travel(swarm: Swarm, tmp_path: Path) -> None:
    """An export has no tokens, and an import that has is refused: else whoever wrote it could open this server."""
    made(swarm, "--control")
    exported = swarm.ok("export")
    assert "token:" not in exported
    header, *_ = exported.splitlines(keepends=True)
    forged = {"position": 1, "stream": "tokens", "offset": 0, "time": "2026-01-01T00:00:00.000000Z"}
    forged |= {"type": "token:created", "agent": "tokens", "producer": None}
    forged |= {"data": {"id": "evil", "hash": "0" * 64, "scope": "control"}}
    lines = header + json.dumps(forged) + "\n" + json.dumps({"end": True, "records": 1}) + "\n"
    (tmp_path / "forged").write_text(lines)
    assert "no stream that could be imported" in swarm.refused(2, "import", str(tmp_path / "forged"))


# -- Host and Origin


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "localhost", "localhost:1", "127.0.0.1", ""])
def test_a_wrong_host(server: Server, host: str) -> None:
    """A Host header with another name or port is 421, whatever token comes with it."""
    assert refusal(asked(server, Host=host.format(port=server.port)), 421)


def test_our_hosts(swarm: Swarm) -> None:
    """On the loopback its names are ours with the port, and names that are allowed with any, or with theirs."""
    with serving(swarm.home, "--allow-host", "swarm.example", "--allow-host", "other.example:8443") as server:
        good = ["localhost:{}", "127.0.0.1:{}", "[::1]:{}", "LOCALHOST:{}", "swarm.example", "swarm.example:{}"]
        bad = ["0.0.0.0:{}", "[::]:{}", "localhost.:{}", "x.swarm.example", "other.example", "localhost:{}x", "[::1:{}"]
        for host in (*good, "other.example:8443"):
            assert asked(server, Host=host.format(server.port)).status_code == 404, host
        for host in bad:
            assert asked(server, Host=host.format(server.port)).status_code == 421, host


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://localhost:1", "http://127.0.0.1", "https://swarm.example.org.evil", ""],
)
def test_a_foreign_origin(swarm: Swarm, origin: str) -> None:
    """A page of another origin gets 403, with the best token and without one asked for, and no header of CORS."""
    for options in ((), ("--no-token",), ("--allow-origin", ALLOWED)):
        with serving(swarm.home, *options) as server:
            for method in ("GET", "POST", "OPTIONS"):
                got = asked(server, method, Origin=origin, Access_Control_Request_Method="POST")
                assert refusal(got, 403) == "this page is of another origin" if origin else True
                assert not [name for name in got.headers if name.startswith("access-control-")]


def test_our_own_page(server: Server) -> None:
    """A page of ours may ask."""
    assert asked(server, Origin=server.url).status_code == 404


def test_an_allowed_origin(swarm: Swarm) -> None:
    """The page of an allowed origin is told so by name, with the streams' headers, on errors too, and never by `*`."""
    with serving(swarm.home, "--allow-origin", ALLOWED) as server:
        asking = {"Access_Control_Request_Method": "PUT", "Access_Control_Request_Headers": "authorization"}
        preflight = asked(server, "OPTIONS", token=None, Origin=ALLOWED, **asking)
        assert preflight.status_code == 204
        assert "PUT" in preflight.headers["access-control-allow-methods"]
        assert "authorization" in preflight.headers["access-control-allow-headers"]
        for got in (preflight, asked(server, Origin=ALLOWED), asked(server, token=None, Origin=ALLOWED)):
            assert got.headers["access-control-allow-origin"] == ALLOWED
            assert "stream-next-offset" in got.headers["access-control-expose-headers"]
            assert (got.headers["vary"], got.headers["cross-origin-resource-policy"]) == ("Origin", "cross-origin")
        assert "access-control-allow-origin" not in asked(server).headers
        assert refusal(asked(server, "OPTIONS", token=None, Origin=ALLOWED), 401)


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_tag_of_another_page(swarm: Swarm, site: str) -> None:
    """What another page's tags ask for is refused by what browsers say of it; following a link is not."""
    with serving(swarm.home, "--no-token") as server:
        assert refusal(asked(server, Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors"), 403)
        assert asked(server, Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate").status_code == 404
        assert refusal(asked(server, "POST", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate"), 403)
        assert asked(server, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status_code == 404


@pytest.mark.parametrize("origin", ["*", "null", "https://a.example/", "a.example", "https://a.example/x", "https://A"])
def test_no_such_origin(swarm: Swarm, origin: str) -> None:
    """Only an origin as browsers write it can be allowed."""
    assert "not an origin" in swarm.refused(2, "serve", "--port", "0", "--allow-origin", origin)
    assert "not a host" in swarm.refused(2, "serve", "--port", "0", "--allow-host", "http://x")


def test_without_tokens(swarm: Swarm) -> None:
    """--no-token needs none and makes none, checks Host and Origin all the same, and is refused beyond the loopback."""
    with serving(swarm.home, "--no-token") as server:
        assert refusal(asked(server, "POST"), 404)
        assert refusal(asked(server, Host="evil.example"), 421)
        assert refusal(asked(server, Origin="https://evil.example"), 403)
    assert not (swarm.home / "token").exists()
    swarm.refused(2, "serve", "--no-token", "--host", "0.0.0.0")


def test_beyond_the_loopback(swarm: Swarm) -> None:
    """Bound to every address, it goes by the one that it is reached at; and by 0.0.0.0, which is no name, not."""
    with serving(swarm.home, "--host", "0.0.0.0") as server:
        assert asked(server, Host=f"127.0.0.1:{server.port}").status_code == 404
        assert asked(server, Host=f"0.0.0.0:{server.port}").status_code == 421
        assert asked(server, Host=f"192.0.2.1:{server.port}").status_code == 421


def test_on_a_unix_socket(swarm: Swarm, tmp_path: Path) -> None:
    """On a unix socket a token is asked for too, and the host is localhost."""
    with serving(swarm.home, "--uds", str(tmp_path / "socket")) as server:
        assert stat.S_IMODE((tmp_path / "socket").stat().st_mode) == 0o600
        assert (asked(server).status_code, asked(server, token=None).status_code) == (404, 401)
        assert asked(server, Host="evil.example").status_code == 421


# -- what every response has


def test_security_headers(server: Server) -> None:
    """Every response, whoever makes it, forbids browsers to guess its type, to embed it and to tell where it was."""
    wanted = {
        "x-content-type-options": "nosniff",
        "cross-origin-resource-policy": "same-origin",
        "referrer-policy": "no-referrer",
        "x-frame-options": "DENY",
    }
    for got in (asked(server), asked(server, token=None), asked(server, Host="x"), asked(server, "HEAD", path="/")):
        assert wanted.items() <= dict(got.headers).items()
        assert "server" not in got.headers
    with server.connect() as connection:
        connection.sendall(b"no HTTP\r\n\r\n")
        connection.settimeout(DEADLINE)
        said = connection.makefile("rb").read().decode().lower()
    assert all(f"{name}: {value.lower()}" in said for name, value in wanted.items())
