"""SuperTrend (Olivier Seban): a line that trails the price by a multiple of the average true range."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.atr import ATR, atr
from n1v1.kernels import Record, kernel

SUPERTREND = np.dtype([("atr", ATR), ("upper", "f8"), ("lower", "f8"), ("previous_close", "f8"), ("direction", "i8")])


def supertrend_warmup(period: int) -> int:
    return period + 1


@kernel
def supertrend(
    state: Record, high: float, low: float, close: float, period: int, multiplier: float
) -> tuple[float, float]:
    """One step of (line, direction): direction 1 with the line below the price, -1 with the line above it.

    NaN for `period` bars. Conventions of TradingView: bands of `multiplier` x ATR around (high + low) / 2 that only
    tighten while the price stays inside them; the first direction is -1, whatever the price did.
    """
    average_range = atr(state.atr, high, low, close, period)
    previous_close = state.previous_close
    state.previous_close = close
    if average_range != average_range:
        return math.nan, math.nan
    middle = (high + low) / 2.0
    upper = middle + multiplier * average_range
    lower = middle - multiplier * average_range
    if state.direction == 0:
        state.direction = -1
    else:
        if previous_close <= state.upper:
            upper = min(upper, state.upper)
        if previous_close >= state.lower:
            lower = max(lower, state.lower)
        if state.direction < 0 and close > upper:
            state.direction = 1
        elif state.direction > 0 and close < lower:
            state.direction = -1
    state.upper = upper
    state.lower = lower
    return (lower, 1.0) if state.direction > 0 else (upper, -1.0)
