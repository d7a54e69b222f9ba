"""Every metric of n1v1 with its unit and meaning, and the only way to make one.

The stage that counts is the prefix of the name; `n1v1_` is for what every service has. Names end with their unit.
A label child is bound once, at the start, and then costs a third of a microsecond a call:

    refused = metrics.counter("risk_decisions_total", outcome="refused", reason="max_drawdown")
    refused.inc()

`python -m n1v1_common.telemetry.metrics` prints the table as Markdown.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.metrics import MetricWrapperBase


class Kind(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class MetricSpec:
    name: str
    kind: Kind
    unit: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


FAST_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
"""One hop with its effects takes 1 to 10 ms; a dependency that hangs takes seconds."""

METRICS = (
    MetricSpec("n1v1_build_info", Kind.GAUGE, "1", "Always 1; the version is a label.", ("service", "version")),
    MetricSpec("n1v1_service_ready", Kind.GAUGE, "0 or 1", "Whether /readyz says yes."),
    MetricSpec("n1v1_dependency_up", Kind.GAUGE, "0 or 1", "Whether a health check passes.", ("dependency",)),
    MetricSpec("n1v1_event_loop_lag_seconds", Kind.GAUGE, "seconds", "How late the event loop woke the last time."),
    MetricSpec("n1v1_event_loop_lag_max_seconds", Kind.GAUGE, "seconds", "Worst lag of the last minute."),
    MetricSpec("n1v1_process_resident_bytes", Kind.GAUGE, "bytes", "Resident memory of the process."),
    MetricSpec(
        "n1v1_messages_received_total", Kind.COUNTER, "messages", "Delivered to a durable.", ("stream", "durable")
    ),
    MetricSpec(
        "n1v1_messages_handled_total",
        Kind.COUNTER,
        "messages",
        "Worked on, by outcome: acknowledged, repeated (seen before), returned, dead.",
        ("durable", "outcome"),
    ),
    MetricSpec("n1v1_messages_published_total", Kind.COUNTER, "messages", "Acknowledged by the bus.", ("stream",)),
    MetricSpec(
        "n1v1_account_halted",
        Kind.GAUGE,
        "0 or 1",
        "1 while the account is halted, as this service knows.",
        ("account",),
    ),
    MetricSpec(
        "n1v1_halt_delay_seconds",
        Kind.GAUGE,
        "seconds",
        "From risk's word on the last halt or resumption to this service.",
        ("account",),
    ),
    MetricSpec("n1v1_publish_unknown_total", Kind.COUNTER, "messages", "Published without an answer in time."),
    MetricSpec("n1v1_dead_letters_total", Kind.COUNTER, "messages", "Put aside.", ("stage", "reason")),
    MetricSpec("n1v1_bus_reconnects_total", Kind.COUNTER, "times", "Connections to NATS made again."),
    MetricSpec(
        "n1v1_batch_messages", Kind.HISTOGRAM, "messages", "Messages in a batch.", ("durable",), (1, 4, 16, 64, 256)
    ),
    MetricSpec("n1v1_handling_seconds", Kind.HISTOGRAM, "seconds", "One batch.", ("durable",), FAST_SECONDS),
    MetricSpec(
        "n1v1_message_age_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "From publishing to handling.",
        ("durable",),
        FAST_SECONDS,
    ),
    MetricSpec("n1v1_outbox_waiting_messages", Kind.GAUGE, "messages", "Written to the outbox and not yet published."),
    MetricSpec("n1v1_postgres_seconds", Kind.HISTOGRAM, "seconds", "One statement.", ("statement",), FAST_SECONDS),
    MetricSpec(
        "n1v1_state_reads_total",
        Kind.COUNTER,
        "reads",
        "Reads of hot state: fresh, stale, missing, unavailable.",
        ("outcome",),
    ),
    MetricSpec("market_data_bars_total", Kind.COUNTER, "bars", "Closed bars published.", ("symbol",)),
    MetricSpec("market_data_gaps_total", Kind.COUNTER, "gaps", "Missing bars that were noticed.", ("symbol",)),
    MetricSpec(
        "market_data_bar_delay_seconds", Kind.GAUGE, "seconds", "From a bar's close to its publishing.", ("symbol",)
    ),
    MetricSpec(
        "market_data_flow_total", Kind.COUNTER, "events", "Trades, book changes and prices published.", ("channel",)
    ),
    MetricSpec(
        "market_data_lost_total",
        Kind.COUNTER,
        "events",
        "Known to have happened and not published; each loss is reported as an event too.",
        ("channel", "symbol"),
    ),
    MetricSpec(
        "market_data_connections_lost_total",
        Kind.COUNTER,
        "times",
        "Connections to the venue that ended or fell silent.",
    ),
    MetricSpec("signals_raised_total", Kind.COUNTER, "signals", "Signals published.", ("strategy", "symbol")),
    MetricSpec(
        "signals_strategy_errors_total", Kind.COUNTER, "errors", "Exceptions in a strategy's code.", ("strategy",)
    ),
    MetricSpec("risk_decisions_total", Kind.COUNTER, "decisions", "By outcome and reason code.", ("outcome", "reason")),
    MetricSpec("risk_breaker_open", Kind.GAUGE, "0 or 1", "1 while the account is halted.", ("account",)),
    MetricSpec("risk_breaker_trips_total", Kind.COUNTER, "trips", "Times the breaker tripped.", ("account", "reason")),
    MetricSpec(
        "risk_invariants_broken_total",
        Kind.COUNTER,
        "times",
        "Books that do not agree: the account or a symbol is halted.",
        ("invariant",),
    ),
    MetricSpec("execution_orders_total", Kind.COUNTER, "orders", "Orders that reached a state.", ("state",)),
    MetricSpec("execution_orders_unknown", Kind.GAUGE, "orders", "Orders in doubt at this moment."),
    MetricSpec("execution_fills_total", Kind.COUNTER, "fills", "Fills taken from the venue.", ("symbol",)),
    MetricSpec(
        "execution_venue_seconds",
        Kind.HISTOGRAM,
        "seconds",
        "One request to the venue.",
        ("request", "outcome"),
        FAST_SECONDS,
    ),
    MetricSpec(
        "execution_reconcile_differences_total", Kind.COUNTER, "differences", "Found against the venue.", ("kind",)
    ),
    MetricSpec("execution_user_stream_alive", Kind.GAUGE, "0 or 1", "1 while fills arrive by push."),
    MetricSpec("execution_user_events_total", Kind.COUNTER, "events", "Executions and changes of orders, pushed."),
    MetricSpec("execution_clock_ahead_ms", Kind.GAUGE, "milliseconds", "Our clock before the venue's."),
    MetricSpec("portfolio_fills_booked_total", Kind.COUNTER, "fills", "Fills entered in the ledger.", ("symbol",)),
    MetricSpec("portfolio_equity_quote", Kind.GAUGE, "quote currency", "Equity as last marked.", ("account",)),
    MetricSpec("portfolio_drawdown_ratio", Kind.GAUGE, "fraction", "From the peak of equity.", ("account",)),
    MetricSpec("reporting_requests_total", Kind.COUNTER, "requests", "Answered.", ("route", "status")),
    MetricSpec("reporting_clients", Kind.GAUGE, "connections", "WebSockets open at this moment."),
    MetricSpec("exchange_simulator_requests_total", Kind.COUNTER, "requests", "Answered.", ("route", "status")),
)

_BY_NAME = {spec.name: spec for spec in METRICS}


class MetricMisuse(Exception):
    """A metric that is not in the table, or used against it: a mistake in our code."""


class Metrics:
    """The metrics of one process. They appear in the exposition when they are first bound."""

    def __init__(self) -> None:
        # One more series a counter, which nothing here reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus_client leaves it untyped
        self._registry = CollectorRegistry()
        self._made: dict[str, MetricWrapperBase] = {}

    def counter(self, name: str, /, **labels: str) -> Counter:
        metric = self._bound(name, Kind.COUNTER, labels)
        assert isinstance(metric, Counter)
        return metric

    def gauge(self, name: str, /, **labels: str) -> Gauge:
        metric = self._bound(name, Kind.GAUGE, labels)
        assert isinstance(metric, Gauge)
        return metric

    def histogram(self, name: str, /, **labels: str) -> Histogram:
        metric = self._bound(name, Kind.HISTOGRAM, labels)
        assert isinstance(metric, Histogram)
        return metric

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format."""
        return generate_latest(self._registry)

    def _bound(self, name: str, kind: Kind, labels: dict[str, str]) -> MetricWrapperBase:
        spec = _spec(name)
        if spec.kind is not kind:
            raise MetricMisuse(f"{name} is a {spec.kind}, not a {kind}")
        if set(labels) != set(spec.labels):
            raise MetricMisuse(f"{name} has the labels {spec.labels}, not {tuple(labels)}")
        if name not in self._made:
            self._made[name] = _MAKERS[kind](spec, self._registry)
        return self._made[name].labels(**labels) if labels else self._made[name]


def _spec(name: str) -> MetricSpec:
    try:
        return _BY_NAME[name]
    except KeyError:
        near = difflib.get_close_matches(name, _BY_NAME, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise MetricMisuse(f"{name} is not in the table of metrics{hint}") from None


def _make_counter(spec: MetricSpec, registry: CollectorRegistry) -> MetricWrapperBase:
    return Counter(spec.name, spec.meaning, spec.labels, registry=registry)


def _make_gauge(spec: MetricSpec, registry: CollectorRegistry) -> MetricWrapperBase:
    return Gauge(spec.name, spec.meaning, spec.labels, registry=registry)


def _make_histogram(spec: MetricSpec, registry: CollectorRegistry) -> MetricWrapperBase:
    return Histogram(spec.name, spec.meaning, spec.labels, registry=registry, buckets=spec.buckets)


_MAKERS: dict[Kind, Callable[[MetricSpec, CollectorRegistry], MetricWrapperBase]] = {
    Kind.COUNTER: _make_counter,
    Kind.GAUGE: _make_gauge,
    Kind.HISTOGRAM: _make_histogram,
}


def as_markdown() -> str:
    """The table for docs/metrics.md."""
    rows = [
        f"| `{spec.name}` | {spec.kind} | {spec.unit} | {', '.join(spec.labels) or '-'} | {spec.meaning} |"
        for spec in METRICS
    ]
    head = [
        "# Metrics",
        "",
        "Written by `python -m n1v1_common.telemetry.metrics`; the source is `METRICS` in that module.",
        "",
        "| name | kind | unit | labels | meaning |",
        "|---|---|---|---|---|",
    ]
    return "\n".join([*head, *rows, ""])


if __name__ == "__main__":
    import sys

    sys.stdout.write(as_markdown())
