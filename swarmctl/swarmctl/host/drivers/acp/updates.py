"""What an agent tells of a session, as facts. Pure: pieces of messages are joined, calls of tools are followed.

A tool's call is told once it is known with what: some agents tell its name first and its input later. What is replayed
of an earlier process is not told again (history.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ...facts import Message, Permission, Role, Said, ToolCalled, ToolFinished
from . import asking
from .calls import ENDED, Call, listed, text, text_of
from .history import History
from .traits import Traits

ROLES: dict[str, Role] = {"agent_message_chunk": "assistant", "agent_thought_chunk": "thought"}
MARKS = {"completed": "x", "in_progress": ">"}
DOLLARS_MOST = 1e12  # what is more no session has cost, and the log could not count in millionths


class Delta(NamedTuple):
    """A piece of a message, for whoever looks just now."""

    role: str
    text: str


class Hearing:
    """One session's updates, of an agent that works in `cwd`.

    `cost`: in dollars, as last told; `is_failing`: by them the turn has failed; `is_replaying`: what comes is history,
    until a turn begins; `traits`: the agent's, once they are known.
    """

    def __init__(self, cwd: str) -> None:
        self.traits = Traits()
        self._cwd = cwd
        self._role: tuple[Role, str | None] | None = None
        self._text: list[str] = []
        self._calls: dict[str, Call] = {}  # that have not ended
        self._ended: set[str] = set()
        self._noticed: set[str] = set()
        self._plan = ""
        self.history = History()
        self.is_replaying = False
        self.is_interrupted = False
        self.is_failing = False
        self.has_denied = False
        self.last_notice: str | None = None
        self.cost: float | None = None

    def begin(self) -> None:
        """A turn begins."""
        self.is_replaying = self.is_interrupted = self.is_failing = self.has_denied = False
        self.last_notice = None

    def hear(self, update: dict[str, Any]) -> list[Said | Delta]:
        """What an update says; nothing where it is malformed, or of a kind that is not known."""
        kind = text(update.get("sessionUpdate"))
        if kind == "usage_update":
            self._hear_cost(update)
        elif self.is_replaying:
            self.history.hear(update)
        elif kind in ROLES:
            return self._hear_chunk(ROLES[kind], update)
        elif kind in ("tool_call", "tool_call_update"):
            return [*self._hear_call(update)]
        elif kind == "plan":
            return [*self._hear_plan(update)]
        elif kind == "session_info_update":
            self._hear_status(update)
        return []

    def heard(self) -> list[str]:
        """The user's turns in what was replayed."""
        return self.history.turns(self.traits.is_said)

    def wish(self, asked: dict[str, Any]) -> tuple[list[Said], Permission]:
        """What a request of permission tells, and what it wants. Raises ValueError where it is malformed."""
        given = asked.get("toolCall")
        if not isinstance(given, dict) or not isinstance(given.get("toolCallId"), str):
            raise ValueError("no tool call is named")
        call = self._call(given)
        said = [*self.flush(), *self._tell(call)]
        return said, Permission(
            call=call.id,
            tool=call.name,
            title=call.title,
            input=call.input,
            options=asking.options(asked.get("options")),
            reads_only=call.kind in asking.READS,
        )

    def deny(self, name: str) -> None:
        """That call was denied."""
        self.has_denied = True
        if name in self._calls:
            self._calls[name].is_denied = True

    def end(self) -> list[Said]:
        """The turn is over, and what was not told to its end."""
        said = [*self.flush(), *self._finish_denied()]
        said += [self._finish(call, "interrupted") for call in list(self._calls.values()) if call.is_told]
        self._calls.clear()
        return said

    def flush(self) -> list[Said]:
        """The message that was under way, whole."""
        whole, self._text = "".join(self._text), []
        of, self._role = self._role, None
        return [Message(of[0], whole)] if of and whole.strip() else []

    # -- messages

    def _hear_chunk(self, role: Role, update: dict[str, Any]) -> list[Said | Delta]:
        piece, name = text_of(update.get("content")), text(update.get("messageId"))
        if self.traits.notices and name is None and role == "assistant":
            return [*self.flush(), *self._notice(piece.strip())]
        said: list[Said | Delta] = []
        if self._role != (role, name):
            said = [*self.flush(), *self._finish_denied()]
            self._role = (role, name)
        self._text.append(piece)
        return [*said, Delta(role, piece)] if piece else said

    def _notice(self, said: str) -> list[Said]:
        """Told once: some say it in every turn."""
        self.last_notice = said or self.last_notice
        if not said or said in self._noticed:
            return []
        self._noticed.add(said)
        return [Message("notice", said)]

    def _hear_plan(self, update: dict[str, Any]) -> list[Said]:
        entries = [one for one in listed(update.get("entries")) if isinstance(one, dict)]
        lines = [f"[{MARKS.get(str(one.get('status')), ' ')}] {one.get('content', '')}" for one in entries]
        plan = "\n".join(["plan:", *lines])
        if not lines or plan == self._plan:
            return []
        self._plan = plan
        return [*self.flush(), Message("notice", plan)]

    # -- tools

    def _hear_call(self, update: dict[str, Any]) -> list[Said]:
        if not isinstance(update.get("toolCallId"), str):
            return []
        if update["toolCallId"] in self._ended:
            return []
        call = self._call(update)
        said = [*self.flush(), *(self._tell(call) if call.is_known else [])]
        if call.status in ENDED:
            said.append(self._finish(call, self._status(call)))
        return said

    def _call(self, update: dict[str, Any]) -> Call:
        """The call that it is of. One that has ended is known no more: whoever asks for it still says what it is."""
        name = update["toolCallId"]
        call = Call(name, self._cwd) if name in self._ended else self._calls.setdefault(name, Call(name, self._cwd))
        call.merge(update, self.traits)
        return call

    def _tell(self, call: Call) -> list[Said]:
        if call.is_told or call.id in self._ended:
            return []
        call.is_told = True
        return [ToolCalled(call.id, call.name, call.title, call.input)]

    def _finish_denied(self) -> list[Said]:
        """gemini says no more of a call that was denied."""
        return [self._finish(call, "denied") for call in list(self._calls.values()) if call.is_denied]

    def _finish(self, call: Call, status: Any) -> Said:
        """It has ended: only its id is kept, since all that it gave would be kept as long as the session lives."""
        self._calls.pop(call.id, None)
        self._ended.add(call.id)
        return ToolFinished(call.id, status, call.output)

    def _status(self, call: Call) -> Any:
        if call.is_denied:
            return "denied"
        return "interrupted" if self.is_interrupted and call.status == "failed" else call.status

    # -- the rest

    def _hear_cost(self, update: dict[str, Any]) -> None:
        cost = update.get("cost")
        if isinstance(cost, dict) and cost.get("currency") == "USD" and _is_amount(cost.get("amount")):
            self.cost = float(cost["amount"])

    def _hear_status(self, update: dict[str, Any]) -> None:
        """codex: a turn that ends well may have been ended by an error of its API; that is told beside it."""
        found: Any = update.get("_meta")
        for name in ("codex", "threadStatus", "type"):
            found = found.get(name) if isinstance(found, dict) else None
        self.is_failing = self.is_failing or found == "systemError"


def _is_amount(said: Any) -> bool:
    """Whether it can be an amount of money; NaN is none, and in no range."""
    return isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said < DOLLARS_MOST
