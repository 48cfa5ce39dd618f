"""What is answered to a call, before Claude Code's own permission flow and in it.

Before it, in the hook: what our rules decide is decided; what will need nobody is left to its own judgement; the rest
is deferred, or, where that would lose something, left to that judgement too, which asks live.
"""

from __future__ import annotations

from swarm_store.conversation import RULE

from ... import rules
from ...driver import Room, SessionSpec
from ...facts import Answer, Permission
from . import asking, protocol
from .calls import Calls
from .protocol import Call, Json

NOBODY = "Nobody is here to answer. Decide yourself, and say what you have decided."


class Judge:
    """Of one session. `calls` are those of its process."""

    def __init__(self, config: SessionSpec, room: Room) -> None:
        self._config, self._room = config, room
        self.calls = Calls()
        self.allowed: list[str] = []  # by the user's own settings of Claude Code
        self.unanswered: set[str] = set()  # questions that were granted, and not answered
        self._answers: dict[str, Answer] = {}
        self._granted: dict[str, Answer] = {}

    def keep(self, call: str, answer: Answer) -> None:
        """For when a deferred call comes again; the room keeps only what a person answers."""
        self._answers[call] = answer

    async def before(self, call: Call) -> Json:
        """What the hook says of a call. Raises Interrupted."""
        answer = self._room.pending(call.id) or self._answers.pop(call.id, None)
        wish = self._wish(call)
        if answer is None:
            will_ask = asking.will_ask(call.tool, call.input, call.mode, self.allowed)
            if not self._is_ruled(wish, will_ask):
                if will_ask and await self.calls.can_defer(call, self._is_free):
                    return protocol.defer(call)
                return protocol.no_decision(call)
            answer = await self._room.ask(wish)
        self.calls.settle(call.id)
        if (why := self._refusal(call, answer)) is not None:
            return protocol.forbid(call, why)
        self._granted[call.id] = answer
        return protocol.let(call, asking.changed(call.tool, wish.input, answer.input))

    async def live(self, call: Call) -> Json:
        """What is answered where its own permission flow asks. Raises Interrupted."""
        wish = self._wish(call)
        answer = self._granted.get(call.id) or await self._room.ask(wish)
        self.calls.settle(call.id)
        if (why := self._refusal(call, answer)) is not None:
            return protocol.refuse(call, why)
        return protocol.grant(call, asking.changed(call.tool, wish.input, answer.input))

    def _wish(self, call: Call) -> Permission:
        shown = self.calls.shown(call.id, call.input)
        return asking.wish(call.id, call.tool, shown, deferred=False, description=call.description)

    def _is_ruled(self, wish: Permission, will_ask: bool) -> bool:
        """Whether rules or the policy decide it; of what needs no permission, only a rule that denies it."""
        known = self._config
        verdict = rules.decide(wish, allow=known.allow, deny=known.deny, approve=known.approve, cwd=known.cwd)
        return verdict is not None and (will_ask or (verdict.by == RULE and not verdict.granted))

    def _is_free(self, call: str, tool: str, given: Json, mode: str) -> bool:
        """Whether another call of the same message asks no person."""
        will_ask = asking.will_ask(tool, given, mode, self.allowed)
        return not will_ask or self._is_ruled(asking.wish(call, tool, given, deferred=False), will_ask)

    def _refusal(self, call: Call, answer: Answer) -> str | None:
        """Why it may not run, for the model; None where it may."""
        if not answer.granted:
            return answer.message or "denied"
        if not asking.is_unanswered(call.tool, answer.input):
            return None
        self.unanswered.add(call.id)
        return NOBODY
