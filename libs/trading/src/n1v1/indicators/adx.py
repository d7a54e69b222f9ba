"""Directional movement: +DI, -DI and the average directional index (Wilder, 1978)."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.atr import true_range
from n1v1.kernels import Record, kernel

ADX = np.dtype(
    [
        ("value", "f8"),
        ("plus_movement", "f8"),
        ("minus_movement", "f8"),
        ("ranged", "f8"),
        ("previous_high", "f8"),
        ("previous_low", "f8"),
        ("previous_close", "f8"),
        ("count", "i8"),
    ]
)

NOTHING = 1e-300
"""In a flat market the smoothed sums shrink for ever; below this a double loses its digits, and a ratio its sense."""


def adx_warmup(period: int) -> int:
    return 2 * period


def directional_warmup(period: int) -> int:
    return period + 1


@kernel
def adx(state: Record, high: float, low: float, close: float, period: int) -> tuple[float, float, float]:
    """One step of (ADX, +DI, -DI), each 0 to 100. ADX is NaN for 2 x period - 1 bars, the DIs for `period` bars.

    Conventions of TA-Lib: the smoothed sums start with period - 1 bars, the first ADX is the mean of `period` DX.
    While a market stands still the DIs stay where they were, for the sums shrink alike; when nothing is
    left of these, both DIs are 0 and ADX stays. period: at least 2.
    """
    state.count += 1
    if state.count > 1:
        _add_movement(state, high, low, period)
    state.previous_high = high
    state.previous_low = low
    state.previous_close = close
    if state.count <= period:
        return math.nan, math.nan, math.nan
    plus, minus = 0.0, 0.0
    if state.ranged >= NOTHING:
        plus = 100.0 * (state.plus_movement / state.ranged)
        minus = 100.0 * (state.minus_movement / state.ranged)
    _add_direction(state, plus, minus, period)
    if state.count < 2 * period:
        return math.nan, plus, minus
    return float(state.value), plus, minus


@kernel
def _add_movement(state: Record, high: float, low: float, period: int) -> None:
    """Only the larger of the two movements counts, and neither when they are equal."""
    up = high - state.previous_high
    down = state.previous_low - low
    if state.count > period:  # Wilder's smoothing of a sum: what leaves is its period-th part
        state.plus_movement -= state.plus_movement / period
        state.minus_movement -= state.minus_movement / period
        state.ranged -= state.ranged / period
    if down > 0.0 and up < down:
        state.minus_movement += down
    elif up > 0.0 and up > down:
        state.plus_movement += up
    state.ranged += true_range(high, low, state.previous_close)


@kernel
def _add_direction(state: Record, plus: float, minus: float, period: int) -> None:
    """Until 2 x period bars `value` is a sum of DX, then their smoothed mean."""
    total = plus + minus
    if state.count > 2 * period:
        if total >= NOTHING:
            state.value = (state.value * (period - 1) + 100.0 * (abs(minus - plus) / total)) / period
        return
    if total >= NOTHING:
        state.value += 100.0 * (abs(minus - plus) / total)
    if state.count == 2 * period:
        state.value /= period
