"""Returns by calendar month (UTC), arranged by year."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from n1v1.performance.calendar import MONTH, returns_by
from n1v1.performance.equity import Numbers


@dataclass(frozen=True, slots=True)
class YearOfReturns:
    """months: twelve fractions, None where the run has none. total: all of them, compounded."""

    year: int
    months: tuple[float | None, ...]
    total: float


def monthly_returns(times_ns: Numbers, equity: Numbers) -> list[YearOfReturns]:
    """Oldest year first. A mark exactly at midnight of the 1st closes the month that ends there.

    Raises UndefinedStatistic when equity reached zero.
    """
    months, returns = returns_by(MONTH, times_ns, equity)
    years: dict[int, dict[int, float]] = {}
    for since_1970, value in zip(months.astype(int).tolist(), returns.tolist(), strict=True):
        year, month = divmod(since_1970, 12)
        years.setdefault(1970 + year, {})[month] = value
    return [
        YearOfReturns(year, tuple(found.get(month) for month in range(12)), _compounded(found.values()))
        for year, found in years.items()
    ]


def _compounded(returns: Iterable[float]) -> float:
    return math.prod(1.0 + value for value in returns) - 1.0
