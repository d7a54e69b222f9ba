"""Commodity channel index."""

from __future__ import annotations

import math

from n1v1.indicators.window import ROLLING_SUM, rolling_mean, window_ago
from n1v1.kernels import Record, kernel

CCI = ROLLING_SUM

_LAMBERTS_CONSTANT = 0.015  # Lambert (1980): leaves most values between -100 and 100


def cci_warmup(period: int) -> int:
    return period


@kernel
def cci(state: Record, high: float, low: float, close: float, period: int) -> float:
    """One step of (typical price - its mean) / (0.015 x its mean deviation) over `period` bars, NaN until then.

    The typical price is (high + low + close) / 3. 0 when it is the same on every bar of the period.
    period: 2 to CAPACITY; every step looks at all of them, because the deviation is from a mean that moves.
    """
    typical = (high + low + close) / 3.0
    mean = rolling_mean(state, typical, period)
    if math.isnan(mean):
        return math.nan
    deviation = 0.0
    is_flat = True
    for bars in range(period - 1, -1, -1):
        value = window_ago(state.window, bars)
        deviation += abs(value - mean)
        is_flat = is_flat and value == typical
    if is_flat or deviation == 0.0:
        return 0.0
    return (typical - mean) / (_LAMBERTS_CONSTANT * (deviation / period))
