"""Simple moving average."""

from __future__ import annotations

from n1v1.indicators.window import ROLLING_SUM, rolling_mean
from n1v1.kernels import Record, kernel

SMA = ROLLING_SUM


def sma_warmup(period: int) -> int:
    return period


@kernel
def sma(state: Record, price: float, period: int) -> float:
    """One step of the mean of the last `period` prices, 1 to CAPACITY. NaN until there are that many."""
    return rolling_mean(state, price, period)
