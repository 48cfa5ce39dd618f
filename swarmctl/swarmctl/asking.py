"""What agents ask to be allowed: as rows, as lines, and as it comes. What `approvals` shares with the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from swarm_daemon import conversing
from swarm_store import approvals, registry
from swarm_store import session_events as said
from swarm_store.conversation import DENIED, GRANTED, PENDING, VOIDED, Approval
from swarm_store.errors import NoSuchApproval
from swarm_store.events import Record
from swarm_store.follow import follow_all
from swarm_store.log import Log

from . import elsewhere, home
from .conversation import by_whom, gist, one_line, told_why
from .render import age, printable

TYPES = (
    *(said.APPROVAL_REQUESTED, said.APPROVAL_GRANTED, said.APPROVAL_DENIED),
    *(said.APPROVAL_VOIDED, said.APPROVAL_DELIVERED),
)
COLUMNS = ("ID", "AGENT", "AGE", "STATE", "TOOL", "WHAT")
COLOURS = {PENDING: "yellow", GRANTED: "green", DENIED: "red"}


def as_shown(log: Log, asked: Iterable[Approval]) -> list[Approval]:
    """Approvals with the `name` of whoever asks; void where an answer can reach nobody, before the next run says so."""
    found = []
    for one in asked:
        agent = registry.get(log, one["agent"])
        why = approvals.why_void(one, agent) if one["state"] == PENDING else None
        void = {"state": VOIDED, "reason": why} if why else {}
        found.append({**one, **void, "name": agent["name"] if agent else None})
    return found


def answer(approval_id: str, *, granted: bool, **given: Any) -> Approval:
    """Answer an approval, here or where the swarm is; it with its agent's name. Raises as approvals.answer."""
    if far := elsewhere.far():
        return far.answer(approval_id, granted=granted, **given)
    with home.writing() as log:
        return as_shown(log, [conversing.answer(log, approval_id, granted=granted, **given)])[0]


def followed(log: Log, agent_id: str | None = None, *, all: bool = False) -> Iterator[list[Approval]]:
    """The pending approvals, or all; then each that is asked, or of which something is said, as it is then."""
    start = log.position() + 1
    yield as_shown(log, approvals.asked(log, agent_id=agent_id, pending=not all))
    for page in follow_all(log, start, types=TYPES, key=agent_id, lifecycle=True):
        yield as_shown(log, _told_of(log, page))


def _told_of(log: Log, page: list[Record]) -> list[Approval]:
    found = []
    for approval_id in dict.fromkeys(record.data["approval"] for record in page):
        try:
            found.append(approvals.resolve(log, approval_id))
        except NoSuchApproval:
            continue  # its agent was removed
    return found


def row(approval: Approval) -> list[str]:
    """The cells of COLUMNS."""
    return [
        approval["id"],
        approval["name"] or approval["agent"],
        age(approval["requested_at"]),
        _state(approval),
        printable(approval["tool"]),
        what(approval),
    ]


def _state(approval: Approval) -> str:
    """An answer that reached nobody is void, whoever gave it."""
    if approval["state"] in (GRANTED, DENIED):
        return f"{approval['state']} {by_whom(approval)}"
    return f"void: {one_line(approval['reason'] or '')}" if approval["state"] == VOIDED else str(approval["state"])


def line(approval: Approval) -> str:
    """A line that says who asks what, and what became of it."""
    who = f"{approval['id']}  {approval['name'] or approval['agent']}  {printable(approval['tool'])}  {what(approval)}"
    return f"{who}  ({outcome(approval)})"


def what(approval: Approval) -> str:
    """What it is that the agent asks for, in a line."""
    return gist(approval)


def outcome(approval: Approval) -> str:
    """What became of it, or until when it waits."""
    if approval["state"] == PENDING:
        return f"pending until {approval['until']}" if approval["until"] else "pending"
    if approval["state"] in (GRANTED, DENIED):
        delivered = "" if approval["delivered"] else ", not delivered yet"
        return f"{approval['state']} {by_whom(approval)}{delivered}{told_why(approval)}"
    return f"void: {one_line(approval['reason'] or '')}"
