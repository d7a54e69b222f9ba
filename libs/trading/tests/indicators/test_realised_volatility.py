"""Realised volatility against NumPy, and by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from n1v1.indicators.batch import batch
from n1v1.indicators.realised_volatility import REALISED_VOLATILITY, bars_per_year, realised_volatility
from n1v1.timeframes import timeframe_ns


@pytest.mark.parametrize("period", [1, 30, 256])
def test_volatility_is_that_of_numpy(market: Any, period: int) -> None:
    answered = batch(realised_volatility, REALISED_VOLATILITY, market.close, params=(period, 2_190.0))
    squares = sliding_window_view(np.diff(np.log(market.close)) ** 2, period)
    np.testing.assert_allclose(answered[period:], np.sqrt(squares.mean(axis=1) * 2_190.0), rtol=1e-9, atol=1e-9)


def test_crypto_trades_every_hour_of_the_year() -> None:
    assert bars_per_year(timeframe_ns("1h")) == 24 * 365
    assert bars_per_year(timeframe_ns("4h")) == 6 * 365
    assert bars_per_year(timeframe_ns("1d")) == 365


def test_one_per_cent_a_day_is_nineteen_per_cent_a_year() -> None:
    close = np.exp(0.01 * np.array([0.0, 1.0, 0.0, 1.0, 2.0, 1.0]))
    answered = batch(realised_volatility, REALISED_VOLATILITY, close, params=(5, 365.0))
    assert answered[-1] == pytest.approx(0.01 * math.sqrt(365.0)) == pytest.approx(0.191, abs=1e-3)


def test_a_price_that_stands_still_has_none_to_the_bit() -> None:
    close = np.concatenate([np.array([100.0, 50.0, 103.0]), np.full(30, 103.0)])
    assert batch(realised_volatility, REALISED_VOLATILITY, close, params=(10, 365.0))[-1] == 0.0
