"""Traces: the context in headers, the local span store, and the waterfall."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from n1v1_common.telemetry.spans import load_trace
from n1v1_common.telemetry.store import LocalSpanExporter
from n1v1_common.telemetry.tracing import (
    Tracing,
    UnknownSpan,
    configure_tracing,
    current_trace_id,
    inject,
    trace_id_of,
    tracing_to,
)
from n1v1_common.telemetry.waterfall import render

MS = 1_000_000


def _bar_to_ledger(spans_dir: Path) -> str:
    """Three services, each with its own exporter, joined by nothing but headers."""
    services = {name: configure_tracing(service=name, spans_dir=spans_dir) for name in ("signals", "risk", "portfolio")}
    bar: dict[str, str] = {}
    services["signals"].begin_trace(bar)
    signal: dict[str, str] = {}
    with services["signals"].span("signals.raise", parent_headers=bar, attributes={"symbol": "BTC-USD"}):
        inject(signal)
    approved: dict[str, str] = {}
    with services["risk"].span("risk.decide", parent_headers=signal):
        inject(approved)
    with (
        pytest.raises(ValueError, match="unbalanced"),
        services["portfolio"].span("portfolio.book", parent_headers=approved),
    ):
        raise ValueError("unbalanced entry")
    for tracing in services.values():
        tracing.shutdown()
    trace_id = trace_id_of(bar)
    assert trace_id is not None
    return trace_id


def test_a_trace_is_carried_by_headers_from_service_to_service_and_read_back(tmp_path: Path) -> None:
    trace_id = _bar_to_ledger(tmp_path)
    spans = load_trace(tmp_path, trace_id)
    assert [(span.service, span.name) for span in spans] == [
        ("signals", "signals.raise"),
        ("risk", "risk.decide"),
        ("portfolio", "portfolio.book"),
    ]
    assert spans[1].parent_id == spans[0].span_id
    assert spans[2].parent_id == spans[1].span_id
    assert spans[0].attributes == {"symbol": "BTC-USD"}
    assert spans[2].error == "ValueError: unbalanced entry"
    assert load_trace(tmp_path, "f" * 32) == []


def test_the_waterfall_shows_every_span_and_marks_the_failed_one(tmp_path: Path) -> None:
    text = render(load_trace(tmp_path, _bar_to_ledger(tmp_path)))
    lines = text.splitlines()
    assert "3 spans" in lines[0]
    assert lines[2].startswith("  signals.raise")
    assert "symbol=BTC-USD" in lines[2]
    assert lines[3].startswith("    risk.decide")
    assert lines[4].startswith("!     portfolio.book")
    assert "ValueError: unbalanced entry" in lines[5]


def test_the_waterfall_places_spans_on_one_time_line(tmp_path: Path) -> None:
    tracing = configure_tracing(service="signals", spans_dir=tmp_path)
    now = 1_700_000_000_000_000_000
    root = tracing.tracer.start_span("market_data.bar", start_time=now)
    tracing.tracer.start_span("late", start_time=now + 75 * MS).end(now + 100 * MS)
    root.end(now + 25 * MS)
    tracing.shutdown()
    ids = [json.loads(line)["trace_id"] for line in (tmp_path / "signals.jsonl").read_text().splitlines()]
    spans = [span for each in ids for span in load_trace(tmp_path, each)]
    text = render(sorted(spans, key=lambda span: span.start_ns))
    assert f"|{'#' * 8}{' ' * 24}|" in text
    assert f"|{' ' * 24}{'#' * 8}|" in text
    assert "75.000      25.000" in text


def test_a_torn_line_is_passed_over_and_the_next_span_is_not_glued_to_it(tmp_path: Path) -> None:
    trace_id = _bar_to_ledger(tmp_path)
    path = tmp_path / "risk.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    assert len(load_trace(tmp_path, trace_id)) == 3
    again = configure_tracing(service="risk", spans_dir=tmp_path)
    with again.span("risk.decide", parent_headers={"traceparent": f"00-{trace_id}-{'1' * 16}-01"}):
        pass
    again.shutdown()
    assert len(load_trace(tmp_path, trace_id)) == 4


def test_a_full_file_is_moved_aside_once_and_still_read(tmp_path: Path) -> None:
    tracing = tracing_to(LocalSpanExporter(tmp_path, "risk", file_bytes_max=1), service="risk")
    with tracing.span("risk.decide", parent_headers={}):
        trace_id = current_trace_id()
    tracing.shutdown()
    assert trace_id is not None
    assert [path.name for path in tmp_path.iterdir()] == ["risk.jsonl.1"]
    assert len(load_trace(tmp_path, trace_id)) == 1


def test_trouble_with_the_disk_does_not_reach_the_work_that_is_traced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    tracing = configure_tracing(service="risk", spans_dir=blocked)
    with tracing.span("risk.decide"):
        pass
    tracing.shutdown()
    assert "spans are being lost" in caplog.text


@pytest.mark.parametrize(("ratio", "recorded"), [(0.0, 0), (1.0, 1)])
def test_whether_an_order_is_traced_is_decided_where_its_trace_begins(
    tmp_path: Path, ratio: float, recorded: int
) -> None:
    headers: dict[str, str] = {}
    first = configure_tracing(service="market_data", spans_dir=tmp_path, sample_ratio=ratio)
    first.begin_trace(headers)
    follower = configure_tracing(service="risk", spans_dir=tmp_path, sample_ratio=1.0 - ratio)
    with follower.span("risk.decide", parent_headers=headers):
        pass
    first.shutdown()
    follower.shutdown()
    assert len(load_trace(tmp_path, trace_id_of(headers) or "")) == recorded


def test_a_span_may_have_begun_before_it_was_recorded(tmp_path: Path) -> None:
    tracing = configure_tracing(service="signals", spans_dir=tmp_path)
    with tracing.span("market_data.bar", start_ns=1_700_000_000_000_000_000):
        trace_id = current_trace_id()
    tracing.shutdown()
    [span] = load_trace(tmp_path, trace_id or "")
    assert span.start_ns == 1_700_000_000_000_000_000


def test_a_name_outside_the_table_is_an_error(tmp_path: Path) -> None:
    tracing: Tracing = configure_tracing(service="risk", spans_dir=tmp_path)
    with pytest.raises(UnknownSpan), tracing.span("risk.dcide"):
        pass
    tracing.shutdown()


def test_headers_without_a_valid_context_have_no_trace() -> None:
    assert trace_id_of({}) is None
    assert trace_id_of({"traceparent": "00-zz-1-01"}) is None


def test_the_otlp_exporter_is_not_imported_without_an_endpoint(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from n1v1_common.telemetry.tracing import configure_tracing\n"
        f"configure_tracing(service='x', spans_dir=Path({str(tmp_path)!r})).shutdown()\n"
        "assert not [m for m in sys.modules if 'otlp' in m or m == 'requests']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
