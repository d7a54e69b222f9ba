"""Exponential moving average."""

from __future__ import annotations

import numpy as np

from n1v1.kernels import Record, kernel

EMA = np.dtype([("value", "f8"), ("total", "f8"), ("count", "i8")])


@kernel
def ema(state: Record, price: float, period: int) -> float:
    """One step of an EMA with factor 2 / (period + 1), seeded with the simple mean of the first `period` prices.

    Returns NaN until `period` prices have been seen. The seed is TA-Lib's convention.
    """
    state.count += 1
    if state.count < period:
        state.total += price
        return float(np.nan)
    if state.count == period:
        state.value = (state.total + price) / period
        return float(state.value)
    # value += k * (price - value), written so that every driver evaluates the same operations in the same order
    state.value = state.value + (2.0 / (period + 1)) * (price - state.value)
    return float(state.value)
