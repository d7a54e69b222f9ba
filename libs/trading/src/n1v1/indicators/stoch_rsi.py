"""Stochastic RSI: where the RSI stands in its own recent range."""

from __future__ import annotations

import math

import numpy as np

from n1v1.indicators.rsi import RSI, WILDER, rsi
from n1v1.indicators.stochastic import STOCHASTIC, stochastic, stochastic_warmup
from n1v1.kernels import Record, kernel

STOCH_RSI = np.dtype([("rsi", RSI), ("stochastic", STOCHASTIC)])


def stoch_rsi_warmup(rsi_period: int, k_period: int, d_period: int) -> int:
    return rsi_period + stochastic_warmup(k_period, 1, d_period)


@kernel
def stoch_rsi(state: Record, price: float, rsi_period: int, k_period: int, d_period: int) -> tuple[float, float]:
    """One step of (%K, %D) of Wilder's RSI, 0 to 100; both NaN until %D has its first value. TA-Lib's STOCHRSI.

    0 when the RSI has stood still for `k_period` bars. k_period, d_period: 1 to CAPACITY.
    """
    strength = rsi(state.rsi, price, rsi_period, WILDER)
    if math.isnan(strength):
        return math.nan, math.nan
    return stochastic(state.stochastic, strength, strength, strength, k_period, 1, d_period)
