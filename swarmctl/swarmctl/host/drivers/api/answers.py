"""A streamed answer of a model, put together; what it costs, and how it ended. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...facts import Completed, Usage
from .chunks import Call, Chunk, Delta, Used
from .options import Prices

ENDS_WELL = ("stop",)
ENDS_WITH_CALLS = ("tool_calls", "function_call", *ENDS_WELL)  # services differ; any other word may be half an answer
MOST_DOLLARS = 1e6  # for one answer; beyond that, or NaN, is no cost


class Answer:
    """What has come of one answer."""

    def __init__(self, model: str) -> None:
        self.model = model
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._refusals: list[str] = []
        self.finish: str | None = None
        self.usage: Usage | None = None
        self._calls: list[dict[str, str]] = []
        self._latest: dict[int | None, dict[str, str]] = {}  # by index

    @property
    def text(self) -> str:
        return whole("".join(self._texts))

    @property
    def thought(self) -> str:
        return whole("".join(self._thoughts))

    @property
    def refusal(self) -> str:
        return whole("".join(self._refusals))

    def take(self, chunk: Chunk, prices: Prices | None) -> Iterator[tuple[str, str]]:
        """One chunk of the stream; what is new in it, for whoever looks: (role, text)."""
        if chunk.usage is not None:
            self.usage = used(chunk.usage, chunk.model or self.model, prices)
        for choice in chunk.choices:
            self.finish = choice.finish_reason or self.finish
            delta = choice.delta
            if delta is None:
                continue
            if thought := _thought(delta):
                self._thoughts.append(thought)
                yield "thought", thought
            if delta.content:
                self._texts.append(delta.content)
                yield "assistant", delta.content
            self._refusals.append(delta.refusal or "")
            for call in delta.tool_calls or ():
                self._add(call)

    def _add(self, call: Call) -> None:
        """A piece of a call: of another one where its index is new, or its id is, and it has a name.

        Some services do not number calls, or all alike; others have another id in each piece.
        """
        name, arguments = (call.function.name, call.function.arguments) if call.function else (None, None)
        made = self._latest.get(call.index)
        if made is None or (name and call.id and made["id"] not in ("", call.id)):
            made = self._latest[call.index] = {"id": "", "name": "", "arguments": ""}
            self._calls.append(made)
        made["id"] = made["id"] or call.id or ""
        made["name"] = made["name"] or name or ""
        made["arguments"] += arguments or ""

    @property
    def calls(self) -> list[dict[str, Any]]:
        return [_call(made) for made in self._calls]

    def message(self, *, cut: bool) -> dict[str, Any]:
        """As the API takes it back. Where it is cut off without its calls: their input may be cut off too."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text or self.refusal or None}
        if self.calls and not cut:
            message["tool_calls"] = self.calls
        elif message["content"] is None:
            message["content"] = ""
        return message


def _thought(delta: Delta) -> str:
    return next((one for one in (delta.reasoning_content, delta.reasoning) if isinstance(one, str) and one), "")


def _call(made: dict[str, str]) -> dict[str, Any]:
    id, name, arguments = (whole(made[key]) for key in ("id", "name", "arguments"))
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def whole(text: str) -> str:
    """As UTF-8 takes it: halves of a character that came in two pieces are joined, one alone is replaced."""
    return text if text.isascii() else text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def ending(answer: Answer) -> Completed | None:
    """How the turn ends with this answer; None where its calls are to be run."""
    if answer.refusal or answer.finish == "content_filter":
        return Completed("refused", answer.finish, answer.refusal or "the provider's filter has cut the answer off")
    if answer.finish == "length":
        return Completed("limited", answer.finish, "the answer has grown longer than the model may answer")
    if answer.finish is None:
        return Completed("failed", None, "the answer broke off")
    if answer.finish not in (ENDS_WITH_CALLS if answer.calls else ENDS_WELL):
        return Completed("failed", answer.finish, f"the answer ended with {answer.finish!r}, and may not be whole")
    return None if answer.calls else Completed("completed", answer.finish)


def used(said: Used, model: str, prices: Prices | None) -> Usage:
    """The tokens that the API says, without the cached ones among the input; the provider's own cost before ours."""
    into, out = said.prompt_tokens_details, said.completion_tokens_details
    cached = (into and into.cached_tokens) or 0
    usage = Usage(
        model,
        input=max(0, said.prompt_tokens - cached),
        output=said.completion_tokens,
        cache_read=cached,
        reasoning=(out and out.reasoning_tokens) or 0,
    )
    if isinstance(said.cost, int | float) and 0 <= said.cost <= MOST_DOLLARS:
        return usage._replace(cost=round(said.cost * 1_000_000))
    return usage._replace(cost=cost(usage, prices))


def cost(usage: Usage, prices: Prices | None) -> int | None:
    """In millionths of a dollar, which is dollars for a million tokens times tokens."""
    if prices is None:
        return None
    cached = prices.input if prices.cached is None else prices.cached
    return round(usage.input * prices.input + usage.cache_read * cached + usage.output * prices.output)
