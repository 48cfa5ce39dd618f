"""The key that signs webhooks and makes tokens."""

from __future__ import annotations

import base64
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from swarm_store.errors import HomeRefused
from swarm_store.home import Home
from swarmctl.server.subscriptions.keys import FILE, Keys


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_a_signature_is_verified_by_the_published_key(home: Home) -> None:
    """What is signed is the time and the body, and the key set has what it takes to see that."""
    keys = Keys(home)
    body = b'{"a":"\xc3\xa9"}'
    time, kid, signature = (part.partition("=")[2] for part in keys.sign(body, 1234).split(","))
    (jwk,) = keys.jwks()["keys"]
    assert (time, kid, jwk["kty"], jwk["crv"]) == ("1234", jwk["kid"], "OKP", "Ed25519")
    public = Ed25519PublicKey.from_public_bytes(unpadded(jwk["x"]))
    public.verify(unpadded(signature), b"1234." + body)
    with pytest.raises(InvalidSignature):
        public.verify(unpadded(signature), b"1235." + body)


def test_servers_share_one_key(home: Home) -> None:
    """Of many that begin at once all have the same key, in a file for its owner alone, and nothing is left beside."""
    with ThreadPoolExecutor(8) as pool:
        kids = {keys.kid for keys in pool.map(lambda _: Keys(home), range(8))}
    assert len(kids) == 1 and kids.pop().startswith("ds_")
    path = Path(home.path, FILE)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert [one for one in os.listdir(home.path) if one.startswith(FILE)] == [FILE]


def test_a_token_is_of_one_subscription_and_generation(home: Home) -> None:
    """A token says its generation to its own subscription; changed, foreign or another home's, it says nothing."""
    keys = Keys(home)
    token = keys.token("tag", 7)
    assert keys.generation(token, "tag") == 7
    assert keys.generation(token, "other") is None
    assert keys.generation("8" + token[1:], "tag") is None
    assert keys.generation(token[:-1], "tag") is None
    assert keys.generation("", "tag") is None
    assert Keys(home).generation(token, "tag") == 7
    os.unlink(Path(home.path, FILE))
    assert Keys(home).generation(token, "tag") is None


def test_what_is_no_key_is_refused(home: Home) -> None:
    """A key file that holds something else is refused in one line that says what to do."""
    Path(home.path, FILE).write_text("nonsense")
    with pytest.raises(HomeRefused, match="no key"):
        Keys(home)
