"""Mean and standard deviation of the last values."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.window import CAPACITY
from n1v1.kernels import Record, kernel

_MASK = CAPACITY - 1

STANDARD_DEVIATION = np.dtype(
    [
        ("values", "f8", (CAPACITY,)),
        ("anchor", "f8"),
        ("total", "f8"),
        ("squares", "f8"),
        ("previous", "f8"),
        ("unchanged", "i8"),
        ("at", "i8"),
        ("count", "i8"),
    ]
)
"""values: the last `period`, the oldest of them `at` places from the start. total, squares: sums of their distances
from `anchor` and of the squares of these. unchanged: equal values in a row.
"""


def standard_deviation_warmup(period: int) -> int:
    return period


@kernel
def standard_deviation(state: Record, value: float, period: int, ddof: int) -> tuple[float, float]:
    """One step of (mean, standard deviation) of the last `period` values; NaN for period - 1 bars.

    ddof 0 is the population's deviation (TA-Lib's), 1 the sample's; period is above ddof and at most CAPACITY.
    Exactly 0 when all values are equal. Sums are of distances from a value inside the window, taken anew once in
    `period` bars: sums of squared prices would lose the digits that a quiet market differs in, and drift.
    """
    values = state.values
    at = state.at & _MASK
    anchor: float = state.anchor
    leaving = float(values[at]) - anchor
    values[at] = value
    state.count += 1
    state.unchanged = state.unchanged + 1 if value == state.previous else 1
    state.previous = value
    at += 1
    if at == period:
        _anchor_anew(state, value, period)
        anchor = value
    else:
        distance = value - anchor
        state.at = at
        state.total += distance - leaving
        state.squares += distance * distance - leaving * leaving
    if state.count < period:
        return math.nan, math.nan
    if state.unchanged >= period:
        return value, 0.0
    total: float = state.total
    mean_distance = total * (1.0 / period)  # quotients of parameters: compiled, they are taken once for all bars
    variance = (state.squares - total * mean_distance) * (1.0 / (period - ddof))
    return anchor + mean_distance, math.sqrt(variance) if variance > 0.0 else 0.0


@kernel
def _anchor_anew(state: Record, value: float, period: int) -> None:
    values = state.values
    total = 0.0
    squares = 0.0
    for place in range(period):
        distance = float(values[place & _MASK]) - value
        total += distance
        squares += distance * distance
    state.at = 0
    state.anchor = value
    state.total = total
    state.squares = squares
