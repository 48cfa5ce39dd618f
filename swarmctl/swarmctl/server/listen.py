"""Sockets, and uvicorn on them."""

from __future__ import annotations

import os
import socket

import uvicorn

from swarm_store.errors import SwarmError

from .app import build
from .settings import Settings

GRACEFUL = 2.0  # seconds that requests have to end in when the server is told to stop; live readers come again
BACKLOG = 1024


def serve(settings: Settings, announce: object = None) -> None:
    """Serve until TERM or ^C; `announce` is called with the address once it is bound. Raises SwarmError."""
    listener = _listen(settings)
    config = uvicorn.Config(
        build(settings),
        http="httptools",
        loop="uvloop",
        lifespan="on",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=int(GRACEFUL),
        limit_concurrency=settings.most_connections,
        backlog=BACKLOG,
    )
    server = uvicorn.Server(config)
    if callable(announce):
        announce(address(settings, listener))
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()
        if settings.uds is not None:
            _remove(settings.uds)
    if not server.started:
        raise SwarmError("the server could not start", "what is wrong stands above")


def address(settings: Settings, listener: socket.socket) -> str:
    """The URL of a bound server."""
    if settings.uds is not None:
        return f"unix:{settings.uds}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


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
