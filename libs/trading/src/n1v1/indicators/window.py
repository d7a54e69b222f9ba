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

ROLLING = np.dtype([("window", WINDOW), ("block", "f8"), ("value", "f8"), ("at", "i8")])
"""What goes over the last `period` values of a series is kept in blocks of `period` values.

block: the sum (highest, lowest) of the newest block, of which `at` values have come. window.values: the newest block's
values from the start, then what is left of the block before: the sums (highest, lowest) from each place to that block's
end, taken once when it was complete. value: the last answer. window.count: values pushed so far.

So the last `period` values are one block's end and the next one's beginning, and two numbers answer for them: three
operations a value whatever the period (van Herk, 1992; Gil and Werman, 1993). Nothing is ever subtracted, so a sum
forgets what has left it, and is 0 exactly when all values are 0 and none negative.
"""

ROLLING_SUM = ROLLING_EXTREME = ROLLING


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
    """One step of the sum of the last `period` values, NaN until there are that many. Its state is a ROLLING_SUM."""
    window = state.window
    values = window.values
    at = state.at & _MASK
    total: float = state.block + value
    values[at] = value
    window.count += 1
    at += 1
    if at < period:
        state.at = at
        state.block = total
        total += float(values[at & _MASK])
        state.value = total
        return total if window.count >= period else math.nan
    state.at = 0
    state.block = 0.0
    state.value = total
    rest = 0.0
    for place in range(period - 1, 0, -1):
        rest += float(values[place & _MASK])
        values[place & _MASK] = rest
    return total


@kernel
def rolling_mean(state: Record, value: float, period: int) -> float:
    """One step of the mean of the last `period` values, NaN until there are that many. Its state is a ROLLING_SUM."""
    return rolling_sum(state, value, period) / period


@kernel
def rolling_max(state: Record, value: float, period: int) -> float:
    """One step of the highest of the last `period` values, NaN until there are that many. State: a ROLLING_EXTREME."""
    window = state.window
    values = window.values
    at = state.at & _MASK
    highest: float = value if at == 0 or value > state.block else state.block
    values[at] = value
    window.count += 1
    at += 1
    if at < period:
        state.at = at
        state.block = highest
        if window.count < period:
            return math.nan
        rest = float(values[at & _MASK])
        highest = rest if rest > highest else highest
        state.value = highest
        return highest
    state.at = 0
    state.value = highest
    rest = value
    for place in range(period - 2, 0, -1):
        other = float(values[place & _MASK])
        rest = other if other > rest else rest
        values[place & _MASK] = rest
    return highest


@kernel
def rolling_min(state: Record, value: float, period: int) -> float:
    """`rolling_max` upside down."""
    window = state.window
    values = window.values
    at = state.at & _MASK
    lowest: float = value if at == 0 or value < state.block else state.block
    values[at] = value
    window.count += 1
    at += 1
    if at < period:
        state.at = at
        state.block = lowest
        if window.count < period:
            return math.nan
        rest = float(values[at & _MASK])
        lowest = rest if rest < lowest else lowest
        state.value = lowest
        return lowest
    state.at = 0
    state.value = lowest
    rest = value
    for place in range(period - 2, 0, -1):
        other = float(values[place & _MASK])
        rest = other if other < rest else rest
        values[place & _MASK] = rest
    return lowest
