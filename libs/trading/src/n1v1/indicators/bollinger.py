"""Bollinger bands: a mean and a multiple of the standard deviation on either side."""

from __future__ import annotations

from n1v1.indicators.standard_deviation import STANDARD_DEVIATION, standard_deviation
from n1v1.kernels import Record, kernel

BOLLINGER = STANDARD_DEVIATION


def bollinger_warmup(period: int) -> int:
    return period


@kernel
def bollinger(state: Record, price: float, period: int, deviations: float, ddof: int) -> tuple[float, float, float]:
    """One step of (upper, middle, lower); NaN for period - 1 bars. All three are the price when it stood still.

    ddof 0 is the population's deviation, TA-Lib's and Bollinger's own; 1 the sample's.
    """
    middle, deviation = standard_deviation(state, price, period, ddof)
    reach = deviations * deviation
    return middle + reach, middle, middle - reach
