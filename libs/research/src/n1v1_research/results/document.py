"""results.json: what a run was, what it came to, and where it came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from n1v1_research.results.moments import iso_text

if TYPE_CHECKING:
    from n1v1_research.results.result import RunResult

FORMAT = 1
"""Raised when a field changes its meaning or leaves."""


def document_of(result: RunResult) -> dict[str, Any]:
    """Plain values, in the order in which a reader wants them. Only `run` may differ between equal runs."""
    return {
        "format": FORMAT,
        "title": result.title,
        "run": _run(result),
        "hash": result.hash,
        "hashes": dict(result.hashes),
        "dataset": _dataset(result),
        "config_hash": hash_of(result.configuration),
        "configuration": dict(result.configuration),
        "code": asdict(result.code),
        "metrics": result.metrics,
        "counts": {
            "bars": result.bars,
            "signals": len(result.records.decisions),
            "orders": len(result.records.orders),
            "fills": len(result.records.fills),
            "trades": len(result.trips),
        },
        "refusals": dict(result.refusals),
        "assumptions": {
            "rules": dict(result.rules),
            "decided": {
                name: {"fills": count.fills, "value": f"{result.cash(count.value):f}"}
                for name, count in result.decided.items()
            },
        },
        "sensitivity": [asdict(run) for run in result.sensitivity],
    }


def hash_of(content: Mapping[str, Any]) -> str:
    """SHA-256 of canonical JSON: sorted keys, no spaces, no numbers that JSON does not have."""
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _run(result: RunResult) -> dict[str, Any]:
    return {
        **asdict(result.timing),
        "bars_per_s": round(result.bars_per_s) if result.timing.seconds else None,
    }


def _dataset(result: RunResult) -> dict[str, Any]:
    dataset, times = result.dataset, result.dataset.close_times
    return {
        "name": dataset.name,
        "id": dataset.id,
        "timeframe": dataset.timeframe,
        "symbols": list(dataset.symbols),
        "first_close": iso_text(int(times[0])),
        "last_close": iso_text(int(times[-1])),
        "quote": result.quote,
    }
