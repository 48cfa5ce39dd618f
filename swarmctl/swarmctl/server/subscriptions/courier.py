"""One delivery of a webhook: signed, to an address that was checked, no redirects, little time and little to read."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, NamedTuple

import httpx

from swarm_store.errors import SubscriptionRefused

from . import targets
from .keys import Keys

CONNECT_SECONDS = 5.0
LARGEST_ANSWER = 64 << 10


class Outcome(NamedTuple):
    """Why a delivery failed, or None; and whether the receiver is done with it already."""

    failure: str | None
    done: bool


class Courier:
    """A client that keeps nothing from one delivery to the next: no cookies, proxies or connections."""

    def __init__(self, keys: Keys, verify: Any = True) -> None:
        self._keys = keys
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(trust_env=False, follow_redirects=False, limits=limits, verify=verify)

    async def close(self) -> None:
        """End what is under way."""
        await self._client.aclose()

    async def deliver(self, url: str, body: bytes, timeout: float) -> Outcome:
        """POST a body within `timeout` seconds. Raises nothing: what goes wrong is the outcome."""
        try:
            async with asyncio.timeout(timeout):
                target = targets.parse(url)
                address = targets.choose(target, await targets.look_up(target))
                return await self.post(target, address, body)
        except TimeoutError:
            return Outcome(f"no answer in {timeout:g} s", False)
        except SubscriptionRefused as error:
            return Outcome(error.message, False)
        except (httpx.HTTPError, OSError, ValueError) as error:
            return Outcome(str(error) or type(error).__name__, False)

    async def post(self, target: targets.Target, address: str, body: bytes) -> Outcome:
        """POST to that address of the target; its certificate is checked by the target's name."""
        headers = {
            "Host": target.authority,
            "Content-Type": "application/json",
            "User-Agent": "swarmctl",
            "Accept-Encoding": "identity",
            "Webhook-Signature": self._keys.sign(body, int(time.time())),
        }
        host = f"[{address}]" if ":" in address else address
        url = f"{target.scheme}://{host}:{target.port}{target.path}"
        extensions = {"sni_hostname": target.host} if target.scheme == "https" else {}
        timeout = httpx.Timeout(None, connect=CONNECT_SECONDS)
        request = self._client.build_request(
            "POST", url, content=body, headers=headers, extensions=extensions, timeout=timeout
        )
        response = await self._client.send(request, stream=True)
        try:
            if not response.is_success:
                return Outcome(f"answered {response.status_code}", False)
            return Outcome(None, _is_done(await _read(response)))
        finally:
            await response.aclose()


async def _read(response: httpx.Response) -> bytes:
    """The answer; nothing where it is too large to be one of ours."""
    read = b""
    async for part in response.aiter_raw():
        read += part
        if len(read) > LARGEST_ANSWER:
            return b""
    return read


def _is_done(body: bytes) -> bool:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.get("done") is True
