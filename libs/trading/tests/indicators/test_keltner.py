"""Keltner channel against NumPy and TA-Lib's range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import talib
from numpy.lib.stride_tricks import sliding_window_view

from n1v1.indicators.batch import batch
from n1v1.indicators.keltner import KELTNER, keltner


@pytest.mark.parametrize(("sma_period", "atr_period"), [(20, 14), (5, 30)])
def test_the_channel_is_that_of_the_reference(market: Any, sma_period: int, atr_period: int) -> None:
    bars = market.high, market.low, market.close
    upper, middle, lower = batch(keltner, KELTNER, *bars, params=(sma_period, atr_period, 2.0))
    mean = np.full(len(market.close), np.nan)
    mean[sma_period - 1 :] = sliding_window_view(market.close, sma_period).mean(axis=1)
    reach = 2.0 * talib.ATR(*bars, timeperiod=atr_period)
    np.testing.assert_allclose(middle, mean, rtol=1e-9)
    np.testing.assert_allclose(upper, mean + reach, rtol=1e-9)
    np.testing.assert_allclose(lower, mean - reach, rtol=1e-9)


def test_the_channel_worked_by_hand() -> None:
    close = np.array([10.0, 12.0, 14.0])  # true ranges: none, 3, 3
    upper, middle, lower = batch(keltner, KELTNER, close + 1, close - 1, close, params=(2, 2, 2.0))
    assert (upper[2], middle[2], lower[2]) == (19.0, 13.0, 7.0)
