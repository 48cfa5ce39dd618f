"""What agents elsewhere have written, and are writing: printed as it is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from queue import Queue
from threading import Thread

from swarm_store.clock import rfc3339
from swarm_store.events import Record, agent_stream
from swarm_store.fold import Agent
from swarm_store.log import FOREVER

from ..client import Swarm, calls, streams
from ..client.streams import Page
from ..client.types import STREAM_OF
from ..commands.logs import Shown
from ..output import Chosen
from ..streams import Printer

PAGES = 64  # that wait to be printed, of all agents


def show(swarm: Swarm, agents: list[Agent], chosen: Chosen, shown: Shown) -> None:
    """Print what agents have written, one after the other, and to follow what they write until all have ended."""
    printer = shown.printer(agents)
    live: list[Iterator[Page]] = []
    for agent in agents:
        offset = "-1"
        if shown.last is not None:
            offset = _last_lines(swarm, printer, agent["id"], chosen, shown.last)
        if shown.follow or shown.last is None:
            pages = swarm.feed(streams.output(agent["id"], follow=shown.follow, run=chosen.run, offset=offset))
            _so_far(printer, agent_stream(agent["id"]), pages, chosen)
            live.append(pages)
    for page in merged(live) if shown.follow else ():
        printer.chunks(one for one in page.records if chosen.is_of(one))
    printer.rest()


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
