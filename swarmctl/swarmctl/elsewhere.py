"""Whether the swarm is this machine's, or a server's: what --server and its like say.

A command asks `far` once: None is this machine. All that speaks with servers is imported there, so that a command on
this machine loads none of it.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from swarm_store.errors import WrongUsage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .remote.session import Session


class Server(NamedTuple):
    """A server, and the token for it; `token_name` says where the token was found."""

    url: str
    token: str | None
    token_name: str
    insecure: bool


chosen: Server | None = None


def choose(server: str | None, token: str | None, token_file: str | None, insecure: bool = False) -> None:
    """Say where the swarm is: what is not given is taken from the environment. Raises WrongUsage.

    An empty server is this machine, whatever the environment says.
    """
    global chosen
    url = server if server is not None else os.environ.get("SWARM_SERVER", "")
    if not url:
        if token is not None or token_file is not None:
            raise WrongUsage("a token is for a server, and none is named", "add --server URL")
        chosen = None
        return
    chosen = Server(url, *_token(token, token_file), insecure)


def _token(token: str | None, file: str | None) -> tuple[str | None, str]:
    """The token, and what it is called: of the options before the environment."""
    if token is not None and file is not None:
        raise WrongUsage("--token and --token-file exclude each other", "leave one out")
    if token is not None:
        return token, "that of --token"
    if file is None and (found := os.environ.get("SWARM_TOKEN")):
        return found, "that of $SWARM_TOKEN"
    path = file if file is not None else os.environ.get("SWARM_TOKEN_FILE")
    if not path:
        return None, ""
    try:
        with open(path, encoding="ascii") as opened:
            return opened.read().strip(), f"that of the file {path}"
    except (OSError, UnicodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise WrongUsage(f"cannot read the token file {path}: {why}", "name another") from error


def far() -> Session | None:
    """The swarm of the server that was chosen; None is this machine's."""
    if chosen is None:
        return None
    from .remote.session import Session

    return Session(chosen)


def only_here(what: str) -> None:
    """Raises WrongUsage where a server was chosen for what works on the machine itself."""
    if chosen is not None:
        raise WrongUsage(f"{what} works on the machine itself, not through a server", "log in there; or --server ''")
