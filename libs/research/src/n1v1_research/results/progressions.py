"""Export functions of the original framework: a list of equity records as CSV, a dictionary of metrics as JSON."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

COLUMNS = ("trade_id", "timestamp", "equity", "pnl", "cumulative_return")


def export_equity_progression(
    equity_progression: Sequence[Mapping[str, Any]], out_path: str | Path = "results/equity_curve.csv"
) -> Path:
    """One line a record with COLUMNS; what a record does not have stays empty. Folders on the way are made."""
    path = _prepared(out_path)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(equity_progression)
    return path


def export_metrics(metrics: Mapping[str, Any], out_path: str | Path = "results/backtest_metrics.json") -> Path:
    """Numbers that JSON does not have become text, as in "Infinity". Folders on the way are made."""
    path = _prepared(out_path)
    content = {name: _finite(value) for name, value in metrics.items()}
    path.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return path


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _prepared(out_path: str | Path) -> Path:
    path = Path(out_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
