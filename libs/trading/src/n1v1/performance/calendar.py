"""Returns by UTC day and by UTC month, whatever the length of a bar."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from n1v1.errors import UndefinedStatistic
from n1v1.performance.equity import Floats, Numbers, floats, simple_returns

DAY, MONTH = "datetime64[D]", "datetime64[M]"

Periods = NDArray[np.datetime64]


def returns_by_day(times_ns: Numbers, equity: Numbers) -> Floats:
    """The return of every day that has a mark, from the last mark of the day before (or the first of all).

    A mark exactly at midnight closes the day that ends there. Raises UndefinedStatistic when equity reached zero.
    """
    return returns_by(DAY, times_ns, equity)[1]


def returns_by_month(times_ns: Numbers, equity: Numbers) -> Floats:
    """As `returns_by_day`, for calendar months."""
    return returns_by(MONTH, times_ns, equity)[1]


def returns_by(period: str, times_ns: Numbers, equity: Numbers) -> tuple[Periods, Floats]:
    """The periods (DAY or MONTH) that have a return, oldest first, and their returns.

    The first mark opens the curve: a period that has no other has no return. Raises UndefinedStatistic when the marks
    and their times are not equally many, or when equity reached zero.
    """
    if len(times_ns) != len(equity):
        raise UndefinedStatistic(f"expected a time for each mark, got {len(times_ns)} for {len(equity)} marks")
    if not len(equity):
        return np.empty(0, period), np.empty(0)
    periods = _periods(period, times_ns)
    ends = np.flatnonzero(np.append(periods[1:] != periods[:-1], True))
    ends = ends[ends > 0]
    marks = floats(equity)
    return periods[ends], simple_returns(np.concatenate((marks[:1], marks[ends])))


def _periods(period: str, times_ns: Numbers) -> Periods:
    seconds = (np.asarray(times_ns, dtype=np.int64) - 1) // 1_000_000_000
    return seconds.astype("datetime64[s]").astype(period)
