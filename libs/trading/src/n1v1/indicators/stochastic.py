"""Stochastic oscillator, fast and slow."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.window import ROLLING_EXTREME, ROLLING_SUM, rolling_max, rolling_mean, rolling_min
from n1v1.kernels import Record, kernel

STOCHASTIC = np.dtype(
    [("highest", ROLLING_EXTREME), ("lowest", ROLLING_EXTREME), ("k_mean", ROLLING_SUM), ("d_mean", ROLLING_SUM)]
)


def stochastic_warmup(k_period: int, k_smoothing: int, d_period: int) -> int:
    return k_period + k_smoothing + d_period - 2


@kernel
def stochastic(
    state: Record, high: float, low: float, close: float, k_period: int, k_smoothing: int, d_period: int
) -> tuple[float, float]:
    """One step of (%K, %D), 0 to 100; both NaN until %D has its first value, as in TA-Lib.

    %K is where the close stands in the range of the last `k_period` bars, averaged over `k_smoothing` of them; %D is
    the mean of the last `d_period` %K. All three: 1 to CAPACITY.
    k_smoothing 1 is TA-Lib's STOCHF, more its STOCH with simple averages.
    A range without height counts as 0, TA-Lib's convention: look at `state.highest.value` and `state.lowest.value`
    to tell it from a close at the bottom.
    """
    highest = rolling_max(state.highest, high, k_period)
    lowest = rolling_min(state.lowest, low, k_period)
    if math.isnan(highest):
        return math.nan, math.nan
    hundredth = (highest - lowest) / 100.0
    raw = 0.0
    if hundredth != 0.0:
        raw = (close - lowest) / hundredth
    k = rolling_mean(state.k_mean, raw, k_smoothing)
    if math.isnan(k):
        return math.nan, math.nan
    d = rolling_mean(state.d_mean, k, d_period)
    if math.isnan(d):
        return math.nan, math.nan
    return k, d
