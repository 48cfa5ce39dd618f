"""The key of a log's subscriptions, shared by its servers: it signs webhooks, and makes the tokens of their wakes.

A token says its generation, and proves that it was given to that very subscription. It has no end of its own: it is
good for one wake, and that ends with its lease.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import re
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from swarm_store.errors import HomeRefused
from swarm_store.home import Home

FILE = "webhook.key"
_TOKEN = re.compile(r"([0-9]{1,18})\.([A-Za-z0-9_-]{43})")


class Keys:
    """Made where there is none yet; of two that make one at once, both get the same. Raises HomeRefused."""

    def __init__(self, home: Home) -> None:
        self._private = _load(os.path.join(home.path, FILE))
        raw = serialization.Encoding.Raw
        public = self._private.public_key().public_bytes(raw, serialization.PublicFormat.Raw)
        secret = self._private.private_bytes(raw, serialization.PrivateFormat.Raw, serialization.NoEncryption())
        self._secret = hmac.digest(secret, b"swarmctl subscription tokens", "sha256")
        jwk = {"crv": "Ed25519", "kty": "OKP", "x": _base64(public)}
        thumbprint = hashlib.sha256(json.dumps(jwk, separators=(",", ":"), sort_keys=True).encode())  # RFC 7638
        self.kid = "ds_" + _base64(thumbprint.digest())
        self._jwk = {**jwk, "kid": self.kid, "use": "sig", "alg": "EdDSA"}

    def jwks(self) -> dict[str, Any]:
        """The public keys that webhooks are signed with."""
        return {"keys": [self._jwk]}

    def sign(self, body: bytes, time: int) -> str:
        """The Webhook-Signature of a body sent at `time` (Unix seconds)."""
        signature = self._private.sign(b"%d." % time + body)
        return f"t={time},kid={self.kid},ed25519={_base64(signature)}"

    def token(self, tag: str, generation: int) -> str:
        """The token of the wake `generation` of the subscription that has this tag."""
        return f"{generation}.{self._proof(tag, generation)}"

    def generation(self, token: str, tag: str) -> int | None:
        """The generation of a token of the subscription that has this tag; None where it is none."""
        match = _TOKEN.fullmatch(token)
        if match is None:
            return None
        generation = int(match[1])
        return generation if hmac.compare_digest(self._proof(tag, generation), match[2]) else None

    def _proof(self, tag: str, generation: int) -> str:
        return _base64(hmac.digest(self._secret, f"{tag} {generation}".encode(), "sha256"))


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _load(path: str) -> Ed25519PrivateKey:
    try:
        if not os.path.exists(path):
            _make(path)
        with open(path, "rb") as file:
            key = serialization.load_pem_private_key(file.read(), None)
    except OSError as error:
        raise HomeRefused(f"cannot use {path}: {error.strerror}", "it must be yours to read, and have room") from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise HomeRefused(f"{path} is no key", "remove it: a new one is made, and receivers fetch that") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise HomeRefused(f"{path} is not an Ed25519 key", "remove it: a new one is made, and receivers fetch that")
    return key


def _make(path: str) -> None:
    """Write a new key, whole or not at all; one that somebody else has just made stays."""
    key = Ed25519PrivateKey.generate()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    aside = f"{path}.{os.getpid()}.{os.urandom(4).hex()}"
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with open(file, "wb") as writing:
            writing.write(key.private_bytes(*form))
            writing.flush()
            os.fsync(writing.fileno())
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(aside)
