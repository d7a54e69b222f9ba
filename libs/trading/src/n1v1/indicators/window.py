"""The last values of a series, and what is asked of them: sum, mean, highest, lowest, the value some bars ago.

A window is a ring of `CAPACITY` values whatever the period, so that a state has one layout and a compiled kernel
serves every parameter. Whoever takes a period from outside bounds it by `CAPACITY`; kernels do not check. A value
that is not a number must not be pushed: it would stay in the sums for good.
"""

from __future__ import annotations

import math

import numpy as np

from n1v1.kernels import Record, kernel

CAPACITY = (
    256  # a power of two, so that a position is a bit mask; chosen to hold the 200 bars of the longest usual average
)
_MASK = CAPACITY - 1

WINDOW = np.dtype([("values", "f8", (CAPACITY,)), ("count", "i8")])
"""count: values pushed so far, of which the last `CAPACITY` are kept."""

ROLLING_SUM = np.dtype([("window", WINDOW), ("total", "f8"), ("residue", "f8")])
"""The sum is total + residue, where residue is what rounding has taken from total."""

ROLLING_EXTREME = np.dtype([("window", WINDOW), ("value", "f8"), ("at", "i8")])
"""The highest or lowest value of the last period and the count at which it came."""


@kernel
def window_push(window: Record, value: float) -> None:
    window.values[window.count & _MASK] = value
    window.count += 1


@kernel
def window_ago(window: Record, bars: int) -> float:
    """The value `bars` before the newest, 0 <= bars < min(count, CAPACITY). The oldest of a period: period - 1."""
    return float(window.values[(window.count - 1 - bars) & _MASK])


@kernel
def window_sum(window: Record, period: int) -> float:
    """Sum of the last `period` values, oldest first: `period` additions. Every bar anew: `rolling_sum` is cheaper."""
    total = 0.0
    for bars in range(period - 1, -1, -1):
        total += window_ago(window, bars)
    return total


@kernel
def window_mean(window: Record, period: int) -> float:
    return window_sum(window, period) / period


@kernel
def window_max(window: Record, period: int) -> float:
    """Highest of the last `period` values: `period` comparisons."""
    highest = window_ago(window, 0)
    for bars in range(1, period):
        highest = max(highest, window_ago(window, bars))
    return highest


@kernel
def window_min(window: Record, period: int) -> float:
    """Lowest of the last `period` values: `period` comparisons."""
    lowest = window_ago(window, 0)
    for bars in range(1, period):
        lowest = min(lowest, window_ago(window, bars))
    return lowest


@kernel
def rolling_sum(state: Record, value: float, period: int) -> float:
    """One step of the sum of the last `period` values, NaN until there are that many.

    The rounding error of every addition is kept and given back (Knuth's two-sum), so the sum does not drift: after
    a million bars it is as good as one taken anew.
    """
    if state.window.count >= period:
        _add(state, -window_ago(state.window, period - 1))
    _add(state, value)
    window_push(state.window, value)
    if state.window.count < period:
        return math.nan
    return float(state.total + state.residue)


@kernel
def rolling_mean(state: Record, value: float, period: int) -> float:
    """One step of the mean of the last `period` values, NaN until there are that many. Its state is a ROLLING_SUM."""
    return rolling_sum(state, value, period) / period


@kernel
def rolling_max(state: Record, value: float, period: int) -> float:
    """One step of the highest of the last `period` values, NaN until there are that many.

    Looks through the window only on the bar on which the highest value has left it.
    """
    window_push(state.window, value)
    count = state.window.count
    if count == 1 or value >= state.value:
        state.value = value
        state.at = count
    elif state.at <= count - period:
        found = value
        bars_ago = 0
        for bars in range(1, period):
            other = window_ago(state.window, bars)
            if other > found:
                found = other
                bars_ago = bars
        state.value = found
        state.at = count - bars_ago
    if count < period:
        return math.nan
    return float(state.value)


@kernel
def rolling_min(state: Record, value: float, period: int) -> float:
    """`rolling_max` upside down."""
    window_push(state.window, value)
    count = state.window.count
    if count == 1 or value <= state.value:
        state.value = value
        state.at = count
    elif state.at <= count - period:
        found = value
        bars_ago = 0
        for bars in range(1, period):
            other = window_ago(state.window, bars)
            if other < found:
                found = other
                bars_ago = bars
        state.value = found
        state.at = count - bars_ago
    if count < period:
        return math.nan
    return float(state.value)


@kernel
def _add(state: Record, value: float) -> None:
    before = state.total
    total = before + value
    added = total - before
    state.total = total
    state.residue += (before - (total - added)) + (value - added)
