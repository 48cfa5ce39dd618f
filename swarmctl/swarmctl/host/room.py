"""What the host gives its driver, see driver.Room: where it says what the agent says, and asks for what it wants."""

from __future__ import annotations

from swarm_store import approvals, session_events
from swarm_store.conversation import Approval

from . import decide, rules
from .asking import Asking
from .driver import Interrupted, SessionSpec
from .facts import Answer, Permission, Said
from .live import Live
from .publisher import Publisher
from .raw import Raw
from .said import event


class HostRoom:
    """The room of one run. `count`: how much was said and asked in it so far; `denials`: in the turn under way."""

    def __init__(
        self, config: SessionSpec, run: int, publisher: Publisher, raw: Raw, live: Live, asking: Asking
    ) -> None:
        self._config, self._run = config, run
        self._publisher, self._raw, self._live, self._asking = publisher, raw, live, asking
        self._left = decide.Left({}, {}, {})
        self._answered: dict[str, tuple[str, Answer]] = {}  # deferred ones of this run, by call
        self._remembered: list[rules.Remembered] = []
        self._turn: int | None = None
        self._is_interrupted = False
        self.denials = 0
        self.count = 0

    def use(self, config: SessionSpec) -> None:
        """What the next driver is made with."""
        self._config = config

    async def enter(self) -> None:
        """Take over from earlier runs: what they asked is void, unless it was deferred; what is for good stays so."""
        asked = await self._approvals()
        self._left, self._remembered = decide.left(asked, self._run), decide.remembered(asked)
        await self._void(self._left.void)

    async def begin(self, turn: int, *, again: bool) -> None:
        """A turn begins: what is said from now on is of that."""
        self._turn, self._is_interrupted = turn, False
        self.denials = decide.denials(await self._approvals(), turn) if again else 0

    async def complete(self) -> None:
        """The turn is over for good: whoever was answered has it, and what was deferred is asked for no more."""
        for approval, _ in self._answered.values():
            self._asking.delivered_soon(approval)
        self._answered.clear()
        unasked = [one["id"] for one in self._left.pending.values()]
        unasked += [approval for approval, _ in self._left.answered.values()]
        self._left = decide.Left({}, {}, {})
        await self._void(dict.fromkeys(unasked, "the agent has not asked again"))
        await self.end()

    async def end(self) -> None:
        """Nobody asks any more, in this run."""
        await self._asking.end()
        self._turn = None

    async def _void(self, reasons: dict[str, str]) -> None:
        of = (self._config.agent_id, self._run)
        void = [session_events.approval_voided(*of, approval, reason=reason) for approval, reason in reasons.items()]
        if void:
            await self._publisher.say(*void, durable=True)

    def interrupt(self) -> None:
        """Whoever asks is answered no more, until the next turn."""
        self._is_interrupted = True
        self._asking.interrupt()

    async def _approvals(self) -> list[Approval]:
        of = self._config.agent_id
        return await self._publisher.do(lambda log: approvals.asked(log, agent_id=of, pending=False))

    async def say(self, *said: Said) -> None:
        """See driver.Room."""
        self.count += len(said)
        if said:
            of = (self._config.agent_id, self._run, self._turn)
            await self._publisher.say(*(event(*of, fact) for fact in said))
        await self._raw.room()

    def live(self, role: str, text: str) -> None:
        """See driver.Room."""
        self._live.say(role, text)

    def raw(self, line: bytes) -> None:
        """See driver.Room."""
        self._raw.write(line)

    def pending(self, call: str) -> Answer | None:
        """See driver.Room."""
        found = self._left.answered.pop(call, None) or self._answered.pop(call, None)
        if found is None:
            return None
        approval, answer = found
        self._asking.delivered_soon(approval)
        return answer

    async def ask(self, wish: Permission) -> Answer:
        """See driver.Room."""
        if self._is_interrupted:
            raise Interrupted
        self.count += 1
        earlier = self.pending(wish.call)
        if earlier is not None:
            return earlier
        answer = await self._ask(wish)
        self.denials += not answer.granted
        return answer

    async def _ask(self, wish: Permission) -> Answer:
        before = self._left.pending.pop(wish.call, None)
        verdict = self._verdict(wish)
        if verdict is not None:
            return await self._asking.decided(self._turn, wish, verdict, before["id"] if before else None)
        if before:
            approval, answer = await self._asking.ask_again(wish, before)
        else:
            approval, answer = await self._asking.ask(self._turn, wish)
        if answer.always:
            of = rules.subject_of(answer.input or wish.input, wish.title)
            self._remembered.append(rules.Remembered(wish.tool, of, answer.granted))
        if wish.deferred:
            self._answered[wish.call] = (approval, answer)
        return answer

    def _verdict(self, wish: Permission) -> rules.Verdict | None:
        known = self._config
        return rules.decide(
            wish,
            allow=known.allow,
            deny=known.deny,
            remembered=self._remembered,
            approve=known.approve,
            cwd=known.cwd,
        )
