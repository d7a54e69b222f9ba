"""The local span store: spans as JSON lines in <spans_dir>/<service>.jsonl, for a machine without Jaeger."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.resources import SERVICE_NAME
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import StatusCode

FILE_BYTES_MAX = 32 * 1024 * 1024
"""At this size a file is moved to <service>.jsonl.1, whose forerunner is dropped: at most 64 MB a service."""

_log = logging.getLogger(__name__)


class LocalSpanExporter(SpanExporter):
    """Appends spans to the file of its service. Several processes of one service may share it.

    A batch is one write to a file opened for appending, so lines of several processes do not mix. Trouble with the
    disk loses spans and is logged when it begins; it never reaches the work that is traced.
    """

    def __init__(self, spans_dir: Path, service: str, *, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        self._path = spans_dir / f"{service}.jsonl"
        self._file_bytes_max = file_bytes_max
        self._is_failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        lines = "".join(json.dumps(_record(span), separators=(",", ":")) + "\n" for span in spans)
        try:
            self._append(lines.encode())
        except OSError as error:
            if not self._is_failing:
                _log.warning("spans are being lost: %s: %s", self._path, error.strerror)
            self._is_failing = True
            return SpanExportResult.FAILURE
        self._is_failing = False
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to close: the file is opened for each batch, so that it may be moved or deleted meanwhile."""

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return True

    def _append(self, lines: bytes) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            # A process that was killed while writing leaves half a line; ours must not be glued to it.
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                lines = b"\n" + lines
            size += len(lines)
            while lines:  # a full disk takes a part, and refuses the rest with an error
                lines = lines[os.write(descriptor, lines) :]
        finally:
            os.close(descriptor)
        if size >= self._file_bytes_max:
            self._path.replace(self._path.with_suffix(".jsonl.1"))


def _record(span: ReadableSpan) -> dict[str, Any]:  # Any: JSON
    context = span.get_span_context()
    assert context is not None, "only a span that was never started has none"
    return {
        "trace_id": f"{context.trace_id:032x}",
        "span_id": f"{context.span_id:016x}",
        "parent_id": f"{span.parent.span_id:016x}" if span.parent else None,
        "name": span.name,
        "service": span.resource.attributes.get(SERVICE_NAME),
        "start_ns": span.start_time,
        "end_ns": span.end_time,
        "error": (span.status.description or "failed") if span.status.status_code is StatusCode.ERROR else None,
        "attributes": dict(span.attributes or {}),
        "events": [
            {"name": event.name, "ts_ns": event.timestamp, "attributes": dict(event.attributes or {})}
            for event in span.events
        ],
    }
