"""What makes an agent of a kind of one whose command is a session's host: its session, and the first turn."""

from __future__ import annotations

from collections import namedtuple

from swarm_store import session_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from swarm_store.events import Event

SHOWN_MOST = 100  # characters of the prompt in a list


class Prompted(namedtuple("Prompted", ("session", "prompt", "by"))):
    """`session`: what the host reads in the spec (JSON: kind, driver, ...); `prompt`: what `by` tells it first."""

    __slots__ = ()
    session: dict[str, Any]
    prompt: str
    by: str | None

    def shown(self) -> dict[str, Any]:
        """What everybody may know of the agent; as its command its kind and what it is told."""
        first = self.prompt.strip().partition("\n")[0][:SHOWN_MOST]
        kept = {key: self.session[key] for key in ("kind", "model", "approve")}
        return {"command": [self.session["kind"], first], **kept}

    def turn(self, agent_id: str) -> Event:
        """The first turn, as it is sent."""
        return session_events.turn_sent(agent_id, self.prompt, by=self.by)
