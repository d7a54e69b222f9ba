"""Relative volume: a bar's volume against what was usual before it."""

from __future__ import annotations

import math

from n1v1.indicators.window import ROLLING_SUM, rolling_sum
from n1v1.kernels import Record, kernel

RELATIVE_VOLUME = ROLLING_SUM


def relative_volume_warmup(period: int) -> int:
    return period + 1


@kernel
def relative_volume(state: Record, volume: float, period: int) -> float:
    """Volume divided by the mean of the `period` volumes before it, the bar itself not counted.

    NaN until `period` bars came before. 0 when nothing was traded in them: no comparison, so no confirmation.
    period: 1 to CAPACITY.
    """
    usual = math.nan
    if state.window.count >= period:
        usual = state.value / period
    rolling_sum(state, volume, period)
    if math.isnan(usual):
        return math.nan
    if usual <= 0.0:
        return 0.0
    return float(volume / usual)
