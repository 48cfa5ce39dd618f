"""What agents elsewhere ask to be allowed, and what became of a turn that they were sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, cast

from swarm_store import session_events as said
from swarm_store.conversation import PENDING
from swarm_store.errors import NoSuchApproval
from swarm_store.fold import Agent

from ..asking import TYPES
from ..client import Swarm, calls, streams
from ..client.exchange import FOREVER
from ..client.types import record
from ..turns import Answer, check_goes_on


def followed_approvals(swarm: Swarm, word: str | None, all: bool) -> Iterator[list[dict[str, Any]]]:
    """The pending approvals, or all; then each that is asked, or of which something is said, as it is then."""
    agent_id = swarm.get(word)["id"] if word else None
    start = int(swarm.report("info")["position"])
    yield [dict(one) for one in swarm.approvals(agent=agent_id, all=all)]
    for page in swarm.feed(streams.events(start, agent=agent_id, types=TYPES, follow=True)):
        ids = dict.fromkeys(str(event["data"]["approval"]) for event in page)
        yield [found for one in ids if (found := _approval(swarm, one)) is not None]


def _approval(swarm: Swarm, approval_id: str) -> dict[str, Any] | None:
    try:
        return dict(swarm.run(calls.approval(approval_id, patient=True)))
    except NoSuchApproval:
        return None  # its agent was removed


def answered(
    swarm: Swarm,
    agent_id: str,
    turn: int,
    start: int,
    timeout: float | None,
    is_supervised: Callable[[], bool],
) -> Iterator[dict[str, Any]]:
    """What a turn waits for, as it is asked, and at last how it has ended: as turns.followed has it here."""
    answer = Answer(turn)
    deadline = FOREVER if timeout is None else time.monotonic() + timeout
    for page in swarm.feed(streams.turn(agent_id, start, deadline)):
        for event in page:
            answer.feed(record(event))
            if answer.ended is not None:
                yield answer.ended
                return
            if event["type"] == said.APPROVAL_REQUESTED:
                found = _approval(swarm, event["data"]["approval"])
                if found is not None and found["state"] == PENDING:
                    yield found
        if not page or any(event["type"] in streams.ENDS for event in page):
            agent = cast(Agent, swarm.run(calls.find(agent_id, patient=True)))
            check_goes_on(agent, dict(swarm.session(agent_id)), turn, is_supervised)
