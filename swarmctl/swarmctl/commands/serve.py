"""`swarmctl serve`: the log over HTTP."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from swarm_store.errors import SwarmError
from swarm_store.home import locate

from .. import elsewhere
from .options import HELP, new_verb

verb = new_verb()


@verb.command(context_settings=HELP)
def serve(
    host: Annotated[str, typer.Option(metavar="ADDRESS", help="Listen there.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="And on this port; 0 takes a free one.")] = 4437,
    uds: Annotated[str | None, typer.Option(metavar="PATH", help="A unix socket instead, for you alone.")] = None,
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where receivers of webhooks reach it, if not at the address above."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A name by which it is reached too: what a Host header may say."),
    ] = None,
    allow_origin: Annotated[
        list[str] | None,
        typer.Option(metavar="ORIGIN", help="A web page from elsewhere that may use it, https://example.org say."),
    ] = None,
    long_poll: Annotated[float, typer.Option(hidden=True, help="Seconds that a waiting reader waits.")] = 30.0,
    stalled_after: Annotated[float, typer.Option(hidden=True, help="Seconds to wait for who does nothing.")] = 30.0,
    most_connections: Annotated[int, typer.Option(hidden=True, help="Connections at a time.")] = 4096,
    no_token: Annotated[bool, typer.Option("--no-token", hidden=True, help="Ask for none: for tests, here.")] = False,
) -> None:
    """Serve the log over HTTP: a page for people, Durable Streams and an API for programs.

    It holds no state: stop it at will, run several. Everything asks for a token; the first start makes one in the
    state directory, readable by you alone.

    \b
    Examples:
      swarmctl serve
      swarmctl serve --port 8080
      swarmctl serve --uds ~/swarm.sock
    """
    elsewhere.only_here("serve")
    try:
        from ..server.listen import serve as run
        from ..server.settings import Settings
    except ModuleNotFoundError as error:
        raise SwarmError(f"the server needs {error.name}", "pip install 'swarmctl[serve]'") from error
    settings = Settings(
        locate(),
        host=host,
        port=port,
        uds=uds,
        public_url=public_url,
        needs_token=not no_token,
        allowed_hosts=tuple(allow_host or ()),
        allowed_origins=tuple(allow_origin or ()),
        long_poll=long_poll,
        stalled_after=stalled_after,
        most_connections=most_connections,
    )
    run(settings, lambda address: print(f"swarmctl: serving {address}", file=sys.stderr, flush=True))
