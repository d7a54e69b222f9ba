"""Williams %R."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.window import ROLLING_EXTREME, rolling_max, rolling_min
from n1v1.kernels import Record, kernel

WILLIAMS_R = np.dtype([("highest", ROLLING_EXTREME), ("lowest", ROLLING_EXTREME)])


def williams_r_warmup(period: int) -> int:
    return period


@kernel
def williams_r(state: Record, high: float, low: float, close: float, period: int) -> float:
    """One step of how far the close is below the highest of `period` bars: 0 at the top, -100 at the bottom.

    NaN until there are `period` bars. 0 when the range has no height, TA-Lib's convention. period: 1 to CAPACITY.
    """
    highest = rolling_max(state.highest, high, period)
    lowest = rolling_min(state.lowest, low, period)
    if math.isnan(highest):
        return math.nan
    hundredth = (highest - lowest) / -100.0
    if hundredth == 0.0:
        return 0.0
    return (highest - close) / hundredth
