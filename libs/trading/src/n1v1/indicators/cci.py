"""Commodity channel index."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.vwap import typical_price
from n1v1.indicators.window import CAPACITY, ROLLING_SUM, rolling_mean
from n1v1.kernels import Record, kernel

_MASK = CAPACITY - 1

CCI = np.dtype(
    [("prices", "f8", (CAPACITY,)), ("mean", ROLLING_SUM), ("previous", "f8"), ("unchanged", "i8"), ("at", "i8")]
)
"""prices: the last `period` typical prices, the next one to go `at` places from the start.
unchanged: equal ones in a row.
"""

_LAMBERTS_CONSTANT = 0.015  # Lambert (1980): leaves most values between -100 and 100


def cci_warmup(period: int) -> int:
    return period


@kernel
def cci(state: Record, high: float, low: float, close: float, period: int) -> float:
    """One step of (typical price - its mean) / (0.015 x its mean deviation) over `period` bars, NaN until then.

    The typical price is (high + low + close) / 3. 0 when it is the same on every bar of the period.
    period: 2 to CAPACITY; every step looks at all of them, because the deviation is from a mean that moves.
    """
    typical = typical_price(high, low, close)
    prices = state.prices
    at = state.at & _MASK
    prices[at] = typical
    state.at = at + 1 if at + 1 < period else 0
    state.unchanged = state.unchanged + 1 if typical == state.previous else 1
    state.previous = typical
    mean = rolling_mean(state.mean, typical, period)
    if math.isnan(mean):
        return math.nan
    if state.unchanged >= period:
        return 0.0
    deviation = 0.0
    off = 0.0  # what the mean lacks by rounding, which matters where all prices are nearly the same
    for place in range(period):
        distance = float(prices[place & _MASK]) - mean
        deviation += abs(distance)
        off += distance
    if deviation == 0.0:
        return 0.0
    return (typical - mean - off / period) / (_LAMBERTS_CONSTANT * (deviation / period))
