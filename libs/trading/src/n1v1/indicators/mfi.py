"""Money flow index: an RSI of typical prices in which every bar counts by the money traded."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.comparison import compare
from n1v1.indicators.vwap import typical_price
from n1v1.indicators.window import ROLLING_SUM, rolling_sum
from n1v1.kernels import Record, kernel

MFI = np.dtype(
    [
        ("positive", ROLLING_SUM),
        ("negative", ROLLING_SUM),
        ("previous_price", "f8"),
        ("count", "i8"),
    ]
)


def mfi_warmup(period: int) -> int:
    return period + 1


@kernel
def mfi(state: Record, high: float, low: float, close: float, volume: float, period: int) -> float:
    """One step of the share of rising bars in the money traded, 0 to 100; NaN for `period` bars. period: 1 to CAPACITY.

    An unchanged typical price counts for neither side; 0 when no money flowed in the whole period. Both as
    in TA-Lib 0.8; before it, rounding could turn an unchanged price into a rise, and little flow was none.
    """
    state.count += 1
    price = typical_price(high, low, close)
    previous_price = state.previous_price
    state.previous_price = price
    if state.count == 1:
        return math.nan
    direction = compare(price, previous_price)
    rising = price * volume if direction > 0 else 0.0
    falling = price * volume if direction < 0 else 0.0
    positive = rolling_sum(state.positive, rising, period)
    negative = rolling_sum(state.negative, falling, period)
    if positive != positive:
        return math.nan
    flow = positive + negative
    return 100.0 * (positive / flow) if flow > 0.0 else 0.0
