"""A trace as text: one line a span, placed on a common time line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from n1v1_common.telemetry.spans import SpanRecord

_NS_PER_MS = 1_000_000
BAR_WIDTH = 32


def render(spans: Sequence[SpanRecord]) -> str:
    """The waterfall of one trace. A failed span is marked with `!` and its errors stand below it.

    A span whose parent is not in the list stands at the margin: bars carry a context without a recorded span.
    """
    if not spans:
        return "no spans\n"
    first = min(span.start_ns for span in spans)
    whole = max(max(span.end_ns for span in spans) - first, 1)
    rows = [(depth, span) for depth, span in _in_order(spans)]
    name_width = max(len("span"), *(2 * depth + len(span.name) + 2 for depth, span in rows))
    service_width = max(len("service"), *(len(span.service) for span in spans))
    head = f"{'span':<{name_width}}  {'service':<{service_width}}  {'at ms':>10}  {'took ms':>10}  "
    lines = [f"trace {spans[0].trace_id}, {len(spans)} spans, {_ms(whole)} ms", head.rstrip()]
    for depth, span in rows:
        mark = "! " if span.error else "  "
        name = f"{mark}{'  ' * depth}{span.name}"
        times = f"{_ms(span.start_ns - first):>10}  {_ms(span.duration_ns):>10}"
        line = f"{name:<{name_width}}  {span.service:<{service_width}}  {times}  {_bar(span, first, whole)}"
        lines.append(f"{line}  {_attributes(span)}".rstrip())
        lines += [f"{'  ' * (depth + 2)}! {problem}" for problem in _problems(span, first)]
    return "\n".join(lines) + "\n"


def _in_order(spans: Sequence[SpanRecord]) -> Iterator[tuple[int, SpanRecord]]:
    """Depth first, children by start."""
    ids = {span.span_id for span in spans}
    below: dict[str | None, list[SpanRecord]] = {}
    for span in sorted(spans, key=lambda span: (span.start_ns, span.span_id)):
        parent = span.parent_id if span.parent_id in ids and span.parent_id != span.span_id else None
        below.setdefault(parent, []).append(span)

    def walk(parent: str | None, depth: int) -> Iterator[tuple[int, SpanRecord]]:
        for span in below.pop(parent, ()):
            yield depth, span
            yield from walk(span.span_id, depth + 1)

    yield from walk(None, 0)


def _bar(span: SpanRecord, first: int, whole: int) -> str:
    begin = min((span.start_ns - first) * BAR_WIDTH // whole, BAR_WIDTH - 1)
    length = max(1, round(span.duration_ns * BAR_WIDTH / whole))
    length = min(length, BAR_WIDTH - begin)
    return "|" + " " * begin + "#" * length + " " * (BAR_WIDTH - begin - length) + "|"


def _attributes(span: SpanRecord) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(span.attributes.items()))


def _problems(span: SpanRecord, first: int) -> Iterator[str]:
    for event in span.events:
        if event.is_error:
            kind = event.attributes.get("exception.type", "error")
            message = event.attributes.get("exception.message", "")
            yield f"at {_ms(event.ts_ns - first)} ms {kind}: {message}"
    if span.error and not any(event.is_error for event in span.events):
        yield span.error


def _ms(ns: int) -> str:
    return f"{ns / _NS_PER_MS:,.3f}"
