"""What the service manager is told, on a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm_supervisor.notify import Notify

Socket = Iterator[socket.socket]


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Socket:
    """A manager's socket that NOTIFY_SOCKET names."""
    path = str(tmp_path / "notify") if request.param == "path" else f"\0swarmctl-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5)
        listening.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path.replace("\0", "@"))
        yield listening


def test_what_is_told(manager: socket.socket) -> None:
    """Each call is one datagram of the protocol; a status is one line whatever is in it."""
    notify = Notify()
    notify.ready("3 agents")
    notify.status("two\nlines")
    notify.watchdog()
    notify.stopping()
    told = [manager.recv(4096).decode() for _ in range(4)]
    assert told == [f"READY=1\nMAINPID={os.getpid()}\nSTATUS=3 agents", "STATUS=two lines", "WATCHDOG=1", "STOPPING=1"]


def test_a_deaf_manager_is_no_trouble(manager: socket.socket) -> None:
    """Where nobody reads what is told, telling neither waits nor raises."""
    notify = Notify()
    for _ in range(5000):
        notify.watchdog()
    assert manager.recv(4096) == b"WATCHDOG=1"


@pytest.mark.parametrize(
    "address", [None, "", "nowhere", "/no/such/socket", "@no-such-socket", "/" + "x" * 200, "/\udcff"]
)
def test_without_a_manager_nothing_is_told(monkeypatch: pytest.MonkeyPatch, address: str | None) -> None:
    """Where NOTIFY_SOCKET is not set or is not a socket, every call does nothing."""
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    if address is not None:
        monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify = Notify()
    notify.ready("here")
    notify.status("here \udcff")
    notify.watchdog()
    notify.stopping()


@pytest.mark.parametrize(
    ("usec", "pid", "seconds"),
    [
        ("30000000", None, 15.0),
        ("30000000", "own", 15.0),
        ("30000000", "1", None),
        (None, None, None),
        ("0", None, None),
        ("soon", None, None),
        ("30000000", "me", None),
    ],
)
def test_when_the_watchdog_is_due(
    monkeypatch: pytest.MonkeyPatch, usec: str | None, pid: str | None, seconds: float | None
) -> None:
    """The watchdog is told twice in the time that is granted to this very process; else it is not watched."""
    for name, value in (("WATCHDOG_USEC", usec), ("WATCHDOG_PID", str(os.getpid()) if pid == "own" else pid)):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    assert Notify().watchdog_seconds == seconds
