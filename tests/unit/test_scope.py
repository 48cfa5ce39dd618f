"""A systemd that does not answer, on a real socket."""

from __future__ import annotations

import os
import socket

import pytest

from swarm_daemon import scope
from swarm_daemon.run import Run
from swarm_store.home import Home


def test_a_manager_that_hangs_is_not_asked_for_each_successor(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it has not answered, the next successors are not held up by it."""
    path = os.path.join(home.path, "private")
    with socket.socket(socket.AF_UNIX) as manager:
        manager.bind(path)
        manager.listen()
        manager.setblocking(False)
        monkeypatch.setattr(scope, "_socket", lambda: path)
        monkeypatch.setattr(scope, "SECONDS", 0.05)
        monkeypatch.setattr(scope, "_silent_since", None)
        assert not scope.join(Run(home, "agentid2", 1), os.getpid())
        manager.accept()[0].close()
        assert not scope.join(Run(home, "agentid3", 1), os.getpid())
        with pytest.raises(BlockingIOError):
            manager.accept()
