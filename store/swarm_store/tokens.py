"""Tokens: who may use the server, as a fold of the log's stream `tokens`. It has their hashes, nothing that opens.

A token is `<id>.<secret>`: the id names it in lists and events, and finds its hash; the secret is 256 random bits. The
admin's token is no event: it is in a file of the state directory that its owner alone can read.

A token that was made with another may no more than that one, and ends with it.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import stat
from collections import namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

from . import events
from .clock import SECOND, microseconds, now, rfc3339
from .errors import HomeRefused, OffsetConflict, SwarmError, WrongUsage
from .events import RECORD_LOST, TOKEN_CREATED, TOKEN_REVOKED, TOKEN_USED, TOKENS, Record
from .home import Home
from .log import Log

READ, CONTROL = "read", "control"
TREE = "tree"  # of the agents that descend from one: for `swarmctl mcp` alone, a server opens nothing for it
ADMIN = "admin"  # the id of the token in the file
GOOD, EXPIRED, USED_UP, REVOKED = "good", "expired", "used up", "revoked"
SECRET_BYTES = 32
PAGE = 1000
_ID_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{32,512}")


class NoSuchToken(SwarmError):
    """No token has that id."""

    exit_code = 3


class BeyondToken(SwarmError):
    """A token was to make one that would outlive it, or may more than it may itself."""


class Token(
    namedtuple(
        "Token",
        ("id", "hash", "scope", "agents", "created", "expires", "uses", "used", "last_used", "revoked", "maker"),
    )
):
    """What is known of a token. Times in microseconds; None: for all agents, never, as often as one likes, unknown.

    `maker`: the id of the token that it was made with; None where that was the admin's, or none.
    """

    __slots__ = ()
    id: str
    hash: str
    scope: str
    agents: frozenset[str] | None
    created: int
    expires: int | None
    uses: int | None
    used: int
    last_used: int | None
    revoked: int | None
    maker: str | None


Tokens = dict[str, Token]


def state(token: Token, time: int) -> str:
    """Whether it opens anything at `time`: good, or why not."""
    if token.revoked is not None:
        return REVOKED
    if token.expires is not None and time >= token.expires:
        return EXPIRED
    if token.uses is not None and token.used >= token.uses:
        return USED_UP
    return GOOD


def digest(token: str) -> str:
    """The hash by which a token is known. It has as much chance as its hash has bits: a slow one would add nothing."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def is_same(token: Token, presented: str) -> bool:
    """Whether `presented` is this token; takes as long whether it is or not."""
    return hmac.compare_digest(token.hash, digest(presented))


def id_of(presented: str) -> str:
    """The id that a presented token says it has."""
    return presented.partition(".")[0]


# -- the fold


def apply(tokens: Tokens, record: Record) -> None:
    """Change `tokens` by what `record` says. What a newer version may write changes nothing."""
    if record.type == RECORD_LOST:
        _lose(tokens, record.time)
        return
    token = tokens.get(record.data.get("id", ""))
    if record.type == TOKEN_CREATED and token is None:
        made = _created(record)
        maker = tokens.get(made.maker or "")
        tokens[made.id] = made if maker is None or maker.revoked is None else made._replace(revoked=record.time)
    elif token is None:
        return
    elif record.type == TOKEN_USED:
        tokens[token.id] = token._replace(used=token.used + 1, last_used=record.time)
    elif record.type == TOKEN_REVOKED:
        _revoke(tokens, token, record.time)


def fold(records: Iterable[Record]) -> Tokens:
    """All tokens after `records`, in the order they were created."""
    tokens: Tokens = {}
    for record in records:
        apply(tokens, record)
    return tokens


def _created(record: Record) -> Token:
    data = record.data
    agents, expires = data.get("agents"), data.get("expires")
    return Token(
        data["id"],
        data["hash"],
        data["scope"],
        None if agents is None else frozenset(agents),
        record.time,
        None if expires is None else microseconds(expires),
        data.get("uses"),
        0,
        None,
        None,
        data.get("maker"),
    )


def _revoke(tokens: Tokens, token: Token, time: int) -> None:
    """Revoke a token, and those that were made with it: whoever had it may have made them for later."""
    if token.revoked is not None:
        return
    tokens[token.id] = token._replace(revoked=time)
    for made in [one for one in tokens.values() if one.maker == token.id]:
        _revoke(tokens, made, time)


def _lose(tokens: Tokens, time: int) -> None:
    """What a damaged log has lost may have been a revocation: no token from before opens anything."""
    for token in tokens.values():
        if token.revoked is None:
            tokens[token.id] = token._replace(revoked=time)


# -- in the log


def read(log: Log) -> Tokens:
    """All tokens of the log."""
    return read_on(log, {}, 0)[0]


def read_on(log: Log, tokens: Tokens, start: int) -> tuple[Tokens, int]:
    """`tokens` with what has happened to them from offset `start` on, and the offset after that."""
    tokens = dict(tokens)
    while page := log.read(TOKENS, start=start, limit=PAGE):
        for record in page:
            apply(tokens, record)
        start = page[-1].offset + 1
    return tokens, start


def create(
    log: Log,
    scope: str,
    *,
    agents: Sequence[str] | None = None,
    seconds: float | None = None,
    uses: int | None = None,
    maker: Token | None = None,
) -> str:
    """A new token, told this once. `agents`: ids; it expires in `seconds`, and opens as often as `uses` says.

    Raises BeyondToken for what `maker`, the token that asks for it, must not make; None is the log's owner.
    """
    moment = now()
    end = None if seconds is None else moment + int(seconds * SECOND)
    if maker is not None:
        _check_maker(maker, end, moment)
    token_id = "".join(secrets.choice(_ID_LETTERS) for _ in range(8))
    token = f"{token_id}.{secrets.token_urlsafe(SECRET_BYTES)}"
    spec: dict[str, Any] = {"hash": digest(token), "scope": scope, "uses": uses}
    spec["agents"] = None if agents is None else sorted(set(agents))
    spec["expires"] = None if end is None else rfc3339(end)
    if maker is not None and maker.id != ADMIN:
        spec["maker"] = maker.id
    log.append(TOKENS, [events.token_created(token_id, **spec)], durable=True)
    return token


def _check_maker(maker: Token, end: int | None, time: int) -> None:
    """Raises BeyondToken where `maker` may not make a token that expires at `end`."""
    if maker.scope != CONTROL or maker.agents is not None:
        raise BeyondToken(f"token {maker.id} does not control everything", "only one that does makes others")
    if maker.uses is not None:
        raise BeyondToken(f"token {maker.id} is for {maker.uses} uses, and makes no others", "use one without --uses")
    if maker.expires is not None and (end is None or end > maker.expires):
        left = max(0, maker.expires - time) // SECOND
        raise BeyondToken(f"token {maker.id} cannot make one that outlives it", f"--expires {left}s, or less")


def revoke(log: Log, token_ids: Sequence[str]) -> None:
    """From now on these tokens open nothing, all or none of them; one that is revoked already stays so.

    Raises NoSuchToken, and WrongUsage for the admin's.
    """
    known = read(log)
    for token_id in token_ids:
        if token_id == ADMIN:
            raise WrongUsage(
                "the admin's token is not in the log", f"rm {path_of(log.home)}, and start the server again"
            )
        if token_id not in known:
            raise NoSuchToken(f"no token {token_id!r}", "swarmctl token list shows their ids")
    revoked = [events.token_revoked(one) for one in dict.fromkeys(token_ids) if known[one].revoked is None]
    if revoked:
        log.append(TOKENS, revoked, durable=True)


def as_data(token: Token, time: int) -> dict[str, Any]:
    """A token as lists show it: without what opens anything, or its hash."""
    return {
        "id": token.id,
        "scope": token.scope,
        "agents": None if token.agents is None else sorted(token.agents),
        "created": rfc3339(token.created),
        "expires": None if token.expires is None else rfc3339(token.expires),
        "uses": token.uses,
        "uses_left": None if token.uses is None else max(0, token.uses - token.used),
        "last_used": None if token.last_used is None else rfc3339(token.last_used),
        "maker": token.maker,
        "state": state(token, time),
    }


def listed(log: Log, *, all: bool = False) -> list[dict[str, Any]]:
    """The tokens that open something, with `all` the others too, as `as_data` shows them, the oldest first."""
    moment = now()
    return [as_data(one, moment) for one in read(log).values() if all or state(one, moment) == GOOD]


def use(log: Log, token_id: str) -> str:
    """Count one use of a token; good, or why it opens nothing. Exact, whoever else counts at the same time."""
    tokens, start = read_on(log, {}, 0)
    while True:
        token = tokens.get(token_id)
        found = REVOKED if token is None else state(token, log.clock())
        if found != GOOD:
            return found
        try:
            log.append(TOKENS, [events.token_used(token_id)], durable=True, expected=start)
            return GOOD
        except OffsetConflict:  # somebody was faster: look again
            tokens, start = read_on(log, tokens, start)


# -- the admin's


def path_of(home: Home) -> str:
    """Where the admin's token is."""
    return os.path.join(home.path, "token")


def admin(home: Home) -> Token:
    """The token of the file, which the first caller makes. Raises HomeRefused where others can read it."""
    path = path_of(home)
    while True:
        try:
            file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
            break
        except FileNotFoundError:
            _make(path)
        except OSError as error:
            raise HomeRefused(f"cannot read {path}: {error.strerror}", _anew(path)) from error
    try:
        _check(path, os.fstat(file))
        secret = os.read(file, 1024).decode("ascii", "replace").strip()
    finally:
        os.close(file)
    if not _TOKEN.fullmatch(secret):
        raise HomeRefused(f"there is no token in {path}", _anew(path))
    return Token(ADMIN, digest(secret), CONTROL, None, 0, None, None, 0, None, None, None)


def _check(path: str, info: os.stat_result) -> None:
    if not stat.S_ISREG(info.st_mode):
        raise HomeRefused(f"{path} is no file", _anew(path))
    if info.st_uid != os.geteuid():
        raise HomeRefused(f"{path} belongs to user {info.st_uid}, not to you ({os.geteuid()})", _anew(path))
    if info.st_mode & 0o077:
        raise HomeRefused(
            f"{path} is open to others (mode {stat.S_IMODE(info.st_mode):04o}), who may have read it", _anew(path)
        )


def _anew(path: str) -> str:
    return f"rm {path}, and start again: another one is made"


def _make(path: str) -> None:
    """Written aside and linked into place whole: nobody ever reads half a token, and of two makers one wins."""
    aside = f"{path}.{os.getpid()}.{secrets.token_hex(4)}"
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(file, "w", encoding="ascii") as made:
            made.write(f"{ADMIN}.{secrets.token_urlsafe(SECRET_BYTES)}\n")
            made.flush()
            os.fsync(file)
        os.link(aside, path)
    except FileExistsError:
        pass  # somebody was faster
    finally:
        os.unlink(aside)
