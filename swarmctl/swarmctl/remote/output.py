"""What agents elsewhere have written, and are writing: printed as it is here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from queue import Queue
from threading import Thread

from swarm_store.events import Record, agent_stream
from swarm_store.fold import Agent
from swarm_store.output import last_chunks

from ..client import Swarm, streams
from ..client.streams import Page
from ..commands.logs import Shown
from ..output import Chosen
from ..streams import Printer

PAGES = 64  # that wait to be printed, of all agents


def show(swarm: Swarm, agents: list[Agent], chosen: Chosen, shown: Shown) -> None:
    """Print what agents have written, one after the other, and to follow what they write until all have ended."""
    printer = shown.printer(agents)
    live: dict[str, Iterator[Page]] = {}
    for agent in agents:
        stream = agent_stream(agent["id"])
        live[stream] = swarm.feed(streams.output(agent["id"], follow=shown.follow, run=chosen.run))
        _so_far(printer, stream, live[stream], chosen, shown.last)
    if shown.follow:
        for page in merged(live):
            printer.chunks(one for one in page.records if chosen.is_of(one))
    printer.rest()


def _so_far(printer: Printer, stream: str, pages: Iterator[Page], chosen: Chosen, last: int | None) -> None:
    """Print what is there, or the last lines of it; `pages` goes on after it."""
    before: dict[str, Record] = {}
    kept: list[Record] = []
    begun = False
    for page in pages:
        for one in page.records:
            if chosen.is_of(one):
                if not chosen.is_in_time(one):
                    before[one.type] = one
                else:
                    kept.append(one)
        if last is not None:
            kept = _newest(kept, last, before)
        elif kept:
            if not begun:
                printer.begin(stream, list(before.values()))
            printer.chunks(kept)
            begun, kept = True, []
        if page.is_end:
            break
    if last is not None:
        printer.begin(stream, list(before.values()))
        printer.last_lines(stream, kept, last)


def _newest(chunks: list[Record], lines: int, before: dict[str, Record]) -> list[Record]:
    """As many of the last chunks as hold so many lines; of what comes before, the last of each type in `before`."""
    newest = last_chunks(reversed(chunks), lines) if lines else []
    for one in chunks[: len(chunks) - len(newest)]:
        before[one.type] = one
    return newest


def merged(feeds: Mapping[str, Iterator[Page]]) -> Iterator[Page]:
    """The pages of several feeds as they come. Raises what any of them raises."""
    if len(feeds) == 1:
        yield from next(iter(feeds.values()))
        return
    arrived: Queue[Page | Exception | None] = Queue(PAGES)
    for feed in feeds.values():
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
