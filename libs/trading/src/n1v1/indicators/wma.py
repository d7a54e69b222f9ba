"""Linearly weighted moving average."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.window import CAPACITY, WINDOW, window_ago, window_push
from n1v1.kernels import Record, kernel

WMA = np.dtype([("window", WINDOW), ("weighted", "f8"), ("plain", "f8")])
"""Sums of the last prices, with and without their weights."""


def wma_warmup(period: int) -> int:
    return period


@kernel
def wma(state: Record, price: float, period: int) -> float:
    """One step of the mean of the last `period` prices with weights 1 (oldest) to `period` (newest).

    NaN until `period` prices have been seen. period: 1 to CAPACITY.
    Each step follows from the one before; every CAPACITY bars the sums are taken anew, so that rounding errors never
    add up over more bars than that.
    """
    window = state.window
    if window.count < period or window.count % CAPACITY == 0:
        window_push(window, price)
        if window.count < period:
            return math.nan
        _sum_anew(state, period)
    else:
        oldest = window_ago(window, period - 1)
        window_push(window, price)
        # every price before this one loses one unit of its weight, which takes the oldest out
        state.weighted = state.weighted - state.plain + period * price
        state.plain = state.plain - oldest + price
    return float(state.weighted / (0.5 * period * (period + 1)))


@kernel
def _sum_anew(state: Record, period: int) -> None:
    state.weighted = 0.0
    state.plain = 0.0
    for weight in range(1, period + 1):
        price = window_ago(state.window, period - weight)
        state.weighted += weight * price
        state.plain += price
