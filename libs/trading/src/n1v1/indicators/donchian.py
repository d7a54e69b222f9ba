"""Donchian channel: the highest high and the lowest low of the last bars."""

from __future__ import annotations

import numpy as np

from n1v1.indicators.window import ROLLING_EXTREME, rolling_max, rolling_min
from n1v1.kernels import Record, kernel

DONCHIAN = np.dtype([("highest", ROLLING_EXTREME), ("lowest", ROLLING_EXTREME)])


@kernel
def donchian_warmup(period: int) -> int:
    return period


@kernel
def donchian(state: Record, high: float, low: float, period: int) -> tuple[float, float, float]:
    """One step of (upper, middle, lower) over the last `period` bars, this one included; NaN for period - 1 bars.

    A close never leaves a channel that contains its own bar: a breakout is measured against the answer to the bar
    before. period: 1 to CAPACITY.
    """
    upper = rolling_max(state.highest, high, period)
    lower = rolling_min(state.lowest, low, period)
    return upper, (upper + lower) / 2.0, lower
