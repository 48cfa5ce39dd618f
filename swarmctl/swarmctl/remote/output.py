"""What agents elsewhere have written, and are writing: printed as it is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

from swarm_store.clock import rfc3339
from swarm_store.events import Record, agent_stream
from swarm_store.fold import Agent
from swarm_store.log import FOREVER
from swarm_store.session_events import CONVERSATION_TYPES

from ..client import Swarm, calls, streams
from ..client.streams import Page
from ..client.types import STREAM_OF, Event, record
from ..commands.logs import Shown
from ..output import Chosen
from ..streams import Printer

if TYPE_CHECKING:
    from ..transcript import Transcript

PAGES = 64  # that wait to be printed, of all agents


def show(swarm: Swarm, agents: list[Agent], chosen: Chosen, shown: Shown) -> None:
    """Print what agents have written or said, one after the other, and to follow what comes until all have ended."""
    printer = shown.printer(agents)
    transcript = shown.transcript(agents, printer)
    live: list[Iterator[Page]] = []
    said = chosen._replace(types=list(CONVERSATION_TYPES))
    for agent in agents:
        if transcript is not None and agent["kind"]:
            pages = _conversation(swarm, transcript, agent["id"], said, shown)
        else:
            pages = _output(swarm, printer, agent["id"], chosen, shown)
        live += [pages] if pages is not None else []
    for page in merged(live) if shown.follow else ():
        if transcript is not None:
            transcript.chunks(one for one in page.records if one.stream in transcript.streams and said.is_of(one))
        printer.chunks(
            one
            for one in page.records
            if chosen.is_of(one) and (transcript is None or one.stream not in transcript.streams)
        )
    printer.rest()


def _output(swarm: Swarm, printer: Printer, agent_id: str, chosen: Chosen, shown: Shown) -> Iterator[Page] | None:
    """Print what an agent has written so far; what comes after that."""
    offset = "-1"
    if shown.last is not None:
        offset = _last_lines(swarm, printer, agent_id, chosen, shown.last)
    if not shown.follow and shown.last is not None:
        return None
    pages = swarm.feed(streams.output(agent_id, follow=shown.follow, run=chosen.run, offset=offset))
    _so_far(printer, agent_stream(agent_id), pages, chosen)
    return pages


def _conversation(
    swarm: Swarm, transcript: Transcript, agent_id: str, chosen: Chosen, shown: Shown
) -> Iterator[Page] | None:
    """Print what was said so far; what comes after that."""

    def wanted(events: Iterable[Event]) -> Iterator[Record]:
        return (one for one in map(record, events) if chosen.is_of(one) and chosen.is_in_time(one))

    after = 0
    if shown.last is not None:
        after = int(swarm.report("info")["position"])
        newest = (event for page in swarm.feed(streams.newest_first(agent_id, after + 1)) for event in page)
        transcript.last_lines(agent_stream(agent_id), wanted(newest), shown.last)
        if not shown.follow:
            return None
    pages = swarm.feed(streams.conversation(agent_id, follow=shown.follow, run=chosen.run, after=after))
    for page in pages:
        transcript.chunks(wanted(page))
        if not page:
            break
    return (Page(list(map(record, page)), not page) for page in pages)


def _last_lines(swarm: Swarm, printer: Printer, agent_id: str, chosen: Chosen, lines: int) -> str:
    """Print the last lines of what is there; the offset at which the stream goes on."""
    last = swarm.run(
        calls.last_output(
            agent_id,
            lines,
            stream=STREAM_OF[chosen.types[0]] if len(chosen.types) == 1 else None,
            run=chosen.run,
            since=rfc3339(chosen.since) if chosen.since else None,
            until=rfc3339(chosen.to) if chosen.to < FOREVER else None,
        )
    )
    stream = agent_stream(agent_id)
    printer.begin(stream, last.before)
    printer.last_lines(stream, last.chunks, lines)
    return last.next


def _so_far(printer: Printer, stream: str, pages: Iterator[Page], chosen: Chosen) -> None:
    """Print what is there; `pages` goes on after it. The last chunks before it say whether it begins within a line."""
    before: dict[str, Record] | None = {}
    for page in pages:
        wanted = []
        for one in filter(chosen.is_of, page.records):
            if chosen.is_in_time(one):
                wanted.append(one)
            elif before is not None and not wanted:
                before[one.type] = one
        if before is not None and (wanted or page.is_end):
            printer.begin(stream, list(before.values()))
            before = None
        printer.chunks(wanted)
        if page.is_end:
            return


def merged(feeds: Sequence[Iterator[Page]]) -> Iterator[Page]:
    """The pages of several feeds as they come. Raises what any of them raises."""
    if len(feeds) == 1:
        yield from feeds[0]
        return
    arrived: Queue[Page | Exception | None] = Queue(PAGES)
    for feed in feeds:
        Thread(target=_carry, args=(feed, arrived), daemon=True).start()
    left = len(feeds)
    while left:
        page = arrived.get()
        if isinstance(page, Exception):
            raise page
        if page is None:
            left -= 1
        else:
            yield page


def _carry(feed: Iterable[Page], arrived: Queue[Page | Exception | None]) -> None:
    try:
        for page in feed:
            arrived.put(page)
        arrived.put(None)
    except Exception as error:
        arrived.put(error)
