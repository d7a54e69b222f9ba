"""Traces of orders: one span a hop, from the bar that caused the order to its entry in the ledger.

Measured: tracing every bar doubles the CPU of a hop. So a bar only carries a trace context (`begin_trace`), and
spans are recorded from the signal on. The context travels as W3C `traceparent` in the headers of messages.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import Decision, ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from n1v1_common.telemetry.store import LocalSpanExporter

TRACEPARENT = "traceparent"

SPANS: Mapping[str, str] = {
    "market_data.bar": "A closed bar was published. Recorded by signals, afterwards, when the bar caused a signal.",
    "signals.raise": "A strategy was given the bar and raised a signal.",
    "risk.decide": "Risk sized the signal, checked it against the limits, and approved or refused it.",
    "execution.submit": "The order was written to the journal and sent to the venue; ends with the venue's answer.",
    "execution.fill": "A fill was taken from the venue and published.",
    "execution.cancel": "A cancellation was sent to the venue.",
    "execution.reconcile": "An order in doubt was compared with the venue.",
    "portfolio.book": "The fill was entered in the ledger and the position changed.",
    "exchange_simulator.match": "The simulated venue took the order.",
}
"""Every span name and what it covers."""

QUEUE_SPANS_MAX = 65_536
"""The SDK drops spans beyond this without counting them (opentelemetry-python issue 3152), so it is generous."""

EXPORT_DELAY_MS = 500
"""A killed process loses the spans of at most this long."""

_propagator = TraceContextTextMapPropagator()


class UnknownSpan(Exception):
    """A span name that is not in SPANS: a mistake in our code."""


@dataclass(frozen=True, slots=True)
class Tracing:
    """Makes the spans of one process. shutdown() must be called, or the last spans are lost."""

    provider: TracerProvider
    tracer: trace.Tracer
    sampler: TraceIdRatioBased

    @contextmanager
    def span(
        self,
        name: str,
        *,
        parent_headers: Mapping[str, str] | None = None,
        start_ns: int | None = None,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> Iterator[trace.Span]:
        """A span that is current inside the block; an exception marks it as failed and goes on.

        parent_headers: headers of the message that caused the work; None: the current span is the parent.
        start_ns: when the work began, Unix time, if that was before now.
        """
        if name not in SPANS:
            raise UnknownSpan(f"{name} is not in the table of spans: {', '.join(SPANS)}")
        context = None if parent_headers is None else _propagator.extract(parent_headers, context=Context())
        with self.tracer.start_as_current_span(
            name,
            context=context,
            kind=trace.SpanKind.INTERNAL if parent_headers is None else trace.SpanKind.CONSUMER,
            attributes=attributes,
            start_time=start_ns,
        ) as span:
            yield span

    def begin_trace(self, headers: dict[str, str]) -> None:
        """Writes a new trace context into the headers without recording a span, and decides whether it is sampled."""
        trace_id = secrets.randbits(128) or 1
        sampled = self.sampler.should_sample(None, trace_id, "").decision is Decision.RECORD_AND_SAMPLE
        headers[TRACEPARENT] = f"00-{trace_id:032x}-{secrets.randbits(64) or 1:016x}-{int(sampled):02x}"

    def shutdown(self) -> None:
        """Exports what is queued and stops. Blocks for as long as the exporter does: call it off the event loop."""
        self.provider.shutdown()


def configure_tracing(
    *, service: str, spans_dir: Path, otlp_endpoint: str | None = None, sample_ratio: float = 1.0
) -> Tracing:
    """Spans go to the OTLP endpoint when there is one, otherwise to the local span store.

    otlp_endpoint: base URL as in http://jaeger:4318; /v1/traces is added.
    """
    exporter = _otlp_exporter(otlp_endpoint) if otlp_endpoint else LocalSpanExporter(spans_dir, service)
    return tracing_to(exporter, service=service, sample_ratio=sample_ratio)


def tracing_to(exporter: SpanExporter, *, service: str, sample_ratio: float = 1.0) -> Tracing:
    sampler = TraceIdRatioBased(sample_ratio)
    provider = TracerProvider(
        sampler=ParentBased(sampler), resource=Resource({SERVICE_NAME: service}), shutdown_on_exit=False
    )
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS_MAX, schedule_delay_millis=EXPORT_DELAY_MS)
    )
    return Tracing(provider, provider.get_tracer("n1v1"), sampler)


def inject(headers: dict[str, str]) -> None:
    """Writes the current span's context into the headers of a message; nothing when no span is current."""
    _propagator.inject(headers)


def trace_id_of(headers: Mapping[str, str]) -> str | None:
    """The trace that a message belongs to, 32 hexadecimal digits; None without a valid traceparent."""
    context = trace.get_current_span(_propagator.extract(headers, context=Context())).get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def current_trace_id() -> str | None:
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def _otlp_exporter(endpoint: str) -> SpanExporter:
    # Imported only here: requests and the OTLP messages cost 12 MB that a service without an endpoint saves.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    url = endpoint.rstrip("/")
    return OTLPSpanExporter(endpoint=url if url.endswith("/v1/traces") else f"{url}/v1/traces")
