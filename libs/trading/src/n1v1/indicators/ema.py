"""Exponential moving averages: the usual one, and Wilder's slower one."""

from __future__ import annotations

import numpy as np

from n1v1.kernels import Record, kernel

EMA = np.dtype([("value", "f8"), ("total", "f8"), ("count", "i8")])


def ema_warmup(period: int) -> int:
    """Bars until the first value, its own included. The same of `wilder`."""
    return period


@kernel
def ema(state: Record, price: float, period: int) -> float:
    """One step of an EMA with factor 2 / (period + 1), seeded with the simple mean of the first `period` prices.

    Returns NaN until `period` prices have been seen. The seed is TA-Lib's convention.
    """
    return smoothed(state, price, period, 2.0 / (period + 1))


@kernel
def wilder(state: Record, value: float, period: int) -> float:
    """One step of Wilder's average, factor 1 / period: an EMA of 2 x period - 1 bars, with the seed of `period`."""
    return smoothed(state, value, period, 1.0 / period)


@kernel
def smoothed(state: Record, value: float, period: int, factor: float) -> float:
    """One step of the average that goes by `factor` towards every new value, from the mean of the first `period`."""
    state.count += 1
    if state.count < period:
        state.total += value
        return float(np.nan)
    if state.count == period:
        state.value = (state.total + value) / period
        return float(state.value)
    # value += factor * (new - value), written so that every driver evaluates the same operations in the same order
    state.value = state.value + factor * (value - state.value)
    return float(state.value)
