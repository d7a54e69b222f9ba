"""Keltner channel: a mean of closes and a multiple of the average true range on either side."""

from __future__ import annotations

import numpy as np

from n1v1.indicators.atr import ATR, atr
from n1v1.indicators.window import ROLLING_SUM, rolling_mean
from n1v1.kernels import Record, kernel

KELTNER = np.dtype([("closes", ROLLING_SUM), ("atr", ATR)])


@kernel
def keltner_warmup(sma_period: int, atr_period: int) -> int:
    return max(sma_period, atr_period + 1)


@kernel
def keltner(
    state: Record, high: float, low: float, close: float, sma_period: int, atr_period: int, multiplier: float
) -> tuple[float, float, float]:
    """One step of (upper, middle, lower); the middle is NaN for sma_period - 1 bars, the bands also for atr_period.

    The simple mean as the middle is Keltner's own (1960); many charts use an exponential one.
    """
    middle = rolling_mean(state.closes, close, sma_period)
    reach = multiplier * atr(state.atr, high, low, close, atr_period)
    return middle + reach, middle, middle - reach
