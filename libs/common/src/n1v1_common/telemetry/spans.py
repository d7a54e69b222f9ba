"""Reads traces back from the local span store."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SpanEvent:
    name: str
    ts_ns: int
    attributes: Mapping[str, object]

    @property
    def is_error(self) -> bool:
        return self.name == "exception"


@dataclass(frozen=True, slots=True)
class SpanRecord:
    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    service: str
    start_ns: int
    end_ns: int
    error: str | None
    attributes: Mapping[str, object]
    events: tuple[SpanEvent, ...]

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


def load_trace(spans_dir: Path, trace_id: str) -> list[SpanRecord]:
    """The spans of a trace from all services, by start; empty when there are none.

    Lines that are not whole are passed over: a killed process leaves half a line behind.
    """
    records = [record for path in _files(spans_dir) for record in _of_trace(path, trace_id)]
    return sorted(records, key=lambda record: (record.start_ns, record.end_ns, record.span_id))


def _files(spans_dir: Path) -> list[Path]:
    return sorted([*spans_dir.glob("*.jsonl"), *spans_dir.glob("*.jsonl.1")])


def _of_trace(path: Path, trace_id: str) -> Iterator[SpanRecord]:
    wanted = trace_id.encode()
    with path.open("rb") as lines:
        for line in lines:
            if wanted not in line:
                continue
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if found["trace_id"] == trace_id:
                events = tuple(SpanEvent(**event) for event in found.pop("events"))
                yield SpanRecord(**found, events=events)
