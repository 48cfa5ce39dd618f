"""/metrics for Prometheus, and /healthz. What this server does it counts; what the log knows, a scrape asks it.

Counters of the log's history (restarts, adoptions) go on from the position of the last scrape: they cost what has
happened since. They are of all time, and so they survive the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client import Counter as Total
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from swarm_store import approvals, budgets, events, lifecycle, registry
from swarm_store.conversation import COUNTED
from swarm_store.log import Log

from . import wire
from .wire import Receive, Scope, Send

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which nobody asked for
PREFIX = "swarmctl_"
BUCKETS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)  # seconds
HISTORY = {
    events.AGENT_SPAWNED: ("agents_spawned", "Agents that were spawned."),
    events.AGENT_RESTARTED: ("restarts", "Runs that were started again, by policy or by hand."),
    events.AGENT_ADOPTED: ("adoptions", "Runs that a successor daemon took over."),
    events.AGENT_LOST: ("agents_lost", "Runs whose end nobody saw."),
}
PAGE = 1000


class Metrics:
    """What one server counts. Its methods are the event loop's, but for `committed`, which is the writer's thread's."""

    def __init__(self, log: Log) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(_LogCollector(log, self))
        made = self.registry
        self._appends = Total(PREFIX + "appends", "Appends of clients that were committed.", registry=made)
        self._bytes = Total(PREFIX + "appended_bytes", "Bytes that clients appended.", registry=made)
        self._sent = Total(PREFIX + "sent_bytes", "Bytes of streams that were sent to live readers.", registry=made)
        self._cut = Total(
            PREFIX + "stalled_readers", "Readers that were cut off because they took nothing.", registry=made
        )
        latency = "Seconds from the beginning of a transaction to its commit on disk."
        self._commits = Histogram(PREFIX + "commit_seconds", latency, buckets=BUCKETS, registry=made)
        wake_up = "Seconds from the time of a record to its being read for the live readers that waited for it."
        self._wake_ups = Histogram(PREFIX + "wakeup_seconds", wake_up, buckets=BUCKETS, registry=made)
        self.lags: dict[int, int] = {}  # of each live reader: records that it has not been sent yet

    def appended(self, size: int) -> None:
        """An append of a client is on disk."""
        self._appends.inc()
        self._bytes.inc(size)

    def committed(self, seconds: float) -> None:
        """A transaction is on disk."""
        self._commits.observe(seconds)

    def woken(self, seconds: float) -> None:
        """What was written so long ago has been read for those who waited."""
        self._wake_ups.observe(max(0.0, seconds))

    def sent(self, size: int) -> None:
        """So much went to a live reader."""
        self._sent.inc(size)

    def cut_off(self) -> None:
        """A reader was cut off."""
        self._cut.inc()


class _LogCollector(Collector):
    """What the log says, when it is asked."""

    def __init__(self, log: Log, metrics: Metrics) -> None:
        self._log = log
        self._metrics = metrics
        self._history: Counter[str] = Counter()
        self._position = 0
        self._opening = log.openings

    def collect(self) -> Iterable[Metric]:
        yield self._states()
        yield from self._counted()
        yield _gauge("approvals_pending", "Approvals that wait for an answer.", approvals.pending(self._log))
        yield from self._used()
        yield _gauge("log_position", "The last position that was given out in the log.", self._log.position())
        yield _gauge("log_bytes", "Bytes of the log that hold something.", self._log.used_bytes())
        lags = self._metrics.lags
        yield _gauge("live_readers", "Readers that are being sent what comes.", len(lags))
        yield _gauge(
            "live_reader_lag_records", "Records that the slowest of them has yet to get.", max(lags.values(), default=0)
        )

    def _states(self) -> Metric:
        family = GaugeMetricFamily(PREFIX + "agents", "Agents by state.", labels=["state"])
        found = registry.counts(self._log)
        for state in lifecycle.STATES:
            family.add_metric([state], found.get(state, 0))
        return family

    def _used(self) -> Iterator[Metric]:
        """What the agents that are in the log have used: it goes with those that are removed, so it is no counter."""
        used = budgets.used(self._log)
        tokens = GaugeMetricFamily(PREFIX + "tokens", "Tokens that agents have used, by kind.", labels=["kind"])
        for kind in COUNTED:
            tokens.add_metric([kind], used[kind])
        yield tokens
        yield _gauge("cost_dollars", "What that has cost, as far as it is known.", used["cost"] / 1_000_000)
        yield _gauge("unpriced_reports", "Reports of usage whose cost is not known.", used["unpriced"])

    def _counted(self) -> Iterator[Metric]:
        """Count what has happened since the last time; from the beginning where it is another log by now."""
        if self._log.openings != self._opening or self._log.position() < self._position:
            self._history, self._position, self._opening = Counter(), 0, self._log.openings
        while page := self._log.read(start=self._position + 1, types=list(HISTORY), lifecycle=True, limit=PAGE):
            self._history.update(record.type for record in page)
            self._position = page[-1].position
        for type, (name, help) in HISTORY.items():
            yield CounterMetricFamily(PREFIX + name, help, value=self._history[type])


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help, value=value)


class Observed:
    """The part of the server that answers /metrics and /healthz."""

    def __init__(self, metrics: Metrics, log: Log) -> None:
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise wire.Refused(405, f"there is no {scope['method']} of it", headers=[(b"allow", b"GET, HEAD")])
        if scope["path"] == "/metrics":
            body, kind = generate_latest(self._metrics.registry), CONTENT_TYPE_LATEST.encode()
        elif scope["path"] == "/healthz":
            self._log.position()  # raises where the log cannot be read: 503
            body, kind = b'{"status":"ok"}', b"application/json"
        else:
            raise wire.Refused(404, f"there is nothing at {scope['path']}", "see /v1/openapi.json")
        await wire.respond(send, 200, [(b"content-type", kind), (b"cache-control", b"no-store")], body)
