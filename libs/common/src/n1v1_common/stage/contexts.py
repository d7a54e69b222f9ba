"""Trace contexts of events that may still cause others, so that what happens bars later joins the same trace."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack

from n1v1.events import (
    Event,
    OrderAccepted,
    OrderApproved,
    OrderFilled,
    OrderRefused,
    OrderRejected,
    PositionChanged,
)
from n1v1_common.telemetry.tracing import TRACEPARENT, Tracing, inject

SPAN_OF: Mapping[type[Event], str] = {
    OrderApproved: "risk.decide",
    OrderRefused: "risk.decide",
    OrderAccepted: "execution.submit",
    OrderRejected: "execution.submit",
    OrderFilled: "execution.fill",
    PositionChanged: "portfolio.book",
}
"""The span that a stage records for an event it says. Events not named here only pass the context on."""


class TraceContexts:
    """The trace context of every event heard or said that matters for later ones, by event id."""

    def __init__(self, tracing: Tracing) -> None:
        self._tracing = tracing
        self._by_event: dict[str, str] = {}

    def heard(self, event: Event, headers: Mapping[str, str]) -> None:
        context = headers.get(TRACEPARENT)
        if context:
            self._by_event[event.id] = context

    def headers_for(self, event: Event, spans: ExitStack, *, since_ns: int) -> Mapping[str, str]:
        """Headers for a message that says `event`; a span from `since_ns` on is recorded and ends with `spans`."""
        cause = self._by_event.get(event.cause_id)
        if cause is None:
            return {}
        headers = {TRACEPARENT: cause}
        name = SPAN_OF.get(type(event))
        if name is not None:
            attributes = {"event.id": event.id, "bar": event.correlation_id, **_described(event)}
            span = self._tracing.span(name, parent_headers=headers, start_ns=since_ns, attributes=attributes)
            spans.enter_context(span)
            inject(headers)
        self._by_event[event.id] = headers[TRACEPARENT]
        return headers

    def keep_only(self, event_ids: Collection[str]) -> None:
        self._by_event = {id_: context for id_, context in self._by_event.items() if id_ in event_ids}

    def snapshot(self) -> dict[str, str]:
        return dict(self._by_event)

    def restore(self, saved: Mapping[str, str]) -> None:
        self._by_event = dict(saved)


def _described(event: Event) -> dict[str, str]:
    names = ("symbol", "order_id", "instance", "side", "lots", "ticks", "reason", "detail")
    return {f"n1v1.{name}": str(getattr(event, name)) for name in names if getattr(event, name, None) not in (None, "")}
