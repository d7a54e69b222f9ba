"""Volume-weighted average price, over the last bars and since the day began. A bar's price is its typical price."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.window import ROLLING_SUM, rolling_sum
from n1v1.kernels import Record, kernel

VWAP = np.dtype([("value", ROLLING_SUM), ("volume", ROLLING_SUM)])
SESSION_VWAP = np.dtype([("value", "f8"), ("volume", "f8"), ("day", "i8")])

DAY_NS = 86_400_000_000_000


def vwap_warmup(period: int) -> int:
    return period


def session_vwap_warmup() -> int:
    return 1


@kernel
def typical_price(high: float, low: float, close: float) -> float:
    return (high + low + close) / 3.0


@kernel
def vwap(state: Record, high: float, low: float, close: float, volume: float, period: int) -> float:
    """One step of the VWAP of the last `period` bars, NaN for period - 1 bars.

    The typical price of the bar itself when nothing was traded in all of them. period: 1 to CAPACITY.
    """
    price = typical_price(high, low, close)
    value = rolling_sum(state.value, price * volume, period)
    traded = rolling_sum(state.volume, volume, period)
    if traded != traded:
        return math.nan
    return value / traded if traded > 0.0 else price


@kernel
def session_vwap(state: Record, high: float, low: float, close: float, volume: float, close_ns: int) -> float:
    """One step of the VWAP since 00:00 UTC, from the first bar on.

    A bar that closes at midnight ends its day. A bar across midnight belongs to the day of its close. The typical
    price of the bar itself while the day has no volume.
    """
    price = typical_price(high, low, close)
    day = (close_ns - 1) // DAY_NS
    if day != state.day:
        state.day = day
        state.value = 0.0
        state.volume = 0.0
    state.value += price * volume
    state.volume += volume
    return float(state.value / state.volume) if state.volume > 0.0 else price
