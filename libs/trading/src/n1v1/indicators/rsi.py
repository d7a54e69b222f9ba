"""Relative strength index."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.ema import EMA, ema, wilder
from n1v1.kernels import Record, kernel

WILDER = 0
EWM = 1

RSI = np.dtype([("gain", EMA), ("loss", EMA), ("previous", "f8"), ("value", "f8"), ("count", "i8")])


def rsi_warmup(period: int) -> int:
    return period + 1


@kernel
def rsi(state: Record, price: float, period: int, smoothing: int) -> float:
    """One step of 100 x gain / (gain + loss), the average rise and fall from bar to bar. NaN for `period` bars.

    smoothing: WILDER averages with factor 1 / period, as Wilder (1978) and TA-Lib do; EWM with 2 / (period + 1).
    Both start from the mean of the first `period` changes.
    0 when the price has never moved, which is TA-Lib's answer too. A bar that closes where the one before did leaves
    the RSI exactly as it was: so says the formula, and its rounding noise is kept out. TA-Lib lets it in, and answers 0
    once both averages have faded below 1e-14, some 450 bars into a standstill.
    """
    state.count += 1
    change = price - state.previous
    state.previous = price
    if state.count == 1:
        return math.nan
    if smoothing == WILDER:
        gain = wilder(state.gain, max(change, 0.0), period)
        loss = wilder(state.loss, max(-change, 0.0), period)
    else:
        gain = ema(state.gain, max(change, 0.0), period)
        loss = ema(state.loss, max(-change, 0.0), period)
    if gain + loss > 0.0 and (change != 0.0 or state.count == period + 1):
        state.value = 100.0 * (gain / (gain + loss))
    if state.count <= period:
        return math.nan
    return float(state.value)
