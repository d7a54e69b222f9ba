"""Moving average convergence divergence."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.ema import EMA, ema
from n1v1.kernels import Record, kernel

MACD = np.dtype([("fast", EMA), ("slow", EMA), ("signal", EMA)])


def macd_warmup(slow_period: int, signal_period: int) -> int:
    return slow_period + signal_period - 1


@kernel
def macd(
    state: Record, price: float, fast_period: int, slow_period: int, signal_period: int
) -> tuple[float, float, float]:
    """One step of (MACD, signal, histogram), in units of price; all NaN until the signal has its first value.

    MACD is the fast EMA less the slow one, the signal an EMA of it, the histogram their difference. fast < slow.
    As in TA-Lib, the fast EMA is seeded with the last `fast_period` of the slow one's first `slow_period` prices.
    """
    slow = ema(state.slow, price, slow_period)
    fast = math.nan
    if state.slow.count > slow_period - fast_period:
        fast = ema(state.fast, price, fast_period)
    if state.slow.count < slow_period:
        return math.nan, math.nan, math.nan
    line = fast - slow
    signal = ema(state.signal, line, signal_period)
    if math.isnan(signal):
        return math.nan, math.nan, math.nan
    return line, signal, line - signal
