"""Rate of change."""

from __future__ import annotations

import math

from n1v1.indicators.window import WINDOW, window_ago, window_push
from n1v1.kernels import Record, kernel

ROC = WINDOW


def roc_warmup(period: int) -> int:
    return period + 1


@kernel
def roc(state: Record, price: float, period: int) -> float:
    """One step of the change since `period` bars ago, in percent of the price then; NaN until there is one.

    0 when that price was 0, TA-Lib's convention. period: 1 to CAPACITY.
    """
    change = math.nan
    if state.count >= period:
        before = window_ago(state, period - 1)
        change = 0.0
        if before != 0.0:
            change = (price / before - 1.0) * 100.0
    window_push(state, price)
    return change
