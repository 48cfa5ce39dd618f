"""Sockets, and uvicorn on them: told to stop at once by a signal, woken by nothing else."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from email.utils import formatdate
from types import FrameType

import uvicorn
from uvicorn.server import ServerState

from swarm_store.errors import SwarmError
from swarm_supervisor.notify import Notify

from .app import Server, build
from .connection import connections
from .guard import security_headers
from .settings import Settings
from .wire import Headers

GRACEFUL = 2.0  # seconds that requests have to end in when the server is told to stop; live readers come again
BACKLOG = 1024
KEEP_ALIVE = 75  # seconds that an idle connection is kept: proxies and browsers keep theirs for 60
SWITCH = 0.0005  # seconds: a thread that reads a large page lets the event loop's in ten times sooner than by default


def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until TERM or ^C; `announce` is called with the address once it answers. Raises SwarmError."""
    logging.getLogger("uvicorn.error").addFilter(
        lambda record: "startup failed" not in record.getMessage()
    )  # we say why
    _raise_limit()
    sys.setswitchinterval(SWITCH)
    listener = _listen(settings)
    if settings.uds is None:
        settings = replace(settings, port=listener.getsockname()[1])
    app = build(settings)
    config = uvicorn.Config(
        app,
        http=connections(settings, app.count_stalled),
        loop="uvloop",
        ws="none",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        date_header=False,  # see _State
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=int(GRACEFUL),
        limit_concurrency=settings.most_connections,
        backlog=BACKLOG,
    )
    try:
        _Uvicorn(config, app, lambda: announce(address(settings, listener))).run(sockets=[listener])
    except SystemExit as left:  # its start has failed, and it has said why
        raise SwarmError(app.trouble or "the server could not start", "") from left
    finally:
        listener.close()
        if settings.uds is not None:
            _remove(settings.uds)


class _State(ServerState):
    """What uvicorn's connections share. The date is made when it is asked for, so that no clock has to tick for it."""

    def __init__(self, always: Headers) -> None:
        super().__init__()
        self._always = always
        self._second, self._headers = 0, always

    @property
    def default_headers(self) -> Headers:
        now = int(time.time())
        if now != self._second:
            self._second, self._headers = now, [(b"date", formatdate(now, usegmt=True).encode()), *self._always]
        return self._headers

    @default_headers.setter
    def default_headers(self, headers: Headers) -> None:
        pass


class _Uvicorn(uvicorn.Server):
    """uvicorn that sleeps until a signal comes, ends live responses then, and tells systemd how it is."""

    def __init__(self, config: uvicorn.Config, app: Server, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self.server_state = _State(security_headers(app.settings))
        self._app = app
        self._announce = announce
        self._manager = Notify()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()
        await super().startup(sockets)
        self._announce()
        self._manager.ready("serving")

    async def main_loop(self) -> None:
        seconds = self._manager.watchdog_seconds
        while not self.should_exit:
            try:
                await asyncio.wait_for(self._told.wait(), seconds)
            except TimeoutError:
                self._manager.watchdog()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._manager.stopping()
        self._app.end_live()
        await super().shutdown(sockets)
        self._captured_signals.clear()  # that it was told to end is no reason to die of it

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._loop.call_soon_threadsafe(self._told.set)


def address(settings: Settings, listener: socket.socket) -> str:
    """The URL of a bound server."""
    if settings.uds is not None:
        return f"unix:{settings.uds}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _raise_limit() -> None:
    """As many files as may be: each reader is one, and each stream that is waited on."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):
        pass


def _listen(settings: Settings) -> socket.socket:
    try:
        if settings.uds is not None:
            return _listen_at(settings.uds)
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        return listener
    except OSError as error:
        where = settings.uds or f"{settings.host}:{settings.port}"
        raise SwarmError(f"cannot listen on {where}: {error.strerror}", "name another with --port or --uds") from error


def _listen_at(path: str) -> socket.socket:
    """A unix socket for its owner alone; one that a dead server has left is replaced."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.connect(path)
    except ConnectionRefusedError:
        _remove(path)
    except OSError:
        pass
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    return listener


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
