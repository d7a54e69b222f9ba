"""Returns by calendar month (UTC)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from n1v1.run_hash import EquityRow


@dataclass(frozen=True, slots=True)
class YearOfReturns:
    """months: twelve fractions, None where the run has no mark. total: from the year's first mark to its last."""

    year: int
    months: tuple[float | None, ...]
    total: float


def monthly_returns(marks: Sequence[EquityRow]) -> list[YearOfReturns]:
    """Oldest year first. A mark exactly at midnight of the 1st closes the month that ends there."""
    ends = _last_equity_by_month(marks)
    before, returns = marks[0][2], {}
    year_starts: dict[int, int] = {}
    for (year, month), equity in ends.items():
        year_starts.setdefault(year, before)
        returns[year, month] = equity / before - 1.0 if before else 0.0
        before = equity
    year_ends = {year: equity for (year, _), equity in ends.items()}
    return [
        YearOfReturns(
            year=year,
            months=tuple(returns.get((year, month)) for month in range(1, 13)),
            total=year_ends[year] / start - 1.0 if start else 0.0,
        )
        for year, start in year_starts.items()
    ]


def _last_equity_by_month(marks: Sequence[EquityRow]) -> dict[tuple[int, int], int]:
    ends: dict[tuple[int, int], int] = {}
    for ts_ns, _, equity, _ in marks:
        moment = datetime.fromtimestamp((ts_ns - 1) // 1_000_000_000, UTC)
        ends[moment.year, moment.month] = equity
    return ends
