"""The server that one command speaks with: what the command needs of `home` and of the log, at a distance."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar, cast

from swarm_store.aside import written_aside
from swarm_store.clock import rfc3339
from swarm_store.errors import NoSuchAgent, NotPossible, SwarmError, WrongUsage
from swarm_store.events import Record
from swarm_store.fold import Agent
from swarm_store.home import locate
from swarm_store.tokens import id_of

from .. import values
from ..agents import Wanted
from ..client import Swarm, calls, streams
from ..client.types import record
from ..elsewhere import Server
from ..home import LOST, TAKE_OVER

if TYPE_CHECKING:
    from swarm_daemon.diagnosis import Finding

    from ..commands.logs import Shown
    from ..commands.spawn import Said
    from ..output import Chosen

T = TypeVar("T")
R = TypeVar("R")
AT_ONCE = 8  # requests
TELL_AT = 4  # tries: whoever does not follow has given up by then
WELL_SECONDS = 120.0  # a server that was last away so long ago has been there since: no try takes as long


class Session:
    """A server, asked for one command. Where it goes away meanwhile, that is said once."""

    def __init__(self, server: Server) -> None:
        self.swarm = Swarm(
            server.url,
            token=server.token,
            token_name=server.token_name,
            insecure=server.insecure,
            on_trouble=self._say,
        )
        self._own_token = id_of(server.token or "")
        self._last = -WELL_SECONDS  # when it was last seen to be away (monotonic seconds)

    def _say(self, error: SwarmError, tries: int) -> None:
        """Say that the server is away to whoever goes on asking, once each time."""
        if tries < TELL_AT:
            return
        now = time.monotonic()
        if now - self._last > WELL_SECONDS:
            print(f"swarmctl: {error.message}; waiting for its return", file=sys.stderr)
        self._last = now

    def agents(self, wanted: Wanted, at: str | None = None) -> list[Agent]:
        """The agents that are wanted, as they are or as they were."""
        found = self.swarm.agents(all=wanted.ended, states=sorted(wanted.states), labels=wanted.labels, at=moment(at))
        return [cast(Agent, agent) for agent in found]

    def everybody(self) -> list[Agent]:
        """All agents that there are."""
        return self.agents(Wanted(ended=True))

    def agent(self, word: str, at: str | None = None) -> Agent:
        """The agent that `word` means, or meant. Raises NoSuchAgent or WrongUsage."""
        return cast(Agent, self.swarm.get(word, at=moment(at)))

    def shown(self, word: str, at: str | None = None) -> Agent:
        """The same; one of a kind with its session and what it asks to be allowed, where it is shown as it is now."""
        found = self.agent(word, at)
        if at is None and found["kind"] is not None:
            found |= {"session": self.swarm.session(found["id"]), "approvals": self.approvals(found["id"], False)}
        return found

    def resolve_all(self, words: Sequence[str]) -> list[Agent]:
        """The agents that `words` mean, each once, in order. Raises NoSuchAgent or WrongUsage for the first bad one."""
        found = {agent["id"]: agent for agent in self.of_each(self.agent, words)}
        return list(found.values())

    def of_each(self, ask: Callable[[T], R], things: Sequence[T]) -> list[R]:
        """What `ask` gives for each, in order, a few at a time. Raises what the first raises."""
        if len(things) < 2:
            return [ask(one) for one in things]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(ask, things))

    def ends(self, agents: list[Agent], timeout: float | None) -> Iterator[Agent]:
        """Each of `agents` when it has ended, in the order in which they do; stops after `timeout` seconds."""
        from .waiting import ends

        self.tell_of_orphans(agents)
        return ends(self.swarm, agents, timeout)

    def show_output(self, words: list[str], chosen: Chosen, shown: Shown) -> None:
        """Print what agents have written, and what they write until all have ended."""
        from .output import show

        agents = self.resolve_all(words)
        if shown.follow:
            self.tell_of_orphans(agents)
        show(self.swarm, agents, chosen, shown)

    def spawn(self, wishes: list[dict[str, Any]], said: Said, *, follow: bool, wait: bool) -> int:
        """Spawn agents, say what became of them, and wait for them where that is wanted; the command's status."""
        from .spawning import spawn

        return spawn(self, wishes, said, follow=follow, wait=wait)

    def cancel(
        self,
        words: list[str],
        labels: list[str],
        all: bool,
        signal: str,
        grace: float | None,
        *,
        wait: bool,
    ) -> None:
        """Have agents ended, and those withdrawn that wait for their restart."""
        from ..commands.cancel import chosen, longest, see_ended

        named = self.resolve_all(words)
        agents = chosen(named, self.everybody() if all or labels else [], [] if all else labels)

        def ask(agent: Agent) -> None:
            try:
                self.swarm.cancel(agent["id"], signal=signal, grace=grace, wait=False)
            except NotPossible:  # it has just ended, or been restarted
                if words:
                    raise

        self.of_each(ask, agents)
        living = [one for one in agents if not one["ended_at"]]
        if wait and living:
            see_ended(living, self.ends(living, longest(living, grace)))

    def restart(self, word: str, grace: float | None) -> dict[str, Any]:
        """Start an agent again; what `restart --json` says of it."""
        agent = cast(Agent, self.swarm.restart(word, grace=grace))
        return {key: agent[key] for key in ("id", "run", "daemon", "child")}

    def approvals(self, word: str | None, all: bool) -> list[dict[str, Any]]:
        """What agents, or one, ask to be allowed; with `all` what was answered too."""
        return [dict(one) for one in self.swarm.approvals(agent=word, all=all)]

    def followed_approvals(self, word: str | None, all: bool) -> Iterator[list[dict[str, Any]]]:
        """The same, and then each that is asked, or of which something is said, as it is then."""
        from .sessions import followed_approvals

        return followed_approvals(self.swarm, word, all)

    def answer(self, approval_id: str, *, granted: bool, **given: Any) -> dict[str, Any]:
        """Answer an approval; it with its agent's name."""
        return dict(self.swarm.run(calls.answer(approval_id, granted=granted, **given)))

    def usage(self, words: list[str], group: str, label: str | None) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What was used, summed by a group, and in all."""
        found = self.swarm.run(calls.usage(words, by=group, label=label))
        return found["usage"], found["total"]

    def send_turn(self, agent: Agent, text: str, *, by: str) -> tuple[int, int]:
        """Send a turn; its name, and a position in the log before which nothing of it is."""
        start = int(self.swarm.report("info")["position"])
        return self.swarm.send_turn(agent["id"], text, by=by), start

    def answered(self, agent: Agent, turn: int, start: int, *, timeout: float | None) -> Iterator[dict[str, Any]]:
        """What became of a turn: approvals that it waits for, at last how it has ended. Raises as turns.followed."""
        from .sessions import answered

        return answered(self.swarm, agent["id"], turn, start, timeout, self._is_supervised)

    def revoke_tokens(self, ids: Sequence[str]) -> None:
        """Revoke tokens: none where one of them is not known, and our own last."""
        known = {one["id"] for one in self.swarm.tokens(all=True)}
        for one in sorted(dict.fromkeys(ids), key=lambda one: (one in known, one == self._own_token)):
            self.swarm.revoke_token(one)

    def findings(self) -> list[Finding]:
        """What doctor finds there."""
        from swarm_daemon.diagnosis import Finding

        found = self.swarm.report("doctor")["findings"]
        return [Finding(one["check"], one["ok"], one["found"], one["hint"]) for one in found]

    def backup(self, file: str, *, force: bool) -> None:
        """Copy the whole log to a file here."""
        with self.swarm.download("backup") as parts:
            _keep(parts, file, force)

    def export(self, words: list[str], file: str | None, *, force: bool) -> None:
        """Write the log, or some agents of it, to a file here or to stdout."""
        ids = [("agent", agent["id"]) for agent in self.resolve_all(words)]
        with self.swarm.download("export", *ids) as parts:
            if file is not None:
                _keep(parts, file, force)
                return
            for part in parts:
                sys.stdout.buffer.write(part)

    def events(self, agent: str | None, follow: bool, after: int, types: list[str]) -> Iterator[list[Record]]:
        """Pages of the log's events after a position, of an agent if one is named; with `follow` for ever."""
        try:
            agent = agent and self.swarm.get(agent)["id"]
        except NoSuchAgent:
            pass  # the whole id of one that was removed is known by its events
        for page in self.swarm.feed(streams.events(after, agent=agent, types=types, follow=follow)):
            yield [record(event) for event in page]

    def hint_lost(self, agents: Sequence[Agent]) -> None:
        """Say what helps where daemons are provably dead and nobody is there to take their runs over."""
        lost = sum(agent["status"] == LOST for agent in agents)
        if lost and not self._is_supervised():
            print(f"swarmctl: {lost} without a daemon ({LOST}), their output waits; {TAKE_OVER}", file=sys.stderr)

    def tell_of_orphans(self, agents: Sequence[Agent]) -> None:
        """Say that nobody follows living agents because their daemons are dead."""
        lost = [agent["id"] for agent in agents if agent["status"] == LOST]
        if lost and not self._is_supervised():
            for one in lost:
                print(f"swarmctl: the daemon of agent {one} is dead; {TAKE_OVER}", file=sys.stderr)

    def _is_supervised(self) -> bool:
        return bool(self.swarm.report("supervisor")["running"])


def moment(at: str | None) -> str | None:
    """What --at means, for a machine with another clock and another time zone. Raises WrongUsage."""
    if at is None or (at.isascii() and at.isdigit()):
        return at
    try:
        return f"{values.duration(at):.6f}s"
    except WrongUsage:
        return rfc3339(values.moment(at))


def _keep(parts: Iterable[bytes], file: str, force: bool) -> None:
    """Write a file whole, or not at all."""
    with written_aside(file, locate(), force=force) as aside, open(aside, "wb") as kept:
        for part in parts:
            kept.write(part)
