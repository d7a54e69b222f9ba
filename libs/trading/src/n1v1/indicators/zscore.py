"""Rolling z-score: how many standard deviations a value is from the mean of the last ones."""

from __future__ import annotations

from n1v1.indicators.standard_deviation import STANDARD_DEVIATION, standard_deviation
from n1v1.kernels import Record, kernel

ZSCORE = STANDARD_DEVIATION


def zscore_warmup(period: int) -> int:
    return period


@kernel
def zscore(state: Record, value: float, period: int, ddof: int) -> float:
    """One step of (value - mean) / deviation over the last `period` values, this one included; NaN for period - 1 bars.

    0 when all values are equal: a value that stood still is not unusual. ddof as in `standard_deviation`.
    """
    mean, deviation = standard_deviation(state, value, period, ddof)
    if deviation == 0.0:
        return 0.0
    return (value - mean) / deviation
