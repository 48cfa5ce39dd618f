"""Tokens and cost at the end of a turn, as deltas. Pure.

What an agent tells of a turn's tokens is that turn's. Where it tells them by model it is more exact: claude-agent-acp
has its requests beside the conversation there too. The cost is the session's so far, over all its runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ...facts import Usage

MILLION = 1_000_000
NOTHING = Usage(None, cost=0)
# The same in the forms of the protocol, of codex-acp and claude-agent-acp, and of gemini. Input is without the caches.
NAMES = {
    "input": ("inputTokens", "input_tokens"),
    "output": ("outputTokens", "output_tokens"),
    "cache_read": ("cachedReadTokens", "cachedInputTokens", "cached_input_tokens"),
    "cache_write": ("cachedWriteTokens", "cacheWriteInputTokens"),
    "reasoning": ("thoughtTokens", "reasoningOutputTokens"),
}


def tokens(result: dict[str, Any], model: str | None) -> list[Usage]:
    """What the answer to a prompt says of tokens, by model."""
    found = []
    for one in _by_model(result):
        usage = _usage(one.get("token_count"), str(one.get("model") or model or "") or None)
        found += [usage] if usage else []
    if found:
        return found
    whole = _usage(result.get("usage"), model)
    return [whole] if whole else []


def _by_model(result: dict[str, Any]) -> list[dict[str, Any]]:
    found: Any = result.get("_meta")
    for name in ("quota", "model_usage"):
        found = found.get(name) if isinstance(found, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _usage(said: Any, model: str | None) -> Usage | None:
    if not isinstance(said, dict):
        return None
    counts = {field: _count(said, names) for field, names in NAMES.items()}
    return Usage(model, **counts) if any(counts.values()) else None


def _count(said: dict[str, Any], names: Iterable[str]) -> int:
    return next((said[name] for name in names if isinstance(said.get(name), int) and said[name] > 0), 0)


def total(counted: Iterable[Usage]) -> Usage:
    """The sum of what earlier runs have reported."""
    whole = NOTHING
    for one in counted:
        whole = Usage(
            None,
            whole.input + one.input,
            whole.output + one.output,
            whole.cache_read + one.cache_read,
            whole.cache_write + one.cache_write,
            whole.reasoning + one.reasoning,
            (whole.cost or 0) + (one.cost or 0),
        )
    return whole


class Ledger(Protocol):
    """Where an agent keeps what its sessions have used, told better than by the protocol.

    by_model: whether it tells the models apart. is_sure: whether what it cannot tell now is in what it tells later;
    another may never tell anything.
    """

    by_model: bool
    is_sure: bool

    async def sums(self, session: str) -> list[Usage] | None:
        """All that a session has used so far; None where that cannot be learnt."""


class Counter:
    """A session's sums, told again and again: each time what has come since.

    `before`: by model, or of "" for all of them, what was told already; None where nobody knows it.
    """

    def __init__(self, before: Mapping[str, Usage] | None) -> None:
        self._before = None if before is None else dict(before)
        self._told = NOTHING

    def tell(self, told: Iterable[Usage]) -> None:
        """Tokens that were told otherwise than by sums: the next ones have them too, maybe as of another model."""
        self._told = total([self._told, *told])

    def since(self, sums: Iterable[Usage]) -> list[Usage]:
        """What has come since the last time, where something has. A sum that shrinks is where counting begins anew."""
        known, self._before = self._before, {one.model or "": one for one in sums}
        if known is None:
            self._told = NOTHING
            return []
        new = [self._untold(_less(one, known.get(name, NOTHING))) for name, one in self._before.items()]
        self._before = known | self._before
        return [one for one in new if any(one[1:])]

    def _untold(self, new: Usage) -> Usage:
        told, self._told = self._told, _less(self._told, new)
        return _less(new, told)


def _less(now: Usage, before: Usage) -> Usage:
    counts = {name: max(0, getattr(now, name) - getattr(before, name)) for name in NAMES}
    return Usage(now.model, **counts, cost=None if now.cost is None else _dearer(now.cost, before.cost or 0))


def _dearer(now: int, before: int) -> int:
    return now - before if now >= before else now


def dollars(amount: float) -> int:
    """In millionths."""
    return round(amount * MILLION)
