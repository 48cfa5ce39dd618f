"""The daemon of one run: follow it to its end, carry its output, obey its inbox, publish its lifecycle.

One loop, one thread: sleep on the FIFOs, the bell of the inbox, and whatever must not be missed; move and publish
output; obey the inbox; act on deadlines. Everything it must remember is in the log, the journal or the kernel, so that
`kill -9` at any moment leaves a successor all it needs.
"""

from __future__ import annotations

import os
import select
import time

from swarm_store import events, registry
from swarm_store.bells import Bell
from swarm_store.clock import SECOND, now, rfc3339
from swarm_store.errors import IllegalTransition, LogUnusable, SwarmError
from swarm_store.lifecycle import WAITING

from . import closing, tree
from .ending import Ending, resume
from .output import RETRY_SECONDS, Pump
from .process import from_data, stat_fields
from .signals import name_of, number_of, signal
from .silence import Silence
from .watch import Watch

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from swarm_store.events import Event, Record
    from swarm_store.fold import Agent
    from swarm_store.log import Log

    from .input import Input
    from .run import Run, Spec

NET_SECONDS = 600.0  # look at the inbox this often even if no bell rang: a ring is lost only with its ringer
GONE_SECONDS = 600.0  # how long the end of a run is kept for a log to come back when the whole directory was removed
CURSOR = "daemon"
OBEYED = (events.CANCEL_REQUESTED, events.SIGNAL_REQUESTED)  # what the inbox may ask of a daemon
PAGE = 1000  # records of the inbox


class Daemon:
    """The loop of one run whose child is executed, or about to be reported on."""

    def __init__(self, log: Log, run: Run, spec: Spec, agent: Agent) -> None:
        self.log = log
        self.run = run
        self.spec = spec
        self.agent = agent
        self.child = from_data(agent["child"])
        self.keeper = from_data(agent["keeper"])
        self.bell = Bell(run.home, events.inbox_stream(run.agent_id))
        self.pump = Pump(run, log, agent["epoch"])
        self.input = self._input() if spec["input"] else None
        self.watch = Watch(run, self.child)
        self.ending = resume(run, self.keeper, self.child) if agent["epoch"] else None
        self.silence = Silence(spec["silence"], time.monotonic(), is_silent=agent["silent_since"] is not None)
        self.stop_signal: int | None = None  # set by a signal handler: see main
        self.has_orphans = False  # likewise
        self.is_woken_by_signals = False  # likewise: through the bell
        self._trouble = self._noted = ""  # what is the matter now; what the daemon's own log says of it
        self._look_inside = True  # the inbox may hold something from before the bell was there
        self._looked_at = time.monotonic()
        self._passed = 0  # the inbox's offset before which there is nothing left to obey, beside the cursor
        self._opening = log.opening()  # the one in which this agent is known
        self._gone = ""  # why the log cannot be opened, while it is gone
        self._try_at = 0.0

    def _input(self) -> Input:
        from .input import Input  # what few daemons need

        return Input(self.run, self.log)

    # -- the loop

    def follow_to_end(self) -> None:
        """Carry output and obey until the run is over and all of it is in the log."""
        while not self._is_over():
            self._sleep()
            if self.pump.move() and self.silence.hear(time.monotonic()):
                self._say(events.agent_spoke(self.run.agent_id, self.run.number))
            self.pump.publish()
            self._meet_another_log()
            self._feed()
            self._note(self.pump.trouble or self._gone or (self.input.trouble if self.input else ""))
            self._reap_orphans()
            self._obey()
            self._mind_deadlines()
        self._finish()

    def _sleep(self) -> None:
        poll = select.poll()
        ending = self.ending.files() if self.ending else []
        for file in (*self.pump.readable(), self.bell.file, *self.watch.files(), *ending):
            poll.register(file, select.POLLIN)
        net = max(0.0, self._looked_at + NET_SECONDS - time.monotonic())
        before = time.monotonic()
        waits = [net, self.pump.due_in(), self._deadline_in(), self._silence_in(before)]
        if self.input:
            waits.append(self.input.due_in())
            for file in self.input.writable():
                poll.register(file, select.POLLOUT)
        if self.ending:
            waits.append(self.ending.due_in())
        if self._look_inside or self._gone:
            waits.append(RETRY_SECONDS if self._trouble else 0.0)
        seconds = min(wait for wait in waits if wait is not None)
        ready = {file for file, _ in poll.poll(seconds * 1000)}
        self.silence.wake(seconds, time.monotonic())
        if self.bell.file in ready:
            self.bell.clear()
        if self.bell.file in ready or time.monotonic() - self._looked_at >= NET_SECONDS:
            self._look_inside = True
            if self.input:
                self.input.look = True

    def _feed(self) -> None:
        if self.input:
            self.input.feed()

    def _meet_another_log(self) -> None:
        """Where another log has taken the place of ours (recovered, restored, new): tell it what it does not know."""
        if time.monotonic() < self._try_at:
            return
        try:
            if self.log.opening() != self._opening:
                self._introduce()
            self._gone = ""
        except (SwarmError, OSError) as error:
            self._gone = str(error)
            self._try_at = time.monotonic() + RETRY_SECONDS

    def _introduce(self) -> None:
        opening = self.log.opening()
        self.bell.renew()
        registry.introduce(self.log, self.agent)
        self.pump.ask()
        self._opening = opening
        self._look_inside = True  # another log, another inbox
        self._passed = 0
        if self.input:
            self.input.look = True
        note("the event log is there again, or another: this agent goes on in it")

    def _reap_orphans(self) -> None:
        """Whatever of the tree has become ours and has ended; but never the child, whose zombie is a record."""
        if not self.has_orphans:
            return
        self.has_orphans = False
        for pid in tree.children(os.getpid()):
            if self.child is None or pid != self.child.pid:
                try:
                    os.waitpid(pid, os.WNOHANG)
                except ChildProcessError:
                    pass

    def _deadline_in(self) -> float | None:
        """Seconds until the run's timeout, by the boot's monotonic clock, which does not run while suspended."""
        started = self.agent["monotonic"]
        if self.spec["timeout"] is None or started is None or self.ending:
            return None
        left: float = started + self.spec["timeout"] - time.monotonic()
        return max(0.0, left)

    def _silence_in(self, moment: float) -> float | None:
        """Seconds until the run is silent for too long; while it ends, nothing is."""
        return None if self.ending else self.silence.due_in(moment)

    def _is_over(self) -> bool:
        return self.watch.end() is not None and (self.ending is None or self.ending.is_done)

    # -- the inbox and deadlines

    def _obey(self) -> None:
        """Do what the inbox asks, each acknowledged by moving the cursor past it."""
        if not self._look_inside:
            return
        stream = events.inbox_stream(self.run.agent_id)
        try:
            start = max(self._passed, self.log.cursor(CURSOR, stream))
            asked = self.log.read(stream, start=start, limit=PAGE, payloads=False)
            self._look_inside = len(asked) == PAGE
            self._looked_at = time.monotonic()
            for record in asked:
                if record.type in OBEYED:
                    self._obey_one(stream, record)
                else:  # for the child: its input, or its session's host
                    self._passed = record.offset + 1
        except LogUnusable as error:
            self._look_inside, self._looked_at = True, time.monotonic()  # again soon, and not at once for ever
            self._note(error.message)

    def _obey_one(self, stream: str, record: Record) -> None:
        """A cancel is done before it is acknowledged: twice rather than never. A signal is not: never twice."""
        once = record.type == events.SIGNAL_REQUESTED
        if once:
            self._acknowledge(stream, record)
        if record.data["run"] == self.run.number:
            self._do(record.type, record.data)
        if not once and (self.ending is None or self.ending.is_remembered):
            self._acknowledge(stream, record)

    def _acknowledge(self, stream: str, record: Record) -> None:
        with self.log.transaction(durable=True) as transaction:
            transaction.move_cursor(CURSOR, stream, record.offset + 1)

    def _do(self, type: str, data: dict[str, Any]) -> None:
        if type == events.CANCEL_REQUESTED:
            grace = self.spec["grace"] if data["grace"] is None else data["grace"]
            self.end("cancel", number_of(data["signal"]), grace)
        elif type == events.SIGNAL_REQUESTED:
            from .signalling import send_agent  # what few daemons need

            name = data["signal"]
            if send_agent(self.log, self.child, number_of(name), tty=self.spec["tty"]):
                self._say(events.agent_signalled(self.run.agent_id, self.run.number, signal=name, reason="request"))

    def _mind_deadlines(self) -> None:
        if self.stop_signal is not None and self.ending is None:
            self.end("shutdown", signal.SIGTERM, self.spec["grace"])
        if self._deadline_in() == 0.0:
            self.end("timeout", signal.SIGTERM, self.spec["grace"])
        if self._silence_in(time.monotonic()) == 0.0:
            self._mind_silence()
        if self.ending is not None:
            self.ending.advance()

    def _mind_silence(self) -> None:
        """Nothing was heard for too long: say so, once, and end the run if that was asked for."""
        if self.pump.move():  # it came while we waited for the log
            self.silence.hear(time.monotonic())
            return
        fields = stat_fields(self.child.pid) if self.child else None
        if fields is None or fields[0] in "TtZX":  # somebody has stopped it, or it has just ended
            self.silence.hear(time.monotonic())
            return
        if self._excused():
            return
        self.silence.is_silent = self._say(
            events.agent_fell_silent(self.run.agent_id, self.run.number, seconds=self.spec["silence"])
        )
        if not self.silence.is_silent:
            self.silence.since += RETRY_SECONDS  # the log is in trouble: say it later
        elif self.spec["on_silence"] == "restart":
            self.end("silence", signal.SIGTERM, self.spec["grace"])

    def _excused(self) -> bool:
        """Whether it waits, for somebody's answer or a turn, or did until so lately that its time is not over."""
        try:
            agent = registry.get(self.log, self.run.agent_id)
            key, resumed = self.run.agent_id, [events.AGENT_RESUMED]
            last = self.log.read(events.REGISTRY, types=resumed, key=key, limit=1, backwards=True)
        except SwarmError:
            return False  # the log is in trouble: nothing can be said of the silence either
        heard = time.monotonic()
        if agent is None or agent["state"] != WAITING:
            heard = heard - (now() - last[0].time) / SECOND if last else self.silence.since
        is_later = heard > self.silence.since
        if is_later:
            self.silence.hear(heard)
        return is_later

    def end(self, reason: str, signum: int, grace: float) -> None:
        """Begin to end the tree, or hasten the end that is under way."""
        if self.ending is not None:
            self.ending.hasten(grace)
            return
        if self.watch.end() is not None:
            return  # it has just ended by itself
        self.ending = Ending(self.run, self.keeper, self.child, reason=reason, signum=signum, grace=grace)
        self.ending.begin()
        name = name_of(signum)
        self._say(events.agent_signalled(self.run.agent_id, self.run.number, signal=name, reason=reason))

    # -- the end

    def _finish(self) -> None:
        """Publish the rest and the end in one transaction, as often as it takes; then clear up."""
        self.pump.move_rest()
        give_up_at = time.monotonic() + GONE_SECONDS
        while True:
            try:
                self._publish_end()
                break
            except IllegalTransition as error:  # another log than the one it lived in, which has ended it already
                note(error.message)
                break
            except LogUnusable as error:
                self._note(error.message)
                if not os.path.isdir(self.run.path) and (self.stop_signal or time.monotonic() > give_up_at):
                    break  # log, journal and all have been deleted: nobody will ever ask
                time.sleep(RETRY_SECONDS)
        self.close()
        closing.clear_up(self.run, self.keeper)
        if self.spec.get("after"):  # a spec that was lost is a row, which does not have it
            from .aftermath import follow  # what few daemons need

            follow(self.run, self.spec)

    def _publish_end(self) -> None:
        if self.log.opening() != self._opening:
            self._introduce()
        self.pump.ask()
        while self.pump.pending():
            self.pump.publish_batch()
        with self.log.transaction(durable=True) as transaction:
            closed = events.output_closed(self.run.agent_id, self.run.number, **self.pump.ranges())
            transaction.append(events.agent_stream(self.run.agent_id), [closed])
            transaction.append(events.REGISTRY, [self._last_event()])

    def _last_event(self) -> Event:
        end = self.watch.end()
        assert end is not None
        was_stopped = self.stop_signal is not None
        reason = self.ending.reason if self.ending else closing.own_reason(self.run, end, was_stopped=was_stopped)
        left = len(tree.members(self.run, self.keeper, self.child))
        return closing.last_event(self.run, self.agent, end, reason=reason, output=self.pump.ranges(), left=left)

    def close(self) -> None:
        """Let go of everything but the run itself."""
        if self.is_woken_by_signals:
            signal.set_wakeup_fd(-1)
        self.pump.close()
        if self.input:
            self.input.close()
        self.bell.close()
        self.watch.close()
        self.log.close()

    def _say(self, event: Event) -> bool:
        """Publish what is good to know but need not be; whether that was possible."""
        try:
            registry.publish(self.log, event)
        except SwarmError as error:
            self._note(error.message)
            return False
        return True

    def _note(self, trouble: str) -> None:
        """Write each new trouble to the daemon's own log, once there is room for it."""
        self._trouble = trouble
        if trouble and trouble != self._noted and note(trouble):
            self._noted = trouble


def note(trouble: str) -> bool:
    """Write a line to the daemon's own log, which is its stderr; whether that was possible."""
    try:
        os.write(2, f"{rfc3339(now())} {trouble}\n".encode())
    except OSError:
        return False
    return True
