"""Realised volatility, annualised."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.window import ROLLING_SUM, rolling_sum
from n1v1.kernels import Record, kernel

REALISED_VOLATILITY = np.dtype([("squares", ROLLING_SUM), ("previous_close", "f8"), ("count", "i8")])

YEAR_NS = 365 * 86_400_000_000_000


def bars_per_year(bar_ns: int) -> float:
    """Bars of that length in 365 days. Crypto trades every hour of the year; shares would have 252 days."""
    return YEAR_NS / bar_ns


def realised_volatility_warmup(period: int) -> int:
    return period + 1


@kernel
def realised_volatility(state: Record, close: float, period: int, per_year: float) -> float:
    """One step of the root mean square of the last `period` log returns, times sqrt(per_year): 0.8 is 80 % a year.

    NaN for `period` bars; exactly 0 when the price stood still. No mean is taken off: over so few bars it is noise
    (Andersen and Bollerslev, 1998). per_year: `bars_per_year`. Closes are positive. period: 1 to CAPACITY.
    """
    state.count += 1
    previous_close = state.previous_close
    state.previous_close = close
    if state.count == 1:
        return math.nan
    change = math.log(close / previous_close)
    squares = rolling_sum(state.squares, change * change, period)
    if squares != squares:
        return math.nan
    return math.sqrt(squares / period * per_year)
