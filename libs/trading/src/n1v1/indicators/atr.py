"""True range and its average (Wilder, 1978)."""

from __future__ import annotations

import math

import numpy as np

from n1v1.kernels import Record, kernel

ATR = np.dtype([("value", "f8"), ("total", "f8"), ("previous_close", "f8"), ("count", "i8")])


@kernel
def atr_warmup(period: int) -> int:
    return period + 1


@kernel
def true_range(high: float, low: float, previous_close: float) -> float:
    """How far the price went since the previous close, a jump between the bars included."""
    return max(high, previous_close) - min(low, previous_close)


@kernel
def atr(state: Record, high: float, low: float, close: float, period: int) -> float:
    """One step of the average true range, smoothed by 1 / period as Wilder does. In units of price; 0 when all is flat.

    As in TA-Lib the first bar has no true range, and the first value is the plain mean of the next `period`:
    NaN until `period` + 1 bars have been seen.
    """
    state.count += 1
    previous_close = state.previous_close
    state.previous_close = close
    if state.count == 1:
        return math.nan
    ranged = true_range(high, low, previous_close)
    if state.count <= period:
        state.total += ranged
        return math.nan
    if state.count == period + 1:
        state.value = (state.total + ranged) / period
    else:
        # Wilder's (value * (period - 1) + ranged) / period without a division that has to wait for the last value
        state.value = state.value * ((period - 1) / period) + ranged * (1.0 / period)
    return float(state.value)
