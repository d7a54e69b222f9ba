"""Mean and standard deviation of the last values."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.window import WINDOW, window_ago, window_push
from n1v1.kernels import Record, kernel

STANDARD_DEVIATION = np.dtype(
    [("window", WINDOW), ("anchor", "f8"), ("total", "f8"), ("squares", "f8"), ("unchanged", "i8")]
)
"""total, squares: sums of the distances from `anchor` and of their squares. unchanged: equal values in a row."""


def standard_deviation_warmup(period: int) -> int:
    return period


@kernel
def standard_deviation(state: Record, value: float, period: int, ddof: int) -> tuple[float, float]:
    """One step of (mean, standard deviation) of the last `period` values; NaN for period - 1 bars.

    ddof 0 is the population's deviation (TA-Lib's), 1 the sample's; period is above ddof and at most CAPACITY.
    Exactly 0 when all values are equal. Sums are of distances from a value inside the window, taken anew once in
    `period` bars: sums of squared prices would lose the digits that a quiet market differs in, and drift.
    """
    window = state.window
    state.unchanged = state.unchanged + 1 if window.count > 0 and value == window_ago(window, 0) else 1
    leaving = window_ago(window, period - 1) - state.anchor if window.count >= period else 0.0
    window_push(window, value)
    if window.count % period == 0:
        _anchor(state, value, period)
    else:
        distance = value - state.anchor
        state.total += distance - leaving
        state.squares += distance * distance - leaving * leaving
    if window.count < period:
        return math.nan, math.nan
    if state.unchanged >= period:
        return value, 0.0
    mean_distance = state.total / period
    variance = (state.squares - state.total * mean_distance) / (period - ddof)
    return float(state.anchor + mean_distance), math.sqrt(max(0.0, variance))


@kernel
def _anchor(state: Record, value: float, period: int) -> None:
    state.anchor = value
    state.total = 0.0
    state.squares = 0.0
    for bars in range(period - 1, -1, -1):
        distance = window_ago(state.window, bars) - value
        state.total += distance
        state.squares += distance * distance
